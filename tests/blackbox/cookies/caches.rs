//! mod_cache in front of an application with bound cookies: what it may keep, and what it must not hand to others.

use tokbind::Response;

use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, set_cookies, setup};
use httpd_harness::session::{PROTOCOLS, Protocol, fetch};
use httpd_harness::{Httpd, Visitor, shown};

fn server(directives: &str) -> Httpd {
    server_with("TokenBindingCookie sid", directives)
}

fn server_with(cookies: &str, directives: &str) -> Httpd {
    let mut setup = setup(&format!(
        "{cookies}\nCacheEnable disk /cached\nCacheRoot @DIR@/cache\nCacheHeader on\n\
         CacheDefaultExpire 600\nCacheIgnoreNoLastMod On\nScriptAlias /cached/ @DIR@/htdocs/\n{directives}"
    ));
    setup.modules.extend(["cache", "cache_disk", "include"]);
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

/// mod_cache keeps parts that a page includes, too, before any filter for whole answers.
#[tokio::test]
async fn a_part_made_for_a_bound_client_is_not_kept() {
    for directives in ["CacheQuickHandler On", "CacheQuickHandler Off"] {
        let server = server(&format!(
            "{directives}\nScriptAlias /pages/ @DIR@/htdocs/\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n\
             <Directory @DIR@/htdocs>\n  Options +Includes\n</Directory>\nAlias /included @DIR@/htdocs"
        ));
        for protocol in PROTOCOLS {
            let part = format!("/cached/shows.cgi?{protocol:?}");
            let name = format!("page-{protocol:?}.shtml");
            server.document(&name, &format!("<p>a page</p>\n<!--#include virtual=\"{part}\" -->\n"));
            let page = format!("/included/{name}");
            let owner = Visitor::new();
            let cookie = cookie_of(&server, &owner).await;
            let answer = fetch(&server, protocol, Some(&owner), &page, &cookie).await;
            assert_eq!(shown(&answer.text(), "HTTP_COOKIE"), Some("sid=alice"), "{}", answer.text());
            for path in [&page, &part] {
                for somebody in [Some(&Visitor::new()), None] {
                    let answer = fetch(&server, protocol, somebody, path, "").await;
                    assert_eq!(shown(&answer.text(), "HTTP_COOKIE"), Some(""), "{directives} {path}");
                }
            }
        }
    }
}

/// What a Token Binding opened is like what `Authorization` opened: no shared cache's, unless the response says so.
#[tokio::test]
async fn a_page_that_a_binding_opened_is_not_everybodys() {
    for requirement in [
        "Require token-binding",
        "Require expr \"TOKEN_BINDING('provided') != ''\"",
        "<RequireAny>\n  Require token-binding referred\n  Require token-binding provided\n</RequireAny>",
    ] {
        for directives in ["CacheQuickHandler On", "CacheQuickHandler Off"] {
            // On a virtual host that binds no cookies, too.
            for cookies in ["TokenBindingCookie sid", "TokenBindingCookie none"] {
                let mut server = server_with(
                    cookies,
                    &format!(
                        "{directives}\n<Location /cached>\n  {requirement}\n</Location>\n\
                         Alias /cached-too @DIR@/htdocs\nCacheEnable disk /cached-too\n\
                         <Location /cached-too>\n  {requirement}\n  Header set Cache-Control max-age=600\n</Location>"
                    ),
                );
                server.announce("AH01630: client denied");
                for protocol in PROTOCOLS {
                    for page in ["/cached/shows.cgi", "/cached-too/page.html"] {
                        let page = format!("{page}?{protocol:?}");
                        let answer = fetch(&server, protocol, Some(&Visitor::new()), &page, "").await;
                        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
                        let control = answer.header("Cache-Control").unwrap();
                        assert_eq!(control, "max-age=600, private", "{requirement} {page}");
                        let stranger = fetch(&server, protocol, None, &page, "").await;
                        assert!(
                            stranger.status >= 400,
                            "{requirement} {directives} {page}: {}",
                            stranger.status
                        );
                    }
                    // What the application declares to be everybody's is.
                    let page = format!("/cached/shared.cgi?{protocol:?}");
                    let answer = fetch(&server, protocol, Some(&Visitor::new()), &page, "").await;
                    assert_eq!(answer.header("Cache-Control"), Some("public, max-age=600"));
                }
            }
        }
    }
}

/// Nobody asks for a Token Binding there: caches work as ever.
#[tokio::test]
async fn pages_that_ask_for_nothing_are_kept_as_ever() {
    let server = server_with("TokenBindingCookie none", "");
    for protocol in PROTOCOLS {
        let page = format!("/cached/shows.cgi?{protocol:?}");
        for visitor in [Some(&Visitor::new()), None] {
            fetch(&server, protocol, visitor, &page, "").await;
            let answer = fetch(&server, protocol, visitor, &page, "").await;
            assert!(
                is_hit(&answer) && answer.header("Cache-Control") == Some("max-age=600"),
                "{:?}",
                answer.headers
            );
        }
    }
}

/// `SetOutputFilter CACHE` has mod_cache keep an answer as whoever made it has left it, before all other filters.
#[tokio::test]
async fn an_early_cache_keeps_nothing_of_a_bound_client() {
    let server = server(
        "CacheQuickHandler Off\n<Location /cached>\n  SetOutputFilter CACHE\n</Location>\n\
         AddType text/html .shtml\nAlias /included @DIR@/htdocs\nAddOutputFilter INCLUDES .shtml\n\
         <Directory @DIR@/htdocs>\n  Options +Includes\n</Directory>\n\
         Alias /asked @DIR@/htdocs\nCacheEnable disk /asked\n<Location /asked>\n  SetOutputFilter CACHE\n\
         SetHandler cgi-script\n  Require expr \"TOKEN_BINDING('provided') != 'zz'\"\n</Location>",
    );
    for protocol in PROTOCOLS {
        let owner = Visitor::new();
        let cookie = cookie_of(&server, &owner).await;
        let part = format!("/cached/shows.cgi?part-{protocol:?}");
        let name = format!("early-{protocol:?}.shtml");
        server.document(&name, &format!("<!--#include virtual=\"{part}\" -->\n"));
        for path in [
            format!("/cached/shows.cgi?{protocol:?}"),
            format!("/cached/sets.cgi?{protocol:?}"),
            format!("/asked/shows.cgi?{protocol:?}"),
            format!("/included/{name}"),
        ] {
            let page = fetch(&server, protocol, Some(&owner), &path, &cookie).await;
            assert_eq!(shown(&page.text(), "HTTP_COOKIE"), Some("sid=alice"), "{path}: {}", page.text());
            let page = fetch(&server, protocol, None, &path, "").await;
            assert!(!page.text().contains("alice"), "{path}: {}", page.text());
        }
        let page = fetch(&server, protocol, None, &part, "").await;
        assert!(!page.text().contains("alice"), "{part}: {}", page.text());
    }
}

/// Some ask for the Token Binding when the answer is being made, or is already on its way.
#[tokio::test]
async fn whoever_asks_late_is_heard() {
    let mut setup = setup(
        "TokenBindingCookie none\nCacheEnable disk /\nCacheRoot @DIR@/cache\nCacheHeader on\nCacheIgnoreNoLastMod On\n\
         CacheDefaultExpire 600\nHeader set Cache-Control max-age=600\n\
         <Location /id.html>\n  Header set X-Id \"expr=%{TOKEN_BINDING:provided}\"\n</Location>\n\
         FilterDeclare F\nFilterProvider F SUBSTITUTE \"TOKEN_BINDING('provided') != ''\"\n\
         <Location /text.html>\n  FilterChain F\n  Substitute s/stranger/owner/n\n</Location>\n\
         <Directory @DIR@/htdocs/list>\n  Options +Indexes\n  <Files hush*>\n    Require token-binding\n  </Files>\n</Directory>\n\
         <Location /lua>\n  SetHandler lua-script\n</Location>\nAlias /lua @DIR@/ask.lua",
    );
    setup.modules.extend(["cache", "cache_disk", "filter", "substitute", "autoindex", "lua"]);
    setup.files.push((
        "ask.lua",
        b"function handle(r)\n  r.content_type = 'text/plain'\n\
          r:puts('id=' .. (r:expr(\"TOKEN_BINDING('provided') != ''\") and 'owner' or 'nobody'))\n  return apache2.OK\nend\n"
            .to_vec(),
    ));
    let mut server = setup.start();
    server.announce("AH01630: client denied");
    let cache = server.dir().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(cache, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for (name, text) in
        [("id.html", "id"), ("text.html", "stranger"), ("list/hush.html", "h"), ("list/open.html", "o")]
    {
        server.document(name, text);
    }
    for protocol in PROTOCOLS {
        for page in ["/id.html", "/text.html", "/list/", "/lua"] {
            let path = format!("{page}?{protocol:?}");
            let owner = fetch(&server, protocol, Some(&Visitor::new()), &path, "").await;
            assert_eq!(owner.status, 200, "{path}: {}", owner.text());
            assert_eq!(
                owner.header("Cache-Control"),
                Some("max-age=600, private"),
                "{path}: {:?}",
                owner.headers
            );
            let stranger = fetch(&server, protocol, None, &path, "").await;
            assert!(!is_hit(&stranger), "{path}: {:?}", stranger.headers);
            assert!(
                stranger.header("X-Id").is_none_or(str::is_empty) && !stranger.text().contains("hush"),
                "{path}"
            );
        }
    }
}
