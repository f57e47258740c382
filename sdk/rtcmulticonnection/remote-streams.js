import { includes } from './shown.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../client/core/participant.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('../client/core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('./types.js').StreamEvent} StreamEvent */
/** @typedef {import('./shown.js').Kind} Kind */

/**
 * @typedef {object} Theirs publications that were one stream at the sender's
 * @property {string} key
 * @property {string} userid
 * @property {string} streamid
 * @property {Set<RemotePublication>} publications
 * @property {number} of how many there will be
 * @property {Map<RemotePublication, MediaStreamTrack>} tracks that play now
 * @property {MediaStream | null} stream
 * @property {StreamEvent | null} event null: not told yet
 * @property {unknown} timer
 * @property {Set<string>} deaf kinds that we muted for ourselves
 */

/** How long a stream waits for the rest of its tracks before it is told without them, in ms. */
const COMPLETE_MS = 1000;

/**
 * The streams of others. The server forwards tracks one by one, and one may come late or not at all (more people than receive
 * places); `onstream` comes once for all tracks that were one stream at the sender's, and `onstreamended` when the last was withdrawn.
 */
export class RemoteStreams {
  #engine;
  /** @type {Map<string, Theirs>} */
  #all = new Map();

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /** Somebody publishes something. @param {RemotePublication} publication @param {RemoteParticipant} participant */
  add(publication, participant) {
    const { stream, of } = described(publication);
    const screen = publication.source === 'screen' || publication.source === 'screenAudio';
    // Who is here by another client says nothing of streams: camera and microphone are one, the screen and its sound another.
    const wished = stream ?? `${participant.id}-${screen ? 'screen' : 'camera'}`;
    const key = `${participant.id} ${wished}`;
    let theirs = this.#all.get(key);
    if (!theirs) {
      // A name that is taken, by us or by somebody else, is no name to be known by.
      const taken = wished in this.#engine.connection.streamEvents || [...this.#all.values()].some(({ streamid }) => streamid === wished);
      const streamid = taken ? key : wished;
      theirs = { key, userid: participant.id, streamid, publications: new Set(), of: 0, tracks: new Map(), stream: null, event: null, timer: null, deaf: new Set() };
      this.#all.set(key, theirs);
    }
    theirs.publications.add(publication);
    theirs.of = Math.max(of ?? 0, theirs.publications.size);
    if (publication.track) this.start(publication);
  }

  /** It has a place and plays. @param {RemotePublication} publication */
  start(publication) {
    const theirs = this.#find(publication);
    const { track } = publication;
    if (!theirs || !track || theirs.tracks.get(publication) === track) return;
    this.stop(publication);
    theirs.tracks.set(publication, track);
    track.enabled = !theirs.deaf.has(track.kind);
    if (theirs.stream) theirs.stream.addTrack(track);
    else theirs.stream = this.#engine.platform.createStream([track]);
    this.#begin(theirs);
  }

  /** It has no place any more; the element stays for when it has again. @param {RemotePublication} publication */
  stop(publication) {
    const theirs = this.#find(publication);
    const track = theirs?.tracks.get(publication);
    if (!theirs || !track) return;
    theirs.tracks.delete(publication);
    theirs.stream?.removeTrack(track);
    track.enabled = true; // the track is the place's, and somebody else's next
  }

  /** It was muted or unmuted by its owner. @param {RemotePublication} publication @param {boolean} muted */
  muted(publication, muted) {
    const event = this.#find(publication)?.event;
    if (event) this.#engine.shown.muted(event, muted, publication.kind);
  }

  /** It is withdrawn. @param {RemotePublication} publication */
  remove(publication) {
    const theirs = this.#find(publication);
    if (!theirs) return;
    this.stop(publication);
    theirs.publications.delete(publication);
    theirs.of = theirs.publications.size;
    if (theirs.publications.size === 0) this.#end(theirs);
    else if (theirs.stream) this.#begin(theirs);
  }

  /** Everything of somebody is over. @param {string} userid */
  removeAll(userid) {
    for (const theirs of [...this.#all.values()]) {
      if (theirs.userid === userid) for (const publication of [...theirs.publications]) this.remove(publication);
    }
  }

  /** The first stream of somebody that has sound. @param {string} userid @returns {StreamEvent | null} */
  voiceOf(userid) {
    for (const { userid: owner, event, publications } of this.#all.values()) {
      if (owner === userid && event && [...publications].some(({ source }) => source === 'microphone')) return event;
    }
    return null;
  }

  /** @param {RemotePublication} publication */
  #find(publication) {
    for (const theirs of this.#all.values()) if (theirs.publications.has(publication)) return theirs;
    return null;
  }

  /** Tells it when it is complete, or has waited long enough. @param {Theirs} theirs */
  #begin(theirs) {
    if (theirs.event) return;
    const { platform } = this.#engine;
    if (theirs.tracks.size >= theirs.of) {
      platform.clearTimeout(theirs.timer);
      this.#tell(theirs);
    } else theirs.timer ??= platform.setTimeout(() => this.#tell(theirs), COMPLETE_MS);
  }

  /** @param {Theirs} theirs */
  #tell(theirs) {
    const { connection, shown } = this.#engine;
    if (!theirs.stream || theirs.event || this.#all.get(theirs.key) !== theirs) return;
    const sources = [...theirs.publications].map(({ source }) => source);
    const isScreen = sources.includes('screen') || sources.includes('screenAudio');
    const isVideo = sources.includes('camera');
    const peer = connection.peers[theirs.userid];
    theirs.event = shown.prepare(
      theirs.stream,
      { streamid: theirs.streamid, type: 'remote', userid: theirs.userid, extra: peer?.extra ?? {} },
      {
        isScreen, isVideo, isAudio: !isScreen && !isVideo,
        mute: (type) => this.#deafen(theirs, true, type),
        unmute: (type) => this.#deafen(theirs, false, type),
        stop: () => this.#refuse(theirs),
      },
    );
    peer?.streams.push(theirs.event.stream);
    shown.begin(theirs.event);
    for (const publication of theirs.publications) if (publication.muted) this.muted(publication, true);
  }

  /** @param {Theirs} theirs */
  #end(theirs) {
    this.#all.delete(theirs.key);
    this.#engine.platform.clearTimeout(theirs.timer);
    const { event } = theirs;
    if (!event) return;
    const peer = this.#engine.connection.peers[theirs.userid];
    if (peer) peer.streams = peer.streams.filter((/** @type {MediaStream} */ stream) => stream !== event.stream);
    this.#engine.shown.end(event);
  }

  /**
   * We want to hear or see it no more, or again. Nobody else notices, and the server sends no more of it.
   * @param {Theirs} theirs
   * @param {boolean} deaf
   * @param {Kind | 'both'} [type]
   */
  #deafen(theirs, deaf, type) {
    for (const publication of theirs.publications) {
      if (!includes(type, publication.kind)) continue;
      if (deaf) theirs.deaf.add(publication.kind);
      else theirs.deaf.delete(publication.kind);
      const track = theirs.tracks.get(publication);
      if (track) track.enabled = !deaf;
      publication.subscribe({ ...publication.limits, paused: deaf }).catch((thrown) => this.#engine.report(thrown));
    }
    if (theirs.event) this.#engine.shown.muted(theirs.event, deaf, type ?? 'both');
  }

  /** @param {Theirs} theirs */
  #refuse(theirs) {
    for (const publication of [...theirs.publications]) {
      publication.unsubscribe().catch((thrown) => this.#engine.report(thrown));
      this.remove(publication);
    }
  }
}

/** @param {RemotePublication} publication what its sender said of the stream it belongs to */
function described({ metadata }) {
  const { stream, of } = /** @type {{stream?: unknown, of?: unknown}} */ (metadata ?? {});
  return typeof stream === 'string' ? { stream, of: typeof of === 'number' && of <= 8 ? of : null } : { stream: null, of: null };
}
