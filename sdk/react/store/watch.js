import { PARTICIPANT_EVENTS } from './names.js';

const PARTICIPANT_CHANGES = Object.values(PARTICIPANT_EVENTS);

/**
 * Listens to something with `on` and `off`.
 * @param {any} source
 * @param {string} event
 * @param {(...args: any[]) => void} listener
 * @returns {() => void} stops
 */
export function hear(source, event, listener) {
  source.on(event, listener);
  return () => void source.off(event, listener);
}

/** Listens to everybody who is in a meeting, and no longer to those who left. */
export class Watch {
  #meeting;
  #heard;
  /** @type {Map<any, (() => void)[]>} */
  #watched = new Map();

  /**
   * @param {any} meeting
   * @param {(id: string, event: string, args: any[]) => void} heard
   */
  constructor(meeting, heard) {
    this.#meeting = meeting;
    this.#heard = heard;
  }

  /** Somebody may have come or gone. */
  look() {
    const { localParticipant, participants } = this.#meeting;
    const present = new Set(participants.values());
    if (localParticipant) present.add(localParticipant);
    for (const participant of [...this.#watched.keys()]) if (!present.has(participant)) this.#forget(participant);
    for (const participant of present) {
      if (this.#watched.has(participant)) continue;
      const offs = PARTICIPANT_CHANGES.map((event) =>
        hear(participant, event, (...args) => this.#heard(participant.id, event, args)),
      );
      this.#watched.set(participant, offs);
    }
  }

  stop() {
    for (const participant of [...this.#watched.keys()]) this.#forget(participant);
  }

  /** @param {any} participant */
  #forget(participant) {
    for (const off of this.#watched.get(participant) ?? []) off();
    this.#watched.delete(participant);
  }
}
