//! Seven engines as publishers and subscribers of the built server (`tests/interop`).

use std::time::Duration;

use super::web::{against, built_server, npm_folder};
use super::{Step, needing};
use crate::Context;
use crate::install::{self, CHROMIUM, FIREFOX, NODE, NPM, PYTHON, System, VENV};
use crate::process::{command, run};
use crate::report::{Outcome, node_totals};

/// Longest run of the whole matrix.
const LIMIT: Duration = Duration::from_secs(1500);

/// GStreamer's elements by the package that brings them, and its Python binding. The binding belongs to the system's
/// interpreter, whichever one is called `python3` otherwise.
const NEEDS: &[System] = &[
    NODE,
    NPM,
    CHROMIUM,
    FIREFOX,
    PYTHON,
    VENV,
    System::new(("gst-inspect-1.0", "--version"), "gstreamer1.0-tools"),
    System::new(("gst-inspect-1.0", "opusenc"), "gstreamer1.0-plugins-base"),
    System::new(("gst-inspect-1.0", "vp8enc"), "gstreamer1.0-plugins-good"),
    System::new(("gst-inspect-1.0", "webrtcbin"), "gstreamer1.0-plugins-bad"),
    System::new(("gst-inspect-1.0", "nicesrc"), "gstreamer1.0-nice"),
    System::new(
        ("/usr/bin/python3", "-cfrom gi.overrides import Gst"),
        "python3-gst-1.0",
    ),
    System::new(
        (
            "/usr/bin/python3",
            "-cimport gi; gi.require_version('GstWebRTC', '1.0')",
        ),
        "gir1.2-gst-plugins-bad-1.0",
    ),
];

/// Each engine once as publisher and once as subscriber.
pub(super) const SHORT: Step = Step {
    name: "interop",
    what: "seven engines, each to another one",
    needs: NEEDS,
    run: short,
};

/// `cargo xtask interop`.
pub(crate) static WHOLE: Step = Step {
    name: "interop",
    what: "seven engines, each to each",
    needs: NEEDS,
    run: whole,
};

fn short(context: &Context) -> Outcome {
    matrix(context, "short")
}

fn whole(context: &Context) -> Outcome {
    matrix(context, "whole")
}

fn matrix(context: &Context, script: &str) -> Outcome {
    needing(NEEDS, || {
        // The browsers are started by what the browser tests have for it.
        npm_folder(context, "tests/browser")?;
        let folder = npm_folder(context, "tests/interop")?;
        let python = install::python(context, &context.root.join("tests/aiortc/requirements.txt"))?;
        let server = built_server(context)?;
        let mut matrix = against(command("npm", &["run", "--silent", script], &folder), &server);
        matrix.env("INTEROP_PYTHON", python);
        let finished = run(matrix, LIMIT);
        Ok(node_totals(&finished.text).counted(&finished))
    })
}
