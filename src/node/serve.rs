//! The composition root: the one place of the library that sees every module, from the configuration inwards.

use crate::config::Config;

/// Runs a node until it is told to stop.
///
/// # Errors
/// When a socket cannot be opened or a plane of the node fails to start.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    tracing::info!(listen = %config.http.listen, mode = config.mode.as_str(), "nothing is served yet");
    Ok(())
}
