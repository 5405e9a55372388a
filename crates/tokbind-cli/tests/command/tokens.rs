//! Keys in a PKCS #11 token: SoftHSM, with a configuration of its own.

use std::fs;
use std::process::Command;

use tokbind_testing::Raw;
use tokbind_testing::raw;

use crate::support::{Said, User, said};

/// A user with a token called `test`, whose PIN is 1234.
struct Holder {
    user: User,
    module: String,
}

impl Holder {
    fn new() -> Self {
        let user = User::new();
        let tokens = user.home().join("tokens");
        fs::create_dir(&tokens).unwrap();
        fs::write(
            user.home().join("softhsm2.conf"),
            format!("directories.tokendir = {}\n", tokens.display()),
        )
        .unwrap();
        fs::write(user.home().join("pin"), "1234\n").unwrap();
        let architecture = format!("/usr/lib/{}-linux-gnu/softhsm/libsofthsm2.so", std::env::consts::ARCH);
        let known = [architecture.as_str(), "/usr/lib/softhsm/libsofthsm2.so"];
        let module = known.into_iter().find(|path| fs::exists(path).unwrap()).expect("softhsm2 is installed");
        let holder = Holder { module: module.to_owned(), user };
        let args = ["--init-token", "--free", "--label", "test", "--so-pin", "0000", "--pin", "1234"];
        let made = holder.with_token(Command::new("softhsm2-util").args(args)).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        holder
    }

    fn with_token<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("SOFTHSM2_CONF", self.user.home().join("softhsm2.conf"))
    }

    fn uri(&self, token: &str, pin: &str) -> String {
        let pin = self.user.home().join(pin);
        format!("pkcs11:token={token}?module-path={}&pin-source=file:{}", self.module, pin.display())
    }

    fn run(&self, args: &[&str]) -> Said {
        said(self.with_token(&mut self.user.command(args)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_in_the_token_and_found_again() {
    let holder = Holder::new();
    let site = tokbind_testing::Site::usual().await;
    fs::write(holder.user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    let (uri, resolve) = (holder.uri("test", "pin"), format!("rp.test:443:{}", site.address));
    let args =
        ["get", "--json", "--keys", &uri, "--cacert", "ca.pem", "--resolve", &resolve, "https://rp.test/"];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let response = holder.run(&args).exited(0).json();
        let headers = response["headers"].as_array().unwrap();
        let provided = headers.iter().find(|line| line[0] == "x-provided").expect("it verified");
        ids.push(provided[1].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    let list = holder.run(&["keys", "list", "--keys", &uri]).exited(0);
    assert_eq!(list.out, format!("rp.test  ecdsap256        {}\n", ids[0]));
    assert!(!holder.user.keys().exists(), "and no key is anywhere else");

    // Nothing gets it out: it is sensitive, and was so from the beginning.
    let mut pkcs11 = Command::new("pkcs11-tool");
    pkcs11.args(["--module", &holder.module, "--token-label", "test", "--login", "--pin", "1234", "-O"]);
    let objects = holder.with_token(&mut pkcs11).output().unwrap();
    let objects = String::from_utf8(objects.stdout).unwrap();
    assert!(objects.contains("sensitive, always sensitive, never extractable"), "{objects}");

    holder.run(&["keys", "delete", "--keys", &uri, "rp.test"]).exited(0);
    assert_eq!(holder.run(&["keys", "list", "--keys", &uri]).exited(0).out, "");
    let other = holder.run(&args).exited(0);
    assert!(!other.out.contains(&ids[0]), "{other:?}");
    // The agent signs with it, too: it has the same options.
    let rsa = [&args[..], &["--key-parameters", "rsa2048_pss"]].concat();
    holder.run(&rsa).exited(3);
}

/// A TPM in software, with a resource manager before it (it holds three keys at a time) and a token in it.
const WITH_A_TPM: &str = r#"
set -eu
# Below the ports that the system gives out. Whoever finds one taken takes the next two.
port=$((20000 + $$ % 6000 * 2)) manager= tpm=
trap 'kill $manager $tpm' EXIT
while :; do
    swtpm socket --tpm2 --tpmstate dir="$PWD" --server type=tcp,port=$port,bindaddr=127.0.0.1 \
        --ctrl type=tcp,port=$((port + 1)),bindaddr=127.0.0.1 --flags not-need-init,startup-clear 2>tpm.log & tpm=$!
    until [ -s tpm.log ] || grep -q ":$(printf %04X $port) .* 0A " /proc/net/tcp; do sleep 0.05; done
    [ -s tpm.log ] || break
    port=$((port + 2))
done
tpm2-abrmd --session --allow-root --tcti="swtpm:host=127.0.0.1,port=$port" >manager.log 2>&1 & manager=$!
export TPM2_PKCS11_TCTI=tabrmd:bus_type=session TPM2TOOLS_TCTI=tabrmd:bus_type=session TPM2_PKCS11_STORE="$PWD"
until tpm2_ptool init --path "$PWD" >tool.log 2>&1; do kill -0 $manager; sleep 0.2; done
tpm2_ptool addtoken --pid=1 --sopin=0000 --userpin=1234 --label=tpm --path "$PWD" >>tool.log 2>&1
"$@" && "$@"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_is_a_token() {
    let user = User::new();
    let site = tokbind_testing::Site::usual().await;
    fs::write(user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    fs::write(user.home().join("pin"), "1234").unwrap();
    let module = format!("/usr/lib/{}-linux-gnu/libtpm2_pkcs11.so.1", std::env::consts::ARCH);
    let uri = format!("pkcs11:token=tpm?module-path={module}&pin-source=file:{}/pin", user.home().display());
    let resolve = format!("rp.test:443:{}", site.address);
    let get =
        ["get", "--json", "--keys", &uri, "--cacert", "ca.pem", "--resolve", &resolve, "https://rp.test/"];
    let tokbind = user.command(&get);
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", WITH_A_TPM, "sh"]).arg(tokbind.get_program()).args(tokbind.get_args());
    command.current_dir(user.home()).env("HOME", user.home());
    let said = tokio::task::spawn_blocking(move || said(&mut command)).await.unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    let ids = said.out.lines().filter_map(|line| line.split_once("[\"x-provided\",\""));
    let ids: Vec<_> = ids.map(|(_, rest)| rest.split('"').next().unwrap()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_is_said() {
    let holder = Holder::new();
    fs::write(holder.user.home().join("wrong"), "9999").unwrap();
    let server = Raw::two_versions(|_, respond| raw::answer(respond)).await;
    let list = |uri: &str| holder.run(&["keys", "list", "--keys", uri]).exited(3).err;
    let missing = list(&holder.uri("other", "pin"));
    assert!(missing.contains("the URI fits no token that is ready: there are \"test\""), "{missing}");
    let wrong = list(&holder.uri("test", "wrong"));
    assert!(wrong.contains("the PIN is wrong"), "{wrong}");
    let no_file = list(&holder.uri("test", "nothing"));
    assert!(no_file.contains("reading the pin-source"), "{no_file}");
    let no_module = list("pkcs11:token=test?module-path=/nothing.so&pin-value=s3cret");
    assert!(
        no_module.contains("loading the PKCS #11 module /nothing.so") && !no_module.contains("s3cret"),
        "{no_module}"
    );
    let no_uri = list("pkcs11:object=a?pin-value=s3cret");
    assert!(no_uri.contains("object does not name a token") && !no_uri.contains("s3cret"), "{no_uri}");
    assert_eq!(server.connections(), 0);
}
