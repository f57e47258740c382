import { pageSurroundings } from './browser.js';
import { LocalStreams } from './local-streams.js';
import { Messages } from './messages.js';
import { RemoteStreams } from './remote-streams.js';
import { Rooms } from './rooms.js';
import { Server } from './server.js';
import { Shown } from './shown.js';
import { Users } from './users.js';

/** @typedef {InstanceType<typeof RTCMultiConnection>} Connection */
/** @typedef {typeof import('../client/client.js')} Client */

/** The parts behind an RTCMultiConnection, and what they share: the public object, the SDK, the surroundings. */
export class Engine {
  /**
   * @param {Connection} connection
   * @param {Client} client the SDK
   */
  constructor(connection, client) {
    /** @readonly */
    this.connection = connection;
    /** @readonly */
    this.client = client;
    /** @readonly @type {import('./browser.js').Surroundings} */
    this.platform = connection.platform ?? pageSurroundings(client.browserPlatform());
    /** @readonly */
    this.server = new Server(this);
    /** @readonly */
    this.shown = new Shown(this);
    /** @readonly */
    this.streams = new LocalStreams(this);
    /** @readonly */
    this.remote = new RemoteStreams(this);
    /** @readonly */
    this.messages = new Messages(this);
    /** @readonly */
    this.users = new Users(this);
    /** @readonly */
    this.rooms = new Rooms(this);
  }

  /** The room we are in, or null. */
  get room() {
    return this.rooms.current;
  }

  /**
   * Calls a handler of the application. One that throws harms nobody else.
   * @param {string} name of the event
   * @param {...any} args
   */
  tell(name, ...args) {
    const handler = /** @type {any} */ (this.connection)[name];
    if (this.connection.enableLogs) console.info(`RTCMultiConnection: ${name}`, ...args);
    if (typeof handler === 'function') this.call(() => handler.apply(this.connection, args), name);
  }

  /** @param {() => void} callback @param {string} name for the log */
  call(callback, name) {
    try {
      callback();
    } catch (error) {
      console.error(`RTCMultiConnection: ${name} threw`, error);
    }
  }

  /** Something of data or streams went wrong and nobody waits for an answer. @param {unknown} thrown */
  report(thrown) {
    const { code = 'unknown', message = String(thrown) } = /** @type {{code?: string, message?: string}} */ (thrown ?? {});
    if (code === 'left' || code === 'session-lost') return;
    this.tell('onerror', { userid: this.connection.userid, message, code: code.replaceAll('-', '_').toUpperCase() });
  }
}
