import WebSocket from 'ws';

/** How long the server may take for an answer, in ms. */
const PATIENCE_MS = 10_000;
/** Often enough that the server knows we live. */
const PING_MS = 5_000;

/** The signalling socket of a client that is not the SDK: docs/PROTOCOL.md, as little of it as media needs. */
export class Signal {
  #socket;
  #next = 1;
  #waiting = new Map();
  #pings;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    this.#pings = setInterval(() => this.#send({ id: 0, type: 'ping' }), PING_MS);
    socket.on('message', (text) => {
      const message = JSON.parse(text.toString());
      this.#waiting.get(message.re)?.(message);
    });
    socket.on('close', (code) => {
      clearInterval(this.#pings);
      for (const answer of this.#waiting.values()) answer({ type: 'error', code: 'closed', message: `the socket closed with ${code}` });
    });
  }

  /** @param {{url: string, token: string, room: string, participant: string}} who */
  static async join({ url, token, room, participant }) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/signal`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const signal = new Signal(socket);
    await signal.request('join', { versions: [1], token, room, participant, client: 'enfilade-interop' });
    return signal;
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @returns {Promise<any>} the answer; rejects with the server's code
   */
  async request(type, fields) {
    const id = this.#next++;
    const answer = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`"${type}" was not answered`)), PATIENCE_MS);
      this.#waiting.set(id, (message) => (clearTimeout(timer), resolve(message)));
      this.#send({ id, type, ...fields });
    });
    this.#waiting.delete(id);
    if (answer.type === 'error') throw new Error(`"${type}" was refused: ${answer.code}: ${answer.message}`);
    return answer;
  }

  async leave() {
    await this.request('leave', {}).catch(() => {});
    this.#socket.close();
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
