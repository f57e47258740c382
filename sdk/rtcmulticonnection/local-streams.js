import { modernConstraints } from './constraints.js';
import { captureRefused, RoomError } from './errors.js';
import { includes } from './shown.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('../client/core/publication.js').LocalPublication} LocalPublication */
/** @typedef {InstanceType<typeof import('../client/client.js').Room>} Room */
/** @typedef {import('./types.js').AddStream} AddStream */
/** @typedef {import('./types.js').RMCStream} RMCStream */
/** @typedef {import('./types.js').SessionPlan} SessionPlan */
/** @typedef {import('./types.js').StreamEvent} StreamEvent */
/** @typedef {import('./shown.js').Kind} Kind */

/**
 * @typedef {object} Ours a stream of ours
 * @property {RMCStream} stream
 * @property {StreamEvent} event
 * @property {string} plan what it was opened for: "audio,video", "screen"; empty: the application's own
 * @property {Map<MediaStreamTrack, LocalPublication>} sent by the stream's own track, whatever is sent in its place
 * @property {boolean} quiet while one change covers several publications
 */

/** Our own streams: opened, shown, sent, muted, ended. `connection.attachStreams` says which are to be sent. */
export class LocalStreams {
  #engine;
  /** @type {Map<MediaStream, Ours>} */
  #ours = new Map();
  /** @type {Room | null} */
  #room = null;

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * Opens what the session asks for and shows it. What is open already for the same purpose is used again.
   * @param {SessionPlan} session
   * @returns {Promise<RMCStream[]>} rejects after `onMediaError`
   */
  async capture(session) {
    /** @type {RMCStream[]} */
    const streams = [];
    const opened = [];
    try {
      // The screen first: browsers ask for it only while a click is fresh.
      for (const plan of [session.screen ? 'screen' : '', [session.audio && 'audio', session.video && 'video'].filter(Boolean).join()]) {
        if (!plan) continue;
        const open = [...this.#ours.values()].find((o) => o.plan === plan && alive(o.stream));
        const ours = open ?? this.#adopt(await (plan === 'screen' ? this.#openScreen(session) : this.#openDevices(plan)), plan, true);
        if (!open) opened.push(ours);
        streams.push(ours.stream);
      }
    } catch (thrown) {
      for (const { stream } of opened) stream.stop();
      throw thrown;
    }
    return streams;
  }

  /** @param {SessionPlan} session @param {((stream?: RMCStream) => void) | undefined} callback */
  async captureOnly(session, callback) {
    const streams = await this.capture(session).catch(() => []); // told by onMediaError
    this.#engine.call(() => callback?.(streams[0]), 'the callback of captureUserMedia');
  }

  /** @param {MediaStream | AddStream} what */
  async add(what) {
    if ('getTracks' in what) {
      this.#adopt(what, '', false);
      return this.sync();
    }
    const streams = await this.capture(what).catch(() => []);
    for (const stream of streams) this.#engine.call(() => what.streamCallback?.(stream), 'streamCallback');
    await this.sync();
  }

  /** @param {MediaStream | string} what */
  async remove(what) {
    const { connection } = this.#engine;
    const { attachStreams } = connection;
    const is = (/** @type {RMCStream} */ s) =>
      s === what || s.streamid === what || s.id === what || (what === 'screen' && s.isScreen) || (what === 'video' && s.isVideo) || (what === 'audio' && s.isAudio);
    connection.attachStreams = attachStreams.filter((stream) => !is(stream));
    if (connection.attachStreams.length < attachStreams.length) await this.sync();
  }

  /**
   * Sends everything attached to a room, all by one offer. Before the room is joined it goes out with the first one.
   * @param {Room} room
   */
  async sendTo(room) {
    this.detach();
    this.#room = room;
    await this.sync();
  }

  /** Our id is another. */
  named() {
    for (const { event } of this.#ours.values()) event.userid = this.#engine.connection.userid;
  }

  /** The room is over or another one takes its place. */
  detach() {
    this.#room = null;
    for (const ours of this.#ours.values()) ours.sent = new Map();
  }

  /** Sends what is attached and not sent yet, ends what is sent and attached no more. */
  async sync() {
    const room = this.#room;
    const { attachStreams, dontAttachStream } = this.#engine.connection;
    const wanted = dontAttachStream ? [] : attachStreams.filter(Boolean).map((stream) => this.#ours.get(stream) ?? this.#adopt(stream, '', false));
    if (!room) return;
    const gone = [...this.#ours.values()].filter((ours) => !wanted.includes(ours));
    const fresh = wanted.flatMap((ours) => ours.stream.getTracks().filter((track) => !ours.sent.has(track)).map((track) => ({ ours, track })));
    const ended = gone.flatMap((ours) => [...ours.sent.values()]);
    for (const ours of gone) ours.sent = new Map();
    try {
      await Promise.all([...ended.map((publication) => publication.unpublish()), fresh.length > 0 && this.#send(room, fresh)]);
    } catch (thrown) {
      this.#engine.report(thrown);
    }
  }

  /**
   * @param {Room} room
   * @param {{ours: Ours, track: MediaStreamTrack}[]} parts
   */
  async #send(room, parts) {
    const { bandwidth, codecs } = this.#engine.connection;
    const before = new Set(room.publications);
    const asked = room.publishAll(
      parts.map(({ ours: { stream }, track }) => {
        const source = stream.isScreen ? (track.kind === 'audio' ? 'screenAudio' : 'screen') : track.kind === 'audio' ? 'microphone' : 'camera';
        const limit = stream.isScreen ? bandwidth.screen : bandwidth.video;
        return {
          track,
          options: {
            source: /** @type {import('../client/core/protocol.js').Source} */ (source),
            muted: !track.enabled,
            stopTrack: false, // the application's to stop, as in the original
            // By this the others put the tracks together again, and know how many to wait for.
            metadata: { stream: stream.streamid, track: stream.getTracks().indexOf(track), of: stream.getTracks().length },
            // The limit is for everything sent of it, so there is no second encoding beside it.
            ...(limit && track.kind === 'video' ? { maxBitrate: limit * 1000, simulcast: false } : {}),
            ...(track.kind === 'video' && codecs.video ? { codec: codecs.video.toLowerCase() } : {}),
          },
        };
      }),
    );
    // They exist from the call on, though the server agrees later: whoever mutes meanwhile mutes them.
    const made = room.publications.filter((publication) => !before.has(publication));
    parts.forEach(({ ours, track }, i) => {
      const publication = made[i];
      if (!publication) return; // refused at once; `asked` says why
      ours.sent.set(track, publication);
      publication.on('muted', (muted) => {
        if (!ours.quiet) this.#engine.shown.muted(ours.event, muted, /** @type {Kind} */ (track.kind));
      });
      publication.on('closed', () => {
        if (ours.sent.get(track) === publication) ours.sent.delete(track);
      });
    });
    await asked;
  }

  /** @param {MediaStreamTrack | MediaStream | SessionPlan} what */
  async replaceTrack(what) {
    try {
      const tracks = 'getTracks' in what ? what.getTracks() : 'kind' in what ? [what] : (await this.capture(what)).flatMap((stream) => stream.getTracks());
      for (const track of tracks) {
        const publications = [...this.#ours.values()].flatMap((ours) => [...ours.sent.values()]).filter(({ kind }) => kind === track.kind);
        const publication = publications.find(({ source }) => source === 'camera' || source === 'microphone') ?? publications[0];
        if (!publication) throw new RoomError('invalid-state', `replaceTrack: no ${track.kind} is sent.`);
        await publication.replaceTrack(track);
      }
    } catch (thrown) {
      this.#engine.report(thrown);
    }
  }

  /** @param {boolean} [video] absent: both kinds */
  async resetTrack(video) {
    const sent = [...this.#ours.values()].flatMap((ours) => [...ours.sent]);
    const undone = sent.filter(([own, publication]) => publication.track !== own && own.readyState === 'live' && (video === undefined || (own.kind === 'video') === video));
    await Promise.all(undone.map(([own, publication]) => publication.replaceTrack(own))).catch((thrown) => this.#engine.report(thrown));
  }

  /**
   * @param {{audio?: MediaTrackConstraints, video?: MediaTrackConstraints}} constraints
   * @param {string} [streamid]
   */
  async applyConstraints(constraints, streamid) {
    const streams = [...this.#ours.keys()].filter((stream) => streamid === undefined || /** @type {RMCStream} */ (stream).streamid === streamid);
    const changes = streams.flatMap((stream) => stream.getTracks()).map((track) => {
      const wish = modernConstraints(constraints[/** @type {Kind} */ (track.kind)]);
      return typeof wish === 'object' ? track.applyConstraints(wish) : null;
    });
    await Promise.all(changes).catch((thrown) => this.#engine.report(captureRefused(thrown)));
  }

  /**
   * Makes a stream one of ours.
   * @param {MediaStream} stream
   * @param {string} plan
   * @param {boolean} show
   */
  #adopt(stream, plan, show) {
    const known = this.#ours.get(stream);
    if (known) return known;
    const { connection, shown } = this.#engine;
    const isScreen = plan === 'screen' || /** @type {Partial<RMCStream>} */ (stream).isScreen === true;
    const isVideo = !isScreen && stream.getVideoTracks().length > 0;
    const event = shown.prepare(
      stream,
      { streamid: stream.id, type: 'local', userid: connection.userid, extra: connection.extra },
      {
        isScreen, isVideo, isAudio: !isScreen && !isVideo,
        mute: (type) => this.#mute(ours, true, type),
        unmute: (type) => this.#mute(ours, false, type),
        stop: () => {
          for (const track of stream.getTracks()) track.stop();
          this.#end(ours);
        },
      },
    );
    /** @type {Ours} */
    const ours = { stream: event.stream, event, plan, sent: new Map(), quiet: false };
    this.#ours.set(stream, ours);
    if (!connection.attachStreams.includes(event.stream)) connection.attachStreams.push(event.stream);
    for (const track of stream.getTracks()) {
      track.addEventListener('ended', () => {
        if (!alive(stream)) this.#end(ours);
        else void ours.sent.get(track)?.unpublish();
      });
    }
    if (show) shown.begin(event);
    return ours;
  }

  /** @param {Ours} ours */
  #end(ours) {
    if (!this.#ours.delete(ours.stream)) return;
    const { connection, shown } = this.#engine;
    connection.attachStreams = connection.attachStreams.filter((stream) => stream !== ours.stream);
    for (const publication of ours.sent.values()) publication.unpublish().catch((thrown) => this.#engine.report(thrown));
    shown.end(ours.event);
  }

  /**
   * @param {Ours} ours
   * @param {boolean} muted
   * @param {Kind | 'both'} [type]
   */
  #mute(ours, muted, type) {
    const tracks = ours.stream.getTracks().filter(({ kind }) => includes(type, kind));
    ours.quiet = true;
    for (const track of tracks) {
      track.enabled = !muted;
      const publication = ours.sent.get(track);
      if (!publication) continue;
      const done = muted ? publication.mute() : publication.track === null ? this.#reopen(ours, track, publication) : publication.unmute();
      done.catch((thrown) => this.#engine.report(thrown));
    }
    ours.quiet = false;
    this.#engine.shown.muted(ours.event, muted, type ?? 'both');
  }

  /**
   * A moderator switched the camera off, which closed it: unmuting opens it again.
   * @param {Ours} ours
   * @param {MediaStreamTrack} old
   * @param {LocalPublication} publication
   */
  async #reopen(ours, old, publication) {
    const [track] = (await this.#openDevices(old.kind)).getTracks();
    if (!track) return;
    ours.stream.removeTrack(old);
    ours.stream.addTrack(track);
    ours.sent.delete(old);
    ours.sent.set(track, publication);
    await publication.unmute(track);
  }

  /** @param {string} plan "audio", "video" or both @returns {Promise<MediaStream>} */
  async #openDevices(plan) {
    const { mediaConstraints } = this.#engine.connection;
    const constraints = {
      audio: plan.includes('audio') && modernConstraints(mediaConstraints.audio),
      video: plan.includes('video') && modernConstraints(mediaConstraints.video),
    };
    return this.#open((devices) => devices.getUserMedia(constraints), constraints).catch((thrown) => {
      // A computer without a camera still has a voice.
      if (thrown.code !== 'device-not-found' || !constraints.audio || !constraints.video) throw thrown;
      return this.#open((devices) => devices.getUserMedia({ audio: constraints.audio, video: false }), { audio: constraints.audio, video: false });
    });
  }

  /** @param {SessionPlan} session */
  #openScreen(session) {
    const wish = modernConstraints(this.#engine.connection.mediaConstraints.screen);
    // With the sound of what is shared, unless the microphone is wanted anyway.
    const constraints = { video: wish || true, audio: !session.audio };
    return this.#open((devices) => devices.getDisplayMedia(constraints), constraints);
  }

  /**
   * @param {(devices: MediaDevices) => Promise<MediaStream>} ask
   * @param {MediaStreamConstraints} constraints
   */
  async #open(ask, constraints) {
    try {
      const devices = this.#engine.platform.mediaDevices;
      if (!devices) throw new RoomError('insecure-context', 'Camera and microphone need a page from https or localhost.');
      return await ask(devices);
    } catch (thrown) {
      this.#engine.tell('onMediaError', thrown, constraints);
      throw captureRefused(thrown);
    }
  }
}

/** @param {MediaStream} stream */
const alive = (stream) => stream.getTracks().some((track) => track.readyState === 'live');
