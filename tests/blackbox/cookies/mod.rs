//! `TokenBindingCookie`: cookies that are bound to a client's key without the application's help.

mod applications;
mod caches;
mod documents;
mod farm;
mod headers;
mod plain;
mod policy;
mod realms;
mod report;
mod responses;
mod secrets;
mod theft;
