use super::given::{ALICE, KEYRING, MALLORY, STRANGER, first_line, seal_value, settings};
use super::readers::{ap_cookie_read, as_applications_see, every_name, percent_decoded};
use token_binding_server::cookies::incoming::{Cause, Incoming, rewrite};
use token_binding_server::cookies::seal::{Broken, Form, SealedFor};
use token_binding_server::cookies::settings::{Binder, Client, CookiePolicy};

/// The names that are bound, a line; then a `Cookie` header. Whoever sends it, however an application reads what is left:
/// no bound name is in it whose seal does not hold.
pub fn cookie_header(data: &[u8]) {
    let Some((words, header)) = first_line(data) else { return };
    let Some(optional) = settings(&words, CookiePolicy::Optional, &KEYRING) else { return };
    let required = settings(&words, CookiePolicy::Required, &KEYRING).unwrap();
    let stranger = settings(&words, CookiePolicy::Optional, &STRANGER).unwrap();
    let binder = optional.binder().unwrap().unwrap();

    for (settings, client) in [
        (&optional, MALLORY),
        (&optional, Client::Unknown),
        (&required, Client::Unknown),
        (&required, Client::Unbound),
        (&stranger, ALICE),
        (&stranger, Client::Unbound),
    ] {
        let binder = settings.binder().unwrap().unwrap();
        let incoming = checked(binder, client, header);
        assert_eq!(incoming.accepted.all(), 0, "a seal of somebody else's");
        assert_nothing_bound(&words, binder, client, &incoming);
    }
    for client in [ALICE, Client::Unbound] {
        let incoming = checked(binder, client, header);
        let seals = header
            .windows(4)
            .filter(|four| [b"tb2b", b"tb2u", b"tb2p"].iter().any(|start| four == start))
            .count();
        assert!(incoming.accepted.all() <= seals as u64, "more were accepted than there are seals");
        if incoming.accepted.all() == 0 {
            assert_nothing_bound(&words, binder, client, &incoming);
        }
        own_cookie_arrives(binder, client, header, &incoming);
        only_told(binder, client, header, &incoming);
    }
    if holds_no_bound_name(&words, header) {
        let incoming = rewrite(binder, ALICE, header);
        let is_nothing = header.iter().all(|byte| *byte == b';' || byte.is_ascii_whitespace());
        assert_eq!(
            incoming.header.as_deref(),
            Some(header).filter(|_| !is_nothing),
            "other cookies were touched"
        );
        assert!(incoming.refused.is_empty());
    }
}

/// With `report`, what would be refused is told and passes, unless nobody can read it any more.
fn only_told(binder: Binder<'_>, client: Client<'_>, header: &[u8], enforced: &Incoming) {
    let incoming = rewrite(Binder { policy: CookiePolicy::Report, ..binder }, client, header);
    assert_eq!(incoming.accepted, enforced.accepted);
    assert_eq!(incoming.refused.len() + incoming.reported.len(), enforced.refused.len());
    let is_encrypted = |four: &[u8]| four.ends_with(b"e.") && four.starts_with(b"tb2");
    assert!(incoming.refused.is_empty() || header.windows(6).any(is_encrypted));
    if enforced.refused.is_empty() {
        assert_eq!(incoming.header, enforced.header);
    }
}

fn checked(binder: Binder<'_>, client: Client<'_>, header: &[u8]) -> Incoming {
    let incoming = rewrite(binder, client, header);
    for refused in &incoming.refused {
        assert!(refused.name.as_ref().is_none_or(|name| binder.names.binds(name)));
        let is_seal_judged = matches!(refused.cause, Cause::Seal(broken) if broken != Broken::NoSeal);
        assert!(client != Client::Unknown || !is_seal_judged, "no seal is looked at for nobody");
    }
    incoming
}

/// No reader finds a bound name, and neither do we ourselves.
pub(super) fn assert_nothing_bound(
    words: &[&str],
    binder: Binder<'_>,
    client: Client<'_>,
    incoming: &Incoming,
) {
    let Some(left) = incoming.header.as_deref() else { return };
    for seen in every_name(left).into_iter().flat_map(as_applications_see) {
        let is_bound = words.iter().any(|word| word.as_bytes() == seen);
        assert!(!is_bound, "{} of {} is left", seen.escape_ascii(), left.escape_ascii());
    }
    for word in words {
        assert_eq!(ap_cookie_read(left, word.as_bytes()), None, "{}", left.escape_ascii());
    }
    let again = rewrite(binder, client, left);
    assert_eq!(again.header.as_deref(), Some(left));
    assert_eq!((again.accepted.all(), again.refused.len()), (0, 0));
}

/// Whatever stands before it, the client's own cookie reaches the application.
fn own_cookie_arrives(binder: Binder<'_>, client: Client<'_>, header: &[u8], before: &Incoming) {
    if !binder.names.binds(b"sid") {
        return;
    }
    let sealed_for = if client == ALICE { SealedFor::Key(b"alice") } else { SealedFor::Unbound };
    let sealed = seal_value(binder.keyring, Form::Readable, b"sid", b"v", sealed_for);
    let incoming = rewrite(binder, client, &[header, b"; sid=", &sealed].concat());
    assert_eq!(incoming.accepted.all(), before.accepted.all() + 1);
    assert_eq!(incoming.refused, before.refused);
    assert!(incoming.header.is_some_and(|header| header.ends_with(b"sid=v")));
}

/// Whether there is no bound name even for those who see names everywhere. Of a wildcard its longest part counts.
fn holds_no_bound_name(words: &[&str], header: &[u8]) -> bool {
    let folded = |bytes: &[u8]| -> Vec<u8> {
        let shown = bytes.iter().filter(|byte| **byte != b'"' && matches!(**byte, b' '..=b'~'));
        let one = |byte: &u8| if b". [+".contains(byte) { b'_' } else { byte.to_ascii_lowercase() };
        shown.map(one).collect()
    };
    let text = folded(&percent_decoded(header));
    words.iter().all(|word| {
        let part = word.split('*').max_by_key(|part| part.len()).unwrap_or_default();
        // What decodes to a space may be left out at either end.
        let part = folded(part.trim_matches(['+', '.', '_']).as_bytes());
        let is_searched = !part.is_empty() && part != b"all" && !word.contains('%');
        is_searched && !text.windows(part.len()).any(|window| window == part)
    })
}
