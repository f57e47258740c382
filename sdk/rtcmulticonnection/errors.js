/** @typedef {{text: string, code: string, message: string}} Refusal */

/** The SDK's codes that the original has a text for, by the name of the text in `connection.errors`. */
const TEXTS = Object.freeze(
  /** @type {Record<string, string>} */ ({
    'room-exists': 'ROOM_NOT_AVAILABLE',
    'room-not-found': 'ROOM_NOT_AVAILABLE',
    'password-required': 'INVALID_PASSWORD',
    'password-wrong': 'INVALID_PASSWORD',
    'room-full': 'ROOM_FULL',
    forbidden: 'ROOM_PERMISSION_DENIED',
    'entry-denied': 'ROOM_PERMISSION_DENIED',
    'entry-timeout': 'ROOM_PERMISSION_DENIED',
    'no-such-participant': 'USERID_NOT_AVAILABLE',
    'not-in-room': 'DID_NOT_JOIN_ANY_ROOM',
    'connect-failed': 'INVALID_SOCKET',
    'reconnect-failed': 'INVALID_SOCKET',
  }),
);

/** What getUserMedia and getDisplayMedia throw, as the SDK's codes name it. */
const CAPTURE = Object.freeze(
  /** @type {Record<string, string>} */ ({
    NotAllowedError: 'permission-denied',
    SecurityError: 'permission-denied',
    NotFoundError: 'device-not-found',
    NotReadableError: 'device-in-use',
    OverconstrainedError: 'device-constraints',
  }),
);

/** An error of this layer, with a code as the SDK's. */
export class RoomError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {unknown} thrown by the browser @returns {RoomError} */
export function captureRefused(thrown) {
  const { name = '', message = '', code } = /** @type {{name?: string, message?: string, code?: unknown}} */ (thrown ?? {});
  const known = typeof code === 'string' ? code : (CAPTURE[name] ?? 'device-failed');
  return new RoomError(known, message || 'Camera, microphone or screen could not be opened.');
}

/**
 * What went wrong, as callbacks are told: the original's text where it has one, our code in capitals, and the sentence.
 * @param {unknown} thrown
 * @param {Readonly<Record<string, string>>} texts `connection.errors`
 * @returns {Refusal}
 */
export function refusal(thrown, texts) {
  const { code = 'unknown', message = String(thrown) } = /** @type {{code?: string, message?: string}} */ (thrown ?? {});
  const name = TEXTS[code];
  return { text: (name && texts[name]) || message, code: code.replaceAll('-', '_').toUpperCase(), message };
}
