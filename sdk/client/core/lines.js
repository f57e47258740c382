import { encryptable } from './e2ee.js';
import { encodingsFor, preferCodec, refitEncodings, restrictCodec } from './encodings.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./publication.js').LocalPublication | import('./backups.js').Backup} Published what goes out on a line */

/**
 * The sending m-lines of one peer connection. A line that carried a source stays agreed when the source goes, and the
 * next one of that kind uses it again without negotiation.
 */
export class SendLines {
  #platform;
  #pc;
  #e2ee;
  /** `only`: the codec it was restricted to. @type {{source: Source, only: string | null, transceiver: RTCRtpTransceiver, used: Published | null}[]} */
  #lines = [];

  /**
   * @param {Platform} platform
   * @param {RTCPeerConnection} pc
   * @param {import('./e2ee.js').E2ee | null} [e2ee]
   */
  constructor(platform, pc, e2ee = null) {
    this.#platform = platform;
    this.#pc = pc;
    this.#e2ee = e2ee;
  }

  /**
   * Adds a line to the next offer.
   * @param {Published} publication
   * @returns {RTCRtpTransceiver}
   */
  add(publication) {
    const { source, kind, track, options, only } = publication;
    const add = (/** @type {RTCRtpEncodingParameters[]} */ sendEncodings) =>
      this.#pc.addTransceiver(track ?? kind, { direction: 'sendonly', sendEncodings, streams: track ? [this.#platform.createStream([track])] : [] });
    const encodings = encodingsFor(source, publication.size, options);
    let transceiver;
    try {
      transceiver = add(encodings);
    } catch (error) {
      // Browsers that have no such mode for any codec refuse it.
      if (!encodings.some((encoding) => 'scalabilityMode' in encoding)) throw error;
      for (const encoding of /** @type {{scalabilityMode?: string}[]} */ (encodings)) delete encoding.scalabilityMode;
      transceiver = add(encodings);
    }
    this.#e2ee?.attach(transceiver.sender, kind);
    const all = this.#platform.receiveCapabilities(kind);
    const capabilities = this.#e2ee ? encryptable(all) : all;
    if (only) restrictCodec(transceiver, capabilities, only);
    else preferCodec(transceiver, capabilities, options.codec ?? (source === 'microphone' ? 'red' : undefined));
    this.#lines.push({ source, only, transceiver, used: publication });
    return transceiver;
  }

  /**
   * Puts a publication on a free line of its kind.
   * @param {Published} publication
   * @returns {Promise<RTCRtpTransceiver | null>} null when there is none
   */
  async reuse(publication) {
    const line = this.#lines.find((l) => !l.used && l.source === publication.source && l.only === publication.only && l.transceiver.mid !== null);
    if (!line) return null;
    line.used = publication;
    await this.fit(publication);
    await line.transceiver.sender.replaceTrack(this.#carried(publication));
    return line.transceiver;
  }

  /**
   * Sends what the publication holds now: another device, or nothing.
   * @param {Published} publication
   */
  async replace(publication) {
    const line = this.#lines.find((l) => l.used === publication);
    if (!line) return;
    if (publication.track) await this.fit(publication);
    await line.transceiver.sender.replaceTrack(this.#carried(publication));
  }

  /**
   * Sends the encodings that are of use: no larger than the capture, and such as anybody receives.
   * @param {Published} publication
   */
  async fit(publication) {
    const line = this.#lines.find((l) => l.used === publication);
    if (!line || !publication.track) return;
    // A browser that cannot refit sends what it can: worse, not wrong.
    const { source, size, options, wanted } = publication;
    const { sender } = line.transceiver;
    await refitEncodings(sender, source, size, options, wanted).catch(() => {});
    const carried = this.#carried(publication);
    if (publication.kind === 'audio' && sender.track !== carried) await sender.replaceTrack(carried);
  }

  /** What its sender gets: nothing of a sound that nobody receives, where the browser would send it all the same. @param {Published} publication */
  #carried({ kind, track, wanted }) {
    return kind === 'audio' && wanted?.[0] === false && this.#platform.inactiveSoundFlows ? null : track;
  }

  /**
   * Frees the publication's line for the next one.
   * @param {Published} publication
   */
  async free(publication) {
    const line = this.#lines.find((l) => l.used === publication);
    if (!line) return;
    line.used = null;
    await line.transceiver.sender.replaceTrack(null);
  }

  /**
   * Gives up lines of an offer that was refused.
   * @param {Published[]} publications
   */
  drop(publications) {
    for (const line of this.#lines.filter((l) => l.used && publications.includes(l.used))) line.transceiver.stop?.();
    this.#lines = this.#lines.filter((l) => !l.used || !publications.includes(l.used));
  }

  /** @param {RTCRtpSender} sender @returns {Published | null} what it sends now */
  on(sender) {
    return this.#lines.find((l) => l.transceiver.sender === sender)?.used ?? null;
  }

  /** @param {Published} publication */
  of(publication) {
    return this.#lines.find((l) => l.used === publication)?.transceiver ?? null;
  }
}
