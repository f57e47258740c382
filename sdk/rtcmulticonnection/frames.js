/**
 * What travels in our data channel. A frame is one byte that says what it is, and the rest:
 *
 *     0 hello, 1 welcome   nothing: both ends can hear each other
 *     2 text               JSON
 *     3 bytes              as they are
 *     4 part               number of the parcel (4 bytes) | index (4) | count (4) | bytes; the parcel is, joined:
 *                          length of its header (2 bytes) | header, JSON: {kind: 'text' | 'bytes' | 'file', …} | content
 *     5 heard              number of a parcel (4 bytes) | index (4): it has come as far as this
 */
export const HELLO = 0;
export const WELCOME = 1;
export const TEXT = 2;
export const BYTES = 3;
export const PART = 4;
export const HEARD = 5;

/** Content of a part, in bytes, unless told otherwise; and the most it can be. */
export const PART_BYTES = 60_000;
/** A message longer than this is refused, and so is one that is announced longer: it is kept in memory whole. */
export const PARCEL_BYTES_MAX = 64 * 1024 * 1024;
/** Parcels one sender may have under way at a time; the oldest is given up for one more. */
const UNDER_WAY_MAX = 8;
const PART_HEAD = 13;

/** @typedef {{kind: 'text' | 'bytes' | 'file', [about: string]: any}} Header */

/**
 * @param {number} kind
 * @param {Uint8Array} [content]
 */
export function frame(kind, content = new Uint8Array(0)) {
  const bytes = new Uint8Array(1 + content.length);
  bytes[0] = kind;
  bytes.set(content, 1);
  return bytes;
}

/**
 * @param {Header} header
 * @param {Uint8Array} content
 */
export function parcel(header, content) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(2 + head.length + content.length);
  new DataView(bytes.buffer).setUint16(0, head.length);
  bytes.set(head, 2);
  bytes.set(content, 2 + head.length);
  return bytes;
}

/** How many parts a parcel has. @param {number} length @param {number} size */
export const partsOf = (length, size) => Math.max(1, Math.ceil(length / size));

/**
 * @param {Uint8Array} whole a parcel
 * @param {number} number of the parcel, of this sender
 * @param {number} index of the part
 * @param {number} size
 */
export function part(whole, number, index, size) {
  const content = whole.subarray(index * size, (index + 1) * size);
  const bytes = new Uint8Array(PART_HEAD + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, PART);
  view.setUint32(1, number);
  view.setUint32(5, index);
  view.setUint32(9, partsOf(whole.length, size));
  bytes.set(content, PART_HEAD);
  return bytes;
}

/** @param {number} number @param {number} index */
export function heard(number, index) {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, HEARD);
  view.setUint32(1, number);
  view.setUint32(5, index);
  return bytes;
}

/** @param {Uint8Array} bytes PART or HEARD @returns {{number: number, index: number} | null} null: it is none */
export function placeOf(bytes) {
  if (bytes.length < 9) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { number: view.getUint32(1), index: view.getUint32(5) };
}

/**
 * @typedef {object} Arriving a parcel of which parts have come
 * @property {number} count
 * @property {Uint8Array[]} parts
 * @property {number} bytes
 * @property {Header} header
 */

/** Puts the parcels of one sender together. The channel keeps their order, so a part out of turn means that we missed the beginning. */
export class Parcels {
  /** @type {Map<number, Arriving>} */
  #arriving = new Map();

  /**
   * @param {Uint8Array} bytes a frame of kind PART
   * @returns {{header: Header, index: number, count: number, content: Uint8Array | null} | null} `content` when it is complete;
   *   null: of no use
   */
  add(bytes) {
    if (bytes.length < PART_HEAD) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const [number, index, count] = [view.getUint32(1), view.getUint32(5), view.getUint32(9)];
    const content = bytes.slice(PART_HEAD);
    let arriving = this.#arriving.get(number);
    if (index === 0) {
      const header = headerOf(content);
      if (!header || count === 0) return null;
      arriving = { count, parts: [], bytes: 0, header };
      this.#arriving.delete(number);
      this.#arriving.set(number, arriving);
      if (this.#arriving.size > UNDER_WAY_MAX) this.#arriving.delete(/** @type {number} */ (this.#arriving.keys().next().value));
    }
    if (!arriving || arriving.parts.length !== index || count !== arriving.count) return null;
    arriving.parts.push(content);
    arriving.bytes += content.length;
    if (arriving.bytes > PARCEL_BYTES_MAX + 0xffff) {
      this.#arriving.delete(number);
      return null;
    }
    if (arriving.parts.length < count) return { header: arriving.header, index, count, content: null };
    this.#arriving.delete(number);
    return { header: arriving.header, index, count, content: join(arriving) };
  }
}

/** @param {Uint8Array} first part @returns {Header | null} */
function headerOf(first) {
  if (first.length < 2) return null;
  const length = new DataView(first.buffer, first.byteOffset).getUint16(0);
  if (first.length < 2 + length) return null;
  try {
    const header = JSON.parse(new TextDecoder().decode(first.subarray(2, 2 + length)));
    return typeof header?.kind === 'string' ? header : null;
  } catch {
    return null;
  }
}

/** @param {Arriving} arriving @returns {Uint8Array} the content, without the header */
function join({ parts, bytes }) {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const content of parts) {
    whole.set(content, at);
    at += content.length;
  }
  return whole.subarray(2 + new DataView(whole.buffer).getUint16(0));
}
