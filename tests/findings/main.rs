//! Every code of the catalogue: a change of files that a broker wrote that trips it, through the
//! program, by code, severity, file, byte range and exit status; and something close to it that
//! must not.
//!
//! Of errors and warnings the whole list is compared: damage is told once, under its own name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../common/mod.rs"]
mod common;

mod batch;
mod derived;
mod directory;
mod framing;
mod looking;
mod order;
mod place;
mod producers;

use place::Case;
use segkit::check::CODES;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

type Proof = (&'static str, fn(&Case));

fn proofs() -> Vec<Proof> {
    [
        framing::PROOFS,
        batch::PROOFS,
        order::PROOFS,
        producers::PROOFS,
        derived::PROOFS,
        directory::PROOFS,
        looking::PROOFS,
    ]
    .concat()
}

#[test]
fn every_code_has_a_proof() {
    let mut proved: Vec<&str> = proofs().iter().map(|(code, _)| *code).collect();
    let mut codes = CODES.to_vec();
    proved.sort_unstable();
    codes.sort_unstable();
    assert_eq!(proved, codes);
}

#[test]
fn every_code_is_tripped_by_what_it_names_and_by_nothing_close_to_it() {
    let failed = Mutex::new(Vec::new());
    let wanted = std::env::var("CODE").ok();
    let mut proofs = proofs();
    proofs.retain(|(code, _)| wanted.as_ref().is_none_or(|wanted| wanted == code));
    common::in_parallel(&proofs, |(code, proof)| {
        let case = Case::new(code);
        let result = catch_unwind(AssertUnwindSafe(|| {
            proof(&case);
            case.is_proved();
        }));
        if result.is_err() {
            failed.lock().unwrap().push(*code);
        }
    });
    assert_eq!(failed.into_inner().unwrap(), Vec::<&str>::new());
}
