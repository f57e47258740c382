import { concat, mapRed, readTrailer, sealedPart, SHAPES, TAG_BYTES, TRAILER_BYTES, writeTrailer } from './e2ee-format.js';

/**
 * Keys, and what is done with them to frames. Runs in the worker, and in tests; WebCrypto is all it needs.
 *
 * @typedef {'ok' | 'missing-key' | 'wrong-key' | 'not-encrypted' | 'unsupported'} Outcome what became of a frame.
 *   missing-key: we have no key of that sender and index (or, sending, none at all). wrong-key: it was encrypted with another
 *   key than ours, or changed on its way. not-encrypted: it came as anybody could have sent it. unsupported: its codec is none
 *   that can be encrypted
 *
 * @typedef {{data: Uint8Array, outcome: 'ok', participant: string} | {data: null, outcome: Exclude<Outcome, 'ok'>, participant: string | null}} Result
 *   `participant`: who sent it, where that is known
 *
 * @typedef {object} KeyEntry what an app gave
 * @property {string | null} participant whose; null: everybody's
 * @property {number} index 0 to 255
 * @property {string | ArrayBuffer} key a pass phrase, or at least 16 unguessable bytes
 */

const NAME = 'enfilade-e2ee/1';
/** OWASP's advice for PBKDF2 with SHA-256 (2023). */
const PASSPHRASE_ROUNDS = 600_000;
/** Frames under one salt: the counter has 32 bits. */
const COUNTER_MAX = 0xffff_ffff;

const utf8 = new TextEncoder();

/** The keys of one room, and who is in it. */
export class KeyRing {
  #room = '';
  /** Whose ('' for everybody's) and index -> what sender keys are derived from. @type {Map<string, Promise<CryptoKey>>} */
  #bases = new Map();
  /** Whose, who sends, index -> sender key. @type {Map<string, Promise<CryptoKey>>} */
  #derived = new Map();
  /** The same key given again need not be derived again: pass phrases are slow on purpose. @type {Map<string, string | ArrayBuffer>} */
  #given = new Map();
  /** Sender tag -> who may be meant. @type {Map<number, Set<string>>} */
  #senders = new Map();

  /** Its name goes into every key. @param {string} room */
  enter(room) {
    if (room === this.#room) return;
    this.#room = room;
    for (const map of [this.#bases, this.#derived, this.#given, this.#senders]) map.clear();
  }

  /** @param {KeyEntry} entry */
  set({ participant, index, key }) {
    const name = slot(participant, index);
    if (this.#given.get(name) === key) return;
    this.remove(participant, index);
    this.#given.set(name, key);
    const base = baseOf(this.#room, key);
    base.catch(() => {}); // whoever uses it is told
    this.#bases.set(name, base);
  }

  /** @param {string | null} participant @param {number} index */
  remove(participant, index) {
    const name = slot(participant, index);
    this.#given.delete(name);
    this.#bases.delete(name);
    for (const known of this.#derived.keys()) if (known.startsWith(`${name}\n`)) this.#derived.delete(known);
  }

  /** Somebody is here. @param {string} participant */
  async welcome(participant) {
    const tag = await tagOf(participant);
    this.#senders.set(tag, (this.#senders.get(tag) ?? new Set()).add(participant));
  }

  /** @param {string} participant */
  async forget(participant) {
    this.#senders.get(await tagOf(participant))?.delete(participant);
    for (const known of this.#derived.keys()) if (known.endsWith(`\n${participant}`)) this.#derived.delete(known);
  }

  /** Whom a tag may mean. @param {number} tag @returns {Iterable<string>} */
  senders(tag) {
    return this.#senders.get(tag) ?? [];
  }

  /**
   * The key that this participant encrypts with: made of their own, or else of everybody's.
   * @param {string} participant
   * @param {number} index
   * @returns {Promise<CryptoKey> | null}
   */
  keyOf(participant, index) {
    for (const whose of [participant, null]) {
      const base = this.#bases.get(slot(whose, index));
      if (!base) continue;
      const name = `${slot(whose, index)}\n${participant}`;
      const known = this.#derived.get(name);
      if (known) return known;
      const made = base.then((key) => senderKey(key, this.#room, participant));
      made.catch(() => {});
      this.#derived.set(name, made);
      return made;
    }
    return null;
  }
}

/** Encrypts what one sender of ours sends. Each has a salt of its own, so that no two frames under one key share a nonce. */
export class FrameEncryptor {
  #ring;
  #salt = crypto.getRandomValues(new Uint8Array(8));
  #counter = 0;

  /** @param {KeyRing} ring */
  constructor(ring) {
    this.#ring = ring;
  }

  /**
   * @param {string} codec as in SDP, in lower case
   * @param {Uint8Array} frame
   * @param {string} self our participant id
   * @param {number} index of the key to use
   * @returns {Promise<Result>}
   */
  async encrypt(codec, frame, self, index) {
    const key = await (this.#ring.keyOf(self, index) ?? null);
    if (!key) return { data: null, outcome: 'missing-key', participant: self };
    const sender = await tagOf(self);
    const seal = (/** @type {string} */ as, /** @type {Uint8Array} */ bytes) => this.#seal(as, bytes, key, sender, index);
    const data = codec === 'red' ? await mapRed(frame, (block) => seal('opus', block)) : await seal(codec, frame);
    return data ? { data, outcome: 'ok', participant: self } : { data: null, outcome: 'unsupported', participant: self };
  }

  /**
   * @param {string} codec
   * @param {Uint8Array} frame
   * @param {CryptoKey} key
   * @param {number} sender
   * @param {number} index
   */
  async #seal(codec, frame, key, sender, index) {
    const shape = SHAPES[codec];
    const split = shape?.split(frame);
    if (!shape || !split || split.clear.length > 0xffff) return null;
    const trailer = writeTrailer({ iv: this.#nextIv(), sender, index, clear: split.clear.length });
    const ciphertext = await crypto.subtle.encrypt(parameters(trailer.subarray(0, 12), split.clear, trailer), key, /** @type {BufferSource} */ (split.secret));
    return shape.join(split.clear, concat([new Uint8Array(ciphertext), trailer]));
  }

  #nextIv() {
    if (this.#counter > COUNTER_MAX) {
      this.#salt = crypto.getRandomValues(new Uint8Array(8));
      this.#counter = 0;
    }
    const iv = new Uint8Array(12);
    iv.set(this.#salt);
    new DataView(iv.buffer).setUint32(8, this.#counter++);
    return iv;
  }
}

/** Decrypts what comes on one receiver, whoever sends it now. */
export class FrameDecryptor {
  #ring;

  /** @param {KeyRing} ring */
  constructor(ring) {
    this.#ring = ring;
  }

  /**
   * @param {string} codec
   * @param {Uint8Array} frame
   * @returns {Promise<Result>}
   */
  async decrypt(codec, frame) {
    if (codec !== 'red') return this.#open(codec, frame);
    /** @type {Result[]} the last is the primary block's */
    const results = [];
    const data = await mapRed(frame, async (block) => {
      const result = await this.#open('opus', block);
      results.push(result);
      return result.data;
    });
    const primary = results.at(-1) ?? { data: null, outcome: 'not-encrypted', participant: null };
    return data && primary.outcome === 'ok' ? { ...primary, data } : primary;
  }

  /**
   * @param {string} codec
   * @param {Uint8Array} frame
   * @returns {Promise<Result>}
   */
  async #open(codec, frame) {
    const shape = SHAPES[codec];
    if (!shape) return { data: null, outcome: 'unsupported', participant: null };
    const bytes = shape.open(frame);
    const trailer = bytes && readTrailer(bytes);
    if (!bytes || !trailer) return { data: null, outcome: 'not-encrypted', participant: null };
    const end = bytes.length - TRAILER_BYTES;
    const clear = bytes.subarray(0, trailer.clear);
    /** @type {Result} */
    let failed = { data: null, outcome: 'missing-key', participant: null };
    for (const participant of this.#ring.senders(trailer.sender)) {
      failed = { ...failed, participant };
      const key = await (this.#ring.keyOf(participant, trailer.index) ?? null);
      if (!key) continue;
      const algorithm = parameters(trailer.iv, clear, bytes.subarray(end));
      const secret = /** @type {BufferSource} */ (bytes.subarray(trailer.clear, end));
      const opened = await crypto.subtle.decrypt(algorithm, key, secret).catch(() => null);
      if (opened) return { data: concat([clear, new Uint8Array(opened)]), outcome: 'ok', participant };
      failed = { data: null, outcome: 'wrong-key', participant };
    }
    return failed;
  }
}

/**
 * @param {Uint8Array} iv
 * @param {Uint8Array} clear
 * @param {Uint8Array} trailer
 * @returns {AesGcmParams}
 */
function parameters(iv, clear, trailer) {
  const additionalData = /** @type {BufferSource} */ (concat([clear, sealedPart(trailer)]));
  return { name: 'AES-GCM', iv: /** @type {BufferSource} */ (iv), additionalData, tagLength: TAG_BYTES * 8 };
}

/** @param {string | null} participant @param {number} index */
const slot = (participant, index) => `${index}\n${participant ?? ''}`;

/** @type {Map<string, Promise<number>>} */
const tags = new Map();

/** How frames name their sender: four bytes, so whoever has the same is told apart by their keys. @param {string} participant @returns {Promise<number>} */
export function tagOf(participant) {
  const known = tags.get(participant);
  if (known) return known;
  const made = crypto.subtle.digest('SHA-256', utf8.encode(participant)).then((hash) => new DataView(hash).getUint32(0));
  if (tags.size > 10_000) tags.clear(); // whoever has come and gone
  tags.set(participant, made);
  return made;
}

/** @param {string} room @param {string | ArrayBuffer} key */
async function baseOf(room, key) {
  if (typeof key !== 'string') return crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveKey']);
  const phrase = await crypto.subtle.importKey('raw', utf8.encode(key), 'PBKDF2', false, ['deriveBits']);
  const salt = utf8.encode(`${NAME}\n${room}`);
  const bits = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: PASSPHRASE_ROUNDS }, phrase, 256);
  return crypto.subtle.importKey('raw', bits, 'HKDF', false, ['deriveKey']);
}

/** @param {CryptoKey} base @param {string} room @param {string} participant */
function senderKey(base, room, participant) {
  const from = { name: 'HKDF', hash: 'SHA-256', salt: utf8.encode(NAME), info: utf8.encode(`${room}\n${participant}`) };
  return crypto.subtle.deriveKey(from, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}
