import { RoomError, refusal } from './errors.js';
import { nameOf } from './users.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./types.js').Detail} Detail */
/** @typedef {import('./types.js').PublicRoom} PublicRoom */
/** @typedef {import('./types.js').RoomCallback} RoomCallback */
/** @typedef {import('./types.js').SessionPlan} SessionPlan */
/** @typedef {import('../client/core/protocol.js').Presence} Presence */
/** @typedef {import('../client/core/room-types.js').RoomOptions} RoomOptions */
/** @typedef {InstanceType<typeof import('../client/client.js').Room>} Room */
/** @typedef {'open' | 'join' | 'any'} Intent */
/** @typedef {{isOneWay?: boolean, isDataOnly?: boolean}} How */
/** @typedef {{over: boolean, room: Room | null}} Attempt `over`: `leave` came in between */

/** What the original calls no limit. */
const PARTICIPANTS_DEFAULT = 1000;

/**
 * Opens, joins, leaves, closes. One room at a time: whoever enters another one leaves the one before, and calls follow one
 * another.
 */
export class Rooms {
  #engine;
  /** The room we are in. @type {Room | null} */
  current = null;
  /** Calls of `enter` under way or waiting. @type {Set<Attempt>} */
  #attempts = new Set();
  /** The last of the calls that follow one another. @type {Promise<unknown>} */
  #tail = Promise.resolve();
  /** Done when the room before is left. @type {Promise<void>} */
  #left = Promise.resolve();
  /** Who owns the room, as was told last. @type {string | null} */
  #owner = null;

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * @param {Intent} intent
   * @param {string} roomid
   * @param {How} how
   * @param {RoomCallback | undefined} callback
   * @returns {Promise<void>} done when the callback was called; never rejects
   */
  enter(intent, roomid, how, callback) {
    /** @type {Attempt} */
    const attempt = { over: false, room: null };
    const turn = this.#tail.then(async () => {
      try {
        const room = await this.#enter(attempt, intent, roomid, how);
        this.#answer(callback, true, roomid, null, detailOf(room));
        if (this.current === room) this.#engine.users.begin(room);
      } catch (thrown) {
        this.#refused(thrown, roomid, callback);
      }
    });
    this.#tail = turn;
    this.#attempts.add(attempt);
    return turn.finally(() => this.#attempts.delete(attempt));
  }

  /** At once: whatever is under way fails, and the room sees us go. */
  leave() {
    for (const attempt of this.#attempts) {
      attempt.over = true;
      void attempt.room?.leave();
    }
    const room = this.#release();
    if (room) this.#left = room.leave();
  }

  /** @param {string} roomid @param {((exists: boolean, roomid: string, extra: any) => void) | undefined} callback */
  async checkPresence(roomid, callback) {
    const found = await this.#ask(roomid).catch((thrown) => this.#engine.tell('onSocketError', thrown));
    const extra = { ...(found ? extraOf(found) : {}), _room: { isFull: found?.full ?? false, isPasswordProtected: found?.passwordProtected ?? false } };
    this.#answer(callback, found?.exists ?? false, roomid, extra);
  }

  /** @param {string} roomid @param {(viewers: number) => void} callback */
  async viewers(roomid, callback) {
    const found = await this.#ask(roomid).catch(() => null);
    this.#answer(callback, Math.max((found?.participants ?? 0) - 1, 0));
  }

  /** @param {string | null | undefined} identifier @param {((rooms: PublicRoom[], error?: string) => void) | undefined} callback */
  async list(identifier, callback) {
    const { connection, client, server, platform } = this.#engine;
    const { errors } = connection;
    if (!identifier) return this.#answer(callback, [], errors.PUBLIC_IDENTIFIER_MISSING);
    try {
      const token = await server.token(connection.sessionid);
      const rooms = await client.listRooms({ url: server.signal, token, listing: String(identifier), platform });
      this.#answer(callback, rooms.map(listed));
    } catch (thrown) {
      this.#answer(callback, [], refusal(thrown, errors).text);
    }
  }

  /** @param {string} password @param {((ok: boolean | null, roomid: string | null, error: string | null, detail?: Detail) => void) | undefined} callback */
  async setPassword(password, callback) {
    const { connection } = this.#engine;
    const room = this.current;
    if (!room) return this.#answer(callback, null, null, connection.errors.DID_NOT_JOIN_ANY_ROOM, { ...NOWHERE, code: 'NOT_IN_ROOM' });
    try {
      if (!room.isOwner) throw new RoomError('forbidden', 'Only the owner sets the password.');
      await room.updateSettings({ password: passwordOf(password) ?? null });
      connection.password = password;
      this.#answer(callback, true, room.name, null, detailOf(room));
    } catch (thrown) {
      const { text, ...why } = refusal(thrown, connection.errors);
      this.#answer(callback, false, room.name, text, { ...detailOf(room), ...why });
    }
  }

  /** @param {RoomCallback | undefined} callback */
  async closeEntireSession(callback) {
    const { connection } = this.#engine;
    const room = this.current;
    try {
      if (!room) throw new RoomError('not-in-room', 'There is no room to close.');
      if (!room.isOwner) throw new RoomError('forbidden', 'Only the owner closes the room.');
      const detail = detailOf(room);
      await room.closeRoom();
      this.#answer(callback, true, room.name, null, detail);
    } catch (thrown) {
      this.#refused(thrown, connection.sessionid, callback);
    }
  }

  /** @param {{remoteUserId?: string, sessionid?: string} | undefined} description */
  rejoin(description) {
    const { connection } = this.#engine;
    const roomid = description?.remoteUserId ?? description?.sessionid ?? connection.sessionid;
    this.#engine.tell('onReConnecting', { userid: connection.userid, extra: connection.extra });
    return this.enter('any', roomid, {}, undefined);
  }

  /**
   * The new one comes before the old one goes, so that the room lives on.
   * @param {string} userid
   * @param {((ok: boolean, userid: string, error?: string | null, detail?: Detail) => void) | undefined} callback
   */
  changeUserId(userid, callback) {
    /** @type {Attempt} */
    const attempt = { over: false, room: null };
    this.#attempts.add(attempt);
    const turn = this.#tail.then(async () => {
      const { connection, messages, streams, users } = this.#engine;
      const old = this.current;
      const before = connection.userid;
      try {
        if (old?.isOwner && old.settings?.closeWithOwner) throw new RoomError('invalid-state', 'This room would close with its owner.');
        connection.userid = userid;
        if (!old) return this.#answer(callback, true, userid, null, { ...NOWHERE });
        const room = (attempt.room = this.#make({
          room: old.name, intent: 'join', mode: old.mode, token: () => this.#engine.server.token(old.name), autoSubscribe: this.#autoSubscribe(),
        }));
        await room.join();
        if (this.current === old) this.#release();
        await old.leave();
        if (attempt.over) throw new RoomError('left', 'The room was left.');
        this.#take(room);
        messages.begin(room);
        messages.listen();
        if (old.mode === 'sendAndReceive') void streams.sendTo(room);
        this.#answer(callback, true, userid, null, detailOf(room));
        if (this.current === room) users.begin(room, before);
      } catch (thrown) {
        void attempt.room?.leave();
        connection.userid = before;
        const { text, ...why } = refusal(thrown, connection.errors);
        this.#answer(callback, false, before, text, { ...(old ? detailOf(old) : NOWHERE), ...why });
      }
    });
    this.#tail = turn;
    return turn.finally(() => this.#attempts.delete(attempt));
  }

  /** @param {string} userid @param {boolean} allow */
  async respondEntry(userid, allow) {
    await this.current?.respondEntry(userid, allow).catch((thrown) => this.#engine.report(thrown));
  }

  /** @param {(report: RTCStatsReport | null) => void} callback */
  async getStats(callback) {
    this.#answer(callback, (await this.current?.peerConnection?.getStats()) ?? null);
  }

  /**
   * @param {Attempt} attempt
   * @param {Intent} intent
   * @param {string} roomid
   * @param {How} how
   */
  async #enter(attempt, intent, roomid, how) {
    const { connection, messages, server, streams } = this.#engine;
    const still = () => {
      if (attempt.over) throw new RoomError('left', 'The room was left before it was entered.');
    };
    still();
    const previous = this.#release();
    if (previous) this.#left = previous.leave();
    await this.#left;
    still();
    const { session } = connection;
    const preferences = connection.setUserPreferences({}) ?? {};
    // A screen can only be asked for while the click is fresh; anything else waits until we know that the room is as hoped for.
    const found = session.screen || intent === 'any' ? null : await this.#expect(intent, roomid);
    still();
    const oneSender = oneSends(session) || oneSends(found?.info);
    const media = !!(session.audio || session.video || session.screen) && !how.isDataOnly && !connection.dontCaptureUserMedia;
    const viewer = how.isOneWay === true || (oneSender && intent === 'join');
    const undecided = oneSender && intent === 'any';
    if (media && !viewer && !undecided) await streams.capture(session);
    still();

    const room = (attempt.room = this.#make({
      room: roomid, intent, token: () => server.token(roomid),
      mode: viewer ? 'receiveOnly' : 'sendAndReceive',
      settings: this.#settings(session),
      autoSubscribe: !preferences.dontGetRemoteStream,
    }));
    messages.begin(room);
    // `dontAttachStream` may be taken back later; what only the preferences forbid may not.
    const send = !viewer && !undecided && (connection.dontAttachStream || !preferences.dontAttachLocalStream);
    if (send) void streams.sendTo(room);
    try {
      await room.join();
      still();
      if (undecided) {
        if (!room.created) await room.setMode('receiveOnly');
        else {
          if (media) await streams.capture(session);
          still();
          void streams.sendTo(room);
        }
      }
      still();
    } catch (thrown) {
      streams.detach();
      messages.end();
      void room.leave();
      throw thrown;
    }
    this.#take(room);
    messages.listen();
    return room;
  }

  /** @param {Partial<RoomOptions> & Pick<RoomOptions, 'token'>} options */
  #make(options) {
    const { client, connection, platform, server } = this.#engine;
    return new client.Room({
      url: server.signal,
      platform,
      participant: connection.userid,
      metadata: connection.extra,
      displayName: nameOf(connection.extra),
      password: passwordOf(connection.password),
      ...options,
    });
  }

  /** @param {Room} room from now on the one we are in */
  #take(room) {
    const { connection } = this.#engine;
    this.current = room;
    connection.isOnline = true;
    connection.isInitiator = room.isOwner;
    connection.userid = room.localParticipant?.id ?? connection.userid;
    connection.sessionid = connection.channel = room.name;
    this.#engine.streams.named();
    /** @param {() => void} job */
    const here = (job) => this.current === room && job();
    room.on('room-updated', () => here(() => this.#owned(room)));
    room.on('entry-requested', ({ participant, displayName, metadata }) =>
      here(() => room.isOwner && this.#engine.tell('onNewParticipant', participant, { extra: metadata ?? {}, displayName })));
    room.on('error', (error) => here(() => this.#engine.report(error)));
    room.on('state', (state) => here(() => {
      connection.isOnline = state === 'connected';
      if (state === 'reconnecting') this.#engine.tell('onReConnecting', { userid: connection.userid, extra: connection.extra });
      if (state === 'connected') this.#owned(room); // after a fresh join it may be somebody else
    }));
    room.on('closed', (error) => here(() => this.#closed(room, error)));
    this.#owner = room.owner;
  }

  /** @param {Room} room */
  #owned(room) {
    if (room.owner === this.#owner) return;
    this.#owner = room.owner;
    this.#engine.connection.isInitiator = room.isOwner;
    this.#engine.tell('onOwnerChanged', { userid: room.owner, isInitiator: room.isOwner });
  }

  /** Nothing of the room concerns us any more. @returns {Room | null} the one we were in */
  #release() {
    const room = this.current;
    if (!room) return null;
    const { connection, users, messages, streams } = this.#engine;
    this.current = null;
    connection.isInitiator = false;
    connection.isOnline = false;
    streams.detach();
    users.end();
    messages.end();
    return room;
  }

  /**
   * The room ended without our `leave`.
   * @param {Room} room
   * @param {import('../client/core/errors.js').EnfiladeError | null} error
   */
  #closed(room, error) {
    const { connection, platform, users } = this.#engine;
    const owner = room.owner ?? '';
    const closing = { sessionid: room.name, userid: owner, extra: users.extraOf(owner) };
    this.#release();
    const { code = 'left', message = 'The room was left.' } = error ?? {};
    if (code === 'room-closed') this.#engine.tell('onEntireSessionClosed', closing);
    else if (code === 'duplicate-participant') this.#engine.tell('onUserIdAlreadyTaken', connection.userid, `${connection.userid}-${Math.floor(platform.random() * 1e9).toString(36)}`);
    else {
      if (code === 'reconnect-failed') this.#engine.tell('onSocketError', error);
      this.#engine.tell('onSocketDisconnect', refusalEvent(code, message));
    }
  }

  /** @param {SessionPlan} session @returns {import('../client/core/protocol.js').Settings} of a room that we open */
  #settings(session) {
    const { connection } = this.#engine;
    const { autoCloseEntireSession, publicRoomIdentifier, maxParticipantsAllowed: most, password } = connection;
    if (most === 1) console.warn('RTCMultiConnection: maxParticipantsAllowed counts the owner too; 1 is taken as 2.');
    const { audio, video, screen, data, oneway, broadcast } = session;
    return {
      keepEmpty: false,
      closeWithOwner: autoCloseEntireSession || oneSends(session),
      info: { session: { audio, video, screen, data, oneway, broadcast } },
      // Whoever wants to judge newcomers has a handler of their own.
      lobby: Object.hasOwn(connection, 'onNewParticipant'),
      ...(passwordOf(password) === undefined ? {} : { password: passwordOf(password) }),
      ...(publicRoomIdentifier ? { listing: String(publicRoomIdentifier) } : {}),
      ...(most && most !== PARTICIPANTS_DEFAULT ? { maxParticipants: Math.max(2, most) } : {}),
    };
  }

  #autoSubscribe() {
    return !(this.#engine.connection.setUserPreferences({}) ?? {}).dontGetRemoteStream;
  }

  /** @param {'open' | 'join'} intent @param {string} roomid */
  async #expect(intent, roomid) {
    const found = await this.#ask(roomid);
    if (intent === 'open' && found.exists) throw new RoomError('room-exists', 'Somebody is in this room already.');
    if (intent === 'join' && !found.exists) throw new RoomError('room-not-found', 'Nobody is in this room.');
    if (intent === 'join' && found.full) throw new RoomError('room-full', 'This room is full.');
    return found;
  }

  /** @param {string} roomid @returns {Promise<Presence>} */
  async #ask(roomid) {
    const { client, server, platform } = this.#engine;
    return client.presence({ url: server.signal, token: await server.token(roomid), room: roomid, platform });
  }

  /**
   * @param {unknown} thrown
   * @param {string} roomid
   * @param {RoomCallback | undefined} callback
   */
  #refused(thrown, roomid, callback) {
    const { connection } = this.#engine;
    const { text, code, message } = refusal(thrown, connection.errors);
    if (code === 'PASSWORD_REQUIRED') this.#engine.tell('onJoinWithPassword', roomid);
    if (code === 'PASSWORD_WRONG') this.#engine.tell('onInvalidPassword', roomid, connection.password);
    if (code === 'ROOM_FULL') this.#engine.tell('onRoomFull', roomid);
    if (code === 'CONNECT_FAILED' || code.startsWith('TOKEN_')) this.#engine.tell('onSocketError', thrown);
    this.#answer(callback, false, roomid, text, { ...NOWHERE, code, message });
  }

  /** @param {((...answer: any[]) => void) | undefined} callback @param {...any} answer */
  #answer(callback, ...answer) {
    if (typeof callback === 'function') this.#engine.call(() => callback(...answer), 'a callback');
  }
}

/** @type {Detail} */
const NOWHERE = Object.freeze({ created: false, ownerId: null, sid: '' });

/** @param {Room} room @returns {Detail} */
const detailOf = (room) => ({ created: room.created, ownerId: room.owner, sid: room.sessionId });

/** @param {string} code @param {string} message */
const refusalEvent = (code, message) => ({ code: code.replaceAll('-', '_').toUpperCase(), message });

/** @param {unknown} password @returns {string | undefined} */
const passwordOf = (password) => (password === null || password === undefined || password === '' || password === false ? undefined : String(password));

/** Whether only the owner sends. @param {any} session a session, or the `info` of a room */
const oneSends = (session) => !!(session?.oneway || session?.broadcast || session?.session?.oneway || session?.session?.broadcast);

/** @param {Presence} found @returns {object} */
const extraOf = ({ owner }) => (owner?.metadata && typeof owner.metadata === 'object' ? owner.metadata : {});

/** @param {Presence} found @returns {PublicRoom} */
function listed(found) {
  const { session } = /** @type {{session?: SessionPlan}} */ (found.info ?? {});
  const participants = Array.from({ length: found.participants }, (_, i) => (i === 0 ? (found.owner?.id ?? '') : ''));
  return {
    sessionid: found.room,
    owner: found.owner?.id ?? '',
    participants,
    extra: extraOf(found),
    session: session ?? {},
    maxParticipantsAllowed: found.maxParticipants ?? PARTICIPANTS_DEFAULT,
    isRoomFull: found.full,
    isPasswordProtected: found.passwordProtected,
  };
}
