//! Decides about people: who is here, what is published, who wants what, who sits in which seat. Pure.

mod config;
mod grant;
mod io;
mod negotiate;

pub use config::RoomConfig;
pub use grant::Grant;
pub use io::{DataEvent, HttpKey, HttpOffer, HttpReply, Input, Output, SocketKey};
pub use negotiate::{Negotiate, NewNegotiation};
