import { asEnfiladeError, EnfiladeError } from '../core/errors.js';

/** @typedef {keyof typeof NUMBERS} ErrorName */
/** @typedef {keyof typeof ACTIONS} Action */
/** @typedef {{code: number, name: string, message: string, cause: EnfiladeError}} ErrorEvent what the event `error` tells */

/**
 * The numbers of the Meeting API. The first digit says where the fault is: 3 on this device or in the order of calls, 4 refused
 * by the server, 5 something running has died.
 */
export const NUMBERS = Object.freeze({
  ERROR_GET_VIDEO_MEDIA: 3011,
  ERROR_GET_AUDIO_MEDIA: 3012,
  ERROR_GET_DISPLAY_MEDIA: 3013,
  ERROR_GET_DISPLAY_MEDIA_PERMISSION_DENIED: 3016,
  ERROR_CAMERA_ACCESS_DENIED_OR_DISMISSED: 3017,
  ERROR_MICROPHONE_ACCESS_DENIED_OR_DISMISSED: 3018,
  ERROR_CAMERA_NOT_FOUND: 3021,
  ERROR_MICROPHONE_NOT_FOUND: 3022,
  ERROR_CAMERA_IN_USE: 3023,
  ERROR_MICROPHONE_IN_USE: 3024,
  ERROR_VIDEO_SOURCE_INITIATION_FAILED: 3026,
  ERROR_WEBCAM_TRACK_ENDED: 3027,
  ERROR_MICROPHONE_TRACK_ENDED: 3028,
  ERROR_INVALID_CUSTOM_VIDEO_TRACK: 3029,
  ERROR_INVALID_CUSTOM_AUDIO_TRACK: 3030,
  ERROR_CUSTOM_VIDEO_TRACK_ENDED: 3031,
  ERROR_CUSTOM_AUDIO_TRACK_ENDED: 3032,
  ERROR_CAMERA_ACCESS_UNAVAILABLE: 3033,
  ERROR_MICROPHONE_ACCESS_UNAVAILABLE: 3034,
  ERROR_ACTION_PERFORMED_BEFORE_MEETING_JOINED: 3035,
  ERROR_MEDIA_CONNECTION_FAILED: 3044,
  ERROR_UNABLE_TO_JOIN_MEETING: 3047,
  ERROR_MEDIA_NOT_READY: 3048,
  ERROR_ALREADY_IN_STATE: 3054,
  ERROR_IN_PROGRESS: 3055,
  ERROR_RECONNECTING: 3065,
  ERROR_ACTION_NOT_SUPPORTED_IN_MODE: 3066,
  ERROR_SEND_FAILED: 3070,
  ERROR_PAYLOAD_TOO_LARGE: 3072,
  ERROR_INVALID_PARAMETER: 3073,
  ERROR_TIMED_OUT: 3079,
  INVALID_API_KEY: 4001,
  INVALID_TOKEN: 4002,
  INVALID_MEETING_ID: 4003,
  INVALID_PARTICIPANT_ID: 4004,
  DUPLICATE_PARTICIPANT: 4005,
  INVALID_PERMISSIONS: 4008,
  MAX_PARTICIPANT_REACHED: 4009,
  START_RECORDING_FAILED: 4011,
  STOP_RECORDING_FAILED: 4012,
  START_LIVESTREAM_FAILED: 4013,
  STOP_LIVESTREAM_FAILED: 4014,
  START_HLS_FAILED: 4016,
  STOP_HLS_FAILED: 4017,
  UNAUTHORIZED_MEETING_ID: 4022,
  UNAUTHORIZED_PARTICIPANT_ID: 4023,
  UNAUTHORIZED_ROLE: 4024,
  UNAUTHORIZED_REQUEST: 4025,
  START_TRANSCRIPTION_FAILED: 4031,
  STOP_TRANSCRIPTION_FAILED: 4032,
  ENABLE_ADAPTIVE_SUBSCRIPTION_FAILED: 4047,
  DISABLE_ADAPTIVE_SUBSCRIPTION_FAILED: 4048,
  CREATE_CONSUMER_FAILED: 4050,
  CODEC_NOT_SUPPORTED: 4051,
  PAUSE_ALL_STREAMS_FAILED: 4057,
  RESUME_ALL_STREAMS_FAILED: 4058,
  RESPOND_ENTRY_FAILED: 4059,
  CHANGE_MODE_FAILED: 4065,
  REMOVE_PARTICIPANT_FAILED: 4066,
  ENABLE_PARTICIPANT_MIC_FAILED: 4067,
  DISABLE_PARTICIPANT_MIC_FAILED: 4068,
  ENABLE_PARTICIPANT_WEBCAM_FAILED: 4069,
  DISABLE_PARTICIPANT_WEBCAM_FAILED: 4070,
  PIN_PARTICIPANT_FAILED: 4071,
  UNPIN_PARTICIPANT_FAILED: 4072,
  SET_QUALITY_FAILED: 4073,
  PAUSE_STREAM_FAILED: 4074,
  RESUME_STREAM_FAILED: 4075,
  SWITCH_MEETING_FAILED: 4076,
  SWITCH_PARTICIPANT_FAILED: 4077,
  REQUEST_MEDIA_RELAY_FAILED: 4078,
  STOP_MEDIA_RELAY_FAILED: 4079,
  CONSUME_STREAM_FAILED: 4080,
  STOP_CONSUMING_STREAM_FAILED: 4081,
  SET_STORE_VALUE_FAILED: 4085,
  GET_STORE_VALUE_FAILED: 4086,
  PUBSUB_PUBLISH_FAILED: 4087,
  PUBSUB_SUBSCRIBE_FAILED: 4088,
  PUBSUB_UNSUBSCRIBE_FAILED: 4089,
  RECORDING_FAILED: 5001,
  HLS_FAILED: 5003,
});

/** What was tried -> what it is called when nothing better fits; null: the Meeting API has no name for that. */
const ACTIONS = Object.freeze({
  join: 'ERROR_UNABLE_TO_JOIN_MEETING',
  leave: 'ERROR_ACTION_PERFORMED_BEFORE_MEETING_JOINED',
  end: null,
  camera: 'ERROR_VIDEO_SOURCE_INITIATION_FAILED',
  microphone: 'ERROR_GET_AUDIO_MEDIA',
  screen: 'ERROR_GET_DISPLAY_MEDIA',
  respondEntry: 'RESPOND_ENTRY_FAILED',
  changeMode: 'CHANGE_MODE_FAILED',
  remove: 'REMOVE_PARTICIPANT_FAILED',
  enableMic: 'ENABLE_PARTICIPANT_MIC_FAILED',
  disableMic: 'DISABLE_PARTICIPANT_MIC_FAILED',
  enableWebcam: 'ENABLE_PARTICIPANT_WEBCAM_FAILED',
  disableWebcam: 'DISABLE_PARTICIPANT_WEBCAM_FAILED',
  pin: 'PIN_PARTICIPANT_FAILED',
  unpin: 'UNPIN_PARTICIPANT_FAILED',
  setQuality: 'SET_QUALITY_FAILED',
  pause: 'PAUSE_STREAM_FAILED',
  resume: 'RESUME_STREAM_FAILED',
  pauseAll: 'PAUSE_ALL_STREAMS_FAILED',
  resumeAll: 'RESUME_ALL_STREAMS_FAILED',
  consume: 'CONSUME_STREAM_FAILED',
  stopConsuming: 'STOP_CONSUMING_STREAM_FAILED',
  switchMeeting: 'SWITCH_MEETING_FAILED',
  switchParticipant: 'SWITCH_PARTICIPANT_FAILED',
  connect: null,
  send: 'ERROR_SEND_FAILED',
  capture: 'ERROR_MEDIA_NOT_READY',
  stats: 'ERROR_MEDIA_NOT_READY',
  setValue: 'SET_STORE_VALUE_FAILED',
  getValue: 'GET_STORE_VALUE_FAILED',
  publish: 'PUBSUB_PUBLISH_FAILED',
  subscribe: 'PUBSUB_SUBSCRIBE_FAILED',
  unsubscribe: 'PUBSUB_UNSUBSCRIBE_FAILED',
  recording: 'RECORDING_FAILED',
  startRecording: 'START_RECORDING_FAILED',
  stopRecording: 'STOP_RECORDING_FAILED',
  startLivestream: 'START_LIVESTREAM_FAILED',
  stopLivestream: 'STOP_LIVESTREAM_FAILED',
  startHls: 'START_HLS_FAILED',
  stopHls: 'STOP_HLS_FAILED',
  startTranscription: 'START_TRANSCRIPTION_FAILED',
  stopTranscription: 'STOP_TRANSCRIPTION_FAILED',
  requestMediaRelay: 'REQUEST_MEDIA_RELAY_FAILED',
  stopMediaRelay: 'STOP_MEDIA_RELAY_FAILED',
  other: 'ERROR_MEDIA_CONNECTION_FAILED',
});

/** Codes that say more than what was tried. @type {Record<string, ErrorName>} */
const BY_CODE = {
  'invalid-argument': 'ERROR_INVALID_PARAMETER',
  'invalid-field': 'ERROR_INVALID_PARAMETER',
  'missing-field': 'ERROR_INVALID_PARAMETER',
  'invalid-state': 'ERROR_ACTION_PERFORMED_BEFORE_MEETING_JOINED',
  'already-joined': 'ERROR_ALREADY_IN_STATE',
  'join-in-progress': 'ERROR_IN_PROGRESS',
  'media-not-ready': 'ERROR_MEDIA_NOT_READY',
  'session-lost': 'ERROR_RECONNECTING',
  'timed-out': 'ERROR_TIMED_OUT',
  'message-too-large': 'ERROR_PAYLOAD_TOO_LARGE',
  'channel-closed': 'ERROR_SEND_FAILED',
  'negotiation-failed': 'ERROR_MEDIA_CONNECTION_FAILED',
  'reconnect-failed': 'ERROR_UNABLE_TO_JOIN_MEETING',
  'connect-failed': 'ERROR_UNABLE_TO_JOIN_MEETING',
  'token-missing': 'INVALID_TOKEN',
  'token-invalid': 'INVALID_TOKEN',
  'token-expired': 'INVALID_TOKEN',
  'token-not-yet-valid': 'INVALID_TOKEN',
  'token-too-large': 'INVALID_TOKEN',
  'token-used': 'INVALID_TOKEN',
  'token-revoked': 'INVALID_TOKEN',
  'token-unknown-key': 'INVALID_API_KEY',
  'token-permissions': 'INVALID_PERMISSIONS',
  'token-room': 'UNAUTHORIZED_MEETING_ID',
  'token-participant': 'UNAUTHORIZED_PARTICIPANT_ID',
  'token-role': 'UNAUTHORIZED_ROLE',
  'duplicate-participant': 'DUPLICATE_PARTICIPANT',
  'room-full': 'MAX_PARTICIPANT_REACHED',
  'codec-not-supported': 'CODEC_NOT_SUPPORTED',
  'camera-ended': 'ERROR_WEBCAM_TRACK_ENDED',
  'microphone-ended': 'ERROR_MICROPHONE_TRACK_ENDED',
  forbidden: 'UNAUTHORIZED_REQUEST',
  'link-right': 'UNAUTHORIZED_REQUEST',
};

/** Codes that mean something else for each device. @type {Record<string, Record<string, ErrorName>>} */
const BY_DEVICE = {
  camera: {
    'permission-denied': 'ERROR_CAMERA_ACCESS_DENIED_OR_DISMISSED', 'device-not-found': 'ERROR_CAMERA_NOT_FOUND', 'device-in-use': 'ERROR_CAMERA_IN_USE',
    'insecure-context': 'ERROR_CAMERA_ACCESS_UNAVAILABLE', 'not-supported': 'ERROR_GET_VIDEO_MEDIA',
    'custom-track-invalid': 'ERROR_INVALID_CUSTOM_VIDEO_TRACK', 'custom-track-ended': 'ERROR_CUSTOM_VIDEO_TRACK_ENDED',
  },
  microphone: {
    'permission-denied': 'ERROR_MICROPHONE_ACCESS_DENIED_OR_DISMISSED', 'device-not-found': 'ERROR_MICROPHONE_NOT_FOUND', 'device-in-use': 'ERROR_MICROPHONE_IN_USE',
    'insecure-context': 'ERROR_MICROPHONE_ACCESS_UNAVAILABLE', 'not-supported': 'ERROR_GET_AUDIO_MEDIA',
    'custom-track-invalid': 'ERROR_INVALID_CUSTOM_AUDIO_TRACK', 'custom-track-ended': 'ERROR_CUSTOM_AUDIO_TRACK_ENDED',
  },
  screen: {
    'permission-denied': 'ERROR_GET_DISPLAY_MEDIA_PERMISSION_DENIED', 'custom-track-invalid': 'ERROR_INVALID_CUSTOM_VIDEO_TRACK',
    'custom-track-ended': 'ERROR_CUSTOM_VIDEO_TRACK_ENDED',
  },
  join: { 'invalid-field': 'ERROR_INVALID_PARAMETER', 'room-not-found': 'INVALID_MEETING_ID', 'room-not-live': 'INVALID_MEETING_ID' },
};

/** Misuse is told to the caller alone; everything else to the event `error` as well. */
/** @type {Set<number>} */
const THROWN_ONLY = new Set([NUMBERS.ERROR_MEDIA_NOT_READY, NUMBERS.ERROR_ACTION_NOT_SUPPORTED_IN_MODE, NUMBERS.ERROR_PAYLOAD_TOO_LARGE, NUMBERS.ERROR_INVALID_PARAMETER]);

/**
 * What methods of the Meeting API reject with: an EnfiladeError (`code` is a stable string) that also carries the number and
 * the name the Meeting API has for it.
 */
export class MeetingError extends EnfiladeError {
  /**
   * @param {EnfiladeError} error
   * @param {ErrorName | null} constant null where the Meeting API has no name for it
   */
  constructor(error, constant) {
    super(error.code, error.message, { cause: error, field: error.field });
    this.name = 'MeetingError';
    /** e.g. "INVALID_TOKEN"; null where the Meeting API has none. @readonly @type {ErrorName | null} */
    this.constant = constant;
    /** e.g. 4002; null where the Meeting API has none. @readonly @type {number | null} */
    this.number = constant ? NUMBERS[constant] : null;
  }
}

/**
 * @param {unknown} thrown
 * @param {Action} action what was tried
 * @returns {MeetingError}
 */
export function meetingError(thrown, action) {
  if (thrown instanceof MeetingError) return thrown;
  const error = asEnfiladeError(thrown, 'unknown', 'Something failed.');
  const constant = BY_DEVICE[action]?.[error.code] ?? BY_CODE[error.code] ?? /** @type {ErrorName | null} */ (ACTIONS[action]);
  return new MeetingError(error, constant);
}

/**
 * What a self-hosted server does not do.
 * @param {string} method
 * @param {Action | null} action null where the Meeting API has no number for it
 */
export function notServed(method, action) {
  const error = new EnfiladeError('not-supported', `${method} belongs to hosted services; an Enfilade node does not do it.`);
  return new MeetingError(error, action ? /** @type {ErrorName | null} */ (ACTIONS[action]) : null);
}

/** Whether the event `error` tells of it too. @param {MeetingError} error */
export function isReported(error) {
  return error.code !== 'left' && error.number !== null && !THROWN_ONLY.has(error.number);
}

/** @param {MeetingError} error @returns {ErrorEvent} */
export function errorEvent(error) {
  return { code: error.number ?? 0, name: error.constant ?? error.code, message: error.message, cause: error };
}
