//! How much memory a process has for itself.

/// Memory that was written to and is the process's own, or shared with its children since they were forked, in KiB.
pub fn written(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    field("Private_Dirty:") + field("Shared_Dirty:")
}
