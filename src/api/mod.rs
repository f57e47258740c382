//! Speaks HTTP: signalling socket, WHIP and WHEP, health, metrics, the page.

mod config;
pub mod token;

pub use config::HttpConfig;
