//! The module itself: what it does with httpd.

pub(crate) mod certificate;
pub(crate) mod cookies;
pub(crate) mod receive;
pub(crate) mod response;
pub(crate) mod startup;
pub(crate) mod status;
pub(crate) mod trailers;
