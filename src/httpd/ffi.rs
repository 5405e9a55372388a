//! httpd's API and the C shim's, as bindgen reads them from the installed headers. The list of names is in build.rs.

#![expect(dead_code, reason = "bindgen brings along what belongs to the types that are asked for")]
#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// httpd.h: the hook has done its part.
pub(super) const OK: std::ffi::c_int = 0;
/// httpd.h: the hook has nothing to say; let the others run.
pub(super) const DECLINED: std::ffi::c_int = -1;
