//! Sound as a listener gets it: frames of 20 ms, each in a packet of its own and, while the path loses packets, in the next
//! one or two as well (RFC 2198, as `media/redundancy.rs` makes it and for as long as it does).

use enfilade::media::Redundancy;

/// What one packet carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// The newest frame.
    pub(crate) frame: u32,
    /// How many older ones.
    pub(crate) older: u32,
}

impl Voice {
    pub(crate) fn new(frame: u32, redundancy: Redundancy) -> Self {
        let older = match redundancy {
            Redundancy::None => 0,
            Redundancy::One => 1,
            Redundancy::Two => 2,
        };
        Voice {
            frame,
            older: older.min(frame),
        }
    }
}

/// What a listener has got.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    heard: Vec<bool>,
}

impl Listener {
    pub(crate) fn receive(&mut self, voice: Voice) {
        let newest = voice.frame as usize;
        if self.heard.len() <= newest {
            self.heard.resize(newest + 1, false);
        }
        for frame in newest - voice.older as usize..=newest {
            self.heard[frame] = true;
        }
    }

    /// Share of the frames, up to the last that came, of which no packet came.
    pub(crate) fn loss(&self) -> f64 {
        let lost = self.heard.iter().filter(|heard| !**heard).count();
        lost as f64 / self.heard.len().max(1) as f64
    }
}
