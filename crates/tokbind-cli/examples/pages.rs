#![forbid(unsafe_code)]
//! Writes the command's manual pages and shell completions to a directory, for packages: `pages DIR`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: pages DIR")?;
    std::fs::create_dir_all(&directory)?;
    let mut command = tokbind_cli::command().disable_help_subcommand(true);
    command.build();
    let general = sections(&command);
    write(&command, &general, &directory)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut tokbind_cli::command(), "tokbind", &directory)?;
    }
    Ok(())
}

/// One page for the command and for each of its subcommands. What holds for all of them is on each: `general`.
fn write(command: &Command, general: &[Section], directory: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write(subcommand, general, directory)?;
    }
    let own = sections(command);
    let man = Man::new(command.clone().after_long_help("").after_help(""));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let is_own = |general: &&Section| own.iter().all(|section| section.0 != general.0);
    for Section(title, text) in own.iter().chain(general.iter().filter(is_own)) {
        let mut roff = Roff::new();
        // What manual pages call it.
        let title = if title == "Exit codes" { "EXIT STATUS".to_owned() } else { title.to_uppercase() };
        roff.control("SH", [title.as_str()]);
        roff.control("nf", []);
        for line in text.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        roff.to_writer(&mut page)?;
    }
    std::fs::write(directory.join(man.get_filename()), page)
}

/// A part of the text behind the options: its title, and its lines.
struct Section(String, String);

/// A line that is not indented and ends in a colon begins one.
fn sections(command: &Command) -> Vec<Section> {
    let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        match (line.strip_suffix(':').filter(|title| !title.starts_with(' ')), sections.last_mut()) {
            (Some(title), _) => sections.push(Section(title.to_owned(), String::new())),
            (None, Some(Section(_, text))) => text.extend([line, "\n"]),
            (None, None) => sections.push(Section("Notes".to_owned(), format!("{line}\n"))),
        }
    }
    sections
}
