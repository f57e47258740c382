//! Which encoding and which layers a subscriber gets.

/// What the subscriber asked for. The default is everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Highest encoding (simulcast), by its place in the offer's rids, low to high.
    pub max_encoding: u8,
    /// Highest spatial layer (SVC).
    pub max_spatial: u8,
    /// Highest temporal layer.
    pub max_temporal: u8,
    /// Nothing at all.
    pub paused: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_encoding: u8::MAX,
            max_spatial: u8::MAX,
            max_temporal: u8::MAX,
            paused: false,
        }
    }
}

/// What the subscriber's bandwidth allows: set from outside, on top of [`Limits`]. The default is everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Highest encoding.
    pub encoding: u8,
    /// Highest spatial layer.
    pub spatial: u8,
    /// Highest temporal layer.
    pub temporal: u8,
    /// Not even the lowest layer fits.
    pub paused: bool,
}

impl Default for Target {
    fn default() -> Self {
        Target {
            encoding: u8::MAX,
            spatial: u8::MAX,
            temporal: u8::MAX,
            paused: false,
        }
    }
}
