//! What Node and Python do: the SDK, the page, browsers and a third engine against the built server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::needing;
use crate::Context;
use crate::install::{self, CHROMIUM, FIREFOX, NODE, NPM, PYTHON, VENV};
use crate::process::{cargo, command, run};
use crate::report::{Outcome, node_totals, pytest_totals};

/// Longest run of one step.
const LIMIT: Duration = Duration::from_secs(1800);

pub(super) fn types(context: &Context) -> Outcome {
    needing(&[NODE, NPM], || {
        let folder = npm_folder(context, "sdk")?;
        Ok(Outcome::check(&run(
            command("npm", &["run", "--silent", "types"], &folder),
            LIMIT,
        )))
    })
}

pub(super) fn sdk(context: &Context) -> Outcome {
    needing(&[NODE, NPM], || {
        let folder = npm_folder(context, "sdk")?;
        Ok(node_tests(command("npm", &["test", "--silent"], &folder)))
    })
}

pub(super) fn browser(context: &Context) -> Outcome {
    needing(&[NODE, NPM, CHROMIUM, FIREFOX], || {
        let folder = npm_folder(context, "tests/browser")?;
        let server = built_server(context)?;
        Ok(node_tests(against(
            command("npm", &["test", "--silent"], &folder),
            &server,
        )))
    })
}

pub(super) fn aiortc(context: &Context) -> Outcome {
    needing(&[PYTHON, VENV], || {
        let folder = context.root.join("tests/aiortc");
        let python = install::python(context, &folder.join("requirements.txt"))?;
        let server = built_server(context)?;
        let tests = command(python, &["-m", "pytest", "-p", "no:cacheprovider", "-q", "."], &folder);
        let finished = run(against(tests, &server), LIMIT);
        Ok(pytest_totals(&finished.text).counted(&finished))
    })
}

pub(super) fn rest(context: &Context) -> Outcome {
    needing(&[PYTHON, VENV], || {
        let folder = context.root.join("tests/schemathesis");
        let python = install::python(context, &folder.join("requirements.txt"))?;
        let server = built_server(context)?;
        let tests = command(python, &["-m", "pytest", "-p", "no:cacheprovider", "-q", "."], &folder);
        let finished = run(against(tests, &server), LIMIT);
        Ok(pytest_totals(&finished.text).counted(&finished))
    })
}

pub(super) fn npm_folder(context: &Context, name: &str) -> Result<PathBuf, String> {
    let folder = context.root.join(name);
    install::npm_packages(&folder)?;
    Ok(folder)
}

fn node_tests(tests: Command) -> Outcome {
    let finished = run(tests, LIMIT);
    node_totals(&finished.text).counted(&finished)
}

/// The server that the Rust tests have built already. Asked for in their words: `cargo build` alone would choose other
/// features for shared dependencies, and build half of them again.
pub(super) fn built_server(context: &Context) -> Result<PathBuf, String> {
    let arguments = ["test", "--locked", "--workspace", "--no-run"];
    if !run(cargo(&arguments, &context.root), LIMIT).success {
        return Err("the server could not be built".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    Ok(context.root.join(target).join("debug/enfilade"))
}

/// Tells the tests which server to start. The variable does not begin with `ENFILADE_`: the server would take it for a
/// key of its configuration.
pub(super) fn against(mut tests: Command, server: &Path) -> Command {
    tests.env("SERVER_UNDER_TEST", server);
    tests
}
