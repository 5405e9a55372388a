//! What the documentation shows is what the tests run.

use std::fs;
use std::path::{Path, PathBuf};

use httpd_harness::setup;
use token_binding_server::counters::Counters;
use token_binding_server::directives::DIRECTIVES;

fn files(folder: &str, extension: Option<&str>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(setup::root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.is_file()
                && (extension.is_none()
                    || path.extension().is_some_and(|e| Some(e.to_str().unwrap()) == extension))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

/// The file's name as the pages write it, below docs.
fn shown_as(path: &Path) -> String {
    path.strip_prefix(setup::root().join("docs")).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn pages_show_configurations_and_examples_as_they_are() {
    let pages: Vec<String> =
        files("docs", Some("md")).iter().map(|page| fs::read_to_string(page).unwrap()).collect();
    for path in files("docs/conf", Some("conf")).into_iter().chain(files("docs/examples", None)) {
        let name = shown_as(&path);
        let content = fs::read_to_string(&path).unwrap();
        let heading = format!("[`{name}`]({name}):\n\n```");
        let mut shown = 0;
        for page in &pages {
            for (position, _) in page.match_indices(&heading) {
                let block = &page[position + heading.len()..];
                let (_, block) = block.split_once('\n').unwrap();
                assert!(block.starts_with(&format!("{content}```\n")), "{name} is not shown as it is");
                shown += 1;
            }
        }
        assert!(shown > 0, "no page shows {name}");
    }
}

#[test]
fn every_configuration_shown_is_run() {
    let sources: String = [
        "tests/blackbox",
        "tests/blackbox/cookies",
        "tests/blackbox/dbsc",
        "tests/blackbox/deployed",
        "crates/httpd-harness/src",
    ]
    .iter()
    .flat_map(|folder| files(folder, Some("rs")))
    .map(|path| fs::read_to_string(path).unwrap())
    .collect();
    for path in files("docs/conf", Some("conf")).into_iter().chain(files("docs/examples", None)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(sources.contains(&format!("\"{name}\"")), "no test runs {name}");
    }
}

/// The names in the first column of a table below a heading, without what follows them.
fn first_column(page: &str, heading: &str) -> Vec<String> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
}

/// docs/reference.md has each directive, tag and counter of the code, and no others.
#[test]
fn the_reference_is_complete() {
    let reference = fs::read_to_string(setup::root().join("docs/reference.md")).unwrap();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let mut shown = first_column(&reference, "Directives");
    assert_eq!(shown.remove(0), "directive");
    let shown =
        shown.iter().map(|cell| cell.split(' ').next().unwrap().trim_matches('`').to_owned()).collect();
    let directives = DIRECTIVES.iter().map(|row| row.name.to_str().unwrap().to_owned()).collect();
    assert_eq!(sorted(shown), sorted(directives));

    let outcome = setup::root().join("crates/token-binding-server/src/outcome.rs");
    let code = fs::read_to_string(outcome).unwrap();
    let mut tags: Vec<String> = code
        .match_indices("\"TB")
        .map(|(position, _)| code[position + 1..position + 6].to_owned())
        .filter(|tag| tag[2..].bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    tags.sort();
    tags.dedup();
    let mut shown = first_column(&reference, "Log tags");
    assert_eq!(shown.remove(0), "tag");
    assert_eq!(sorted(shown), tags);

    let lines = Counters::default().as_lines();
    let counters =
        lines.lines().map(|line| line["TokenBinding".len()..].split(':').next().unwrap().to_owned());
    let mut shown = first_column(&reference, "Counters");
    assert_eq!(shown.remove(0), "name");
    assert_eq!(
        shown.iter().map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>(),
        counters.collect::<Vec<_>>()
    );
}

/// The README is read by everybody: what it is, which clients, two commands, five minutes.
#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(setup::root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 180, "{} lines", readme.lines().count());
}

/// Links of the pages that lead into this repository lead somewhere.
#[test]
fn links_lead_somewhere() {
    let root = setup::root();
    let mut pages = files("docs", Some("md"));
    pages.push(root.join("README.md"));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (position, _) in text.match_indices("](") {
            let target = text[position + 2..].split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.contains(':') {
                assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
}

/// The tests that docs/security.md and docs/comparison.md name exist.
#[test]
fn pages_name_tests_that_exist() {
    let root = setup::root();
    for (page, least) in [("security.md", 30), ("comparison.md", 10)] {
        let page = fs::read_to_string(root.join("docs").join(page)).unwrap();
        let named: Vec<(&str, &str)> = page
            .lines()
            .filter(|line| line.starts_with('|'))
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .filter_map(|code| code.split_once("::"))
            .collect();
        assert!(named.len() > least, "{named:?}");
        for (module, test) in named {
            let file = root.join("tests/blackbox").join(format!("{module}.rs"));
            let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{module}: {error}"));
            assert!(source.contains(&format!("fn {test}()")), "{module}::{test}");
        }
    }
}
