//! Looks into a ClientHello for the SRTP profiles it offers (RFC 5764 section 4.1.1).
//!
//! The DTLS library follows the client's order, in which browsers put the slowest profile first. The choice is ours to
//! make, so it is made here and the library is only shown that one.

use crate::transport::srtp::Profile;

/// `use_srtp` (RFC 5764 section 9).
const USE_SRTP: u16 = 14;

/// The best of our profiles that the client offers. `None` when it offers none, does not speak of SRTP, or when
/// `hello`, a ClientHello's body without its handshake header, cannot be read.
pub fn best_profile(hello: &[u8]) -> Option<Profile> {
    let offered = srtp_profiles(hello)?;
    Profile::ALL.into_iter().find(|profile| {
        offered
            .as_chunks::<2>()
            .0
            .iter()
            .any(|number| u16::from_be_bytes(*number) == profile.dtls_id())
    })
}

/// The list of two-byte profile numbers.
fn srtp_profiles(hello: &[u8]) -> Option<&[u8]> {
    // Version and random, then session id, cookie, cipher suites, compression methods, extensions.
    let mut rest = hello.get(34..)?;
    take_u8_prefixed(&mut rest)?;
    take_u8_prefixed(&mut rest)?;
    take_u16_prefixed(&mut rest)?;
    take_u8_prefixed(&mut rest)?;
    let mut extensions = take_u16_prefixed(&mut rest)?;
    while let Some((kind, after)) = extensions.split_first_chunk::<2>() {
        extensions = after;
        let mut body = take_u16_prefixed(&mut extensions)?;
        if u16::from_be_bytes(*kind) == USE_SRTP {
            return take_u16_prefixed(&mut body);
        }
    }
    None
}

fn take_u8_prefixed<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first()?;
    take(bytes, rest, usize::from(*length))
}

fn take_u16_prefixed<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    take(bytes, rest, usize::from(u16::from_be_bytes(*length)))
}

fn take<'a>(bytes: &mut &'a [u8], from: &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(profiles: &[u16]) -> Vec<u8> {
        let mut srtp: Vec<u8> = (2 * profiles.len() as u16).to_be_bytes().to_vec();
        srtp.extend(profiles.iter().flat_map(|profile| profile.to_be_bytes()));
        srtp.push(0);
        let mut extensions = vec![0, 23, 0, 0, 0, 14];
        extensions.extend_from_slice(&(srtp.len() as u16).to_be_bytes());
        extensions.extend_from_slice(&srtp);
        extensions.extend_from_slice(&[0, 10, 0, 1, 9]);
        let mut hello = vec![0xfe, 0xfd];
        hello.extend_from_slice(&[5; 32]);
        hello.extend_from_slice(&[2, 1, 1, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        hello.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        hello.extend_from_slice(&extensions);
        hello
    }

    #[test]
    fn our_order_counts_not_the_clients() {
        assert_eq!(best_profile(&hello(&[1, 8, 7])), Some(Profile::AeadAes128Gcm));
        assert_eq!(best_profile(&hello(&[1, 8])), Some(Profile::AeadAes256Gcm));
        assert_eq!(best_profile(&hello(&[2, 1])), Some(Profile::Aes128CmHmacSha1_80));
        assert_eq!(best_profile(&hello(&[2])), None);
        assert_eq!(best_profile(&hello(&[])), None);
    }

    #[test]
    fn cut_and_bent_hellos_are_read_as_far_as_they_go() {
        let whole = hello(&[1, 7]);
        for length in 0..whole.len() {
            let _ = best_profile(&whole[..length]);
            for value in [0, 1, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[length] = value;
                let _ = best_profile(&bent);
            }
        }
    }
}
