//! DokuWiki, from Debian's archive, in PHP-FPM: a session, and a cookie that remembers the login.

use std::path::Path;
use std::time::Duration;

use httpd_harness::Setup;
use httpd_harness::browser::Browser;
use httpd_harness::cookies::SECRET;
use httpd_harness::httpd::{HOST, PATIENCE, documented};
use httpd_harness::php::{self, PhpFpm};
use httpd_harness::session::{PROTOCOLS, fetch};

use super::without_proof;

/// A wiki of its own: configuration and pages below the server's directory.
fn install(dir: &Path) {
    let (conf, data) = (dir.join("wiki-conf"), dir.join("wiki-data"));
    std::fs::create_dir(&conf).unwrap();
    for entry in std::fs::read_dir("/etc/dokuwiki").unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), conf.join(entry.file_name())).unwrap();
        }
    }
    for folder in [
        "",
        "attic",
        "cache",
        "index",
        "locks",
        "log",
        "media",
        "media_attic",
        "media_meta",
        "meta",
        "pages",
        "tmp",
    ] {
        let folder = data.join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder, mode).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(conf.join(name), text).unwrap();
    write(
        "local.php",
        &format!(
            "<?php\n$conf['savedir'] = '{}';\n$conf['useacl'] = 1;\n$conf['superuser'] = '@admin';\n",
            data.display()
        ),
    );
    let sha1 = openssl::hash::hash(openssl::hash::MessageDigest::sha1(), b"secret").unwrap();
    let hash: String = sha1.iter().map(|byte| format!("{byte:02x}")).collect();
    write(
        "users.auth.php",
        &format!("# <?php exit()?>\nalice:{hash}:Alice:alice@www.bound.test:admin,user\n"),
    );
    write("acl.auth.php", "# <?php exit()?>\n*\t@ALL\t1\n*\t@user\t8\n");
    std::fs::write(
        dir.join("prepend.php"),
        format!("<?php define('DOKU_MAIN_CONF', '{}/');\n", conf.display()),
    )
    .unwrap();
}

#[tokio::test]
async fn dokuwikis_session_and_remembered_login() {
    let wiki = "Alias /wiki /usr/share/dokuwiki\n\
        <Directory /usr/share/dokuwiki>\n  Require all granted\n  AllowOverride All\n  DirectoryIndex doku.php\n</Directory>\n";
    let mut setup = Setup::with(&(php::directives() + wiki + &documented("dokuwiki.conf", &[])));
    setup.modules.extend(php::MODULES);
    setup.secrets = vec![("secret", SECRET.into())];
    let mut server = setup.start();
    // The wiki's own warnings, of its package in Debian 13.
    server.announce("AH01071");
    install(server.dir());
    let prepend =
        format!("php_admin_value[auto_prepend_file] = {}\n", server.dir().join("prepend.php").display());
    let _fpm = PhpFpm::start_with(&server, &prepend);
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let url = format!("https://{HOST}:{}/wiki/doku.php?id=start", server.port());
    assert_eq!(page.go(&format!("{url}&do=login")).await, 200, "{}", server.log());
    page.evaluate(
        "document.querySelector('#dw__login input[name=u]').value = 'alice';
         document.querySelector('#dw__login input[name=p]').value = 'secret';
         document.querySelector('#dw__login input[name=r]').checked = true",
    )
    .await;
    page.submit("#dw__login").await;
    let bound = tokio::time::timeout(PATIENCE, async {
        loop {
            assert_eq!(page.go(&url).await, 200, "{}", server.log());
            assert!(page.text().await.contains("Logged in as"), "{}\n{}", page.text().await, server.log());
            let cookies = page.cookies(HOST).await;
            let is_bound = |cookie: &&str| {
                (cookie.starts_with("DW") || cookie.starts_with("DokuWiki=")) && cookie.contains("=tb2d")
            };
            if cookies.split("; ").filter(is_bound).count() == 2 {
                break cookies;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let cookies = bound.await.unwrap_or_else(|_| panic!("not bound:\n{}", server.log()));
    let stolen = without_proof(&cookies);
    for protocol in PROTOCOLS {
        let page = fetch(&server, protocol, None, "/wiki/doku.php?id=start", &stolen).await;
        assert!(page.status == 200 && !page.text().contains("Logged in as"), "{}", page.status);
    }
}
