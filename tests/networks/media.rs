//! What is sent: layers chosen by a simple allocator, or the smooth encoder of RFC 8867.

use std::collections::VecDeque;

/// Opus: 20 kb/s in packets of 20 ms.
pub(crate) const AUDIO_BPS: f64 = 20_000.0;
const AUDIO_INTERVAL_MS: u64 = 20;
const AUDIO_BYTES: usize = 50;
/// Headers and the tag of SRTP, as part of a UDP payload.
const HEADERS: usize = 40;
const PACKET_BYTES: usize = 1_160;
const FRAMES_PER_SECOND: f64 = 30.0;
/// What a key frame costs, in frames.
const KEY_FRAME: f64 = 6.0;

/// An allocator steps up only if there is so much more, as a share of the layer.
const RESERVE: f64 = 0.1;

/// What a camera offers.
#[derive(Clone, Debug)]
pub(crate) enum Video {
    /// Any rate between the two, as an encoder of RFC 8867 section 4.1 (150 kb/s to 1.5 Mb/s).
    Smooth { min_bps: f64, max_bps: f64 },
    /// Simulcast: only these rates, and so many cameras. Zero is paused.
    Layers { layers_bps: Vec<f64>, cameras: usize },
    /// So much, whatever is estimated.
    Fixed { bps: f64 },
}

impl Video {
    pub(crate) fn smooth() -> Self {
        Video::Smooth {
            min_bps: 150e3,
            max_bps: 1.5e6,
        }
    }

    pub(crate) fn smooth_to(max_bps: f64) -> Self {
        Video::Smooth {
            min_bps: 150e3,
            max_bps,
        }
    }

    pub(crate) fn layers(cameras: usize) -> Self {
        Video::Layers {
            layers_bps: vec![150e3, 500e3, 1.5e6],
            cameras,
        }
    }

    fn wished_bps(&self) -> f64 {
        match self {
            Video::Smooth { max_bps, .. } => *max_bps,
            // With what the allocator keeps in reserve before it steps up.
            Video::Layers { layers_bps, cameras } => (1.0 + RESERVE) * layers_bps.last().unwrap() * *cameras as f64,
            Video::Fixed { bps } => *bps,
        }
    }
}

/// A packet in the pacer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) bytes: usize,
    pub(crate) audio: bool,
    pub(crate) at_ms: u64,
}

pub(crate) struct Source {
    video: Video,
    /// Bits per second of audio, its redundancy included.
    pub(crate) audio_bps: f64,
    pub(crate) paused: bool,
    /// Bits per second of video at present; per camera when layered.
    video_bps: f64,
    cameras: Vec<Camera>,
    next_audio_ms: u64,
    next_frame_ms: f64,
    random: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Camera {
    /// 0 is paused.
    layer: usize,
    key_frame: bool,
    /// No step up again before this.
    hold_until_ms: u64,
}

impl Source {
    pub(crate) fn new(video: Video, seed: u64) -> Self {
        let cameras = match &video {
            Video::Layers { cameras, .. } => *cameras,
            Video::Smooth { .. } | Video::Fixed { .. } => 1,
        };
        Source {
            video,
            audio_bps: AUDIO_BPS,
            paused: false,
            video_bps: 0.0,
            cameras: vec![Camera::default(); cameras],
            next_audio_ms: 0,
            next_frame_ms: 0.0,
            random: seed | 1,
        }
    }

    /// From now on this is offered.
    pub(crate) fn set_video(&mut self, video: Video) {
        self.video = video;
    }

    /// Bits per second chosen and wished for.
    pub(crate) fn demand(&self) -> (u64, u64) {
        if self.paused {
            return (self.audio_bps as u64, self.audio_bps as u64);
        }
        (
            (self.video_bps + self.audio_bps) as u64,
            (self.video.wished_bps() + self.audio_bps + AUDIO_BPS) as u64,
        )
    }

    /// Chooses by the estimate.
    pub(crate) fn allocate(&mut self, now_ms: u64, estimate_bps: f64) {
        let budget = estimate_bps - self.audio_bps - AUDIO_BPS;
        match &self.video {
            Video::Smooth { min_bps, max_bps } => self.video_bps = budget.clamp(*min_bps, *max_bps),
            Video::Fixed { bps } => self.video_bps = *bps,
            Video::Layers { layers_bps, .. } => {
                let rate = |layer: usize| if layer == 0 { 0.0 } else { layers_bps[layer - 1] };
                let mut left = budget;
                let count = self.cameras.len();
                // A layer for everybody before a better one for anybody; downwards at once, upwards with some reserve.
                let mut chosen = vec![0usize; count];
                for layer in 1..=layers_bps.len() {
                    for (camera, chosen) in self.cameras.iter().zip(&mut chosen) {
                        let more = rate(layer) - rate(layer - 1);
                        let up = layer > camera.layer;
                        let needed = if up { more + RESERVE * rate(layer) } else { more };
                        if *chosen + 1 == layer && left >= needed && (!up || now_ms >= camera.hold_until_ms) {
                            left -= more;
                            *chosen = layer;
                        }
                    }
                }
                for (camera, layer) in self.cameras.iter_mut().zip(chosen) {
                    if camera.layer != layer {
                        camera.key_frame = true;
                        if layer < camera.layer {
                            camera.hold_until_ms = now_ms + 1_000;
                        }
                        camera.layer = layer;
                    }
                }
                self.video_bps = self.cameras.iter().map(|camera| rate(camera.layer)).sum();
            }
        }
    }

    /// What is ready by now.
    pub(crate) fn poll(&mut self, now_ms: u64, out: &mut VecDeque<Queued>) {
        while self.next_audio_ms <= now_ms {
            self.next_audio_ms += AUDIO_INTERVAL_MS;
            let at = out.iter().position(|queued| !queued.audio).unwrap_or(out.len());
            out.insert(
                at,
                Queued {
                    bytes: AUDIO_BYTES,
                    audio: true,
                    at_ms: now_ms,
                },
            );
        }
        while self.next_frame_ms <= now_ms as f64 {
            self.next_frame_ms += 1e3 / FRAMES_PER_SECOND;
            if self.paused {
                continue;
            }
            match self.video.clone() {
                Video::Smooth { .. } | Video::Fixed { .. } => self.frame(now_ms, self.video_bps, 1.0, out),
                Video::Layers { layers_bps, .. } => {
                    for index in 0..self.cameras.len() {
                        let camera = &mut self.cameras[index];
                        let key_frame = std::mem::take(&mut camera.key_frame);
                        if camera.layer > 0 {
                            let bps = layers_bps[camera.layer - 1];
                            self.frame(now_ms, bps, if key_frame { KEY_FRAME } else { 1.0 }, out);
                        }
                    }
                }
            }
        }
    }

    fn frame(&mut self, now_ms: u64, bps: f64, times: f64, out: &mut VecDeque<Queued>) {
        // Frames differ by a fifth.
        let bytes = bps / 8.0 / FRAMES_PER_SECOND * times * (0.8 + 0.4 * self.chance());
        let packets = (bytes / PACKET_BYTES as f64).ceil().max(1.0);
        for _ in 0..packets as usize {
            out.push_back(Queued {
                bytes: ((bytes / packets) as usize).max(HEADERS),
                audio: false,
                at_ms: now_ms,
            });
        }
    }

    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}
