//! AV1 (RTP Payload Format For AV1 v1.0): the dependency descriptor of appendix A, and for streams without one what the
//! aggregation header and the OBU headers tell.

mod assemble;
mod bits;
mod descriptor;
mod obu;
mod sequence;
mod structure;

pub use assemble::assemble;
pub use descriptor::{DependencyDescriptor, DependencyDescriptorReader, FrameDiffs, frame_size};
pub use sequence::{configuration, size_of_frame};
pub use structure::{DecodeTarget, DecodeTargetIndication};

use super::Malformed;
use super::frame::{FrameInfo, Picture};

/// From `descriptor` where the packet has one, else from the payload. `descriptors` is the reader of the packet's stream;
/// with a descriptor the payload may be encrypted end to end.
///
/// # Errors
/// When the descriptor is malformed or of a structure not seen yet, or there is no payload.
pub fn frame_info(
    payload: &[u8],
    marker: bool,
    descriptor: Option<&[u8]>,
    descriptors: &mut DependencyDescriptorReader,
) -> Result<FrameInfo, Malformed> {
    let Some(descriptor) = descriptor else {
        return obu::frame_info(payload, marker);
    };
    let descriptor = descriptors.read(descriptor)?;
    let keyframe = descriptor.structure_attached && descriptor.references.is_empty();
    Ok(FrameInfo {
        starts_frame: descriptor.starts_frame,
        ends_frame: descriptor.ends_frame,
        keyframe,
        spatial: descriptor.spatial,
        temporal: descriptor.temporal,
        switch_up: keyframe || descriptor.switch_up,
        spatial_switch_up: keyframe || descriptor.spatial_switch_up,
        discardable: descriptor.discardable(),
        picture: Picture::Described {
            frame_number: descriptor.frame_number,
        },
    })
}

/// Overwrites the frame number in a copy of a dependency descriptor. References are differences of frame numbers: all
/// frames of a coded video sequence have to move by the same amount.
pub fn patch_frame_number(descriptor: &mut [u8], frame_number: u16) {
    if let Some(bytes) = descriptor.get_mut(1..3) {
        bytes.copy_from_slice(&frame_number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
