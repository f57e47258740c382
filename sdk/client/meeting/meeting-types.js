/**
 * What a meeting takes and tells; nothing that runs.
 *
 * @typedef {import('../core/emitter.js').Emitter<MeetingEvents>} MeetingEmitter
 * @typedef {import('../core/protocol.js').LinkCloseReason} LinkCloseReason
 * @typedef {import('./connections.js').Connection} Connection
 * @typedef {import('./constants.js').MeetingMode} MeetingMode
 * @typedef {import('./constants.js').StreamKind} StreamKind
 * @typedef {import('./participant.js').Participant} Participant
 *
 * @typedef {object} MeetingOptions
 * @property {string} meetingId the room; no white space
 * @property {string | (() => string | Promise<string>)} [token] default: that of VideoSDK.config. A function is asked again at
 *   every fresh join, so that a token may expire during a call
 * @property {string} [name] shown to others; at most 256 bytes
 * @property {string} [participantId] default: the token's, else made up by the server; no white space. Whoever had it is sent out
 * @property {boolean} [micEnabled] default true
 * @property {boolean} [webcamEnabled] default true
 * @property {'sd' | 'hd'} [maxResolution] of our camera: 640x360 or 1280x720; default sd
 * @property {boolean} [multiStream] several encodings of our camera; default true
 * @property {MediaStream} [customCameraVideoTrack] use this instead of opening the camera
 * @property {MediaStream} [customMicrophoneAudioTrack] use this instead of opening the microphone
 * @property {'front' | 'back'} [defaultCamera]
 * @property {MeetingMode} [mode] default SEND_AND_RECV
 * @property {unknown} [metaData] any JSON, at most 16 KiB
 * @property {boolean} [autoConsume] default true; false: nothing is received until `participant.consumeMicStreams()` and the like
 * @property {'UDP_ONLY' | 'UDP_OVER_TCP' | 'TCP_ONLY'} [preferredProtocol] TCP_ONLY throws `not-supported`; the others are as the network allows
 * @property {boolean} [debugMode] taken and ignored, as is pubsubWorkerUrl
 * @property {string} [pubsubWorkerUrl]
 * @property {boolean} [codecSwitchEnabled] send our picture in a second codec while somebody cannot decode the first (`codec-changed`);
 *   default true
 * @property {import('../core/key-provider.js').KeyProvider} [keyProvider] encrypts end to end; default: that of VideoSDK.setKeyProvider
 * @property {string | string[]} [signalingBaseUrl] of the server, or of several that act as one; default: where the page came from
 * @property {'six' | 'v1'} [stateModel] vocabulary of `meeting-state-changed`; default six
 * @property {'any' | 'open' | 'join'} [intent] open: begin the meeting, or reject with `room-exists`; join: enter it, or reject
 *   with `room-not-found`; default any
 * @property {string} [password] of the meeting, if it has one
 * @property {import('../core/protocol.js').Settings} [settings] of the meeting, if this join begins it
 * @property {number} [reconnectForMs] how long to try to come back, in ms; default 120 000
 * @property {import('../core/platform.js').Platform} [platform] default: the browser
 *
 * @typedef {object} SwitchMeeting somebody asks us to go to another meeting. Nothing happens by itself.
 * @property {string} meetingId where to
 * @property {string} token good for it
 * @property {unknown} payload
 * @property {string} [participantId] who asks, if of our meeting
 * @property {string} [connectionParticipantId] who asks, if of a connected meeting
 * @property {string} [connectionMeetingId] of which one
 * @property {() => Promise<void>} accept goes there (`meeting.switchTo`)
 *
 * @typedef {{participantId: string, accept: () => Promise<void>, reject: () => Promise<void>}} MediaRequest who asks; `accept`
 *   switches on, `reject` does nothing
 * @typedef {object} CodecChange our picture goes out in another codec for those who cannot decode it otherwise; whoever can still gets
 *   the one from before
 * @property {string | null} unsupportedRemoteCodec what they cannot decode: "VP8", "VP9", "H264" or "AV1"
 * @property {string | null} previousCodec the same
 * @property {string} currentCodec what they get
 * @property {'video' | 'share'} kind
 * @property {Participant | null} causedBy one of them
 *
 * @typedef {{participantId: string, name: string, metaData: unknown, allow: () => Promise<void>, deny: () => Promise<void>}} EntryRequest
 *
 * @typedef {object} ConnectionRequest another meeting asks for a connection with ours
 * @property {string} connectionId
 * @property {string} meetingId the same
 * @property {string} participantId who asks, of that meeting
 * @property {string} displayName
 * @property {unknown} payload
 * @property {number} expiresMs ms until nobody need answer any more
 * @property {() => Promise<void>} accept
 * @property {() => Promise<void>} reject
 *
 * @typedef {{
 *   'meeting-joined': [],
 *   'meeting-left': [import('./leave-reasons.js').LeaveReason],
 *   'meeting-state-changed': [import('./state.js').StateChange],
 *   'participant-joined': [Participant],
 *   'participant-left': [Participant, import('./leave-reasons.js').LeaveReason],
 *   'participant-updated': [Participant],
 *   'participant-mode-changed': [{participantId: string, mode: MeetingMode}],
 *   'speaker-changed': [string | null],
 *   'presenter-changed': [string | null],
 *   'main-participant-changed': [Participant],
 *   'entry-requested': [EntryRequest],
 *   'entry-responded': [string, 'allowed' | 'denied'],
 *   'entry-waiting': [],
 *   'mic-requested': [MediaRequest],
 *   'webcam-requested': [MediaRequest],
 *   'screen-share-requested': [MediaRequest],
 *   'pin-state-changed': [{participantId: string, peerId: string, state: {cam: boolean, share: boolean}, pinnedBy: string}],
 *   'connection-open': [Connection, {replayed: boolean}],
 *   'connection-close': [string, LinkCloseReason],
 *   'connection-requested': [ConnectionRequest],
 *   'switch-meeting': [SwitchMeeting],
 *   'settings-changed': [],
 *   'recording-state-changed': [{status: import('./recording.js').RecordingStatus}],
 *   'recording-started': [],
 *   'recording-stopped': [],
 *   data: [import('./data.js').DataMessage],
 *   'paused-all-streams': [{kind: StreamKind | null}],
 *   'resumed-all-streams': [{kind: StreamKind | null}],
 *   'video-state-changed': [import('./shared-video.js').VideoState],
 *   'video-seeked': [{currentTime: number}],
 *   'codec-changed': [CodecChange],
 *   'quality-limitation': [import('./upload-watch.js').Limitation],
 *   'audio-input-silence': [import('./upload-watch.js').Silence],
 *   'autoplay-blocked': [],
 *   error: [import('./errors.js').ErrorEvent],
 * }} MeetingEvents
 *   `participant-updated`: another name, metadata or mode. `entry-waiting`: we are in the lobby. `entry-responded`: also of ourselves. `connection-open`: `replayed` if the
 *   connection was open before us. `codec-changed`: see CodecChange. `connection-close`: id and reason, after a `participant-left` for everybody there.
 *   `settings-changed`: another owner or other settings (see `meeting.room`). `autoplay-blocked`: the browser plays nothing
 *   before the page was touched. `error`: what went wrong, whether or not a method rejects with it too.
 */
export {};
