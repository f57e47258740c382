/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {InstanceType<typeof import('../client/client.js').Room>} Room */
/** @typedef {import('../client/core/participant.js').LocalParticipant} LocalParticipant */
/** @typedef {import('../client/core/participant.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('../client/core/participant.js').RemotePublication} RemotePublication */

/** Who is here, as the application is to see it: `connection.peers` and the events about people. */
export class Users {
  #engine;
  /** @type {Room | null} */
  #room = null;
  /** @type {(() => void)[]} */
  #off = [];
  /** People we have nothing to do with any more, though they are in the room. @type {Set<string>} */
  #parted = new Set();
  /** @type {Set<string>} */
  #speaking = new Set();
  /** What was told of each. @type {WeakMap<RemotePublication, boolean>} */
  #mutedStates = new WeakMap();

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /** @returns {string[]} */
  ids() {
    return Object.keys(this.#engine.connection.peers);
  }

  /** Whether we have to do with somebody. @param {string} id */
  knows(id) {
    return Object.hasOwn(this.#engine.connection.peers, id);
  }

  /** @param {string | null} id @returns {any} */
  extraOf(id) {
    const { connection } = this.#engine;
    if (id === connection.userid) return connection.extra;
    return (id && connection.peers[id]?.extra) || {};
  }

  /**
   * We are in a room.
   * @param {Room} room
   * @param {string} [except] our former id, which is about to leave
   */
  begin(room, except) {
    this.#room = room;
    if (except) this.#parted.add(except);
    const { remote } = this.#engine;
    /** @param {(publication: RemotePublication, participant: RemoteParticipant) => void} then */
    const known = (then) => (/** @type {RemotePublication} */ publication, /** @type {RemoteParticipant} */ participant) => {
      if (this.knows(participant.id)) then(publication, participant);
    };
    this.#off = [
      room.on('participant-joined', (participant) => this.#add(participant)),
      room.on('participant-left', (participant) => this.#left(participant.id)),
      room.on('participant-updated', (participant) => this.#updated(participant)),
      room.on('publication-added', (publication, participant) => this.#added(publication, participant)),
      room.on('publication-updated', known((publication) => this.#muted(publication))),
      room.on('publication-removed', known((publication) => remote.remove(publication))),
      room.on('track-started', known((publication) => remote.start(publication))),
      room.on('track-stopped', known((publication) => remote.stop(publication))),
      room.on('speakers', (speakers) => this.#speak(new Set(speakers.map(({ id }) => id)))),
      room.on('media-state', (state) => this.#mediaState(state)),
    ];
    for (const participant of room.participants.values()) {
      this.#add(participant);
      for (const publication of participant.publications.values()) this.#added(publication, participant);
    }
  }

  /** We are in it no more. */
  end() {
    for (const off of this.#off) off();
    for (const id of this.ids()) this.#drop(id);
    this.#room = null;
    this.#off = [];
    this.#parted.clear();
    this.#speaking.clear();
  }

  async updateExtra() {
    const room = this.#room;
    if (!room) return; // the next room gets it with the join
    const { extra } = this.#engine.connection;
    await room.update({ metadata: extra, displayName: nameOf(extra) }).catch((thrown) => this.#engine.report(thrown));
  }

  /** @param {string} id @param {(() => void) | undefined} callback */
  async partFrom(id, callback) {
    if (this.knows(id)) {
      await this.#engine.messages.tellParted(id);
      this.part(id);
    }
    this.#engine.call(() => callback?.(), 'the callback of disconnectWith');
  }

  /** Somebody parted from us, or we from them. @param {string} id */
  part(id) {
    if (!this.knows(id)) return;
    this.#parted.add(id);
    for (const publication of this.#room?.participants.get(id)?.publications.values() ?? []) this.#decline(publication);
    this.#drop(id);
  }

  /** @param {RemoteParticipant} participant */
  #add(participant) {
    const { id, metadata } = participant;
    if (this.knows(id) || this.#parted.has(id) || !this.#concerns(id)) return;
    const { connection } = this.#engine;
    const extra = metadata ?? {};
    const peer = { userid: id, extra, streams: [], peer: this.#room?.peerConnection ?? null };
    // Somebody may be called `__proto__`.
    Object.defineProperty(connection.peers, id, { value: peer, enumerable: true, configurable: true, writable: true });
    this.#engine.tell('onUserStatusChanged', { userid: id, status: 'online', extra });
    this.#engine.messages.meet(id);
    this.#countViewers();
  }

  /** In a one-way room viewers have to do with the owner alone. @param {string} id */
  #concerns(id) {
    const room = this.#room;
    return !room || room.isOwner || room.owner === null || !oneSender(room) || id === room.owner;
  }

  /** @param {string} id */
  #left(id) {
    this.#parted.delete(id);
    this.#drop(id);
  }

  /** @param {string} id */
  #drop(id) {
    if (!this.knows(id)) return;
    const { connection, remote, messages } = this.#engine;
    const extra = this.extraOf(id);
    remote.removeAll(id);
    messages.lose(id, extra);
    delete connection.peers[id];
    this.#engine.tell('onleave', { userid: id, extra });
    this.#engine.tell('onUserStatusChanged', { userid: id, status: 'offline', extra });
    this.#countViewers();
  }

  /** @param {RemoteParticipant | LocalParticipant} participant */
  #updated({ id, metadata, local }) {
    const peer = this.#engine.connection.peers[id];
    if (local || !peer) return;
    const extra = metadata ?? {};
    if (JSON.stringify(peer.extra) === JSON.stringify(extra)) return;
    peer.extra = extra;
    this.#engine.tell('onExtraDataUpdated', { userid: id, extra });
    this.#engine.tell('onUserStatusChanged', { userid: id, status: 'online', extra });
  }

  /** @param {RemotePublication} publication @param {RemoteParticipant} participant */
  #added(publication, participant) {
    if (!this.knows(participant.id)) return this.#decline(publication);
    this.#mutedStates.set(publication, publication.muted);
    this.#engine.remote.add(publication, participant);
  }

  /** @param {RemotePublication} publication */
  #muted(publication) {
    if (this.#mutedStates.get(publication) === publication.muted) return;
    this.#mutedStates.set(publication, publication.muted);
    this.#engine.remote.muted(publication, publication.muted);
  }

  /** @param {RemotePublication} publication */
  #decline(publication) {
    publication.unsubscribe().catch((thrown) => this.#engine.report(thrown));
  }

  /** @param {Set<string>} now */
  #speak(now) {
    const { connection, remote } = this.#engine;
    const about = (/** @type {string} */ userid) => ({ ...(remote.voiceOf(userid) ?? {}), userid, extra: this.extraOf(userid) });
    const before = this.#speaking;
    this.#speaking = now;
    for (const id of now) if (!before.has(id) && (this.knows(id) || id === connection.userid)) this.#engine.tell('onspeaking', about(id));
    for (const id of before) if (!now.has(id)) this.#engine.tell('onsilence', about(id));
  }

  /** @param {string} state */
  #mediaState(state) {
    const iceConnectionState = { new: 'new', connecting: 'checking', connected: 'connected', lost: 'disconnected', closed: 'closed' }[state] ?? state;
    const peer = this.#room?.peerConnection ?? null;
    for (const userid of this.ids()) {
      this.#engine.connection.peers[userid].peer = peer;
      this.#engine.tell('onPeerStateChanged', { userid, extra: this.extraOf(userid), iceConnectionState, signalingState: peer?.signalingState ?? 'closed' });
    }
  }

  #countViewers() {
    const { connection } = this.#engine;
    if (!connection.enableScalableBroadcast || !connection.isInitiator) return;
    this.#engine.tell('onNumberOfBroadcastViewersUpdated', { broadcastId: connection.sessionid, numberOfBroadcastViewers: this.ids().length });
  }
}

/** Whether only the owner sends. @param {Room} room */
function oneSender(room) {
  const { session } = /** @type {{session?: {oneway?: boolean, broadcast?: boolean}}} */ (room.settings?.info ?? {});
  return session?.oneway === true || session?.broadcast === true;
}

/** What other clients show of us. @param {any} extra @returns {string | undefined} */
export function nameOf(extra) {
  const name = extra?.fullName ?? extra?.name ?? extra?.username;
  return typeof name === 'string' ? name.slice(0, 60) : undefined;
}
