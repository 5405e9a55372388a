//! `Require token-binding [provided|referred|not|device]`.

use std::ffi::CStr;

use token_binding_server::questions::Requirement;

use crate::httpd::authz::AuthzProvider;
use crate::httpd::guard::Site;
use crate::httpd::request::Request;

use super::cookies;
use super::state::Known as _;

pub(super) struct RequireTokenBinding;

impl AuthzProvider for RequireTokenBinding {
    const NAME: &'static CStr = c"token-binding";
    const SITE: Site = Site("Authorization");

    type Requirement = Requirement;

    fn parse(words: &str) -> Result<&'static Requirement, String> {
        Ok(match Requirement::parse(words).map_err(|error| error.to_string())? {
            Requirement::Provided => &Requirement::Provided,
            Requirement::Referred => &Requirement::Referred,
            Requirement::Not => &Requirement::Not,
            Requirement::Device => &Requirement::Device,
        })
    }

    fn is_met(requirement: &Requirement, request: Request<'_>) -> bool {
        // Whatever the answer is: caches must not give it to others.
        cookies::note_asked(request);
        requirement.is_met(request.facts())
    }
}
