//! Clock, files, buffers, offload: what the machine gives to whoever runs on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::Config;
use crate::node::KERNEL_BUFFER_BYTES;
use crate::shard::{Offload, offload};

/// No clock that is right shows an earlier time than this: 1 January 2026.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// Fewer open files than this are a few hundred people.
const FILES_WISHED: u64 = 65_536;
/// A certificate that ends sooner is not being renewed.
const RENEWAL: Duration = Duration::from_secs(14 * 24 * 3_600);

pub(super) fn findings(config: Option<&Config>) -> Vec<Finding> {
    let mut findings = vec![clock(SystemTime::now(), is_synchronised())];
    let files = getrlimit(Resource::Nofile);
    findings.push(open_files(files.current, files.maximum));
    findings.extend([
        buffer(
            "receive buffer",
            "rmem_max",
            socket2::Socket::set_recv_buffer_size,
            socket2::Socket::recv_buffer_size,
        ),
        buffer(
            "send buffer",
            "wmem_max",
            socket2::Socket::set_send_buffer_size,
            socket2::Socket::send_buffer_size,
        ),
    ]);
    findings.push(segmentation(
        offload().ok(),
        config.is_none_or(|config| config.media.gso),
    ));
    findings.extend(config.and_then(certificate));
    findings.extend(config.map(cores));
    findings
}

fn clock(now: SystemTime, synchronised: Option<bool>) -> Finding {
    let advice = "tokens and TURN credentials are judged by the clock: run systemd-timesyncd or chrony";
    if now < UNIX_EPOCH + EARLIEST {
        return Finding::bad("clock", "it shows a time long past", advice);
    }
    match synchronised {
        Some(true) => Finding::good("clock", "kept in time"),
        Some(false) => Finding::warn("clock", "the time service runs but has not set it yet", advice),
        None => Finding::warn(
            "clock",
            "nothing is seen that keeps it in time (a container's host may do it)",
            advice,
        ),
    }
}

/// What systemd-timesyncd or chrony leave behind; `None`: neither is seen.
fn is_synchronised() -> Option<bool> {
    let there = |path: &str| std::path::Path::new(path).exists();
    if there("/run/systemd/timesync/synchronized") || there("/run/chrony") || there("/var/run/ntpd.pid") {
        return Some(true);
    }
    there("/run/systemd/timesync").then_some(false)
}

/// `None`: without limit.
fn open_files(current: Option<u64>, maximum: Option<u64>) -> Finding {
    let Some(current) = current else {
        return Finding::good("open files", "as many as it likes");
    };
    let found = format!("{current} at most");
    if current >= FILES_WISHED {
        return Finding::good("open files", found);
    }
    let how = match maximum {
        Some(maximum) if maximum < FILES_WISHED => {
            "LimitNOFILE=1048576 in the systemd unit, or the container's ulimits"
        }
        Some(_) | None => "ulimit -n 65536, or LimitNOFILE=1048576 in the systemd unit",
    };
    let advice = format!("every signalling socket and every TCP connection takes one: {how}");
    Finding::warn("open files", found, advice)
}

type SetSize = fn(&socket2::Socket, usize) -> std::io::Result<()>;
type Size = fn(&socket2::Socket) -> std::io::Result<usize>;

/// Asks for what the server asks for, and sees what is given.
fn buffer(about: &'static str, sysctl: &str, set: SetSize, get: Size) -> Finding {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
    let given = socket.and_then(|socket| {
        set(&socket, KERNEL_BUFFER_BYTES)?;
        // Linux says twice what it gives, to have room for its own.
        Ok(get(&socket)? / 2)
    });
    match given {
        Err(error) => Finding::bad(
            about,
            format!("no UDP socket can be opened: {error}"),
            "see what forbids it",
        ),
        Ok(given) if given >= KERNEL_BUFFER_BYTES => Finding::good(about, format!("{} KiB", given >> 10)),
        Ok(given) => Finding::warn(
            about,
            format!("{} KiB instead of {} KiB", given >> 10, KERNEL_BUFFER_BYTES >> 10),
            format!(
                "bursts of pictures get lost: sysctl -w net.core.{sysctl}=8388608, and in /etc/sysctl.d to keep it"
            ),
        ),
    }
}

fn segmentation(offload: Option<Offload>, wanted: bool) -> Finding {
    let about = "UDP offload";
    let advice = "Linux 5.0 or newer has both; without them each packet costs a system call";
    match offload {
        None => Finding::bad(about, "no UDP socket can be opened", "see what forbids it"),
        Some(_) if !wanted => Finding::warn(
            about,
            "switched off by media.gso = false",
            "leave it on unless the network mangles such packets",
        ),
        Some(Offload { sends, receives }) => {
            let found = format!("{sends} packets in one send (GSO), {receives} in one receive (GRO)");
            if sends > 1 && receives > 1 {
                Finding::good(about, found)
            } else {
                Finding::warn(about, found, advice)
            }
        }
    }
}

fn certificate(config: &Config) -> Option<Finding> {
    let about = "certificate";
    let files = config.http.tls.as_ref()?;
    let advice = "see that it is renewed; the server takes the new one by itself";
    Some(match files.check() {
        Err(error) => Finding::bad(
            about,
            error.to_string(),
            "give a certificate and the key that belongs to it",
        ),
        Ok(certificate) => {
            let left = certificate
                .ends_at
                .duration_since(SystemTime::now())
                .unwrap_or_default();
            let found = format!("good for {} days", left.as_secs() / 86_400);
            if left < RENEWAL {
                Finding::warn(about, found, advice)
            } else {
                Finding::good(about, found)
            }
        }
    })
}

fn cores(config: &Config) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{cores} cores, media.shards = {}", config.media.shards);
    if config.media.shards > cores {
        let advice = "more media threads than cores only take turns: leave media.shards at 0 or lower it";
        return Finding::warn("cores", found, advice);
    }
    Finding::good("cores", found)
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn a_clock_before_this_year_is_bad_and_one_that_nobody_keeps_a_warning() {
        let now = UNIX_EPOCH + EARLIEST;
        assert_eq!(clock(UNIX_EPOCH, Some(true)).health, Health::Bad);
        assert_eq!(clock(now, Some(true)).health, Health::Good);
        assert_eq!(clock(now, None).health, Health::Warn);
    }

    #[test]
    fn few_open_files_are_warned_of_with_what_raises_them() {
        assert_eq!(open_files(None, None).health, Health::Good);
        assert_eq!(open_files(Some(1 << 20), Some(1 << 20)).health, Health::Good);
        let finding = open_files(Some(1_024), Some(4_096));
        assert_eq!(finding.health, Health::Warn);
        assert!(finding.advice.unwrap().contains("LimitNOFILE"));
    }

    #[test]
    fn offload_that_is_not_there_is_warned_of() {
        let of = |sends, receives| segmentation(Some(Offload { sends, receives }), true).health;
        assert_eq!(
            (of(64, 64), of(1, 64), of(64, 1)),
            (Health::Good, Health::Warn, Health::Warn)
        );
        assert_eq!(segmentation(None, true).health, Health::Bad);
    }
}
