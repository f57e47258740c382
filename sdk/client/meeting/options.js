import { EnfiladeError, requireArgument } from '../core/errors.js';
import { Room } from '../core/room.js';
import { ROOM_MODE } from './constants.js';
import { MeetingError } from './errors.js';

/** @typedef {import('./meeting-types.js').MeetingOptions} MeetingOptions */

/** @param {MeetingOptions} options of initMeeting */
export function requireOptions(options) {
  requireName(/^\S+$/.test(options.meetingId ?? ''), 'initMeeting: `meetingId` is missing or holds white space.', 'INVALID_MEETING_ID');
  requireName(/^\S*$/.test(options.participantId ?? ''), 'initMeeting: `participantId` must not hold white space.', 'INVALID_PARTICIPANT_ID');
  requireArgument(options.mode === undefined || options.mode in ROOM_MODE, 'initMeeting: `mode` is SEND_AND_RECV, RECV_ONLY or SIGNALLING_ONLY.');
  if (options.preferredProtocol === 'TCP_ONLY') throw new EnfiladeError('not-supported', 'initMeeting: media over TCP alone is not served.');
  requireArgument([undefined, 'six', 'v1'].includes(options.stateModel), 'initMeeting: `stateModel` is six or v1.');
  requireArgument([undefined, 'sd', 'hd'].includes(options.maxResolution), 'initMeeting: `maxResolution` is sd or hd.');
}

/** @param {boolean} good @param {string} message @param {import('./errors.js').ErrorName} constant */
function requireName(good, message, constant) {
  if (!good) throw new MeetingError(new EnfiladeError('invalid-argument', message), constant);
}

/**
 * @param {MeetingOptions} options
 * @param {string} meetingId
 * @param {NonNullable<MeetingOptions['token']>} token
 */
export function makeRoom(options, meetingId, token) {
  return new Room({
    token,
    url: options.signalingBaseUrl,
    room: meetingId,
    participant: options.participantId,
    displayName: options.name,
    metadata: options.metaData,
    autoSubscribe: options.autoConsume === false ? false : undefined,
    mode: ROOM_MODE[options.mode ?? 'SEND_AND_RECV'],
    intent: options.intent,
    password: options.password,
    settings: options.settings,
    reconnectForMs: options.reconnectForMs,
    e2ee: options.keyProvider ? { keys: options.keyProvider } : undefined,
    backupCodecs: options.codecSwitchEnabled,
    platform: options.platform,
  });
}

/** @param {unknown} kind */
export function requireKind(kind) {
  requireArgument(kind === undefined || ['audio', 'video', 'share', 'shareAudio'].includes(/** @type {string} */ (kind)), 'kind: audio, video, share or shareAudio.');
}
