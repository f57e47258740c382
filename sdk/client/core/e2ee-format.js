/**
 * The bytes of an encrypted frame (docs/E2EE.md). Pure: no keys, no browser.
 *
 *     clear | ciphertext | tag (16) | salt (8) | counter (4) | sender (4) | key index (1) | clear length (2) | version (1)
 *
 * @typedef {object} Trailer
 * @property {Uint8Array} iv salt and counter, 12 bytes
 * @property {number} sender the first four bytes of SHA-256 of the sender's participant id
 * @property {number} index of the key, 0 to 255
 * @property {number} clear how many bytes before the ciphertext are left readable
 *
 * @typedef {object} Split a frame as it is encrypted
 * @property {Uint8Array} clear
 * @property {Uint8Array} secret
 */

/** First version of the format. Never 0: an H264 frame may not end in one. */
export const VERSION = 0xe1;
export const TAG_BYTES = 16;
export const IV_BYTES = 12;
export const TRAILER_BYTES = 20;
/** What encryption adds to a frame, without what H264 and AV1 need around it. */
export const OVERHEAD_BYTES = TAG_BYTES + TRAILER_BYTES;

/** @param {Trailer} trailer */
export function writeTrailer({ iv, sender, index, clear }) {
  const bytes = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(iv);
  view.setUint32(12, sender);
  view.setUint8(16, index);
  view.setUint16(17, clear);
  view.setUint8(19, VERSION);
  return bytes;
}

/** @param {Uint8Array} bytes that end in a trailer @returns {Trailer | null} null: they do not */
export function readTrailer(bytes) {
  const at = bytes.length - TRAILER_BYTES;
  if (at < TAG_BYTES || bytes[bytes.length - 1] !== VERSION) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const clear = view.getUint16(17);
  if (clear > at - TAG_BYTES) return null;
  return { iv: bytes.slice(at, at + IV_BYTES), sender: view.getUint32(12), index: view.getUint8(16), clear };
}

/** What the trailer says that is not in the nonce: it is authenticated with the clear bytes. @param {Uint8Array} trailer */
export function sealedPart(trailer) {
  return trailer.subarray(IV_BYTES);
}

/**
 * How a codec's frames are taken apart and put together.
 * @typedef {object} Shape
 * @property {(frame: Uint8Array) => Split | null} split null: such a frame cannot be encrypted
 * @property {(clear: Uint8Array, sealed: Uint8Array) => Uint8Array} join what is sent. `sealed`: ciphertext, tag and trailer
 * @property {(frame: Uint8Array) => Uint8Array | null} open undoes what `join` did beyond putting one behind the other;
 *   null: such a frame is not of ours
 */

/** @param {(frame: Uint8Array) => number} clearBytes @returns {Shape} */
const plain = (clearBytes) => ({
  split: (frame) => cut(frame, Math.min(clearBytes(frame), frame.length)),
  join: (clear, sealed) => concat([clear, sealed]),
  open: (frame) => frame,
});

/** @type {Record<string, Shape>} by the codec's name in SDP, in lower case */
export const SHAPES = {
  // The table of contents (RFC 6716 section 3.1) tells a server how long the packet plays.
  opus: plain(() => 1),
  // The frame tag; of a keyframe also the start code and the size (RFC 6386 section 9.1), which receivers read before they decrypt.
  vp8: plain((frame) => (((frame[0] ?? 1) & 1) === 0 ? 10 : 3)),
  // Everything that others have to know is in front of the frame (RFC 9628 section 4.2).
  vp9: plain(() => 0),
  h264: { split: splitH264, join: (clear, sealed) => concat([clear, escape(clear, sealed)]), open: openH264 },
  av1: { split: splitAv1, join: joinAv1, open: openAv1 },
};

// -- H264 (RFC 6184) --------------------------------------------------------------------------------------------------

/** Bytes behind a slice's NAL header that stay clear: where it begins, its type and its parameter set (H.264 section 7.3.3). */
const SLICE_BYTES = 3;
const START_CODE = [0, 0, 0, 1];

/** Every start code with what follows it. @param {Uint8Array} frame @returns {{at: number, unit: number}[]} start code and NAL header */
function units(frame) {
  const found = [];
  for (let i = 0; i + 3 < frame.length; i++) {
    if (frame[i] !== 0 || frame[i + 1] !== 0 || frame[i + 2] !== 1) continue;
    found.push({ at: i > 0 && frame[i - 1] === 0 ? i - 1 : i, unit: i + 3 });
    i += 3;
  }
  return found;
}

/** Where the ciphertext begins: behind the parameter sets and the head of the first slice. @param {Uint8Array} frame @returns {number | null} */
function clearBytesH264(frame) {
  const all = units(frame);
  const slice = all.findIndex(({ unit }) => isSlice(frame[unit]));
  const first = all[slice];
  if (!first) return null;
  const end = first.unit + 1 + SLICE_BYTES;
  return end < (all[slice + 1]?.at ?? frame.length) ? end : null;
}

/** @param {number | undefined} header */
function isSlice(header) {
  const type = (header ?? 0) & 0x1f;
  return type >= 1 && type <= 5;
}

/**
 * Start codes have three bytes or four, and change on the way: the clear bytes have four at both ends.
 * @param {Uint8Array} frame
 * @returns {Split | null}
 */
function splitH264(frame) {
  const end = clearBytesH264(frame);
  if (end === null) return null;
  const heads = units(frame).filter(({ unit }) => unit < end);
  const parts = heads.flatMap(({ unit }, i) => [Uint8Array.from(START_CODE), frame.subarray(unit, heads[i + 1]?.at ?? end)]);
  return { clear: concat(parts), secret: frame.subarray(end) };
}

/** @param {Uint8Array} frame */
function openH264(frame) {
  const split = splitH264(frame);
  return split && concat([split.clear, unescape(split.clear, split.secret)]);
}

/** Zeros at the end. @param {Uint8Array} bytes */
function zerosBehind(bytes) {
  let zeros = 0;
  while (zeros < bytes.length && bytes[bytes.length - 1 - zeros] === 0) zeros++;
  return zeros;
}

/**
 * Breaks up whatever looks like a start code (H.264 section 7.4.1).
 * @param {Uint8Array} before what goes in front
 * @param {Uint8Array} bytes
 */
function escape(before, bytes) {
  const out = new Uint8Array(bytes.length + (bytes.length >> 1) + 2);
  let [length, zeros] = [0, zerosBehind(before)];
  for (const byte of bytes) {
    if (zeros >= 2 && byte <= 3) {
      out[length++] = 3;
      zeros = 0;
    }
    out[length++] = byte;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return out.subarray(0, length);
}

/** @param {Uint8Array} before @param {Uint8Array} bytes */
function unescape(before, bytes) {
  const out = new Uint8Array(bytes.length);
  let [length, zeros] = [0, zerosBehind(before)];
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    out[length++] = byte;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return out.subarray(0, length);
}

// -- AV1 (AV1 bitstream section 5.3) ----------------------------------------------------------------------------------

const SEQUENCE_HEADER = 1;
const TEMPORAL_DELIMITER = 2;
const FRAME = 6;

/**
 * The units of a frame. One without a size goes to the end.
 * @param {Uint8Array} frame
 * @returns {{type: number, whole: Uint8Array, content: Uint8Array}[] | null} null: they do not fit
 */
function obus(frame) {
  const found = [];
  let at = 0;
  while (at < frame.length) {
    const begin = at;
    const header = frame[at++] ?? 0;
    if (header & 4) at++; // extension
    let size = frame.length - at;
    if (header & 2) {
      size = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = frame[at++];
        if (byte === undefined || factor > 128 ** 4) return null;
        size += (byte & 0x7f) * factor;
        if ((byte & 0x80) === 0) break;
      }
    }
    if (at + size > frame.length) return null;
    found.push({ type: (header >> 3) & 0xf, whole: frame.subarray(begin, at + size), content: frame.subarray(at, at + size) });
    at += size;
  }
  return found;
}

/**
 * The sequence header stays clear: by it packetisers mark where decoding can begin. Temporal delimiters do not travel.
 * @param {Uint8Array} frame
 * @returns {Split | null}
 */
function splitAv1(frame) {
  const units = obus(frame)?.filter(({ type }) => type !== TEMPORAL_DELIMITER);
  if (!units) return null;
  const first = units.findIndex(({ type }) => type !== SEQUENCE_HEADER);
  const heads = first < 0 ? units.length : first;
  return { clear: concat(units.slice(0, heads).map(({ whole }) => whole)), secret: concat(units.slice(heads).map(({ whole }) => whole)) };
}

/** All the rest travels as the content of one unit, of which packetisers look at header and size alone. @param {Uint8Array} clear @param {Uint8Array} sealed */
function joinAv1(clear, sealed) {
  const size = [];
  for (let rest = sealed.length; ; rest >>>= 7) {
    size.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return concat([clear, Uint8Array.of((FRAME << 3) | 2, ...size), sealed]);
}

/** @param {Uint8Array} frame @returns {Uint8Array | null} */
function openAv1(frame) {
  const units = obus(frame)?.filter(({ type }) => type !== TEMPORAL_DELIMITER) ?? [];
  const last = units.pop();
  if (last?.type !== FRAME || units.some(({ type }) => type !== SEQUENCE_HEADER)) return null;
  return concat([...units.map(({ whole }) => whole), last.content]);
}

// -- redundant audio (RFC 2198) ---------------------------------------------------------------------------------------

const BLOCK_BYTES_MAX = 1023;

/**
 * Does something to each block and writes the headers anew, so that a server can still take the redundancy off, or put some on.
 * @param {Uint8Array} payload
 * @param {(block: Uint8Array) => Promise<Uint8Array | null>} change null: this block cannot be changed
 * @returns {Promise<Uint8Array | null>} null: it is no redundant audio, or its primary block cannot be changed. Redundancy
 *   that cannot be changed is left out
 */
export async function mapRed(payload, change) {
  const blocks = [];
  let at = 0;
  for (;;) {
    const first = payload[at];
    if (first === undefined) return null;
    if ((first & 0x80) === 0) break;
    if (at + 4 > payload.length) return null;
    blocks.push({ head: payload.slice(at, at + 4), bytes: (((payload[at + 2] ?? 0) & 3) << 8) | (payload[at + 3] ?? 0) });
    at += 4;
  }
  const primaryHead = payload.subarray(at, at + 1);
  at += 1;
  const [heads, bodies] = [/** @type {Uint8Array[]} */ ([]), /** @type {Uint8Array[]} */ ([])];
  for (const { head, bytes } of blocks) {
    if (at + bytes > payload.length) return null;
    const changed = await change(payload.subarray(at, at + bytes));
    at += bytes;
    if (!changed || changed.length > BLOCK_BYTES_MAX) continue;
    head[2] = ((head[2] ?? 0) & 0xfc) | (changed.length >> 8);
    head[3] = changed.length & 0xff;
    heads.push(head);
    bodies.push(changed);
  }
  const primary = await change(payload.subarray(at));
  return primary && concat([...heads, primaryHead, ...bodies, primary]);
}

/** @param {Uint8Array} frame @param {number} at @returns {Split} */
function cut(frame, at) {
  return { clear: frame.subarray(0, at), secret: frame.subarray(at) };
}

/** @param {Uint8Array[]} parts */
export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
