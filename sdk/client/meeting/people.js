import { EnfiladeError } from '../core/errors.js';
import { modeName, STREAM_KIND } from './constants.js';
import { reasonOfOthers } from './leave-reasons.js';
import { Participant } from './participant.js';
import { Stream } from './stream.js';
import { StreamWatch } from './stream-watch.js';

/** @typedef {import('../core/participant.js').LocalParticipant} LocalParticipant */
/** @typedef {import('../core/participant.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('../core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('../core/publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {import('./leave-reasons.js').LeaveReason} LeaveReason */
/** @typedef {import('./participant.js').Surroundings} Surroundings */

const SHOWN = /** @type {const} */ (['publication-added', 'publication-updated', 'publication-removed', 'track-started', 'track-stopped']);

/** Who is in the meeting, what of them can be seen and heard, who speaks and who presents: one room's worth of it. */
export class People {
  #in;
  #meeting;
  #entered = false;
  /** @type {Set<StreamKind>} what `pauseAllStreams` holds back */
  #paused = new Set();
  #adaptive = true;
  #watch;
  /** @type {WeakSet<LocalPublication>} */
  #minded = new WeakSet();
  /** The others. @type {Map<string, Participant>} */
  others;
  /** @type {Participant | null} */
  self = null;
  /** @type {string | null} */
  speakerId = null;
  /** @type {string | null} */
  presenterId = null;
  /** @type {string | null} */
  mainId = null;
  /** What is pinned, by participant id. @type {Map<string, {cam: boolean, share: boolean}>} */
  pinned = new Map();

  /**
   * @param {import('./meeting-types.js').MeetingEmitter} meeting
   * @param {Surroundings} surroundings
   * @param {Map<string, Participant>} others empty; the meeting's own map
   * @param {(error: EnfiladeError, action: import('./errors.js').Action) => void} report
   */
  constructor(meeting, surroundings, others, report) {
    this.#meeting = meeting;
    this.#in = surroundings;
    this.others = others;
    this.report = report;
    const { room } = surroundings;
    this.#watch = new StreamWatch(room);
    room.on('participant-joined', (who) => this.#join(who));
    room.on('participant-left', (who, reason) => this.#leave(who.id, reasonOfOthers(reason)));
    room.on('participant-updated', (who) => this.#update(who));
    for (const event of SHOWN) room.on(event, (_, who) => this.#showRemote(who.id));
    room.on('publication-added', (publication, who) => {
      const participant = this.others.get(who.id);
      void participant?.viewing.apply(publication).catch(() => {}); // said again after a fresh join
    });
    room.on('subscription', (publication, who) => {
      const participant = this.others.get(who.id);
      if (publication.state === 'codec-not-supported') this.#lament(publication, who);
      if (publication.source === 'camera' && publication.encoding !== null) participant?.receives(publication.encoding, publication.encodings);
    });
    room.on('local-changed', () => this.#showLocal());
    room.on('encryption', (publication, outcome) => {
      const local = !('participantId' in publication);
      const participant = local ? this.self : this.others.get(publication.participantId);
      participant?.emit('e2ee-state-change', { kind: STREAM_KIND[publication.source], state: encryptionState(local, outcome), reason: outcome === 'ok' ? null : outcome });
    });
    room.on('backup', (publication, { codec, previous, for: [needy] }) => {
      if (!codec) return;
      const before = previous?.toUpperCase() ?? null;
      const kind = publication.source === 'screen' ? 'share' : 'video';
      meeting.emit('codec-changed', { unsupportedRemoteCodec: before, previousCodec: before, currentCodec: codec.toUpperCase(), kind, causedBy: this.others.get(needy ?? '') ?? null });
    });
    room.on('speakers', ([loudest]) => this.#speak(loudest?.id ?? null));
    room.on('pin', ({ participant, camera, screen, by }) => {
      if (camera || screen) this.pinned.set(participant, { cam: camera, share: screen });
      else this.pinned.delete(participant);
      meeting.emit('pin-state-changed', { participantId: participant, peerId: participant, state: { cam: camera, share: screen }, pinnedBy: by });
      this.#choose();
    });
  }

  /** We are in. Tells of ourselves and of everybody here, in that order. */
  enter() {
    this.#entered = true;
    const { room } = this.#in;
    this.self = new Participant(this.#in, /** @type {LocalParticipant} */ (room.localParticipant), true);
    this.#showLocal();
    this.#meeting.emit('meeting-joined');
    for (const participant of [...this.others.values()]) this.#meeting.emit('participant-joined', participant);
    this.#choose();
  }

  /** It is over. @param {LeaveReason | null} reason told of everybody; null: nobody is told */
  end(reason) {
    for (const id of [...this.others.keys()]) {
      if (reason) this.#leave(id, reason);
      else this.others.get(id)?.elements.release();
    }
    this.others.clear();
    this.self?.show([]);
    this.self?.elements.release();
    this.pinned.clear();
    this.#speak(null);
    this.#present();
  }

  /** @param {StreamKind | undefined} kind undefined: all @param {boolean} paused */
  async pauseAll(kind, paused) {
    const kinds = kind ? [kind] : /** @type {const} */ (['audio', 'video', 'share', 'shareAudio']);
    for (const k of kinds) {
      if (paused) this.#paused.add(k);
      else this.#paused.delete(k);
    }
    await Promise.all([...this.others.values()].flatMap((p) => kinds.map((k) => p.pause(SOURCE[k], paused, 'all-streams'))));
  }

  /** @param {boolean} adaptive */
  adapt(adaptive) {
    this.#adaptive = adaptive;
    for (const participant of this.others.values()) participant.elements.adapt(adaptive);
  }

  /** What we cannot decode is an error, unless a version that we can comes soon. @param {RemotePublication} publication @param {RemoteParticipant} who */
  #lament(publication, who) {
    this.#in.platform.setTimeout(() => {
      const there = this.#in.room.participants.get(who.id)?.publications.get(publication.id);
      if (there !== publication || publication.state !== 'codec-not-supported') return;
      this.report(new EnfiladeError('codec-not-supported', `The ${publication.source} of ${who.displayName} comes in ${publication.codec}, which this browser cannot show.`), 'other');
    }, BACKUP_PATIENCE_MS);
  }

  /** @param {RemoteParticipant} who */
  #join(who) {
    const participant = new Participant(this.#in, who, false);
    this.others.set(who.id, participant);
    participant.elements.adapt(this.#adaptive);
    for (const kind of this.#paused) participant.viewing.expect(SOURCE[kind], { paused: true }); // what they publish is told next
    if (!this.#entered) return;
    this.#meeting.emit('participant-joined', participant);
    this.#choose();
  }

  /** @param {string} id @param {LeaveReason} reason */
  #leave(id, reason) {
    const participant = this.others.get(id);
    if (!participant) return;
    participant.show([]);
    participant.elements.release();
    this.others.delete(id);
    this.pinned.delete(id);
    if (this.#entered) this.#meeting.emit('participant-left', participant, reason);
    this.#present();
  }

  /** @param {RemoteParticipant | LocalParticipant} who */
  #update(who) {
    const participant = this.self?.id === who.id ? this.self : this.others.get(who.id);
    if (!participant) return;
    const before = participant.mode;
    participant.update(who);
    if (!this.#entered) return;
    this.#meeting.emit('participant-updated', participant);
    if (participant.mode === before) return;
    this.#meeting.emit('participant-mode-changed', { participantId: who.id, mode: modeName(who.mode, this.#in.olderModes) });
  }

  /** @param {string} id */
  #showRemote(id) {
    const participant = this.others.get(id);
    if (!participant) return;
    const publications = [...(this.#in.room.participants.get(id)?.publications.values() ?? [])].filter((p) => !p.muted);
    participant.show(
      publications.flatMap((p) => {
        if (!p.track) return [];
        const known = participant.streams.get(String(p.id));
        if (known?.track === p.track) return [known];
        return [new Stream(p, String(p.id), p.track, this.#hooks(participant, p.source))];
      }),
    );
    participant.status(new Set(publications.map((p) => STREAM_KIND[p.source])));
    this.#present();
  }

  #showLocal() {
    const publications = this.#in.room.publications.filter((p) => !p.muted && p.track);
    this.#mind(this.#in.room.publications);
    this.self?.show(
      publications.flatMap((p) => {
        const track = /** @type {MediaStreamTrack} */ (p.track);
        const known = this.self?.streams.get(p.source);
        return known?.track === track ? [known] : [new Stream(p, p.source, track, null)];
      }),
    );
    this.self?.status(new Set(publications.map((p) => STREAM_KIND[p.source])));
    this.#present();
  }

  /** Devices that go away by themselves are told as errors. @param {LocalPublication[]} publications */
  #mind(publications) {
    for (const publication of publications) {
      const { source } = publication;
      if (this.#minded.has(publication) || (source !== 'camera' && source !== 'microphone')) continue;
      this.#minded.add(publication);
      publication.on('ended', () => this.report(new EnfiladeError(`${source}-ended`, `The ${source} stopped by itself; perhaps it was unplugged.`), source));
    }
  }

  /** @param {Participant} participant @param {import('../core/protocol.js').Source} source @returns {import('./stream.js').StreamHooks} */
  #hooks(participant, source) {
    return {
      pause: (paused) => this.#in.guard(paused ? 'pause' : 'resume', () => participant.pause(source, paused, 'manual')),
      watch: (stream) => this.#watch.watch(stream),
      date: () => this.#in.platform.date?.() ?? 0,
    };
  }

  /** @param {string | null} id */
  #speak(id) {
    if (id === this.speakerId) return;
    this.speakerId = id;
    this.#meeting.emit('speaker-changed', id);
    this.#choose();
  }

  #present() {
    const all = [...(this.self ? [this.self] : []), ...this.others.values()];
    const still = all.find((p) => p.id === this.presenterId && p.screenShareOn);
    const id = (still ?? all.find((p) => p.screenShareOn))?.id ?? null;
    if (id !== this.presenterId) {
      this.presenterId = id;
      this.#meeting.emit('presenter-changed', id);
    }
    this.#choose();
  }

  /** Who deserves the largest tile: somebody pinned, who presents, who speaks or spoke last, anybody else, ourselves. */
  #choose() {
    if (!this.#entered || !this.self) return;
    const here = (/** @type {string | null | undefined} */ id) => (id ? (this.others.get(id) ?? (this.self?.id === id ? this.self : null)) : null);
    const main =
      here(this.pinned.keys().next().value) ?? here(this.presenterId) ?? (this.speakerId === this.self.id ? null : here(this.speakerId)) ??
      (this.mainId === this.self.id ? null : here(this.mainId)) ?? this.others.values().next().value ?? this.self;
    if (main.id === this.mainId) return;
    this.mainId = main.id;
    this.#meeting.emit('main-participant-changed', main);
  }
}

/** How long a publisher may take to begin with a version that we can decode, in ms. */
const BACKUP_PATIENCE_MS = 5000;

/** As the Meeting API has it. @param {boolean} local @param {import('../core/e2ee-cipher.js').Outcome} outcome @returns {import('./participant.js').EncryptionState} */
function encryptionState(local, outcome) {
  if (local) return outcome === 'ok' ? 'EncryptionSuccess' : 'EncryptionFailed';
  return outcome === 'ok' ? 'DecryptionSuccess' : 'DecryptionFailed';
}

/** @type {Record<StreamKind, import('../core/protocol.js').Source>} */
const SOURCE = { audio: 'microphone', video: 'camera', share: 'screen', shareAudio: 'screenAudio' };
