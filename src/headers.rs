//! The header names that this module owns. A client may send `Sec-Token-Binding`; the others are ours to set, and a
//! client that sends one tries to pass for somebody else.

/// The client's `Sec-Token-Binding`, as it stands in a request's header table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Absent,
    One(&'a [u8]),
    /// Two or more lines, or a list in one: httpd joins the lines of one name with a comma.
    Several,
}

impl<'a> Field<'a> {
    /// What one more line `value` makes of it.
    pub(crate) fn and(self, value: &'a [u8]) -> Self {
        match self {
            Self::Absent if !value.contains(&b',') => Self::One(value),
            _ => Self::Several,
        }
    }
}

/// A header name that must not travel beyond the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// `Sec-Token-Binding`, spelled as RFC 8473 does.
    TokenBinding,
    /// One of the names under which the module passes its results on, or a spelling of a reserved name that a CGI
    /// program could not tell from it.
    Spoof,
}

/// The reserved names, in the form that [`fold`] brings a name to.
const TOKEN_BINDING: &[u8] = b"sec-token-binding";
const RESULTS: [&[u8]; 4] = [
    b"sec-provided-token-binding-id",
    b"sec-referred-token-binding-id",
    b"sec-other-token-binding-id",
    b"sec-token-binding-context",
];

/// Is `name` one of ours?
///
/// CGI, WSGI and PHP turn a header's name into a variable's: upper case, and every character that is neither letter nor
/// digit becomes `_`. So `Sec_Provided.Token-Binding_ID` would be the same variable as the dashed name.
pub(crate) fn reserved(name: &[u8]) -> Option<Reserved> {
    if name.eq_ignore_ascii_case(TOKEN_BINDING) {
        return Some(Reserved::TokenBinding);
    }
    let is = |known: &&[u8]| name.len() == known.len() && name.iter().map(fold).eq(known.iter().copied());
    (is(&TOKEN_BINDING) || RESULTS.iter().any(is)).then_some(Reserved::Spoof)
}

fn fold(byte: &u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Variable;

    #[test]
    fn the_clients_header_in_any_case() {
        for name in ["Sec-Token-Binding", "sec-token-binding", "SEC-TOKEN-BINDING"] {
            assert_eq!(reserved(name.as_bytes()), Some(Reserved::TokenBinding), "{name}");
        }
    }

    #[test]
    fn every_spelling_that_becomes_the_same_variable_is_a_spoof() {
        for variable in Variable::ALL {
            let name = variable.header_name().to_str().unwrap();
            for spelling in
                [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', ".")]
            {
                assert_eq!(reserved(spelling.as_bytes()), Some(Reserved::Spoof), "{spelling}");
            }
        }
        for name in ["Sec_Token_Binding", "sec-token_binding", "SEC.TOKEN~BINDING"] {
            assert_eq!(reserved(name.as_bytes()), Some(Reserved::Spoof), "{name}");
        }
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
    fn a_second_line_or_a_list_is_several() {
        assert_eq!(Field::Absent.and(b"A"), Field::One(b"A"));
        assert_eq!(Field::Absent.and(b""), Field::One(b""));
        assert_eq!(Field::Absent.and(b"A, B"), Field::Several);
        assert_eq!(Field::Absent.and(b"A,"), Field::Several);
        assert_eq!(Field::Absent.and(b"A").and(b"A"), Field::Several);
    }
}
