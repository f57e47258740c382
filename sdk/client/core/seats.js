/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').WireSeat} WireSeat */
/** @typedef {import('./protocol.js').WireSeatLine} WireSeatLine */

/** Pairs offered at first. */
export const SEATS_FIRST = 8;
/** Pairs we ever offer. Firefox fails above 64 (128 m-lines), and some of those lines are our own. */
export const SEATS_MAX = 48;

/**
 * @typedef {object} Placed where a publication can be seen or heard
 * @property {MediaStreamTrack} track
 * @property {MediaStream} stream of the whole seat: its sound and its picture belong together
 */

/**
 * The receive places of one peer connection. The client offers them in pairs (an audio and a video m-line), the server
 * says by `seats` who sits where. The browser's tracks exist from the start and tell nothing when a seat falls empty
 * (no `mute` event comes, the last picture stays), so only what `placed` says is to be shown.
 */
export class Seats {
  #platform;
  #e2ee;
  /** @type {{audio: RTCRtpTransceiver, video: RTCRtpTransceiver, stream: MediaStream}[]} in the order they were offered */
  #pairs = [];
  /** @type {Map<number, WireSeatLine>} seat number -> its m-lines */
  #lines = new Map();
  /** @type {Map<number, WireSeat>} seat number -> who sits there */
  #occupants = new Map();

  /**
   * @param {Platform} platform
   * @param {import('./e2ee.js').E2ee | null} [e2ee]
   */
  constructor(platform, e2ee = null) {
    this.#platform = platform;
    this.#e2ee = e2ee;
  }

  /** Pairs offered so far. */
  get count() {
    return this.#pairs.length;
  }

  /**
   * Adds pairs to the next offer, audio then video.
   * @param {RTCPeerConnection} pc
   * @param {number} count pairs there should be in all
   */
  grow(pc, count) {
    while (this.#pairs.length < count) {
      const audio = pc.addTransceiver('audio', { direction: 'recvonly' });
      const video = pc.addTransceiver('video', { direction: 'recvonly' });
      this.#e2ee?.attach(audio.receiver, 'audio');
      this.#e2ee?.attach(video.receiver, 'video');
      const stream = this.#platform.createStream([audio.receiver.track, video.receiver.track]);
      this.#pairs.push({ audio, video, stream });
    }
  }

  /**
   * Takes back pairs of an offer that was refused.
   * @param {number} count pairs that stay
   */
  shrink(count) {
    for (const { audio, video } of this.#pairs.splice(count)) {
      audio.stop?.();
      video.stop?.();
    }
  }

  /** @param {WireSeatLine[]} lines from an answer */
  setLines(lines) {
    for (const line of lines) this.#lines.set(line.seat, line);
  }

  /** @param {WireSeat[]} seats those that changed */
  setOccupants(seats) {
    for (const seat of seats) this.#occupants.set(seat.seat, seat);
  }

  /**
   * Every publication that has a seat now.
   * @returns {Map<number, Placed>} publication id -> where it is
   */
  placed() {
    /** @type {Map<number, Placed>} */
    const placed = new Map();
    for (const [number, { participant, audio: sound, video: picture }] of this.#occupants) {
      if (participant === null) continue;
      const line = this.#lines.get(number);
      const pair =
        line &&
        this.#pairs.find(
          ({ audio, video }) =>
            (line.audioMid !== null && audio.mid === line.audioMid) || (line.videoMid !== null && video.mid === line.videoMid),
        );
      if (!pair) continue;
      if (sound !== null && sound !== undefined) {
        placed.set(sound, { track: pair.audio.receiver.track, stream: pair.stream });
      }
      if (picture !== null && picture !== undefined) {
        placed.set(picture, { track: pair.video.receiver.track, stream: pair.stream });
      }
    }
    return placed;
  }

  /**
   * How many pairs to offer when `wanted` would show everybody: doubled until enough.
   * @param {number} wanted
   * @param {number} limit the server's
   */
  target(wanted, limit) {
    const most = Math.min(SEATS_MAX, limit);
    let target = Math.max(this.count, 1);
    while (target < wanted && target < most) target *= 2;
    return Math.max(Math.min(target, most), this.count);
  }
}
