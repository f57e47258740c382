/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./publication.js').PublishOptions} PublishOptions */
/** @typedef {import('./transport.js').Transport} Transport */

/**
 * A second version of something we publish, in another codec, for those who cannot decode the first. It sends the same
 * track (a browser lets two senders share one), so muting and another device need nothing more.
 */
export class Backup {
  /** The server's number for it; null while not published. @type {number | null} */
  id = null;
  /** What of it anybody receives, lowest encoding first; null: everything. @type {readonly boolean[] | null} */
  wanted = null;

  /**
   * @param {LocalPublication} main
   * @param {string} codec e.g. "vp8"
   */
  constructor(main, codec) {
    /** @readonly */
    this.main = main;
    /** The only codec it may be sent in. @readonly */
    this.only = codec;
    /** @readonly @type {PublishOptions} */
    this.options = Object.freeze({ ...main.options, codec });
  }

  get source() {
    return this.main.source;
  }
  get kind() {
    return this.main.kind;
  }
  get track() {
    return this.main.track;
  }
  get size() {
    return this.main.size;
  }
  get closed() {
    return this.main.closed || this.main.id === null;
  }

  /** For the transport: what `publish` says of it. */
  wire() {
    return { ...this.main.describe(), backupOf: this.main.id };
  }

  /** For the transport. @param {number | null} id */
  assign(id) {
    this.id = id;
    this.wanted = null;
  }
  /** For the publisher. @param {boolean[]} encodings */
  want(encodings) {
    this.wanted = Object.freeze([...encodings]);
  }
}

/**
 * @typedef {object} BackupAsked the server's `publication.backup`
 * @property {boolean} wanted
 * @property {string[]} codecs best first
 * @property {string | null} [codec] what the publication is sent in
 * @property {string[]} [for] participants who need it
 *
 * @typedef {object} BackupChange
 * @property {string | null} codec e.g. "vp8"; null: it is sent no longer
 * @property {string | null} previous what they cannot decode; null where that is not known
 * @property {string[]} for participants who need it; some of them
 */

/** The backups of one transport: as many as there are publications that somebody cannot decode. */
export class Backups {
  #transport;
  #told;
  /** @type {Map<LocalPublication, Backup>} */
  #all = new Map();
  /** @type {Promise<void>} */
  #tail = Promise.resolve();

  /**
   * @param {Transport} transport
   * @param {(publication: LocalPublication, backup: BackupChange) => void} told called when one is
   *   published, or (codec: null) taken back
   */
  constructor(transport, told) {
    this.#transport = transport;
    this.#told = told;
  }

  /**
   * The server asks for one, or needs it no longer. One after the other, so that what was asked last is what is.
   * @param {LocalPublication} main
   * @param {BackupAsked} asked
   * @returns {Promise<void>} rejects when it cannot be published
   */
  heed(main, asked) {
    const turn = this.#tail.then(() => this.#heed(main, asked));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** @param {number} id the server's number @returns {Backup | null} */
  byId(id) {
    for (const backup of this.#all.values()) if (backup.id === id) return backup;
    return null;
  }

  /** The publication has another track, or none. @param {LocalPublication} main */
  async replace(main) {
    const backup = this.#all.get(main);
    if (backup) await this.#transport.replace(backup);
  }

  /** The publication is over, and its backup with it; the server knows. @param {LocalPublication} main */
  async drop(main) {
    const backup = this.#all.get(main);
    this.#all.delete(main);
    if (!backup) return;
    backup.assign(null);
    await this.#transport.unpublish(backup);
  }

  /**
   * @param {LocalPublication} main
   * @param {BackupAsked} asked
   */
  async #heed(main, { wanted, codecs, codec: previous = null, for: needy = [] }) {
    const present = this.#all.get(main);
    if (main.closed || (wanted && present && codecs.includes(present.only))) return;
    if (present) {
      this.#all.delete(main);
      await this.#transport.unpublish(present);
      if (!wanted) this.#told(main, { codec: null, previous, for: [] });
    }
    const codec = codecs[0];
    if (!wanted || !codec) return;
    const backup = new Backup(main, codec);
    this.#all.set(main, backup);
    try {
      await this.#transport.publish([backup]);
    } catch (thrown) {
      if (this.#all.get(main) === backup) this.#all.delete(main);
      throw thrown;
    }
    if (backup.id !== null) this.#told(main, { codec, previous, for: needy });
  }
}
