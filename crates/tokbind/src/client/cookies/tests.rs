use std::os::unix::fs::PermissionsExt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn set(jar: &mut CookieJar, from: &str, lines: &[&str]) {
    let headers = lines.iter().map(|line| ("Set-Cookie".to_owned(), line.as_bytes().to_vec())).collect();
    jar.take(&url(from), &Response { headers, ..Response::default() });
}

fn sent(jar: &CookieJar, to: &str) -> String {
    String::from_utf8(jar.header(&url(to)).unwrap_or_default()).unwrap()
}

#[test]
fn cookies_go_where_they_belong() {
    let mut jar = CookieJar::default();
    let lines =
        ["host=1", "wide=2; Domain=example.com", "safe=3; Secure", "deep=4; Path=/d", "late=5; Max-Age=0"];
    set(&mut jar, "https://www.example.com/", &lines);
    assert_eq!(sent(&jar, "https://www.example.com/"), "host=1; wide=2; safe=3");
    assert_eq!(sent(&jar, "https://www.example.com/d/e"), "deep=4; host=1; wide=2; safe=3");
    assert_eq!(sent(&jar, "http://www.example.com/"), "host=1; wide=2");
    assert_eq!(sent(&jar, "https://example.com/"), "wide=2");
    assert_eq!(sent(&jar, "https://example.org/"), "");
    set(&mut jar, "https://www.example.com/", &["host=; Max-Age=0"]);
    assert_eq!(jar.len(), 3);
}

#[test]
fn longer_paths_come_first_and_then_older_cookies() {
    let mut jar = CookieJar::default();
    let lines = ["z=1", "a=2", "long=3; Path=/a/b", "m=4; Domain=example.com", "mid=5; Path=/a", "a2=6"];
    set(&mut jar, "https://www.example.com/", &lines);
    let all = "long=3; mid=5; z=1; a=2; m=4; a2=6";
    assert_eq!(sent(&jar, "https://www.example.com/a/b/c"), all);
    // A new value is no new cookie; one that was deleted is new when it comes back.
    set(&mut jar, "https://www.example.com/", &["z=7", "a=; Max-Age=0"]);
    set(&mut jar, "https://www.example.com/", &["a=8"]);
    assert_eq!(sent(&jar, "https://www.example.com/"), "z=7; m=4; a2=6; a=8");
    let directory = tempfile::tempdir().unwrap();
    jar.write(directory.path().join("jar")).unwrap();
    let again = CookieJar::read(directory.path().join("jar")).unwrap();
    assert_eq!(sent(&again, "https://www.example.com/"), "z=7; m=4; a2=6; a=8");
}

#[test]
fn a_cookie_is_never_for_a_public_suffix() {
    let mut jar = CookieJar::default();
    for (from, domain) in [
        ("https://a.co.uk/", "co.uk"),
        ("https://a.co.uk/", ".CO.UK"),
        ("https://a.co.uk/", "\u{ff43}\u{ff4f}.uk"),
        ("https://a.co.uk/", "c\u{ad}o.uk"),
        ("https://a.co.uk/", "co\u{3002}uk"),
        ("https://a.co.uk/", "co%2Euk"),
        ("https://a.github.io/", "github.io"),
        ("https://a.example/", "example"),
        ("https://a.example/", "b.example"),
        ("http://a.co.uk./", "co.uk."),
        ("http://a.co.uk./", "co.uk"),
        ("https://127.0.0.1/", "0.0.1"),
    ] {
        set(&mut jar, from, &[&format!("a=b; Domain={domain}")]);
        assert!(jar.is_empty(), "{from} {domain}");
    }
    set(&mut jar, "https://github.io/", &["own=1; Domain=github.io"]);
    assert_eq!(sent(&jar, "https://github.io/"), "own=1");
    assert_eq!(sent(&jar, "https://a.github.io/"), "");
}

#[test]
fn a_name_that_promises_something_keeps_it() {
    let mut jar = CookieJar::default();
    for broken in [
        "__Secure-a=1",
        "__secure-a=1; Path=/",
        "__Host-a=1; Secure",
        "__Host-a=1; Secure; Path=/x",
        "__Host-a=1; Secure; Path=/; Domain=a.example",
        "__HOST-a=1; Path=/",
        "=__Host-a=1; Secure; Path=/",
        "a=\t1\u{1}2",
    ] {
        set(&mut jar, "https://a.example/", &[broken]);
        assert!(jar.is_empty(), "{broken}");
    }
    set(
        &mut jar,
        "http://a.example/",
        &["__Secure-a=1; Secure", "__Host-a=1; Secure; Path=/", "b=1; Secure"],
    );
    assert!(jar.is_empty());
    set(&mut jar, "https://a.example/", &["__Secure-a=1; Secure", "__Host-a=2; Secure; Path=/"]);
    assert_eq!(sent(&jar, "https://a.example/"), "__Secure-a=1; __Host-a=2");
}

#[test]
fn without_tls_nothing_is_set_over_what_needs_it() {
    let mut jar = CookieJar::default();
    set(&mut jar, "https://a.example/", &["session=1; Secure; Path=/"]);
    set(&mut jar, "http://a.example/x/", &["session=2", "session=3; Path=/x", "other=4"]);
    assert_eq!(sent(&jar, "https://a.example/x/"), "other=4; session=1");
    // Nor beside it, from the domain above or a host next door.
    set(&mut jar, "https://www.b.example/", &["session=1; Secure; Path=/x"]);
    for from in ["http://b.example/", "http://www.b.example/", "http://next.b.example/"] {
        set(
            &mut jar,
            from,
            &["session=2; Domain=b.example; Path=/x/y", "session=; Domain=b.example; Path=/x"],
        );
    }
    assert_eq!(sent(&jar, "https://www.b.example/x/y"), "session=1");
    set(&mut jar, "http://b.example/", &["session=3; Domain=b.example; Path=/", "session=4; Path=/x"]);
    assert_eq!(sent(&jar, "https://www.b.example/x/y"), "session=1; session=3");
}

#[test]
fn this_machine_needs_no_tls() {
    let mut jar = CookieJar::default();
    for from in ["http://localhost/", "http://127.0.0.1/", "http://[::1]/"] {
        set(&mut jar, from, &["a=1; Secure", "__Host-b=1; Secure; Path=/"]);
        assert_eq!(sent(&jar, from), "a=1; __Host-b=1");
    }
}

#[test]
fn what_is_too_large_is_left() {
    let mut jar = CookieJar::default();
    set(
        &mut jar,
        "https://a.example/",
        &[&format!("a={}", "x".repeat(4096)), &format!("b={}", "x".repeat(4095))],
    );
    assert_eq!(sent(&jar, "https://a.example/").len(), 2 + 4095);
}

#[test]
fn bytes_that_are_no_text_come_back_as_they_were() {
    let mut jar = CookieJar::default();
    let from = url("https://a.example/");
    jar.insert(b"latin=caf\xe9; Path=/", &from);
    jar.insert("utf=caf\u{e9}".as_bytes(), &from);
    let expected = b"latin=caf\xe9; utf=caf\xc3\xa9";
    assert_eq!(jar.header(&from).unwrap(), expected);
    let directory = tempfile::tempdir().unwrap();
    jar.write(directory.path().join("jar")).unwrap();
    assert_eq!(CookieJar::read(directory.path().join("jar")).unwrap().header(&from).unwrap(), expected);
}

#[test]
fn a_jar_is_kept_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jar");
    let mut jar = CookieJar::read(&path).unwrap();
    set(&mut jar, "https://a.example/", &["session=1", "stays=2; Max-Age=1000", "gone=3; Max-Age=0"]);
    jar.write(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(CookieJar::read(&path).unwrap().len(), 2);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    fs::write(&path, "").unwrap();
    assert!(CookieJar::read(&path).unwrap().is_empty());
}

#[test]
fn curls_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jar");
    let file = "# Netscape HTTP Cookie File\r\n\n.example.com\tTRUE\t/\tFALSE\t0\twide\t1\r\n\
        www.example.com\tFALSE\t/d\tTRUE\t32503680000\tdeep\ta b\n\
        #HttpOnly_www.example.com\tFALSE\t/\tFALSE\t0\thidden\t3\n\
        www.example.com\tFALSE\t/\tFALSE\t1\tgone\t4\nwww.example.com\tFALSE\t/\tFALSE\t0\tempty\n";
    fs::write(&path, file).unwrap();
    let jar = CookieJar::read(&path).unwrap();
    assert_eq!(sent(&jar, "https://www.example.com/d"), "deep=a b; wide=1; hidden=3; empty=");
    assert_eq!(sent(&jar, "http://example.com/d"), "wide=1");
    jar.write(&path).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("\n#HttpOnly_www.example.com\tFALSE\t/\tFALSE\t0\thidden\t3\n"), "{written}");
    assert!(written.contains("\n.example.com\tTRUE\t/\tFALSE\t0\twide\t1\n"), "{written}");
}

#[test]
fn other_programs_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jar");
    let file = ".a.example\tTRUE\t/\tFALSE\t\tpython\t1\na.example\tFALSE\t/\tFALSE\t32503680000.25\textension\t2\n\
        a.example\tFALSE\t/\tFALSE\t-1\tgone\t3\na.example\tFALSE\t/\tFALSE\t99999999999999999999\tlate\t4\n\
        ::1\tFALSE\t/\tFALSE\t0\tcurl\t5\na.example\tFALSE\t/;x\tFALSE\t0\tpath\t6;7\n";
    fs::write(&path, file).unwrap();
    let jar = CookieJar::read(&path).unwrap();
    assert_eq!(sent(&jar, "https://a.example/;x"), "path=6;7; python=1; extension=2; late=4");
    assert_eq!(sent(&jar, "https://[::1]/"), "curl=5");
    jar.write(&path).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("\n::1\tFALSE\t/\tFALSE\t0\tcurl\t5\n"));
}

proptest! {
    #[test]
    fn no_server_spoils_a_jar(
        lines in vec(vec(any::<u8>(), 0..30), 0..4),
        path in "[/;=%a-c\t\u{7f}-\u{ff}]{0,8}",
        attributes in "(; (Path=/[;\ta-c \u{80}-\u{ff}]{0,5}|Domain=a.example|Secure|HttpOnly|Max-Age=[0-9]{1,25})){0,3}",
    ) {
        let mut jar = CookieJar::default();
        let mut from = url("https://www.a.example/");
        from.set_path(&path);
        for line in lines {
            jar.insert(&[b"a=", line.as_slice(), attributes.as_bytes()].concat(), &from);
            jar.insert(&[line.as_slice(), attributes.as_bytes()].concat(), &from);
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jar");
        jar.write(&file).unwrap();
        let again = CookieJar::read(&file).unwrap();
        prop_assert_eq!(again.len(), jar.len());
        prop_assert_eq!(again.header(&from), jar.header(&from));
    }
}

#[test]
fn another_file_is_no_jar_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jar.json");
    for other in ["[{\"raw_cookie\":\"a=b\"}]\n", "a=b\n", "a.example\tMAYBE\t/\tFALSE\t0\ta\tb\n"] {
        fs::write(&path, other).unwrap();
        let error = CookieJar::read(&path).unwrap_err().to_string();
        assert!(error.contains("jar.json: line 1 is no cookie in the Netscape format"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
    assert!(CookieJar::read(directory.path()).is_err());
}
