//! The steps, in the order in which a failure is cheapest to learn.

mod deploy;
mod fuzz;
pub(crate) mod interop;
mod rust;
mod web;

use crate::Context;
use crate::install::{self, System};
use crate::networks::{self, Build, Choice};
use crate::report::Outcome;

/// One part of the whole.
pub(crate) struct Step {
    /// For `--only`.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    /// Programs of the system it cannot do without.
    pub(crate) needs: &'static [System],
    /// Does it.
    pub(crate) run: fn(&Context) -> Outcome,
}

/// All steps.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "Rust is formatted",
        needs: &[],
        run: rust::fmt,
    },
    Step {
        name: "clippy",
        what: "Rust without a lint",
        needs: &[],
        run: rust::clippy,
    },
    Step {
        name: "doc",
        what: "Rust documentation without a warning",
        needs: &[],
        run: rust::doc,
    },
    Step {
        name: "test",
        what: "Rust tests of the whole workspace",
        needs: &[
            install::VALGRIND,
            install::NATS,
            install::POSTGRES,
            install::IP,
            install::IPTABLES,
            install::FAKETIME,
            install::STRESS,
        ],
        run: rust::test,
    },
    Step {
        name: "deploy",
        what: "alerts that fire when they should, a Helm chart as Kubernetes wants it",
        needs: &[install::PROMTOOL, install::PYTHON, install::VENV],
        run: deploy::deploy,
    },
    Step {
        name: "types",
        what: "types of SDK and page",
        needs: &[install::NODE, install::NPM],
        run: web::types,
    },
    Step {
        name: "sdk",
        what: "tests of the SDK without a browser",
        needs: &[install::NODE, install::NPM],
        run: web::sdk,
    },
    Step {
        name: "browser",
        what: "calls between headless Chromium and Firefox",
        needs: &[
            install::NODE,
            install::NPM,
            install::CHROMIUM,
            install::FIREFOX,
            install::COTURN,
            install::NATS,
        ],
        run: web::browser,
    },
    Step {
        name: "aiortc",
        what: "WHIP and WHEP with a third engine",
        needs: &[install::PYTHON, install::VENV],
        run: web::aiortc,
    },
    Step {
        name: "rest",
        what: "the REST API holds what its description says, whatever it is asked",
        needs: &[install::PYTHON, install::VENV],
        run: web::rest,
    },
    interop::SHORT,
    Step {
        name: "networks",
        what: "a call over bad networks, the short form of cargo xtask networks",
        needs: networks::NEEDS,
        run: bad_networks,
    },
    Step {
        name: "deny",
        what: "licences, sources, bans and advisories of dependencies",
        needs: &[],
        run: rust::deny,
    },
    Step {
        name: "fuzz",
        what: "every parser over its stored corpus and a minute of mutations",
        needs: &[install::CXX],
        run: fuzz::fuzz,
    },
];

/// Runs `then` unless something the step needs is missing.
fn needing(needs: &[System], then: impl FnOnce() -> Result<Outcome, String>) -> Outcome {
    match install::missing(needs) {
        Some(why) => Outcome::skipped(why),
        None => then().unwrap_or_else(Outcome::failed),
    }
}

fn bad_networks(context: &Context) -> Outcome {
    let short = Choice {
        short: true,
        build: Build::Tests,
        ..Choice::default()
    };
    match networks::measure(context, &short) {
        Ok(measured) => measured.outcome(),
        Err(why) => Outcome::failed(why),
    }
}
