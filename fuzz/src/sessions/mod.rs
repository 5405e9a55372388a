//! Targets for `dbsc`: what a browser sends.

mod headers;
mod jwk;
mod proof;

pub use headers::dbsc_headers;
pub use jwk::dbsc_jwk;
pub use proof::dbsc_proof;
