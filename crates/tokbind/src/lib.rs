#![forbid(unsafe_code)]
//! A Token Binding client.
