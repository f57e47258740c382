//! IVF files, for Opus as well: a header of 32 bytes, then each frame behind its length and its time.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context;
use bytes::Bytes;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;

/// The frames of a file.
///
/// # Errors
/// When it cannot be read or ends within a frame.
pub(crate) fn read(path: &str) -> anyhow::Result<Vec<Bytes>> {
    let mut rest = Bytes::from(std::fs::read(path).context(path.to_owned())?);
    let mut frames = Vec::new();
    let _header = (rest.len() >= HEADER_BYTES)
        .then(|| rest.split_to(HEADER_BYTES))
        .context("a file without header")?;
    while rest.len() >= FRAME_HEADER_BYTES {
        let head = rest.split_to(FRAME_HEADER_BYTES);
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let frame = (rest.len() >= length)
            .then(|| rest.split_to(length))
            .context("a file that ends within a frame")?;
        frames.push(frame);
    }
    Ok(frames)
}

/// Writes a file.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &str, frames: &[Bytes]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path).context(path.to_owned())?);
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(b"DKIF");
    header[6] = HEADER_BYTES as u8;
    header[24..28].copy_from_slice(&(frames.len() as u32).to_le_bytes());
    file.write_all(&header)?;
    for (number, frame) in frames.iter().enumerate() {
        file.write_all(&(frame.len() as u32).to_le_bytes())?;
        file.write_all(&(number as u64).to_le_bytes())?;
        file.write_all(frame)?;
    }
    Ok(file.flush()?)
}
