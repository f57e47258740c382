/**
 * RTCMultiConnection's API over an Enfilade server, as a classic script: it sets `window.RTCMultiConnection` at once and loads
 * the rest by itself. What is called before the rest is there waits its turn, in order.
 *
 *     <script src="https://your.server/sdk/rtcmulticonnection.js"></script>
 *
 * This file is the public face: every property with its default, every method, every event. Whatever decides is in engine.js and
 * the files it names. docs/RTCMULTICONNECTION.md says, name by name, what differs from the original.
 *
 * Callbacks of open, join and openOrJoin get `(succeeded, roomid, error, detail)`: `error` is the text the original gives, and
 * `detail` is `{created, ownerId, sid}` with `code` and `message` besides when it failed.
 *
 * @typedef {import('./engine.js').Engine} Engine
 * @typedef {import('./types.js').AddStream} AddStream
 * @typedef {import('./types.js').Detail} Detail
 * @typedef {import('./types.js').FileEvent} FileEvent
 * @typedef {import('./types.js').PublicRoom} PublicRoom
 * @typedef {import('./types.js').RMCStream} RMCStream
 * @typedef {import('./types.js').RoomCallback} RoomCallback
 * @typedef {import('./types.js').SessionPlan} SessionPlan
 * @typedef {import('./types.js').StreamEvent} StreamEvent
 * @typedef {import('./types.js').UserEvent} UserEvent
 * @typedef {InstanceType<typeof CustomSocket>} Socket
 */
// `var`, so that a page that loads this twice gets no SyntaxError.
var RTCMultiConnection = class RTCMultiConnection {
  /**
   * Where the rest comes from. The module entry (index.js) replaces it by what the bundler has.
   * @type {() => Promise<{client: typeof import('../client/client.js'), Engine: typeof import('./engine.js').Engine}>}
   */
  static load = (() => {
    const script = globalThis.document?.currentScript;
    const base = script && 'src' in script ? /** @type {HTMLScriptElement} */ (script).src : '';
    return async () => {
      // Not literal, so that bundlers leave it alone.
      const at = (/** @type {string} */ name) => new URL(name, base || globalThis.location?.href).href;
      const [client, { Engine }] = await Promise.all([import(at('client.js')), import(at('rtcmulticonnection/engine.js'))]);
      return { client, Engine };
    };
  })();

  /** The default of `token`. */
  static randomId = randomId;

  /** @type {Engine | null} */
  #engine = null;
  /** @type {{job: (engine: Engine) => void, fail: (error: unknown) => void}[] | null} null once the rest has come, or cannot */
  #waiting = [];
  #socket = new CustomSocket((event, data, acknowledge) => this.#do((engine) => engine.messages.command(event, data, acknowledge)));

  // -- where and who -------------------------------------------------------------------------------------------------
  /** Address of the server, relative to the page. Default '/': where the page came from. */
  socketURL = '/';
  /**
   * Ours, not the original's: the access token, or a function that gets one. Without it a token is asked of the server's
   * development mode; a server in production refuses that with `TOKEN_MISSING`.
   * @type {string | ((roomid: string, userid: string) => string | Promise<string>) | null}
   */
  accessToken = null;
  /** Our id; unique in a room. Change it before open or join, later by `changeUserId`. */
  userid = randomId();
  /** The room's id: given to the constructor, or made of the page's address; afterwards the room we are in. */
  sessionid = '';
  /** The same as `sessionid`. */
  channel = '';
  /** What others see of us: any JSON of at most 16 KiB. After a change while in a room call `updateExtraData`. @type {any} */
  extra = {};
  /** Whether we own the room: set when the server has said so, also when the owner left and we are next. */
  isInitiator = false;
  /** Whether the server is connected. */
  isOnline = false;
  /** Version of the API this follows. */
  version = '3.7.1';
  /** Logs every event to the console. */
  enableLogs = false;

  // -- the room --------------------------------------------------------------------------------------------------------
  /** What is shared. With `oneway` or `broadcast` only the owner sends, and the room closes with the owner. @type {SessionPlan} */
  session = { audio: true, video: true };
  /** Needed to enter a room that has one; of a room that is opened it becomes the password. @type {string | number | null} */
  password = null;
  /** Most people in a room we open, ourselves included; 1 counts as 2. 1000: as the server allows. */
  maxParticipantsAllowed = 1000;
  /** Whether a room we open closes for all when we leave. */
  autoCloseEntireSession = false;
  /** A room we open is found by `getPublicRooms` under this name. @type {string | null} */
  publicRoomIdentifier = null;
  /** The texts of errors, as in the original. @readonly */
  errors = Object.freeze({
    ROOM_NOT_AVAILABLE: 'Room not available',
    INVALID_PASSWORD: 'Invalid password',
    USERID_NOT_AVAILABLE: 'User ID does not exist',
    ROOM_PERMISSION_DENIED: 'Room permission denied',
    ROOM_FULL: 'Room full',
    DID_NOT_JOIN_ANY_ROOM: 'Did not join any room yet',
    INVALID_SOCKET: 'Invalid socket',
    PUBLIC_IDENTIFIER_MISSING: 'publicRoomIdentifier is required',
    INVALID_ADMIN_CREDENTIAL: 'Invalid username or password attempted',
  });

  // -- media -----------------------------------------------------------------------------------------------------------
  /** Constraints of getUserMedia; the old form with `mandatory` and `optional` too. @type {{audio: any, video: any, screen?: any}} */
  mediaConstraints = { audio: { mandatory: {}, optional: [] }, video: { mandatory: {}, optional: [] } };
  /** Our streams. Push a stream of your own before open or join to send it. @type {RMCStream[]} */
  attachStreams = [];
  /** Open neither camera nor microphone by yourself; what is in `attachStreams` is sent all the same. */
  dontCaptureUserMedia = false;
  /** Show our camera here and send it to nobody. */
  dontAttachStream = false;
  /** Receive nothing of what others send. */
  dontGetRemoteStream = false;
  /** Most kbit/s of `video` and `screen`, which are then sent in one encoding; false for no limit. `audio` has no effect. @type {{audio: number | false, video: number | false, screen: number | false}} */
  bandwidth = { audio: false, video: false, screen: false };
  /** Preferred codecs; `video` VP8, VP9, H264 or AV1, where both ends can. @type {{audio?: string, video?: string}} */
  codecs = { audio: 'opus' };
  /** Everything shown, by stream id; besides `selectFirst` and `selectAll`. @type {Record<string, any>} */
  streamEvents = streamSelection();
  /** The others, by id: `{userid, extra, streams, peer}`. `peer` is the one RTCPeerConnection to the server. @type {Record<string, any>} */
  peers = {};
  /** Where the default `onstream` puts elements. Default: the page's body. @type {HTMLElement | null} */
  videosContainer = null;
  /** Where an application shows files. Default: the page's body. @type {HTMLElement | null} */
  filesContainer = null;

  // -- data ------------------------------------------------------------------------------------------------------------
  /** Whether `send` of a File or Blob shares it; `shareFile` always does. */
  enableFileSharing = true;
  /** Bytes of a file sent at a time. 1 to 65 000. */
  chunkSize = 40_000;
  /** Name of the event that `getSocket().emit` sends to the room by convention. */
  socketCustomEvent = 'RTCMultiConnection-Custom-Message';
  /** In the original a name space of the signalling. Here rooms of all applications on one server share one name space. */
  socketMessageEvent = 'RTCMultiConnection-Message';

  // -- accepted without effect: a media server has no use for them ---------------------------------------------------------
  /** @type {any} */ sdpConstraints = { mandatory: { OfferToReceiveAudio: true, OfferToReceiveVideo: true }, optional: [] };
  /** @type {any} */ optionalArgument = { optional: [], mandatory: {} };
  /** The server names its own. @type {any[]} */ iceServers = [];
  /** @type {any} */ candidates = { host: true, stun: true, turn: true };
  /** @type {any} */ iceProtocols = { tcp: true, udp: true };
  /** @type {any} */ iceTransportPolicy = null;
  /** @type {any} */ socketOptions = {};
  socketCustomParameters = '';
  trickleIce = true;
  maxRelayLimitPerUser = 3;
  direction = 'many-to-many';
  closeBeforeUnload = true;
  autoSaveToDisk = false;
  /** @param {string} sdp */ processSdp = (sdp) => sdp;
  /** @param {unknown} _handler */ setCustomSocketHandler(_handler) {}
  onReadyForOffer() {}
  onSettingLocalDescription() {}
  onPasswordMaxTriesOver() {}

  /** Makes the owner get `onNumberOfBroadcastViewersUpdated`, and nothing else: the server scales by itself. */
  enableScalableBroadcast = false;
  /** For tests: what the browser gives. @type {any} */
  platform = null;

  /**
   * @param {string} [roomid] default: made of the page's address
   * @param {{autoOpenOrJoin?: boolean, useDefaultDevices?: boolean}} [options] the second has no effect: the browser chooses
   */
  constructor(roomid, options = {}) {
    this.sessionid = this.channel = String(roomid || (globalThis.location?.href ?? '').replace(/[^\w-]/g, '').slice(0, 128) || randomId());
    /** What this browser can do. `load(callback)` fills in the devices. */
    this.DetectRTC = DetectRTC;
    RTCMultiConnection.load().then(
      ({ client, Engine }) => {
        this.#engine = new Engine(this, client);
        this.#engine.messages.onCustom = (event, data) => this.#socket.hear(event, data);
        for (const { job } of this.#loaded()) job(this.#engine);
      },
      (error) => {
        this.onSocketError(error);
        for (const { fail } of this.#loaded()) fail(error);
      },
    );
    if (options.autoOpenOrJoin) this.openOrJoin(this.sessionid);
  }

  #loaded() {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    return waiting;
  }

  /**
   * Runs the job now, or when the rest has come.
   * @param {(engine: Engine) => void} job
   * @param {(error: unknown) => void} [fail] the rest cannot be loaded
   */
  #do(job, fail = () => {}) {
    if (this.#engine) job(this.#engine);
    else if (this.#waiting) this.#waiting.push({ job, fail });
    else fail(new Error('The rest of RTCMultiConnection could not be loaded.'));
  }

  /** @param {(engine: Engine) => void} job @param {string} roomid @param {RoomCallback | undefined} callback */
  #enter(job, roomid, callback) {
    const detail = { created: false, ownerId: null, sid: '', code: 'CONNECT_FAILED' };
    this.#do(job, (error) => callback?.(false, roomid, this.errors.INVALID_SOCKET, { ...detail, message: String(error) }));
  }

  // -- rooms ---------------------------------------------------------------------------------------------------------------
  /**
   * Begins a room. Fails with 'Room not available' (`ROOM_EXISTS`) if somebody is in it.
   * @param {string | null} [roomid] default: `sessionid`
   * @param {RoomCallback} [callback]
   */
  open = (roomid, callback) => {
    const id = this.#name(roomid);
    this.#enter((engine) => void engine.rooms.enter('open', id, {}, callback), id, callback);
  };

  /**
   * Enters a room. Fails with 'Room not available' (`ROOM_NOT_FOUND`) if nobody is in it, 'Invalid password' or 'Room full'.
   * @param {string | {sessionid?: string, remoteUserId?: string, userid?: string} | null} [roomid] default: `sessionid`
   * @param {RoomCallback | {isOneWay?: boolean, isDataOnly?: boolean}} [options] isOneWay: only receive. isDataOnly: open no camera
   * @param {RoomCallback} [callback]
   * @returns {{remoteUserId: string, sender: string, message: object}} for `rejoin`
   */
  join = (roomid, options, callback) => {
    const id = this.#name(roomid);
    const told = typeof options === 'function' ? options : callback;
    const how = typeof options === 'object' && options ? options : {};
    this.#enter((engine) => void engine.rooms.enter('join', id, how, told), id, told);
    return { remoteUserId: id, sender: this.userid, message: { newParticipationRequest: true, ...how } };
  };

  /** The same as `join`. @param {any} [roomid] @param {any} [options] @param {RoomCallback} [callback] */
  connect = (roomid, options, callback) => this.join(roomid, options, callback);

  /**
   * Enters the room, which begins if nobody is in it. The server decides, so a hundred at once give one owner; `isInitiator` and
   * `detail.created` say whether it is us.
   * @param {string | null} [roomid] default: `sessionid`
   * @param {RoomCallback} [callback]
   */
  openOrJoin = (roomid, callback) => {
    const id = this.#name(roomid);
    this.#enter((engine) => void engine.rooms.enter('any', id, {}, callback), id, callback);
  };

  /**
   * Whether somebody is in a room. Between the answer and what is done about it things may change: `openOrJoin` is safe.
   * @param {string | null} roomid default: `sessionid`
   * @param {(exists: boolean, roomid: string, extra: any) => void} callback `extra`: the owner's, with
   *   `_room: {isFull, isPasswordProtected}`
   */
  checkPresence = (roomid, callback) => {
    const id = this.#name(roomid, false);
    const nobody = { _room: { isFull: false, isPasswordProtected: false } };
    this.#do((engine) => void engine.rooms.checkPresence(id, callback), () => callback?.(false, id, nobody));
  };

  /** Leaves the room at once. Our streams stay open: stop them by `attachStreams.forEach((stream) => stream.stop())`. */
  leave = () => this.#do((engine) => void engine.rooms.leave());
  /** The same as `leave`, as are the next two: the connection to the server ends with the room. */
  close = () => this.leave();
  disconnect = () => this.leave();
  closeSocket = () => this.leave();

  /**
   * Closes the room for all, who get `onEntireSessionClosed`. For its owner only: 'Room permission denied' otherwise.
   * @param {RoomCallback} [callback]
   */
  closeEntireSession = (callback) => this.#enter((engine) => void engine.rooms.closeEntireSession(callback), this.sessionid, callback);

  /**
   * Leaves and joins again, after `onReConnecting`. A lost connection comes back without it.
   * @param {{remoteUserId?: string, sessionid?: string}} [description] what `join` returned
   */
  rejoin = (description) => this.#do((engine) => void engine.rooms.rejoin(description));

  /**
   * Goes on under another id: others see the old one leave and the new one come, with the same streams.
   * @param {string | null} [userid] default: a random one
   * @param {(succeeded: boolean, userid: string, error?: string | null, detail?: Detail) => void} [callback]
   */
  changeUserId = (userid, callback) => this.#do((engine) => void engine.rooms.changeUserId(userid ? String(userid) : randomId(), callback));

  /**
   * Sets the room's password, or takes it off (''). For the owner only.
   * @param {string} password at most 256 bytes
   * @param {(succeeded: boolean | null, roomid: string | null, error: string | null, detail?: Detail) => void} [callback]
   */
  setPassword = (password, callback) => this.#do((engine) => void engine.rooms.setPassword(password, callback));

  /**
   * Rooms that were opened under a `publicRoomIdentifier`, at most 100.
   * @param {string | null} identifier default: `publicRoomIdentifier`
   * @param {(rooms: PublicRoom[], error?: string) => void} callback
   */
  getPublicRooms = (identifier, callback) => this.#do((engine) => void engine.rooms.list(identifier ?? this.publicRoomIdentifier, callback));

  /** How many watch a room, its owner not counted. @param {string} roomid @param {(viewers: number) => void} callback */
  getNumberOfBroadcastViewers = (roomid, callback) => this.#do((engine) => void engine.rooms.viewers(String(roomid), callback));

  // -- people --------------------------------------------------------------------------------------------------------------
  /** Ids of the others in the room; in a `oneway` room a viewer sees the owner alone. @returns {string[]} */
  getAllParticipants = () => this.#engine?.users.ids() ?? [];

  /** Tells the room that `extra` has changed. Others get `onExtraDataUpdated`. */
  updateExtraData = () => this.#do((engine) => void engine.users.updateExtra());

  /** @param {string} userid @param {(extra: any) => void} [callback] @returns {any} undefined if nobody has that id */
  getExtraData = (userid, callback) => {
    const extra = userid === this.userid ? this.extra : this.peers[userid]?.extra;
    callback?.(extra);
    return extra;
  };

  /**
   * Parts from one person: neither sees, hears nor reads the other any more. Both stay in the room.
   * @param {string} userid
   * @param {() => void} [callback]
   */
  disconnectWith = (userid, callback) => this.#do((engine) => void engine.users.partFrom(userid, callback));

  /** Lets somebody in who waits (see `onNewParticipant`). @param {string} userid @param {any} [_preferences] */
  acceptParticipationRequest = (userid, _preferences) => this.#do((engine) => void engine.rooms.respondEntry(userid, true));

  /** Ours: sends somebody away who waits, at once. @param {string} userid */
  rejectParticipationRequest = (userid) => this.#do((engine) => void engine.rooms.respondEntry(userid, false));

  /** Asked once before entering, to change what we take part in. @param {{dontAttachLocalStream?: boolean, dontGetRemoteStream?: boolean}} preferences */
  setUserPreferences = (preferences) => {
    if (this.dontAttachStream) preferences.dontAttachLocalStream = true;
    if (this.dontGetRemoteStream) preferences.dontGetRemoteStream = true;
    return preferences;
  };

  // -- streams -------------------------------------------------------------------------------------------------------------
  /**
   * Opens camera, microphone or screen without sending.
   * @param {((stream?: RMCStream) => void) | null} [callback]
   * @param {SessionPlan} [session] default: `session`
   */
  captureUserMedia = (callback, session) => this.#do((engine) => void engine.streams.captureOnly(session ?? this.session, callback ?? undefined));

  /** Sends one more stream, or opens devices and sends them. @param {MediaStream | AddStream} what */
  addStream = (what) => this.#do((engine) => void engine.streams.add(what));

  /** Ends a stream of ours for the others; it stays open here. @param {MediaStream | string} what a stream, its id, or 'audio', 'video', 'screen' */
  removeStream = (what) => this.#do((engine) => void engine.streams.remove(what));

  /**
   * Sends another track in place of the one of the same kind, without anybody noticing but for the picture.
   * @param {MediaStreamTrack | MediaStream | SessionPlan} what devices of a session are opened
   * @param {string} [_userid] without effect: the server sends the same to all
   * @param {boolean} [_isVideoTrack] without effect: the track knows
   */
  replaceTrack = (what, _userid, _isVideoTrack) => this.#do((engine) => void engine.streams.replaceTrack(what));

  /** Undoes `replaceTrack`. @param {string | string[] | null} [_userids] without effect @param {boolean} [isVideoTrack] absent: both kinds */
  resetTrack = (_userids, isVideoTrack) => this.#do((engine) => void engine.streams.resetTrack(isVideoTrack));

  /** Sends what is new in `attachStreams` and ends what is no longer in it. @param {string} [_userid] without effect */
  renegotiate = (_userid) => this.#do((engine) => void engine.streams.sync());

  /** @param {{audio?: MediaTrackConstraints, video?: MediaTrackConstraints}} constraints @param {string} [streamid] absent: all of ours */
  applyConstraints = (constraints, streamid) => this.#do((engine) => void engine.streams.applyConstraints(constraints, streamid));

  /** Statistics of the connection to the server. @param {(report: RTCStatsReport | null) => void} callback null while not in a room */
  getStats = (callback) => this.#do((engine) => void engine.rooms.getStats(callback));

  // -- data ----------------------------------------------------------------------------------------------------------------
  /**
   * To everybody, or to one. Needs `session.data`. Text, anything JSON has, or bytes; of any length up to 64 MiB.
   * @param {any} data a File or Blob is shared as a file
   * @param {string} [userid]
   */
  send = (data, userid) => this.#do((engine) => void engine.messages.send(data, userid));

  /** Sends a file; `onFileStart`, `onFileProgress`, `onFileEnd` tell at both ends. @param {File | Blob} file @param {string} [userid] */
  shareFile = (file, userid) => this.#do((engine) => void engine.messages.shareFile(file, userid));

  /**
   * Custom events within the room: `emit(event, data)` reaches the `on(event, …)` of the others in it.
   * @param {(socket: Socket) => void} [callback]
   */
  getSocket = (callback) => {
    callback?.(this.#socket);
    return this.#socket;
  };
  /** The same as `getSocket()`. @readonly */
  socket = this.#socket;

  /** Calls back when the server can be used. @param {(socket: Socket) => void} [callback] */
  connectSocket = (callback) => this.#do(() => callback?.(this.#socket));

  /** Names the event of `getSocket().emit` that the application uses. @param {string} event */
  setCustomSocketEvent = (event) => {
    if (event) this.socketCustomEvent = event;
  };

  /** A random id, fit for a room. May be replaced by an access token or a function that gets one, as `accessToken`. @returns {string} */
  token = randomId;

  // -- events: assign functions of your own --------------------------------------------------------------------------------
  /** A stream of ours or of somebody else is there. Default: puts its element into `videosContainer`. @param {StreamEvent} event */
  onstream(event) {
    const container = this.videosContainer ?? globalThis.document?.body;
    container?.insertBefore(event.mediaElement, container.firstChild);
  }
  /** It is gone. Default: takes the element out. @param {StreamEvent} event */
  onstreamended(event) {
    event.mediaElement?.parentNode?.removeChild(event.mediaElement);
  }
  /** Sound or picture was switched off. Default: blanks another's picture. @param {StreamEvent} event */
  onmute(event) {
    if (event.type === 'remote' && event.muteType !== 'audio') event.mediaElement.style.visibility = 'hidden';
  }
  /** @param {StreamEvent} event */
  onunmute(event) {
    if (event.type === 'remote' && event.unmuteType !== 'audio') event.mediaElement.style.visibility = '';
  }
  /** Messages to and from somebody get through from now on. @param {UserEvent} _event */
  onopen(_event) {}
  /** @param {UserEvent} _event */
  onclose(_event) {}
  /** @param {UserEvent & {data: any}} _event `data` as it was given to `send`; bytes arrive as an ArrayBuffer */
  onmessage(_event) {}
  /** Something that concerns data or a stream went wrong. @param {{userid: string, message: string, code: string}} event */
  onerror(event) {
    console.error('RTCMultiConnection:', event.message, event);
  }
  /** Somebody left, or parted from us. @param {UserEvent} _event */
  onleave(_event) {}
  /** @param {UserEvent & {status: 'online' | 'offline'}} _event */
  onUserStatusChanged(_event) {}
  /** @param {UserEvent} _event */
  onExtraDataUpdated(_event) {}
  /** The room was closed for all. @param {UserEvent & {sessionid: string}} _event `userid`: its owner */
  onEntireSessionClosed(_event) {}
  /** Ours: the room has another owner. @param {{userid: string | null, isInitiator: boolean}} _event */
  onOwnerChanged(_event) {}
  /**
   * Somebody wants to come in. Only rooms opened with a handler of your own ask; call `acceptParticipationRequest` there.
   * @param {string} userid
   * @param {any} preferences `{extra}` of the newcomer
   */
  onNewParticipant(userid, preferences) {
    this.acceptParticipationRequest(userid, preferences);
  }
  /**
   * Somebody else came into the room under our id, which put us out. Default: joins again under another one.
   * @param {string} _taken
   * @param {string} proposed
   */
  onUserIdAlreadyTaken(_taken, proposed) {
    this.userid = proposed;
    this.join(this.sessionid);
  }
  /** The connection is lost and being mended, or `rejoin` was called. @param {UserEvent} _event `userid`: ours */
  onReConnecting(_event) {}
  /** State of our media path, told for everybody in the room. @param {UserEvent & {iceConnectionState: string, signalingState: string}} _event */
  onPeerStateChanged(_event) {}
  /** Camera, microphone or screen could not be opened: neither open nor join follows. @param {any} error the browser's @param {MediaStreamConstraints} constraints */
  onMediaError(error, constraints) {
    console.error('RTCMultiConnection:', error, constraints);
  }
  /** The room is over for us, and not by `leave`. @param {{code: string, message: string}} _event */
  onSocketDisconnect(_event) {}
  /** The server cannot be reached, or refuses our token. @param {any} error */
  onSocketError(error) {
    console.error('RTCMultiConnection:', error);
  }
  /** A room has a password and `password` was not set. @param {string} _roomid */
  onJoinWithPassword(_roomid) {}
  /** @param {string} _roomid @param {string | number | null} _password the wrong one */
  onInvalidPassword(_roomid, _password) {}
  /** @param {string} _roomid */
  onRoomFull(_roomid) {}
  /** Somebody speaks, who was silent. @param {Partial<StreamEvent> & UserEvent} _event */
  onspeaking(_event) {}
  /** @param {Partial<StreamEvent> & UserEvent} _event */
  onsilence(_event) {}
  /** For the owner, with `enableScalableBroadcast`. @param {{broadcastId: string, numberOfBroadcastViewers: number}} _event */
  onNumberOfBroadcastViewersUpdated(_event) {}
  /** A file begins, here or there. @param {FileEvent} _file */
  onFileStart(_file) {}
  /** @param {FileEvent} _chunk */
  onFileProgress(_chunk) {}
  /** @param {FileEvent} _file */
  onFileEnd(_file) {}

  /** @param {any} given @param {boolean} [remember] make it the current room */
  #name(given, remember = true) {
    const id = String((given && typeof given === 'object' ? (given.sessionid ?? given.remoteUserId ?? given.userid) : given) || this.sessionid);
    if (remember) this.sessionid = this.channel = id;
    return id;
  }
};

/** What stands in for the original's socket. */
var CustomSocket = class CustomSocket {
  #emit;
  /** @type {Map<string, Set<(data: any) => void>>} */
  #listeners = new Map();

  /** @param {(event: string, data: any, acknowledge?: (...answer: any[]) => void) => void} emit */
  constructor(emit) {
    this.#emit = emit;
  }

  /**
   * To the others in the room, at most 32 KiB. `check-presence`, `get-public-rooms` and `set-password` are answered here.
   * @param {string} event
   * @param {any} [data]
   * @param {(...answer: any[]) => void} [acknowledge]
   */
  emit(event, data, acknowledge) {
    this.#emit(event, data, acknowledge);
  }

  /** @param {string} event @param {(data: any) => void} listener */
  on(event, listener) {
    let set = this.#listeners.get(event);
    if (!set) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    return this;
  }

  /** @param {string} event @param {(data: any) => void} listener */
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
    return this;
  }

  /** The same as `off`. */
  removeListener = this.off.bind(this);

  /** For the engine. @param {string} event @param {any} data */
  hear(event, data) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(data);
  }
};

function randomId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(36).padStart(2, '0')).join('');
}

/** `streamEvents` with its two ways to select, which do not count as entries. */
function streamSelection() {
  /** @type {Record<string, any>} */
  const events = {};
  /** @param {any} wish 'local', 'remote', 'audio', 'video', 'screen', or an object of these and `userid` */
  const selectAll = (wish) => {
    const wanted = typeof wish === 'string' ? { [wish]: true } : { ...wish };
    return Object.values(events).filter(({ type, userid, stream }) => {
      if (wanted.userid && wanted.userid !== userid) return false;
      if ((wanted.local && type !== 'local') || (wanted.remote && type !== 'remote')) return false;
      const kinds = [wanted.audio || wanted.isAudio, wanted.video || wanted.isVideo, wanted.screen || wanted.isScreen];
      return !kinds.some(Boolean) || [stream.isAudio, stream.isVideo, stream.isScreen].some((is, i) => is && kinds[i]);
    });
  };
  Object.defineProperty(events, 'selectAll', { value: selectAll });
  Object.defineProperty(events, 'selectFirst', { value: (/** @type {any} */ wish) => selectAll(wish)[0] });
  return events;
}

/** The little of DetectRTC that pages ask for. */
function detectRTC() {
  const { navigator, RTCPeerConnection } = globalThis;
  const agent = navigator?.userAgent ?? '';
  const name = ['Firefox', 'Edg', 'OPR', 'Chrome', 'Safari'].find((word) => agent.includes(word)) ?? 'unknown';
  const version = Number(new RegExp(`${name === 'Safari' ? 'Version' : name}/(\\d+)`).exec(agent)?.[1] ?? 0);
  /** @type {MediaDeviceInfo[]} */
  const none = [];
  const detected = {
    browser: { name, version, isChrome: name === 'Chrome', isFirefox: name === 'Firefox', isSafari: name === 'Safari', isEdge: name === 'Edg', isOpera: name === 'OPR' },
    isMobileDevice: /Mobi|Android/.test(agent),
    isWebRTCSupported: typeof RTCPeerConnection === 'function',
    isGetUserMediaSupported: typeof navigator?.mediaDevices?.getUserMedia === 'function',
    isScreenCapturingSupported: typeof navigator?.mediaDevices?.getDisplayMedia === 'function',
    hasWebcam: false, hasMicrophone: false, hasSpeakers: false,
    MediaDevices: none, audioInputDevices: none, audioOutputDevices: none, videoInputDevices: none,
    /** Fills in the devices. @param {() => void} [callback] */
    async load(callback) {
      const all = await (navigator?.mediaDevices?.enumerateDevices?.() ?? Promise.resolve([])).catch(() => []);
      const of = (/** @type {string} */ wanted) => all.filter(({ kind }) => kind === wanted);
      const [audioInputDevices, audioOutputDevices, videoInputDevices] = [of('audioinput'), of('audiooutput'), of('videoinput')];
      Object.assign(detected, {
        MediaDevices: all, audioInputDevices, audioOutputDevices, videoInputDevices,
        hasMicrophone: audioInputDevices.length > 0, hasSpeakers: audioOutputDevices.length > 0, hasWebcam: videoInputDevices.length > 0,
      });
      callback?.();
    },
  };
  return detected;
}

var DetectRTC = detectRTC();

Object.assign(globalThis, { RTCMultiConnection, DetectRTC });
