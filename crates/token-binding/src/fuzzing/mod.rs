//! What the fuzz targets of `fuzz/` call: one function a target, any bytes in, a panic where a promise is broken.
//!
//! `cargo fuzz` compiles this (`--cfg fuzzing`), and so do the unit tests, which replay the corpora. Nobody else sees it.
#![allow(missing_docs, reason = "fuzz/README.md describes the targets")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a target reports")]

mod extension;
mod forwarded;
mod message;
mod reference;
mod verification;

pub use extension::extension;
pub use forwarded::forwarded;
pub use message::message;
pub use verification::verification;

#[cfg(test)]
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[test]
fn every_corpus_is_replayed() {
    replay::corpora(
        "token_binding",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"),
        &[
            ("extension", extension),
            ("forwarded", forwarded),
            ("message", message),
            ("verification", verification),
        ],
    );
}
