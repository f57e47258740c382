//! TUN devices: what the kernel would send is read from them, what it shall receive is written to them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;

use anyhow::{Context, anyhow};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(super) const DEVICE: &str = "/dev/net/tun";

/// Makes a device of this name inside a namespace. It lives as long as the file that is returned, which does not block.
pub(super) fn device_in(namespace: &Path, name: &'static str) -> anyhow::Result<File> {
    let namespace = namespace.to_owned();
    // A device belongs to the namespace of the thread that makes it, and this thread never comes back from there.
    let inside = thread::spawn(move || {
        let place = File::open(&namespace).with_context(|| namespace.display().to_string())?;
        move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).context("entering the namespace")?;
        device(name)
    });
    inside
        .join()
        .map_err(|_| anyhow!("the thread that made {name} has failed"))?
}

fn device(name: &str) -> anyhow::Result<File> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::open(DEVICE, flags, Mode::empty()).context(DEVICE)?;
    attach(&file, name).with_context(|| format!("making the TUN device {name}"))?;
    Ok(file.into())
}

/// Whole IP packets without a header of the device, and none larger than its MTU: no offloads are asked for, so that the
/// kernel cuts what it would leave to a network card.
#[allow(
    unsafe_code,
    reason = "there is no safe wrapper of this one request in a crate that is small"
)]
fn attach(file: &OwnedFd, name: &str) -> io::Result<()> {
    // SAFETY: ifreq is plain data, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open, and TUNSETIFF reads and writes one ifreq, which outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
