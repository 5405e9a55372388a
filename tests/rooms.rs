//! The rooms that the code is divided into: what each may import, and that no file is in a circle with another.
//!
//! Reads the sources: `use` lines and paths. What is for tests only (`cfg(test)`) may import anything.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A room: its name as an import begins with it, where its files are, and which rooms it may import.
struct Room {
    name: &'static str,
    folder: &'static str,
    imports: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "token_binding", folder: "crates/token-binding/src", imports: &[] },
    Room { name: "dbsc", folder: "crates/dbsc/src", imports: &[] },
    Room {
        name: "token_binding_server",
        folder: "crates/token-binding-server/src",
        imports: &["token_binding", "dbsc"],
    },
    Room { name: "crate::httpd", folder: "src/httpd", imports: &[] },
    Room {
        name: "crate::module",
        folder: "src/module",
        imports: &["crate::httpd", "token_binding_server", "token_binding"],
    },
    Room { name: "tokbind", folder: "crates/tokbind/src", imports: &["token_binding", "dbsc"] },
    Room { name: "tokbind_cli", folder: "crates/tokbind-cli/src", imports: &["tokbind", "token_binding"] },
    Room {
        name: "tokbind_testing",
        folder: "crates/tokbind-testing/src",
        imports: &["tokbind", "token_binding", "dbsc"],
    },
    Room {
        name: "httpd_harness",
        folder: "crates/httpd-harness/src",
        imports: &["tokbind_testing", "tokbind", "token_binding", "dbsc"],
    },
    Room { name: "fuzz", folder: "fuzz/src", imports: &["token_binding_server", "token_binding", "dbsc"] },
];

/// Longer files are more than one thing.
const LINES: usize = 400;

#[test]
fn rooms_import_what_they_may() {
    for room in ROOMS {
        for (file, names) in imports(room) {
            for path in &names.paths {
                let other = ROOMS.iter().find(|other| is_in(path, other.name));
                let Some(other) = other.filter(|other| other.name != room.name) else { continue };
                assert!(
                    room.imports.contains(&other.name),
                    "{file} imports {path}, and {} must not import {}",
                    room.name,
                    other.name
                );
            }
        }
    }
}

#[test]
fn no_file_is_in_a_circle() {
    let mut found = vec![];
    for room in ROOMS {
        let files = imports(room);
        let edges: BTreeMap<&str, BTreeSet<&str>> = files
            .iter()
            .map(|(file, names)| {
                let targets = names.paths.iter().filter_map(|path| file_of(path, &files));
                (file.as_str(), targets.filter(|target| target != file).collect())
            })
            .collect();
        assert!(edges.values().any(|targets| !targets.is_empty()), "{}: no imports found", room.name);
        let circles = edges.keys().filter_map(|file| circle_from(file, &edges));
        found.extend(circles.map(|circle| circle.join(" -> ")));
    }
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}

#[test]
fn files_are_one_thing_each() {
    let mut files = vec![];
    for folder in ["src", "crates", "tests", "examples", "benches", "fuzz"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "{files:?}");
    let mut faults = vec![];
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (lines, file) = (text.lines().count(), file.display());
        if lines > LINES {
            faults.push(format!("{file} has {lines} lines"));
        }
        if text.contains(concat!("#[", "path")) {
            faults.push(format!("{file} has a module elsewhere"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The circle is found by its last step, and not by luck of the test.
#[test]
fn a_circle_is_seen() {
    let edges = BTreeMap::from([
        ("a", BTreeSet::from(["b"])),
        ("b", BTreeSet::from(["c"])),
        ("c", BTreeSet::from(["a"])),
    ]);
    assert_eq!(circle_from("a", &edges).unwrap(), ["a", "b", "c", "a"]);
    let edges = BTreeMap::from([("a", BTreeSet::from(["b", "c"])), ("b", BTreeSet::from(["c"]))]);
    assert_eq!(circle_from("a", &edges), None);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each file of a room by its module's path, and what it names.
fn imports(room: &Room) -> BTreeMap<String, Names> {
    let mut files = vec![];
    rust_files(&root().join(room.folder), &mut files);
    let named = files.iter().map(|file| (module_of(room, file), file));
    let named: BTreeMap<String, &PathBuf> =
        named.filter(|(module, _)| !module.ends_with("::tests") && !module.contains("::tests::")).collect();
    named
        .iter()
        .map(|(module, file)| {
            let children = named.keys().filter_map(|other| other.strip_prefix(&format!("{module}::")));
            let children = children.filter(|rest| !rest.contains("::")).map(str::to_owned).collect();
            let mut names = Names { module: module.clone(), children, ..Names::default() };
            // Inside a crate of several rooms `crate` begins their names; elsewhere it is the room's own.
            names.top = room.name.split("::").next().unwrap().to_owned();
            names.visit_file(&syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap());
            (module.clone(), names)
        })
        .collect()
}

/// `crates/x/src/a/mod.rs` and `crates/x/src/a.rs` are `x::a`.
fn module_of(room: &Room, file: &Path) -> String {
    let inside = file.strip_prefix(root().join(room.folder)).unwrap().with_extension("");
    let parts = inside.iter().map(|part| part.to_str().unwrap());
    let parts = parts.filter(|part| !["mod", "lib", "main"].contains(part));
    [room.name].into_iter().chain(parts).collect::<Vec<_>>().join("::")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The file in which what a path names is defined: a file that only gives it another name is not it.
fn file_of<'f>(path: &str, files: &'f BTreeMap<String, Names>) -> Option<&'f str> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let holders = files.iter().filter(|(module, _)| is_in(&path, module));
        let (module, names) = holders.max_by_key(|(module, _)| module.len())?;
        let inside = path.strip_prefix(module.as_str())?.trim_start_matches("::");
        let (name, rest) = inside.split_once("::").unwrap_or((inside, ""));
        match names.aliases.get(name) {
            Some(alias) if !inside.is_empty() => {
                path = format!("{alias}::{rest}").trim_end_matches(':').to_owned();
            }
            _ => return Some(module),
        }
    }
    panic!("{path} has one name too many");
}

fn circle_from<'e>(start: &'e str, edges: &BTreeMap<&'e str, BTreeSet<&'e str>>) -> Option<Vec<&'e str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        for next in edges.get(last).into_iter().flatten() {
            let on = [&way[..], &[*next]].concat();
            if *next == start {
                return Some(on);
            }
            if seen.insert(*next) {
                ways.push(on);
            }
        }
    }
    None
}

/// What a file names.
#[derive(Default)]
struct Names {
    top: String,
    module: String,
    children: BTreeSet<String>,
    /// From the crate's root on.
    paths: BTreeSet<String>,
    /// What its `use` lines, public or not, give another name.
    aliases: BTreeMap<String, String>,
}

impl Names {
    /// Notes a path, and returns it from the crate's root on.
    fn add(&mut self, parts: &[String]) -> String {
        let (first, rest) = parts.split_first().unwrap();
        let parent = self.module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned();
        let mut path = match first.as_str() {
            "crate" => self.top.clone(),
            "self" => self.module.clone(),
            "super" => parent,
            child if self.children.contains(child) => format!("{}::{child}", self.module),
            other => other.to_owned(),
        };
        for part in rest {
            match part.as_str() {
                "super" => path = path.rsplit_once("::").map_or(String::new(), |(up, _)| up.to_owned()),
                part => path = format!("{path}::{part}"),
            }
        }
        self.paths.insert(path.clone());
        path
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            syn::UseTree::Path(path) => return self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_tree(before, tree));
            }
            syn::UseTree::Glob(_) => {
                self.add(before);
                return;
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                (before.last().unwrap().clone(), before.to_vec())
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), with(&name.ident)),
            syn::UseTree::Rename(name) if name.ident == "self" => (name.rename.to_string(), before.to_vec()),
            syn::UseTree::Rename(name) => (name.rename.to_string(), with(&name.ident)),
        };
        let path = self.add(&path);
        if path != format!("{}::{name}", self.module) {
            self.aliases.insert(name, path);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_for_tests(&item.attrs) || item.content.is_none() {
            return;
        }
        let outer = self.module.clone();
        self.module = format!("{outer}::{}", item.ident);
        visit::visit_item_mod(self, item);
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.add_tree(&[], &item.tree);
        }
    }

    /// Whom something is for is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
            self.add(&parts);
        }
        visit::visit_path(self, path);
    }
}
