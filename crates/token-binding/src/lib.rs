#![forbid(unsafe_code)]
//! The Token Binding protocol.
