/** @typedef {import('../core/errors.js').EnfiladeError} EnfiladeError */
/** @typedef {{code: number, name: LeaveReasonName, message: string}} LeaveReason */
/** @typedef {keyof typeof LEAVE_REASONS} LeaveReasonName */

/** Why somebody is not in the meeting any more, with the numbers of the Meeting API. */
export const LEAVE_REASONS = Object.freeze({
  WEBSOCKET_DISCONNECTED: 1001,
  REMOVE_PEER: 1002,
  REMOVE_PEER_VIEWER_MODE_CHANGED: 1003,
  REMOVE_PEER_MEDIA_RELAY_STOP: 1004,
  SWITCH_ROOM: 1005,
  ROOM_CLOSE: 1006,
  UNKNOWN: 1007,
  REMOVE_ALL: 1008,
  MEETING_END_API: 1009,
  REMOVE_PEER_API: 1010,
  DUPLICATE_PARTICIPANT: 1011,
  MANUAL_LEAVE_CALLED: 1101,
  WEBSOCKET_CONNECTION_ATTEMPTS_EXHAUSTED: 1102,
  JOIN_ROOM_FAILED: 1103,
  SWITCH_ROOM_FAILED: 1104,
});

/** @type {Record<string, LeaveReasonName>} */
const OF_OTHERS = { left: 'MANUAL_LEAVE_CALLED', timeout: 'WEBSOCKET_DISCONNECTED', removed: 'REMOVE_PEER', duplicate: 'DUPLICATE_PARTICIPANT', closed: 'ROOM_CLOSE' };
/** @type {Record<string, LeaveReasonName>} */
const OF_OURSELVES = {
  left: 'MANUAL_LEAVE_CALLED', removed: 'REMOVE_PEER', 'room-closed': 'ROOM_CLOSE', 'duplicate-participant': 'DUPLICATE_PARTICIPANT',
  'reconnect-failed': 'WEBSOCKET_CONNECTION_ATTEMPTS_EXHAUSTED', 'too-slow': 'WEBSOCKET_DISCONNECTED',
};

/** @param {LeaveReasonName} name @param {string} [message] @returns {LeaveReason} */
export function leaveReason(name, message = name) {
  return { code: LEAVE_REASONS[name], name, message };
}

/** Why somebody else left. @param {string} reason of `participant-left` in the core */
export function reasonOfOthers(reason) {
  return leaveReason(OF_OTHERS[reason] ?? 'UNKNOWN', reason);
}

/**
 * Why we left.
 * @param {EnfiladeError | null} error null: we wanted to
 * @param {boolean} entered whether we ever were in the meeting
 */
export function reasonOfOurs(error, entered) {
  if (!error) return leaveReason('MANUAL_LEAVE_CALLED');
  return leaveReason(OF_OURSELVES[error.code] ?? (entered ? 'UNKNOWN' : 'JOIN_ROOM_FAILED'), error.message);
}
