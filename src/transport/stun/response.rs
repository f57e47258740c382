//! Writing: success and error responses, and the checksum that both directions need.

use super::{
    ATTRIBUTE_HEADER_LEN, BINDING_ERROR, BINDING_SUCCESS, BindingRequest, FINGERPRINT_LEN, FINGERPRINT_XOR, HEADER_LEN,
    IntegrityKey, MAGIC_COOKIE, MAX_UNKNOWN, attribute,
};
use arrayvec::ArrayVec;
use std::net::{IpAddr, SocketAddr};

impl BindingRequest<'_> {
    /// Writes the success response: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT. 64 bytes, or 76 for IPv6.
    /// `response` is replaced. An IPv4 address in IPv6 clothing (`::ffff:0:0/96`) is answered as IPv4.
    pub fn write_success(&self, from: SocketAddr, key: &IntegrityKey, response: &mut Vec<u8>) {
        self.start_response(BINDING_SUCCESS, response);
        let xor_port = from.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
        let mut value = ArrayVec::<u8, 20>::new();
        let (family, octets): (u8, ArrayVec<u8, 16>) = match from.ip().to_canonical() {
            IpAddr::V4(ip) => (1, ip.octets().into_iter().collect()),
            IpAddr::V6(ip) => (2, ip.octets().into()),
        };
        value.extend([0, family]);
        value.extend(xor_port.to_be_bytes());
        // The key stream is the magic cookie followed by the transaction id: header bytes 4 to 20.
        value.extend(
            octets
                .iter()
                .zip(&self.datagram[4..HEADER_LEN])
                .map(|(octet, x)| octet ^ x),
        );
        push_attribute(response, attribute::XOR_MAPPED_ADDRESS, &value);
        finish_response(response, key);
    }

    /// Writes an error response with `code` (300 to 699) and no reason phrase, and for 420 the attributes that were not
    /// understood. `response` is replaced.
    pub fn write_error(&self, code: u16, key: &IntegrityKey, response: &mut Vec<u8>) {
        self.start_response(BINDING_ERROR, response);
        push_attribute(
            response,
            attribute::ERROR_CODE,
            &[0, 0, (code / 100) as u8, (code % 100) as u8],
        );
        if !self.unknown.is_empty() {
            let list: ArrayVec<u8, { 2 * MAX_UNKNOWN }> =
                self.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            push_attribute(response, attribute::UNKNOWN_ATTRIBUTES, &list);
        }
        finish_response(response, key);
    }

    fn start_response(&self, message_type: u16, response: &mut Vec<u8>) {
        response.clear();
        response.extend_from_slice(&message_type.to_be_bytes());
        response.extend_from_slice(&[0, 0]);
        response.extend_from_slice(&self.datagram[4..HEADER_LEN]);
    }
}

/// Appends an attribute, padded to four bytes, and brings the header's length up to date.
fn push_attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let len = (message.len() - HEADER_LEN) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

fn finish_response(response: &mut Vec<u8>, key: &IntegrityKey) {
    let tag = key.sign(response, response.len());
    push_attribute(response, attribute::MESSAGE_INTEGRITY, tag.as_ref());
    // The length that FINGERPRINT covers already includes FINGERPRINT.
    let at = response.len();
    push_attribute(response, attribute::FINGERPRINT, &[0; FINGERPRINT_LEN]);
    let value = crc32(&response[..at]) ^ FINGERPRINT_XOR;
    response[at + ATTRIBUTE_HEADER_LEN..].copy_from_slice(&value.to_be_bytes());
}

/// CRC-32 of ITU V.42, as FINGERPRINT uses it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut n = 0;
        while n < 256 {
            let mut value = n as u32;
            let mut k = 0;
            while k < 8 {
                value = if value & 1 == 1 {
                    0xEDB8_8320 ^ (value >> 1)
                } else {
                    value >> 1
                };
                k += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    !bytes
        .iter()
        .fold(!0, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}
