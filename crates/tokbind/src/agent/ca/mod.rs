//! The local certificate authority: what lets the agent answer a browser in a server's name.
//!
//! Whoever has its key can pass for any website to a browser that trusts it. So it is made on the user's machine, for
//! this user only; its file is readable by its owner alone and refused otherwise; it lives a year; it can sign server
//! certificates and nothing else, no further authorities included (key usage, extended key usage and path length say
//! so); and the key is never printed or logged. The leaf certificates that it signs live a day and are never written
//! to disk.
//!
//! Certificates are made with OpenSSL and not with rcgen, which would bring a second cryptographic library into the
//! process for what the first one does as well.

mod authority;
mod certificate;
mod disk;
mod leaves;
#[cfg(test)]
mod tests;

pub use authority::Authority;
pub(super) use leaves::Leaves;
