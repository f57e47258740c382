//! What operators take from `deploy/`, checked by the programs that read it.

use std::path::Path;
use std::time::Duration;

use crate::Context;
use crate::process::{command, run};
use crate::report::Outcome;

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn alerts(context: &Context) -> Outcome {
    let folder = context.root.join("deploy/prometheus");
    let promtool = |arguments: &[&str]| run(command(Path::new("promtool"), arguments, &folder), LIMIT);
    let lawful = promtool(&["check", "rules", "upkeep.yml"]);
    if !lawful.success {
        return Outcome::check(&lawful);
    }
    Outcome::check(&promtool(&["test", "rules", "upkeep.test.yml"]))
}
