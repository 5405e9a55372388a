//! The header names that this module owns. A client may send `Sec-Token-Binding`; the others are ours to set, or a
//! trusted proxy's. Anybody else who sends one tries to pass for somebody else.

use token_binding::forwarded::ForwardedHeaders;
use token_binding::header::{
    SEC_OTHER_TOKEN_BINDING_ID, SEC_PROVIDED_TOKEN_BINDING_ID, SEC_REFERRED_TOKEN_BINDING_ID,
    SEC_TOKEN_BINDING, SEC_TOKEN_BINDING_CONTEXT,
};

/// The client's `Sec-Token-Binding`, as it stands in a request's header table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Field<'a> {
    #[default]
    Absent,
    /// One line, which may still be a list with commas.
    One(&'a [u8]),
    /// Two or more lines.
    Several,
}

impl<'a> Field<'a> {
    /// What one more line `value` makes of it.
    fn and(self, value: &'a [u8]) -> Self {
        match self {
            Self::Absent => Self::One(value),
            _ => Self::Several,
        }
    }

    /// Whether it is one line that stands for several.
    pub fn is_list(self) -> bool {
        matches!(self, Self::One(value) if is_list(value))
    }
}

/// httpd joins the lines of one name with a comma, which no message has in it.
pub fn is_list(value: &[u8]) -> bool {
    value.contains(&b',')
}

/// The reserved headers that a request came with. All of them are removed from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken<'a> {
    pub message: Field<'a>,
    /// What the peer says about a client of its own. Believed only from a trusted proxy.
    pub forwarded: ForwardedHeaders<'a>,
    /// A second line of one of the headers in `forwarded`.
    pub forwarded_twice: bool,
}

impl<'a> Taken<'a> {
    /// Notes one more header line. False: its name is not reserved.
    #[inline]
    pub fn add(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        // As a client with a key sends it with each request: compared with a constant, in place.
        if name == b"Sec-Token-Binding" {
            self.message = self.message.and(value);
            return true;
        }
        self.add_other(name, value)
    }

    fn add_other(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let place = match reserved(name) {
            None => return false,
            Some(Reserved::Spoof) => return true,
            Some(Reserved::TokenBinding) => {
                self.message = self.message.and(value);
                return true;
            }
            Some(Reserved::Provided) => &mut self.forwarded.provided,
            Some(Reserved::Referred) => &mut self.forwarded.referred,
            Some(Reserved::Other) => &mut self.forwarded.other,
        };
        self.forwarded_twice |= place.replace(value).is_some();
        true
    }
}

/// A header name that must not travel beyond the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// `Sec-Token-Binding`, spelled as RFC 8473 does.
    TokenBinding,
    /// `Sec-Provided-Token-Binding-ID`, `Sec-Referred-...`, `Sec-Other-...`, spelled as the module passes them on.
    Provided,
    Referred,
    Other,
    /// `Sec-Token-Binding-Context`, `TB_SSL_CLIENT_CERT_FINGERPRINT` or `Sec-Device-Bound-Session-Key`, which are taken from nobody, or a spelling of a
    /// reserved name that a CGI program could not tell from it.
    Spoof,
}

/// Whether the value of a `Connection` header names a reserved header. A proxy removes the headers that are named there (RFC
/// 9110 s7.6.1). mod_proxy ends a name at white space and semicolons too, so here a name ends at every character that no
/// name has.
pub fn connection_names_reserved(value: &[u8]) -> bool {
    value.split(|byte| !is_token(*byte)).any(|option| reserved(option).is_some())
}

/// RFC 9110 s5.6.2: the characters of a token, which header names are, and cookies' names.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a trailer of this name is taken out: the reserved ones; cookies, which are judged when the headers have arrived,
/// where cookies are bound; and `Connection`, which is read by then (RFC 9110 s6.5.1).
pub fn is_forbidden_in_trailers(name: &[u8], binds_cookies: bool) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    reserved(name).is_some() || is(b"Connection") || (binds_cookies && (is(b"Cookie") || is(b"Cookie2")))
}

/// The reserved names: letters and dashes.
static RESERVED: [(&[u8], Reserved); 7] = [
    (SEC_TOKEN_BINDING.as_bytes(), Reserved::TokenBinding),
    (SEC_PROVIDED_TOKEN_BINDING_ID.as_bytes(), Reserved::Provided),
    (SEC_REFERRED_TOKEN_BINDING_ID.as_bytes(), Reserved::Referred),
    (SEC_OTHER_TOKEN_BINDING_ID.as_bytes(), Reserved::Other),
    (SEC_TOKEN_BINDING_CONTEXT.as_bytes(), Reserved::Spoof),
    (b"TB-SSL-Client-Cert-Fingerprint", Reserved::Spoof),
    (b"Sec-Device-Bound-Session-Key", Reserved::Spoof),
];

/// Whether `name` is one of ours.
///
/// CGI, WSGI and PHP turn a header's name into a variable's: upper case, and every character that is neither letter nor
/// digit becomes `_`. So `Sec_Provided.Token-Binding_ID` would be the same variable as the dashed name.
pub fn reserved(name: &[u8]) -> Option<Reserved> {
    for (known, exact) in RESERVED.iter().filter(|(known, _)| known.len() == name.len()) {
        if name == *known || name.eq_ignore_ascii_case(known) {
            return Some(*exact);
        }
        if is_variable_of(name, known) {
            return Some(Reserved::Spoof);
        }
    }
    None
}

/// Whether a name that begins with this byte can be reserved. Most can't, and need not be read any further.
pub fn may_be_reserved(initial: u8) -> bool {
    matches!(initial | 0x20, b's'..=b't')
}

/// Whether `name` becomes the same variable as `known`, one of [`RESERVED`] and as long.
fn is_variable_of(name: &[u8], known: &[u8]) -> bool {
    name.iter().zip(known).all(|(byte, known)| spells(*byte, *known))
}

/// `known` is a dash or a letter. Two bytes that differ in bit 5 only are both letters if one is.
fn spells(byte: u8, known: u8) -> bool {
    if known == b'-' { !byte.is_ascii_alphanumeric() } else { byte | 0x20 == known | 0x20 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variable::Variable;

    #[test]
    fn the_clients_header_in_any_case() {
        for name in ["Sec-Token-Binding", "sec-token-binding", "SEC-TOKEN-BINDING"] {
            assert_eq!(reserved(name.as_bytes()), Some(Reserved::TokenBinding), "{name}");
        }
    }

    #[test]
    fn every_spelling_that_becomes_the_same_variable_is_a_spoof() {
        for (variable, exact) in Variable::ALL.into_iter().zip([
            Reserved::Provided,
            Reserved::Referred,
            Reserved::Other,
            Reserved::Spoof,
            Reserved::Spoof,
        ]) {
            let name = variable.default_env_name().to_str().unwrap();
            for spelling in [name.to_owned(), name.to_uppercase()] {
                assert_eq!(reserved(spelling.as_bytes()), Some(exact), "{spelling}");
            }
            let others = ["_", ".", "~"].map(|other| name.replace(['-', '_'], other));
            let others = others.into_iter().filter(|other| other != name);
            for spelling in others.chain([name.replacen(['-', '_'], "!", 1)]) {
                assert_eq!(reserved(spelling.as_bytes()), Some(Reserved::Spoof), "{spelling}");
            }
        }
        for name in ["Sec_Token_Binding", "sec-token_binding", "SEC.TOKEN~BINDING"] {
            assert_eq!(reserved(name.as_bytes()), Some(Reserved::Spoof), "{name}");
        }
    }

    #[test]
    fn each_byte_spells_itself_in_either_case_and_a_dash_is_whatever_is_neither_letter_nor_digit() {
        for byte in 0..=u8::MAX {
            let folded = if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
            for known in (b'a'..=b'z').chain(b'A'..=b'Z').chain([b'-']) {
                assert_eq!(spells(byte, known), folded == known.to_ascii_lowercase(), "{byte} {known}");
            }
        }
        for (name, _) in RESERVED {
            assert!(name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-'));
        }
    }

    #[test]
    fn every_reserved_name_begins_with_what_one_may_begin_with() {
        for (name, _) in RESERVED {
            for initial in [name[0], name[0].to_ascii_lowercase()] {
                assert!(may_be_reserved(initial), "{}", name.escape_ascii());
            }
        }
        assert!(!may_be_reserved(0) && !may_be_reserved(b'H') && !may_be_reserved(b'_'));
    }

    #[test]
    fn other_headers_are_left_alone() {
        for name in [
            "",
            "Host",
            "Sec-Token-Bindings",
            "Sec-Fetch-Mode",
            "Token-Binding",
            "Sec-Provided-Token-Binding",
        ] {
            assert_eq!(reserved(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_second_line_is_several_and_one_line_may_be_a_list() {
        assert_eq!(Field::Absent.and(b"A"), Field::One(b"A"));
        assert_eq!(Field::Absent.and(b""), Field::One(b""));
        assert_eq!(Field::Absent.and(b"A").and(b"A"), Field::Several);
        for (field, list) in [
            (Field::Absent, false),
            (Field::One(b""), false),
            (Field::One(b"A"), false),
            (Field::One(b"A, B"), true),
            (Field::One(b"A,"), true),
        ] {
            assert_eq!(field.is_list(), list, "{field:?}");
        }
    }

    #[test]
    fn what_a_proxy_may_say_is_kept_apart_from_the_message_and_from_spoofs() {
        let mut taken = Taken::default();
        for (name, value) in [
            ("sec-provided-token-binding-id", "P"),
            ("Sec_Provided_Token_Binding_ID", "forged"),
            ("Sec-Token-Binding-Context", "forged"),
            ("SEC-OTHER-TOKEN-BINDING-ID", "O, O"),
            ("Sec-Token-Binding", "M"),
        ] {
            assert!(taken.add(name.as_bytes(), value.as_bytes()), "{name}");
        }
        assert!(!taken.add(b"Host", b"h"));
        let forwarded = ForwardedHeaders { provided: Some(b"P"), referred: None, other: Some(b"O, O") };
        assert_eq!(taken, Taken { message: Field::One(b"M"), forwarded, forwarded_twice: false });
        taken.add(b"Sec-Provided-Token-Binding-ID", b"P");
        assert!(taken.forwarded_twice);
    }

    #[test]
    fn a_connection_header_can_name_a_reserved_one() {
        for value in [
            "Sec-Provided-Token-Binding-ID",
            "close ,\tsec-other-token-binding-id",
            "a,Sec-Token-Binding,b",
            "keep-alive;Sec-Provided-Token-Binding-ID",
            "keep-alive Sec-Provided-Token-Binding-ID",
            "keep-alive\tsec_provided-Token-Binding-ID;close",
            "\"Sec-Provided-Token-Binding-ID\"",
            "close;TB_SSL_CLIENT_CERT_FINGERPRINT",
        ] {
            assert!(connection_names_reserved(value.as_bytes()), "{value}");
        }
        for value in ["", "close", "keep-alive, Upgrade", "x-sec-provided-token-binding-id", ",,"] {
            assert!(!connection_names_reserved(value.as_bytes()), "{value}");
        }
    }
}
