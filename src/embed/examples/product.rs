//! A product that does not start unless it is activated on this machine.
//!
//! The roots of the token authority are compiled in, from the file that `PRODUCT_ANCHORS` names while building:
//!
//! ```text
//! PRODUCT_ANCHORS="$(cat anchors.pem)" cargo build --release --package countersign --example product
//! ```
//!
//! Without it the product trusts nobody and never starts.

use countersign::{Anchors, LocalMachine, Product, Store, assess, check};
use std::process::ExitCode;

const ANCHORS: &str = match option_env!("PRODUCT_ANCHORS") {
    Some(pem) => pem,
    None => "",
};

fn main() -> ExitCode {
    let product = Product::new("control-room");
    let anchors = Anchors::compiled(ANCHORS.as_bytes());
    // A product with a store of its own names it; where the store lies is not what makes a record true.
    let verdict = match std::env::args_os().nth(1) {
        Some(store) => assess(&Store::at(store), &product, &anchors, &LocalMachine),
        None => check(&product, &anchors),
    };
    if !verdict.state.is_activated() {
        eprintln!("control-room does not start: {} [{}]", verdict.reason, verdict.reason.code());
        return ExitCode::FAILURE;
    }
    println!("control-room runs: {}", verdict.reason);
    for entitlement in &verdict.entitlements {
        println!("  {} = {}", entitlement.name, entitlement.value);
    }
    ExitCode::SUCCESS
}
