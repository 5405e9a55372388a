//! Targets for `token-binding`: what a peer sends.

mod extension;
mod forwarded;
mod message;
mod reference;
mod verification;

pub use extension::extension;
pub use forwarded::forwarded;
pub use message::message;
pub use verification::verification;
