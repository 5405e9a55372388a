//! What the documentation shows is what the tests run.

use std::fs;
use std::path::{Path, PathBuf};

use httpd_harness::setup;

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
    let sources: String =
        ["tests/blackbox", "tests/blackbox/cookies", "tests/blackbox/dbsc", "crates/httpd-harness/src"]
            .iter()
            .flat_map(|folder| files(folder, Some("rs")))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
    for path in files("docs/conf", Some("conf")).into_iter().chain(files("docs/examples", None)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(sources.contains(&format!("\"{name}\"")), "no test runs {name}");
    }
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
