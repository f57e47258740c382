/**
 * One error class for everything that can go wrong. `code` is stable and for programs, `message` is a sentence for people.
 *
 * Codes that come from the server are listed in docs/PROTOCOL.md. These are the SDK's own:
 *
 * | code | when |
 * |---|---|
 * | `invalid-argument` | a parameter is missing or of the wrong kind |
 * | `invalid-state` | the call makes no sense now (not joined yet, already joined, left) |
 * | `connect-failed` | the server could not be reached |
 * | `session-lost` | the connection broke while the request was under way and could not be resumed, or is just being made again |
 * | `reconnect-failed` | gave up trying to come back |
 * | `left` | the room was left while the call was under way |
 * | `negotiation-failed` | the browser refused an offer or an answer |
 * | `not-supported` | this browser, or this server, lacks the ability |
 * | `insecure-context` | camera and microphone need https or localhost |
 * | `permission-denied`, `device-not-found`, `device-in-use`, `device-constraints`, `device-failed` | camera, microphone, screen |
 * | `e2ee-failed` | the worker that encrypts has stopped |
 * | `message-too-large`, `channel-closed` | data channels |
 */
export class EnfiladeError extends Error {
  /**
   * @param {string} code stable, in lower case with dashes
   * @param {string} message a sentence for a person
   * @param {{cause?: unknown, field?: string}} [details] `field` names the culprit of a refused message
   */
  constructor(code, message, details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EnfiladeError';
    /** @readonly @type {string} */
    this.code = code;
    /** @readonly @type {string | undefined} */
    this.field = details.field;
  }

  /** @returns {{code: string, message: string, field?: string}} */
  toJSON() {
    return { code: this.code, message: this.message, ...(this.field === undefined ? {} : { field: this.field }) };
  }
}

/**
 * Whatever was thrown, as an EnfiladeError; one that already is stays itself.
 * @param {unknown} thrown
 * @param {string} code used when `thrown` carries none
 * @param {string} message
 */
export function asEnfiladeError(thrown, code, message) {
  if (thrown instanceof EnfiladeError) return thrown;
  const detail = thrown instanceof Error ? `${message} (${thrown.message})` : message;
  return new EnfiladeError(code, detail, { cause: thrown });
}

/**
 * @param {boolean} condition
 * @param {string} message
 * @returns {asserts condition}
 */
export function requireArgument(condition, message) {
  if (!condition) throw new EnfiladeError('invalid-argument', message);
}

const CAPTURE_ERRORS = /** @type {Record<string, [string, string]>} */ ({
  NotAllowedError: ['permission-denied', 'Permission was refused. Allow it in the address bar of the browser and try again.'],
  SecurityError: ['permission-denied', 'The browser forbids capture on this page.'],
  NotFoundError: ['device-not-found', 'No such device is connected.'],
  NotReadableError: ['device-in-use', 'The device is in use by another program.'],
  AbortError: ['device-failed', 'The device stopped before it started.'],
  OverconstrainedError: ['device-constraints', 'No device can do what was asked for.'],
});

/**
 * What getUserMedia and getDisplayMedia throw, in our words.
 * @param {unknown} thrown
 * @param {string} what "camera", "microphone" or "screen"
 */
export function captureError(thrown, what) {
  if (thrown instanceof EnfiladeError) return thrown;
  const name = /** @type {{name?: string}} */ (thrown ?? {}).name ?? '';
  const [code, message] = CAPTURE_ERRORS[name] ?? ['device-failed', 'The device could not be opened.'];
  return new EnfiladeError(code, `${what}: ${message}`, { cause: thrown });
}
