//! From the elements of packets to OBUs as files keep them (AV1 RTP specification, section 4; AV1 section 5.3).

use super::super::Malformed;
use super::super::bytes::take;
use super::obu::Elements;

/// Bits of the aggregation header.
const CONTINUES: u8 = 0x80;
const IS_CONTINUED: u8 = 0x40;
/// Bits of an OBU's header.
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;
/// OBU types that files leave out (AV1-in-Matroska).
const DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// Adds the OBUs of one picture, each with its size.
///
/// # Errors
/// When a payload cannot be read, or an OBU is not whole.
pub fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut open: Option<Vec<u8>> = None;
    for payload in payloads {
        let &header = payload.first().ok_or(Malformed("AV1 payload"))?;
        if (header & CONTINUES != 0) != open.is_some() {
            return Err(Malformed("AV1 fragment"));
        }
        let mut elements = Elements::new(payload).peekable();
        while let Some(element) = elements.next() {
            let mut obu = open.take().unwrap_or_default();
            obu.extend_from_slice(element);
            if elements.peek().is_none() && header & IS_CONTINUED != 0 {
                open = Some(obu);
            } else {
                add(&obu, frame)?;
            }
        }
    }
    open.map_or(Ok(()), |_| Err(Malformed("AV1 fragment")))
}

fn add(obu: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let Some((head, body)) = split(obu)? else { return Ok(()) };
    frame.push(head[0] | HAS_SIZE);
    frame.extend_from_slice(&head[1..]);
    let mut len = body.len();
    loop {
        let byte = (len & 0x7f) as u8;
        len >>= 7;
        frame.push(if len > 0 { byte | 0x80 } else { byte });
        if len == 0 {
            break;
        }
    }
    frame.extend_from_slice(body);
    Ok(())
}

type Parts<'a> = (&'a [u8], &'a [u8]);

/// Header and what is behind it, without a size; `None` for what files leave out.
fn split(obu: &[u8]) -> Result<Option<Parts<'_>>, Malformed> {
    let Some(&first) = obu.first() else { return Ok(None) };
    let mut at = 1 + usize::from(first & HAS_EXTENSION != 0);
    let head = obu.get(..at).ok_or(Malformed("AV1 OBU"))?;
    if first & HAS_SIZE != 0 {
        while take(obu, &mut at).ok_or(Malformed("AV1 OBU"))? & 0x80 != 0 {}
    }
    let body = &obu[at..];
    let is_kept = ![DELIMITER, TILE_LIST, PADDING].contains(&(first >> 3 & 0x0f));
    Ok(is_kept.then_some((head, body)))
}
