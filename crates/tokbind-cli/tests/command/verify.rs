//! `tokbind verify`, with the messages of real clients.

use serde_json::Value;

use crate::support::User;

fn vectors() -> Vec<Value> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../token-binding/testdata/interop.json")).unwrap();
    vectors["vectors"].as_array().unwrap().clone()
}

fn vector(name: &str) -> Value {
    vectors().into_iter().find(|vector| vector["name"] == name).unwrap()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

#[test]
fn every_recorded_message_gets_its_verdict() {
    let user = User::new();
    for vector in vectors() {
        let accepted = text(&vector, "verdict") == "accept";
        let (ekm, message) = (text(&vector, "ekm"), text(&vector, "message"));
        let args = ["verify", "--json", "--key-parameters", "ecdsap256", "--ekm", ekm, message];
        let said = user.run(&args).exited(if accepted { 0 } else { 1 });
        let report = said.json();
        assert_eq!(report["acceptable"], accepted, "{vector}");
        assert_eq!(report["reason"].is_string(), !accepted);
        let recorded = vector["bindings"].as_array().unwrap();
        let reported = report["bindings"].as_array().unwrap();
        assert_eq!(reported.len(), recorded.len());
        for (reported, recorded) in reported.iter().zip(recorded) {
            assert_eq!(reported["type_number"], recorded["type"]);
            assert_eq!(reported["key_parameters_number"], recorded["key_parameters"]);
            assert_eq!(reported["token_binding_id"], recorded["id"]);
            assert_eq!(reported["valid"], recorded["signature_valid"], "{reported} {recorded}");
        }
        assert!(!format!("{said:?}").contains(ekm), "the EKM is a secret");
    }
}

#[test]
fn the_report_can_be_read() {
    let vector = vector("provided_and_referred");
    let args =
        ["verify", "--key-parameters", "ecdsap256", "--ekm", text(&vector, "ekm"), text(&vector, "message")];
    let said = User::new().run(&args).exited(0);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "1. provided binding, ecdsap256: valid");
    assert_eq!(lines[1], format!("   Token Binding ID: {}", vector["bindings"][0]["id"].as_str().unwrap()));
    assert_eq!(lines[3], "2. referred binding, ecdsap256: valid");
    assert_eq!(lines[6], "The message is acceptable.");
}

#[test]
fn another_connection_or_other_key_parameters_are_told_apart() {
    let (user, vector) = (User::new(), vector("edge_0_10_provided"));
    let zeros = "0".repeat(64);
    let args = ["verify", "--key-parameters", "ecdsap256", "--ekm", &zeros, text(&vector, "message")];
    let replayed = user.run(&args).exited(1).out;
    assert!(replayed.contains("provided binding, ecdsap256: NOT VALID"), "{replayed}");
    assert!(
        replayed.contains("The message is NOT acceptable: the signature of the provided binding"),
        "{replayed}"
    );

    let args = [
        "verify",
        "--key-parameters",
        "rsa2048_pss",
        "--ekm",
        text(&vector, "ekm"),
        text(&vector, "message"),
    ];
    let mismatch = user.run(&args).exited(1).out;
    assert!(mismatch.contains("provided binding, ecdsap256: valid"), "{mismatch}");
    assert!(mismatch.contains("uses ecdsap256, but rsa2048_pss was negotiated"), "{mismatch}");
}

#[test]
fn a_message_can_come_from_standard_input() {
    let (user, vector) = (User::new(), vector("edge_0_10_provided"));
    let args = ["verify", "--key-parameters", "ecdsap256", "--ekm", text(&vector, "ekm")];
    let line = format!("Sec-Token-Binding: {}\r\n", text(&vector, "message"));
    user.run_with_input(&args, &line).exited(0);
    user.run_with_input(&[&args[..], &["-"]].concat(), text(&vector, "message")).exited(0);
    let empty = user.run_with_input(&args, "").exited(1).out;
    assert!(empty.contains("NOT acceptable"), "{empty}");
    let long = user.run_with_input(&args, &"A".repeat(100_000)).exited(1).out;
    assert!(long.contains("more than the 16384 allowed"), "{long}");
}

#[test]
fn what_is_no_message_is_not_acceptable() {
    let (user, ekm) = (User::new(), "0".repeat(64));
    for message in ["", "-x", "AIkA", "not base64url!", "AAAA"] {
        let args = ["verify", "--key-parameters", "ecdsap256", "--ekm", &ekm, message];
        let said = user.run(&args).exited(1);
        assert!(said.out.starts_with("The message is NOT acceptable: "), "{said:?}");
    }
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let user = User::new();
    let said = user.run(&["verify", "--key-parameters", "ecdsap256", "--ekm", "abc", "AIkA"]).exited(2);
    assert_eq!(said.err, "tokbind: --ekm takes 64 hex digits\n");
    user.run(&["verify", "--key-parameters", "ecdsap256"]).exited(2);
    user.run(&["verify", "--ekm", &"0".repeat(64), "AIkA"]).exited(2);
}

#[test]
fn what_the_module_passes_on_is_the_connection() {
    let (user, vector) = (User::new(), &vector("provided_and_referred"));
    let ekm = text(vector, "ekm").as_bytes().chunks(2);
    let ekm = ekm.map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
    let context = token_binding::header::encode(&[1, 0, 2].into_iter().chain(ekm).collect::<Vec<u8>>());
    for context in [context.clone(), format!("Sec-Token-Binding-Context: {context}")] {
        user.run(&["verify", "--context", &context, text(vector, "message")]).exited(0);
    }
    let other = context.replace(&context[8..12], "AAAA");
    user.run(&["verify", "--context", &other, text(vector, "message")]).exited(1);
    for wrong in [&["--context", "AAAA"][..], &["--context", &context, "--ekm", "00"], &[]] {
        user.run(&[&["verify"], wrong, &[text(vector, "message")]].concat()).exited(2);
    }
}
