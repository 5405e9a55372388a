//! Sessions by Device Bound Session Credentials (DBSC).
//!
//! The keys are in software. A browser would keep them where malware can't copy them; for trying a server out, that makes no
//! difference.

mod session;
mod store;

pub use session::InstructionsError;
pub(crate) use session::{BoundSession, of_site, site};
pub(crate) use store::{Store, StoreError};
