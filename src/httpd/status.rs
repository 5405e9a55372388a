//! What a hook answers.

use std::ffi::c_int;

use super::ffi;

/// What a hook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The hook has done its part.
    Ok,
    /// The hook has nothing to say; let the others run.
    Declined,
    /// The request is answered with 400.
    BadRequest,
    /// The request is answered with 503.
    Unavailable,
    /// The request is answered with 500, the connection closed, the start-up ended.
    Refused,
}

pub(super) const REFUSED: c_int = ffi::HTTP_INTERNAL_SERVER_ERROR as c_int;

impl Status {
    pub(super) fn code(self) -> c_int {
        match self {
            Self::Ok => ffi::OK,
            Self::Declined => ffi::DECLINED,
            Self::BadRequest => ffi::HTTP_BAD_REQUEST as c_int,
            Self::Unavailable => ffi::HTTP_SERVICE_UNAVAILABLE as c_int,
            Self::Refused => REFUSED,
        }
    }
}
