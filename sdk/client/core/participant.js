import { Emitter } from './emitter.js';
import { fitted, Viewport } from './viewport.js';

/** @typedef {import('./protocol.js').Limits} Limits */
/** @typedef {import('./protocol.js').Mode} Mode */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').WireParticipant} WireParticipant */
/** @typedef {import('./protocol.js').WirePublication} WirePublication */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./seats.js').Placed} Placed */

/**
 * @typedef {'active' | 'paused' | 'codec-not-supported'} SubscriptionState
 *
 * @typedef {object} SubscriptionHooks
 * @property {(publication: RemotePublication) => Promise<void>} subscribe sends `publication.wish`
 * @property {(publication: RemotePublication) => Promise<void>} unsubscribe
 * @property {import('./platform.js').Platform} platform
 * @property {import('./playback.js').Playback} playback
 */

/** A microphone, camera or screen that somebody else offers. */
export class RemotePublication {
  #hooks;
  #wire;
  /** @type {Placed | null} */
  #placed = null;
  /** @type {Set<HTMLMediaElement>} */
  #elements = new Set();
  /** What fits the elements that show it. @type {Limits} */
  #fit = {};
  /** @type {Viewport | null} */
  #viewport = null;

  /**
   * @param {WirePublication} wire
   * @param {string} participantId
   * @param {SubscriptionHooks} hooks
   */
  constructor(wire, participantId, hooks) {
    this.#wire = wire;
    this.#hooks = hooks;
    /** @readonly */
    this.participantId = participantId;
    /** What we asked to receive of it by `subscribe`; null: the room's default. @type {Limits | null} */
    this.limits = null;
    /** False after `unsubscribe`. */
    this.wanted = true;
    /** What the server says we get. @type {SubscriptionState | null} */
    this.state = null;
    /** What becomes of its frames with end-to-end encryption; null while unknown. @type {import('./e2ee-cipher.js').Outcome | null} */
    this.encryption = null;
    /** Which encoding we get, 0 the lowest; null while unknown. @type {number | null} */
    this.encoding = null;
    /** Why we get less than we asked for; null: we do not. @type {'budget' | null} */
    this.reason = null;
  }

  get id() {
    return this.#wire.id;
  }
  /** @returns {Source} */
  get source() {
    return this.#wire.source;
  }
  get kind() {
    return this.#wire.kind;
  }
  get muted() {
    return this.#wire.muted;
  }
  /** e.g. "vp8"; null until the first packet. */
  get codec() {
    return this.#wire.codec ?? null;
  }
  /** Number of simulcast encodings. */
  get encodings() {
    return this.#wire.encodings ?? 1;
  }
  /** Pixels, or null. */
  get width() {
    return this.#wire.width ?? null;
  }
  /** Pixels, or null. */
  get height() {
    return this.#wire.height ?? null;
  }
  get metadata() {
    return this.#wire.metadata;
  }
  /** Whether its frames are encrypted end to end. */
  get encrypted() {
    return this.#wire.encrypted === true;
  }
  /** To be shown or played now; null while it has no seat. */
  get track() {
    return this.#placed?.track ?? null;
  }
  /** Of its seat: sound and picture that belong together. */
  get stream() {
    return this.#placed?.stream ?? null;
  }

  /** What the server is asked for: `limits`, and no more than the elements show that it is attached to; null: the room's default. @returns {Limits | null} */
  get wish() {
    const fits = Object.keys(this.#fit).length > 0;
    return this.limits || fits ? fitted(this.limits ?? {}, this.#fit) : null;
  }

  /**
   * Shows or plays it in an element for as long as it has a seat, again and again, until `detach`. Of a picture the server is
   * then asked for what fits the element (or the largest of several) and for nothing while it is out of sight; a size or a
   * pause given to `subscribe` goes before that.
   * @param {HTMLMediaElement} element
   * @param {{adaptive?: boolean}} [options] adaptive: false for an element whose picture is used elsewhere, and needed whole; default true
   */
  attach(element, { adaptive = true } = {}) {
    this.#elements.add(element);
    this.#play(element);
    if (this.kind !== 'video') return;
    this.#viewport ??= new Viewport(this.#hooks.platform, (fit) => {
      this.#fit = fit;
      if (this.wanted) this.#hooks.subscribe(this).catch(() => {}); // said again at the next change, or after a fresh join
    });
    if (adaptive) this.#viewport.watch(element);
    else this.#viewport.need(element);
  }

  /** @param {HTMLMediaElement} element no more of it there */
  detach(element) {
    if (!this.#elements.delete(element)) return;
    this.#viewport?.unwatch(element);
    this.#hooks.playback.detach(element);
  }

  /**
   * Says how much of it we want. Kept as long as the publication lives, across reconnects too.
   * @param {Limits} [limits] none: everything
   * @returns {Promise<void>}
   */
  async subscribe(limits = {}) {
    this.limits = limits;
    this.wanted = true;
    await this.#hooks.subscribe(this);
  }

  /** @returns {Promise<void>} */
  async unsubscribe() {
    this.wanted = false;
    await this.#hooks.unsubscribe(this);
  }

  /** For the roster. @param {WirePublication} wire */
  update(wire) {
    this.#wire = wire;
  }
  /** For the roster. @param {Placed | null} placed */
  place(placed) {
    this.#placed = placed;
    for (const element of this.#elements) this.#play(element);
  }
  /** For the roster: it is offered no more. */
  end() {
    this.#viewport?.close();
    for (const element of this.#elements) this.#hooks.playback.detach(element);
    this.#elements.clear();
  }

  /** @param {HTMLMediaElement} element */
  #play(element) {
    const { platform, playback } = this.#hooks;
    if (this.track) void playback.attach(element, platform.createStream([this.track]));
    else playback.detach(element);
  }
}

/**
 * What is common to ourselves and others.
 * @extends {Emitter<{updated: [], speaking: [boolean], quality: [number]}>}
 */
class Participant extends Emitter {
  /** @param {{id: string, displayName?: string, metadata?: unknown, joinedAtMs?: number, mode?: Mode}} wire */
  constructor(wire) {
    super();
    /** @readonly */
    this.id = wire.id;
    this.displayName = wire.displayName ?? '';
    /** @type {unknown} */
    this.metadata = wire.metadata;
    /** What of media they take part in. @type {Mode} */
    this.mode = wire.mode ?? 'sendAndReceive';
    /** Milliseconds since 1970. */
    this.joinedAtMs = wire.joinedAtMs ?? 0;
    /** 0 (silent) to 127; above 0 only for those the server counts as speaking. */
    this.audioLevel = 0;
    /** Quality of the connection, 1 (bad) to 5 (excellent); null while unknown. @type {number | null} */
    this.quality = null;
  }

  get speaking() {
    return this.audioLevel > 0;
  }

  /** For the roster. @param {{displayName?: string, metadata?: unknown, mode?: Mode}} wire absent fields stay */
  update(wire) {
    if (wire.displayName !== undefined) this.displayName = wire.displayName;
    if (wire.metadata !== undefined) this.metadata = wire.metadata;
    if (wire.mode !== undefined) this.mode = wire.mode;
    this.emit('updated');
  }

  /** For the roster. @param {number} level */
  hear(level) {
    const before = this.speaking;
    this.audioLevel = level;
    if (this.speaking !== before) this.emit('speaking', this.speaking);
  }

  /** For the roster. @param {number} score */
  rate(score) {
    this.quality = score;
    this.emit('quality', score);
  }
}

/** Somebody else in the room. */
export class RemoteParticipant extends Participant {
  /** @readonly */
  local = false;
  /** @type {Map<number, RemotePublication>} publication id -> publication */
  publications = new Map();

  /**
   * The first publication of a kind.
   * @param {Source} source
   * @returns {RemotePublication | null}
   */
  publication(source) {
    for (const publication of this.publications.values()) if (publication.source === source) return publication;
    return null;
  }
}

/** Ourselves. */
export class LocalParticipant extends Participant {
  #publications;
  /** @readonly */
  local = true;

  /**
   * @param {WireParticipant} wire
   * @param {() => LocalPublication[]} publications
   */
  constructor(wire, publications) {
    super(wire);
    this.#publications = publications;
  }

  /** @returns {LocalPublication[]} */
  get publications() {
    return this.#publications();
  }

  /**
   * The first publication of a kind.
   * @param {Source} source
   * @returns {LocalPublication | null}
   */
  publication(source) {
    return this.#publications().find((p) => p.source === source) ?? null;
  }
}
