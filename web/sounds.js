import { byId, h } from './dom.js';

/** Everybody's sound, one audio element each; the pictures are silent. */
export class Sounds {
  /** @type {Map<object, HTMLAudioElement>} publication -> element */ #elements = new Map();
  #off = [];
  #sink = '';

  /** @param {import('/sdk/client.js').Room} room */
  constructor(room) {
    this.room = room;
    for (const who of room.participants.values()) for (const publication of who.publications.values()) this.#start(publication);
    this.#off.push(
      room.on('track-started', (publication) => this.#start(publication)),
      room.on('track-stopped', (publication) => this.#stop(publication)),
    );
  }

  /** Whether this browser lets the page choose the loudspeaker. */
  get canChoose() {
    return 'setSinkId' in HTMLMediaElement.prototype;
  }

  /** @param {string} deviceId of the loudspeaker */
  async choose(deviceId) {
    this.#sink = deviceId;
    await Promise.all([...this.#elements.values()].map((element) => element.setSinkId(deviceId)));
  }

  close() {
    for (const off of this.#off) off();
    for (const publication of [...this.#elements.keys()]) this.#stop(publication);
  }

  #start(publication) {
    if (publication.kind !== 'audio' || !publication.track || this.#elements.has(publication)) return;
    const element = h('audio', { 'data-participant': publication.participantId });
    byId('sounds').append(element);
    if (this.#sink) element.setSinkId(this.#sink).catch(() => {});
    this.#elements.set(publication, element);
    void this.room.playback.attach(element, new MediaStream([publication.track]));
  }

  #stop(publication) {
    const element = this.#elements.get(publication);
    if (!element) return;
    this.#elements.delete(publication);
    this.room.playback.detach(element);
    element.remove();
  }
}
