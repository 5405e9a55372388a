//! mod_cache in front of an application with bound cookies: what it may keep, and what it must not hand to others.

use tokbind::Response;

use crate::support::cookies::{SET_COOKIE, is_sealed, jar, set_cookies, setup};
use crate::support::session::{PROTOCOLS, Protocol, fetch};
use crate::support::{Httpd, Visitor, shown};

fn server(directives: &str) -> Httpd {
    let mut setup = setup(&format!(
        "TokenBindingCookie sid\nCacheEnable disk /cached\nCacheRoot @DIR@/cache\nCacheHeader on\n\
         CacheDefaultExpire 600\nCacheIgnoreNoLastMod On\nScriptAlias /cached/ @DIR@/htdocs/\n{directives}"
    ));
    setup.modules.extend(["cache", "cache_disk"]);
    let server = setup.start();
    let cache = server.dir().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(cache, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    server.script("set.cgi", SET_COOKIE);
    for (name, headers) in [
        ("sets", "Set-Cookie: sid=secret\\nCache-Control: max-age=600\\n"),
        ("sets-public", "Set-Cookie: sid=secret\\nCache-Control: public, s-maxage=600\\n"),
        ("shows", "Cache-Control: max-age=600\\n"),
        ("shared", "Cache-Control: public, max-age=600\\n"),
    ] {
        // The process id tells one run from another.
        let body = "printf 'RUN=%s\\nHTTP_COOKIE=%s\\n' $$ \"$HTTP_COOKIE\"";
        server.script(
            &format!("{name}.cgi"),
            &format!("#!/bin/sh\nprintf 'Content-Type: text/plain\\n{headers}\\n'\n{body}\n"),
        );
    }
    server
}

fn is_hit(response: &Response) -> bool {
    response.header("X-Cache").is_some_and(|value| value.starts_with("HIT"))
}

async fn cookie_of(server: &Httpd, visitor: &Visitor) -> String {
    jar(&fetch(server, Protocol::Http1, Some(visitor), "/set.cgi?sid=alice", "").await)
}

#[tokio::test]
async fn a_response_that_sets_a_bound_cookie_is_kept_for_nobody() {
    for directives in ["CacheQuickHandler On", "CacheQuickHandler Off"] {
        let server = server(directives);
        for protocol in PROTOCOLS {
            for path in ["/cached/sets.cgi", "/cached/sets-public.cgi"] {
                let mut runs = Vec::new();
                for somebody in [Some(&Visitor::new()), Some(&Visitor::new()), None, None] {
                    let page = fetch(&server, protocol, somebody, path, "").await;
                    assert!(!is_hit(&page), "{directives} {path}");
                    assert!(is_sealed(&jar(&page)), "{:?}", page.headers);
                    assert!(
                        page.header("Cache-Control").unwrap().ends_with(", private"),
                        "{:?}",
                        page.headers
                    );
                    runs.push(shown(&page.text(), "RUN").unwrap().to_owned());
                }
                runs.dedup();
                assert_eq!(runs.len(), 4, "{directives} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_made_for_a_bound_cookie_is_its_owners() {
    for directives in ["CacheQuickHandler On", "CacheQuickHandler Off"] {
        let server = server(directives);
        for protocol in PROTOCOLS {
            let (owner, other) = (Visitor::new(), Visitor::new());
            let cookie = cookie_of(&server, &owner).await;
            let path = format!("/cached/shows.cgi?{protocol:?}");
            let page = fetch(&server, protocol, Some(&owner), &path, &cookie).await;
            assert_eq!(shown(&page.text(), "HTTP_COOKIE"), Some("sid=alice"));
            assert_eq!(page.header("Cache-Control"), Some("max-age=600, private"));
            for (somebody, cookies) in [(Some(&other), ""), (Some(&other), &cookie), (None, &cookie)] {
                let page = fetch(&server, protocol, somebody, &path, cookies).await;
                assert_eq!(shown(&page.text(), "HTTP_COOKIE"), Some(""), "{directives}");
            }
            // A page for nobody in particular is kept, as ever, and says nothing of anybody.
            let page = fetch(&server, protocol, None, &path, "").await;
            assert!(
                is_hit(&page) && page.header("Cache-Control") == Some("max-age=600"),
                "{:?}",
                page.headers
            );
            // What the application declares to be everybody's is everybody's.
            let path = format!("/cached/shared.cgi?{protocol:?}");
            fetch(&server, protocol, Some(&owner), &path, &cookie).await;
            assert!(is_hit(&fetch(&server, protocol, Some(&other), &path, "").await));
        }
    }
}

/// A cache that is told to keep private responses hands them to everybody, but no bound cookie with them.
#[tokio::test]
async fn no_bound_cookie_comes_out_of_a_cache() {
    for directives in [
        "CacheStorePrivate On",
        "CacheStorePrivate On\nCacheQuickHandler Off",
        // Here mod_cache is before the filter that seals, and keeps what the application has set.
        "CacheStorePrivate On\nCacheQuickHandler Off\n<Location /cached>\n  SetOutputFilter CACHE\n</Location>",
    ] {
        let server = server(directives);
        for protocol in PROTOCOLS {
            let path = format!("/cached/sets.cgi?{protocol:?}");
            let first = fetch(&server, protocol, Some(&Visitor::new()), &path, "").await;
            assert!(is_sealed(&jar(&first)), "{directives}: {:?}", first.headers);
            for somebody in [Some(&Visitor::new()), None] {
                let page = fetch(&server, protocol, somebody, &path, "").await;
                assert!(is_hit(&page), "{directives}: {:?}", page.headers);
                assert_eq!(set_cookies(&page), [] as [&str; 0], "{directives}");
            }
        }
        assert!(server.line("TB302").contains("from a cache"), "{}", server.line("TB302"));
    }
}
