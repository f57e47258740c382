import { Emitter } from './emitter.js';
import { RemoteParticipant, RemotePublication } from './participant.js';

/** @typedef {import('./participant.js').LocalParticipant} LocalParticipant */
/** @typedef {import('./participant.js').SubscriptionHooks} SubscriptionHooks */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').WireParticipant} WireParticipant */
/** @typedef {import('./protocol.js').WirePublication} WirePublication */
/** @typedef {import('./seats.js').Placed} Placed */

/**
 * Who is here and what they offer, as the server tells it. After a fresh join the new list is compared with the old one:
 * who stayed keeps the same object, so that a page that shows it need not notice.
 *
 * @extends {Emitter<{
 *   'participant-joined': [RemoteParticipant],
 *   'participant-left': [RemoteParticipant, string],
 *   'participant-updated': [RemoteParticipant | LocalParticipant],
 *   'publication-added': [RemotePublication, RemoteParticipant],
 *   'publication-updated': [RemotePublication, RemoteParticipant],
 *   'publication-removed': [RemotePublication, RemoteParticipant],
 *   'track-started': [RemotePublication, RemoteParticipant],
 *   'track-stopped': [RemotePublication, RemoteParticipant],
 *   'subscription': [RemotePublication, RemoteParticipant],
 *   'speakers': [(RemoteParticipant | LocalParticipant)[]],
 *   'quality': [(RemoteParticipant | LocalParticipant)[]],
 * }>}
 */
export class Roster extends Emitter {
  #hooks;
  /** @type {LocalParticipant | null} */
  #self = null;
  /** @type {Map<string, RemoteParticipant>} */
  #remotes = new Map();
  /** @type {(RemoteParticipant | LocalParticipant)[]} */
  #speakers = [];

  /** @param {SubscriptionHooks} hooks */
  constructor(hooks) {
    super();
    this.#hooks = hooks;
  }

  /** @returns {ReadonlyMap<string, RemoteParticipant>} */
  get remotes() {
    return this.#remotes;
  }

  /** The dominant one first. */
  get speakers() {
    return this.#speakers;
  }

  /** @returns {RemotePublication[]} */
  get publications() {
    return [...this.#remotes.values()].flatMap((p) => [...p.publications.values()]);
  }

  /**
   * The list as it is now.
   * @param {LocalParticipant} self
   * @param {WireParticipant[]} others
   */
  reset(self, others) {
    this.#self = self;
    this.#speakers = [];
    const stay = new Set(others.map((o) => o.id));
    for (const participant of [...this.#remotes.values()]) {
      participant.hear(0);
      if (!stay.has(participant.id)) this.#leave(participant, 'timeout');
    }
    for (const wire of others) {
      const known = this.#remotes.get(wire.id);
      if (known) this.#refresh(known, wire);
      else this.#join(wire);
    }
  }

  /**
   * Shows what has a seat and hides what has not. Called whenever either side of that changed.
   * @param {Map<number, Placed>} placed
   */
  seat(placed) {
    for (const participant of this.#remotes.values()) {
      for (const publication of participant.publications.values()) {
        const now = placed.get(publication.id) ?? null;
        if (now?.track === publication.track || (!now && !publication.track)) continue;
        if (publication.track) {
          publication.place(null);
          this.emit('track-stopped', publication, participant);
        }
        if (now) {
          publication.place(now);
          this.emit('track-started', publication, participant);
        }
      }
    }
  }

  /**
   * @param {ServerMessage} message an event
   * @returns {boolean} whether it was one of ours
   */
  apply(message) {
    switch (message.type) {
      case 'participant.joined':
        if (this.#remotes.has(message.participant.id)) this.#refresh(this.#must(message.participant.id), message.participant);
        else this.#join(message.participant);
        return true;
      case 'participant.left': {
        const participant = this.#remotes.get(message.participant);
        if (participant) this.#leave(participant, message.reason ?? 'left');
        return true;
      }
      case 'participant.updated': {
        const participant = this.#find(message.participant);
        participant?.update(/** @type {{displayName?: string, metadata?: unknown}} */ (message));
        if (participant) this.emit('participant-updated', participant);
        return true;
      }
      case 'publication.added':
      case 'publication.updated': {
        const participant = this.#remotes.get(message.participant);
        if (participant) this.#offer(participant, message.publication);
        return true;
      }
      case 'publication.removed': {
        const participant = this.#remotes.get(message.participant);
        const publication = participant?.publications.get(message.publication);
        if (participant && publication) this.#withdraw(participant, publication);
        return true;
      }
      case 'subscription': {
        const publication = this.publications.find((p) => p.id === message.publication);
        if (!publication) return true;
        publication.state = message.state;
        publication.encoding = message.encoding ?? null;
        publication.reason = message.reason ?? null;
        this.emit('subscription', publication, this.#must(publication.participantId));
        return true;
      }
      case 'speakers':
        this.#hear(message.speakers);
        return true;
      case 'quality': {
        const rated = [];
        for (const { participant: id, score } of message.quality) {
          const participant = this.#find(id);
          participant?.rate(score);
          if (participant) rated.push(participant);
        }
        this.emit('quality', rated);
        return true;
      }
      default:
        return false;
    }
  }

  /** @param {string} id */
  #find(id) {
    return this.#remotes.get(id) ?? (this.#self?.id === id ? this.#self : undefined);
  }

  /** @param {string} id */
  #must(id) {
    return /** @type {RemoteParticipant} */ (this.#remotes.get(id));
  }

  /** @param {WireParticipant} wire */
  #join(wire) {
    const participant = new RemoteParticipant(wire);
    this.#remotes.set(participant.id, participant);
    for (const p of wire.publications ?? []) participant.publications.set(p.id, new RemotePublication(p, participant.id, this.#hooks));
    this.emit('participant-joined', participant);
    for (const publication of participant.publications.values()) this.emit('publication-added', publication, participant);
  }

  /**
   * @param {RemoteParticipant} participant
   * @param {string} reason
   */
  #leave(participant, reason) {
    for (const publication of [...participant.publications.values()]) this.#withdraw(participant, publication);
    this.#remotes.delete(participant.id);
    this.emit('participant-left', participant, reason);
  }

  /**
   * Somebody we knew, seen again after a fresh join: what they offer has new numbers but may be the same things.
   * @param {RemoteParticipant} participant
   * @param {WireParticipant} wire
   */
  #refresh(participant, wire) {
    const old = [...participant.publications.values()];
    /** @type {Map<number, RemotePublication>} new number -> the publication we knew */
    const kept = new Map();
    for (const offer of wire.publications ?? []) {
      const at = old.findIndex((p) => p.source === offer.source);
      if (at >= 0) kept.set(offer.id, /** @type {RemotePublication} */ (old.splice(at, 1)[0]));
    }
    for (const gone of old) this.#withdraw(participant, gone);
    participant.publications.clear();
    for (const offer of wire.publications ?? []) {
      const same = kept.get(offer.id);
      if (same) participant.publications.set(offer.id, same);
      this.#offer(participant, offer);
    }
    participant.update(wire);
    this.emit('participant-updated', participant);
  }

  /**
   * @param {RemoteParticipant} participant
   * @param {WirePublication} wire
   */
  #offer(participant, wire) {
    const known = participant.publications.get(wire.id);
    if (known) {
      known.update(wire);
      this.emit('publication-updated', known, participant);
      return;
    }
    const publication = new RemotePublication(wire, participant.id, this.#hooks);
    participant.publications.set(wire.id, publication);
    this.emit('publication-added', publication, participant);
  }

  /**
   * @param {RemoteParticipant} participant
   * @param {RemotePublication} publication
   */
  #withdraw(participant, publication) {
    if (publication.track) {
      publication.place(null);
      this.emit('track-stopped', publication, participant);
    }
    participant.publications.delete(publication.id);
    publication.end();
    this.emit('publication-removed', publication, participant);
  }

  /** @param {{participant: string, level: number}[]} speakers */
  #hear(speakers) {
    const levels = new Map(speakers.map((s) => [s.participant, s.level]));
    for (const participant of [...this.#remotes.values(), ...(this.#self ? [this.#self] : [])]) {
      participant.hear(levels.get(participant.id) ?? 0);
    }
    this.#speakers = speakers.flatMap(({ participant }) => this.#find(participant) ?? []);
    this.emit('speakers', this.#speakers);
  }
}
