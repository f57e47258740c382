import { encodingsFor, preferCodec, refitEncodings } from './encodings.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */

/**
 * The sending m-lines of one peer connection. A line that carried a source stays agreed when the source goes, and the
 * next one of that kind uses it again without negotiation.
 */
export class SendLines {
  #platform;
  #pc;
  /** @type {{source: Source, transceiver: RTCRtpTransceiver, used: LocalPublication | null}[]} */
  #lines = [];

  /**
   * @param {Platform} platform
   * @param {RTCPeerConnection} pc
   */
  constructor(platform, pc) {
    this.#platform = platform;
    this.#pc = pc;
  }

  /**
   * Adds a line to the next offer.
   * @param {LocalPublication} publication
   * @returns {RTCRtpTransceiver}
   */
  add(publication) {
    const { source, kind, track, options } = publication;
    const transceiver = this.#pc.addTransceiver(track ?? kind, {
      direction: 'sendonly',
      sendEncodings: encodingsFor(source, publication.size, options),
      streams: track ? [this.#platform.createStream([track])] : [],
    });
    preferCodec(transceiver, this.#platform.receiveCapabilities(kind), options.codec ?? (source === 'microphone' ? 'red' : undefined));
    this.#lines.push({ source, transceiver, used: publication });
    return transceiver;
  }

  /**
   * Puts a publication on a free line of its kind.
   * @param {LocalPublication} publication
   * @returns {Promise<RTCRtpTransceiver | null>} null when there is none
   */
  async reuse(publication) {
    const line = this.#lines.find((l) => !l.used && l.source === publication.source && l.transceiver.mid !== null);
    if (!line) return null;
    line.used = publication;
    await this.fit(publication);
    await line.transceiver.sender.replaceTrack(this.#carried(publication));
    return line.transceiver;
  }

  /**
   * Sends what the publication holds now: another device, or nothing.
   * @param {LocalPublication} publication
   */
  async replace(publication) {
    const line = this.#lines.find((l) => l.used === publication);
    if (!line) return;
    if (publication.track) await this.fit(publication);
    await line.transceiver.sender.replaceTrack(this.#carried(publication));
  }

  /**
   * Sends the encodings that are of use: no larger than the capture, and such as anybody receives.
   * @param {LocalPublication} publication
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

  /** What its sender gets: nothing of a sound that nobody receives, where the browser would send it all the same. @param {LocalPublication} publication */
  #carried({ kind, track, wanted }) {
    return kind === 'audio' && wanted?.[0] === false && this.#platform.inactiveSoundFlows ? null : track;
  }

  /**
   * Frees the publication's line for the next one.
   * @param {LocalPublication} publication
   */
  async free(publication) {
    const line = this.#lines.find((l) => l.used === publication);
    if (!line) return;
    line.used = null;
    await line.transceiver.sender.replaceTrack(null);
  }

  /**
   * Gives up lines of an offer that was refused.
   * @param {LocalPublication[]} publications
   */
  drop(publications) {
    for (const line of this.#lines.filter((l) => l.used && publications.includes(l.used))) line.transceiver.stop?.();
    this.#lines = this.#lines.filter((l) => !l.used || !publications.includes(l.used));
  }

  /** @param {LocalPublication} publication */
  of(publication) {
    return this.#lines.find((l) => l.used === publication)?.transceiver ?? null;
  }
}
