use serde_json::{Value, json};

use super::*;

/// The draft's example, without its comments, and with `continue` as it is by default.
fn draft() -> Value {
    json!({
        "session_identifier": "session_id",
        "refresh_url": "/RefreshEndpoint",
        "scope": {
            "origin": "https://example.com",
            "include_site": true,
            "scope_specification": [
                { "type": "include", "domain": "trusted.example.com", "path": "/only_trusted_path" },
                { "type": "exclude", "domain": "untrusted.example.com", "path": "/" },
                { "type": "exclude", "domain": "*.example.com", "path": "/static" }
            ]
        },
        "credentials": [{
            "type": "cookie",
            "name": "auth_cookie",
            "attributes": "Domain=example.com; Path=/; Secure; HttpOnly; SameSite=None"
        }],
        "allowed_refresh_initiators": ["example.com", "*.example.com", "site-embedding-example.com"]
    })
}

fn read(json: &Value) -> Result<Instructions, String> {
    Instructions::from_json(&json.to_string()).map_err(|error| error.to_string())
}

#[test]
fn the_drafts_example() {
    let mut scope = Scope::site("https://example.com");
    scope.scope_specification = vec![
        ScopeRule::new(RuleType::Include, "trusted.example.com", "/only_trusted_path"),
        ScopeRule::new(RuleType::Exclude, "untrusted.example.com", "/"),
        ScopeRule::new(RuleType::Exclude, "*.example.com", "/static"),
    ];
    let attributes = "Domain=example.com; Path=/; Secure; HttpOnly; SameSite=None";
    let initiators = ["example.com", "*.example.com", "site-embedding-example.com"].map(str::to_owned);
    let session = Session::new("session_id", scope, vec![Credential::cookie("auth_cookie", attributes)])
        .with_refresh_url("/RefreshEndpoint")
        .with_allowed_refresh_initiators(initiators.to_vec());
    let instructions = Instructions::Continue(session);
    assert_eq!(serde_json::from_str::<Value>(&instructions.to_json()).unwrap(), draft());
    assert_eq!(read(&draft()).unwrap(), instructions);

    // As the draft prints it, `continue` is false, and the rest says nothing.
    let mut ends = draft();
    ends["continue"] = json!(false);
    assert_eq!(read(&ends).unwrap(), Instructions::End);
}

#[test]
fn what_may_be_left_out() {
    let least = json!({ "session_identifier": "s", "scope": { "include_site": false }, "credentials": [] });
    let session = Session::new("s", Scope::origin(), vec![]);
    assert_eq!(read(&least).unwrap(), Instructions::Continue(session));
    assert_eq!(read(&json!({ "continue": false, "later": 1 })).unwrap(), Instructions::End);

    let mut sparse = least;
    sparse["continue"] = json!(true);
    sparse["credentials"] = json!([{ "type": "cookie", "name": "c" }]);
    sparse["scope"]["scope_specification"] = json!([{ "type": "exclude" }]);
    let Instructions::Continue(session) = read(&sparse).unwrap() else { panic!("it goes on") };
    assert_eq!(session.credentials, [Credential::cookie("c", "")]);
    let everything = ScopeRule { rule_type: RuleType::Exclude, domain: None, path: None };
    assert_eq!(session.scope.scope_specification, [everything]);
    assert_eq!(session.allowed_refresh_initiators, None);
}

#[test]
fn what_may_not() {
    for member in ["session_identifier", "scope", "credentials"] {
        let mut json = draft();
        json.as_object_mut().unwrap().remove(member);
        assert_eq!(read(&json), Err(format!("the member {member} is missing")));
    }
    for (member, value) in [
        ("session_identifier", json!(1)),
        ("scope", json!({})),
        ("scope", json!({ "include_site": "false" })),
        ("scope", json!({ "include_site": true, "scope_specification": [{ "type": "maybe" }] })),
        ("credentials", json!([{ "type": "passkey", "name": "c" }])),
        ("credentials", json!([{ "type": "cookie" }])),
        ("continue", json!("false")),
        ("allowed_refresh_initiators", json!("*")),
    ] {
        let mut json = draft();
        json[member] = value;
        assert!(read(&json).is_err(), "{json}");
    }
    assert!(Instructions::from_json(r#"{"continue":true,"continue":false}"#).is_err());
    assert!(Instructions::from_json("").is_err());
}
