/** @typedef {import('./engine.js').Engine} Engine */

/** Where the server is, and the tokens it wants. */
export class Server {
  #engine;

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /** With a slash at its end. */
  get base() {
    const at = new URL(this.#engine.connection.socketURL || '/', this.#engine.platform.pageUrl());
    at.search = at.hash = '';
    at.protocol = at.protocol.replace(/^ws/, 'http');
    return at.href.endsWith('/') ? at.href : `${at.href}/`;
  }

  /** Of the signalling socket. */
  get signal() {
    return new URL('v1/signal', this.base).href;
  }

  /**
   * A token for the room: the application's, else one of the server's development mode. That one makes nobody a moderator, so
   * that passwords and ownership mean something.
   * @param {string} roomid
   * @returns {Promise<string>} rejects with `token-missing`, `connect-failed`
   */
  async token(roomid) {
    const { EnfiladeError } = this.#engine.client; // which a Room knows not to try again
    const { accessToken, token, userid, constructor } = this.#engine.connection;
    const given = accessToken ?? (token === /** @type {typeof RTCMultiConnection} */ (constructor).randomId ? null : token);
    if (typeof given === 'string') return given;
    if (typeof given === 'function') return given(roomid, userid);
    const ask = { room: roomid, permissions: ['allow_join'] };
    const answer = await this.#engine.platform
      .fetch(new URL('v1/dev/token', this.base).href, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(ask) })
      .catch((cause) => {
        throw new EnfiladeError('connect-failed', `The server ${this.base} cannot be reached. (${cause?.message ?? cause})`);
      });
    if (answer.ok) return (await answer.json()).token;
    if (answer.status === 400) {
      const { code = 'invalid-field', message = 'The server does not accept this room id.' } = await answer.json().catch(() => ({}));
      throw new EnfiladeError(code, message);
    }
    throw new EnfiladeError('token-missing', 'This server gives no development tokens: set `connection.accessToken` to a token, or to a function that gets one.');
  }
}
