//! `TokenBindingCookie`: cookies that are bound to a client's key without the application's help.

mod headers;
mod responses;
mod theft;
