//! Cookies that are bound to a client's key, without the application's help (`TokenBindingCookie`).
//!
//! On the way out the value of a bound cookie is sealed: to the Token Binding ID of the client that gets it, or, for a
//! client without Token Binding, as unbound. On the way in the seal is checked against the request's own Token Binding
//! and taken off again. A cookie of a bound name without a seal that holds for this very request never reaches the
//! application. Nothing is kept between requests but the secret.
//!
//! | room | what it knows |
//! |---|---|
//! | [`names`] | which cookies are bound, and every spelling that an application could take for them |
//! | [`hidden`] | bound names inside other cookies |
//! | [`secret`], [`load`] | where secrets come from, what is not accepted as one, and what a restart does then |
//! | [`command`] | a command that is run for its answer, within limits |
//! | [`realm`] | which hosts share their cookies |
//! | [`keyring`], [`seal`] | keys made of the secrets; sealing and unsealing one value |
//! | [`envelope`], [`xaes`] | what every seal is made of; the cipher |
//! | [`rules`], [`cause`] | whose sealed cookies are taken from a client, and why others are not |
//! | [`incoming`], [`outgoing`] | the headers `Cookie` and `Set-Cookie`, and what caches are told |
//! | [`settings`] | what an administrator wrote |

mod cause;
mod command;
pub(crate) mod envelope;
pub(crate) mod hidden;
pub mod incoming;
pub mod keyring;
pub mod load;
pub mod names;
pub mod outgoing;
pub mod realm;
mod rules;
pub mod seal;
pub mod secret;
pub mod settings;
mod xaes;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;
