//! Durations and sizes as people write them.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// `"500us"`, `"500ms"`, `"10s"`, `"5m"`, `"1h"`: a whole number and its unit. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let micros_per_unit = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    number.checked_mul(micros_per_unit).map(Duration::from_micros)
}

/// `"4096"`, `"16KiB"`, `"1MiB"`: bytes. `None` for anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes_per_unit = match unit {
        "" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        _ => return None,
    };
    number.checked_mul(bytes_per_unit)
}

/// The shortest writing [`parse_duration`] reads back.
pub(super) fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    for (unit, micros_per_unit) in [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)] {
        if micros >= micros_per_unit && micros.is_multiple_of(micros_per_unit) {
            return format!("{}{unit}", micros / micros_per_unit);
        }
    }
    if micros == 0 {
        "0s".to_owned()
    } else {
        format!("{micros}us")
    }
}

/// The shortest writing [`parse_size`] reads back.
pub(super) fn show_size(bytes: u64) -> String {
    for (unit, bytes_per_unit) in [("MiB", MIB), ("KiB", KIB)] {
        if bytes >= bytes_per_unit && bytes.is_multiple_of(bytes_per_unit) {
            return format!("{}{unit}", bytes / bytes_per_unit);
        }
    }
    bytes.to_string()
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}
