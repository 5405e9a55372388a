//! Flask in gunicorn, on a Unix socket behind httpd.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use httpd_harness::cookies::SECRET;
use httpd_harness::httpd::{PATIENCE, documented};
use httpd_harness::{Setup, setup};
use tokio::process::Command;

use super::{assert_bound, logged_in};

const APPLICATION: &str = "
import flask

application = flask.Flask(__name__)
application.secret_key = 'for the test'


@application.route('/', methods=['GET', 'POST'])
def index():
    if flask.request.method == 'POST':
        flask.session['user'] = flask.request.form['user']
    return 'hello ' + flask.session['user'] if 'user' in flask.session else 'log in'
";

#[tokio::test]
async fn flask_in_gunicorn() {
    let conf = documented("gunicorn.conf", &[("/run/gunicorn/application.sock", "@DIR@/application.sock")]);
    let mut setup = Setup::with(&conf);
    setup.secrets = vec![("secret", SECRET.into())];
    setup.files = vec![("application.py", APPLICATION.into())];
    let server = setup.start();
    let socket = server.dir().join("application.sock");
    let _process = Command::new(setup::python())
        .args(["-m", "gunicorn", "--umask", "0", "--workers", "2", "--bind"])
        .arg(format!("unix:{}", socket.display()))
        .arg("application:application")
        .current_dir(server.dir())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let is_there = || socket.metadata().is_ok_and(|socket| socket.permissions().mode() & 0o007 == 0o007);
    let started = tokio::time::timeout(PATIENCE, async {
        while !is_there() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    started.await.expect("gunicorn starts");
    let mut device = logged_in(&server).await;
    assert_bound(&server, &mut device, "session").await;
}
