//! The endpoints where browsers register a key and prove it again (DBSC): answered before rewriting, access control, proxying and
//! caching, whatever the site says of `/`.

use std::ffi::CStr;

use token_binding_server::dbsc::endpoints::{Answer, Call, answer};
use token_binding_server::dbsc::now;
use token_binding_server::outcome::Level;

use crate::httpd::guard::Site;
use crate::httpd::hook::QuickHandler;
use crate::httpd::request::Request;

use super::cookies::binder;
use super::log::{log, tell};
use super::state::Known as _;
use super::status::count;

pub(super) struct Endpoints;

impl QuickHandler for Endpoints {
    const SITE: Site = Site("DbscEndpoints");

    fn run(request: Request<'_>) -> Option<()> {
        let binder = binder(request).ok().flatten()?;
        let dbsc = binder.dbsc()?;
        let endpoint = dbsc.endpoint(request.path())?;
        if request.is_for_another_server() {
            return None;
        }
        let header = |name: &CStr| request.headers().get(name).map(CStr::to_bytes);
        let state = request.cookies().and_then(|state| state.dbsc.as_ref());
        let call = Call {
            is_post: request.is_post(),
            proof: header(c"Secure-Session-Response"),
            session_id: header(c"Sec-Secure-Session-Id"),
            newest: state.and_then(|dbsc| dbsc.newest),
            now: now(),
        };
        send(request, answer(endpoint, dbsc, binder.keyring, call))
    }
}

fn send(request: Request<'_>, answer: Answer) -> Option<()> {
    let Answer { status, headers, body, count: counted, line } = answer;
    if let Some(counted) = counted {
        count(counted, 1);
    }
    match (line, counted) {
        (Some((tag, Level::Info, line)), Some(counted)) if status >= 400 => {
            tell(request.sink(), counted, format_args!("{tag}: {line}"));
        }
        (Some((tag, level, line)), _) => log(request.sink(), level, format_args!("{tag}: {line}")),
        (None, _) => {}
    }
    // Of any status: `headers_out` would do for some only.
    let [_, surviving] = request.response_headers();
    for (name, value) in headers {
        let name = request.pool().copy_text(name);
        surviving.add(name, request.pool().copy_text(&value));
    }
    request.respond(status, c"application/json", &body);
    Some(())
}
