//! `TOKEN_BINDING(...)` in httpd's expressions, also `%{TOKEN_BINDING:...}`.

use std::borrow::Cow;

use token_binding_server::questions::Question;

use crate::httpd::expression::ExpressionFunction;
use crate::httpd::guard::Site;
use crate::httpd::request::Request;

use super::cookies;
use super::state::Known as _;

pub(super) struct TokenBindingFunction;

impl ExpressionFunction for TokenBindingFunction {
    const NAME: &'static str = "token_binding";
    const SITE: Site = Site("Expression");

    fn check(argument: &str) -> Result<(), String> {
        Question::parse(argument).map(|_| ()).map_err(|error| error.to_string())
    }

    fn value<'r>(request: Request<'r>, argument: &str) -> Option<Cow<'r, str>> {
        cookies::note_asked(request);
        Question::parse(argument).ok()?.answer(request.facts())
    }
}
