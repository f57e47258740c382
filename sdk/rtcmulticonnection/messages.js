import { RoomError } from './errors.js';
import { Files } from './files.js';
import { BYTES, frame, HEARD, heard, HELLO, PARCEL_BYTES_MAX, parcel, Parcels, part, PART, PART_BYTES, partsOf, placeOf, TEXT, WELCOME } from './frames.js';
import { Pacing } from './pacing.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./frames.js').Header} Header */
/** @typedef {InstanceType<typeof import('../client/client.js').Room>} Room */
/** @typedef {ReturnType<Room['openDataChannel']>} DataChannel */

/** Our data channel, and our topic for what concerns the API itself. */
const NAME = 'rtcmulticonnection';

/**
 * What is said: `send` and files by a data channel, custom events by a topic. Data goes to the server once, whoever it is for.
 */
export class Messages {
  #engine;
  /** @type {Room | null} */
  #room = null;
  /** @type {DataChannel | null} */
  #channel = null;
  /** Whose end of the channel is open. @type {Set<string>} */
  #open = new Set();
  /** @type {Map<string, Parcels>} by sender */
  #parcels = new Map();
  #parcelCount = 0;
  /** The last message of `send`. @type {Promise<void>} */
  #said = Promise.resolve();
  /** The last frame. @type {Promise<void>} */
  #tail = Promise.resolve();
  #files;
  #pacing;
  /** For the public object: a custom event came. @type {(event: string, data: any) => void} */
  onCustom = () => {};

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
    this.#files = new Files(engine);
    this.#pacing = new Pacing(engine.platform);
  }

  /** A room is about to be joined. @param {Room} room */
  begin(room) {
    this.end();
    this.#room = room;
    room.on('topic-message', (message) => {
      if (this.#room === room && message.topic === NAME) this.#heard(message.participant, message.payload);
    });
    if (this.#engine.connection.session.data) this.#openChannel(room);
  }

  /** @param {Room} room */
  #openChannel(room) {
    const channel = (this.#channel = room.openDataChannel(NAME));
    channel.on('open', () => this.#greet(HELLO));
    channel.on('message', ({ participant, payload }) => this.#channel === channel && this.#received(participant, payload));
    channel.on('interrupted', () => {
      // The room is still there, so the server closed this one alone: we were too slow to read.
      if (this.#channel !== channel || room.state !== 'connected') return;
      channel.close();
      this.#openChannel(room);
    });
  }

  /** We are in it: custom events come from now on. */
  listen() {
    this.#room?.subscribeTopic(NAME).catch((thrown) => this.#engine.report(thrown));
  }

  /** We are in no room any more. */
  end() {
    this.#channel?.close();
    this.#channel = null;
    this.#room = null;
    this.#open.clear();
    this.#parcels.clear();
    this.#pacing.clear();
    this.#tail = Promise.resolve();
  }

  /** Somebody came, or we did. @param {string} id */
  meet(id) {
    // A hello that came before we knew them was not answered; who is there already answers ours.
    if (this.#channel?.state === 'open') this.#greet(HELLO, id);
  }

  /** Somebody is gone. @param {string} id @param {any} extra */
  lose(id, extra) {
    this.#parcels.delete(id);
    this.#pacing.lose(id);
    if (this.#open.delete(id)) this.#engine.tell('onclose', { userid: id, extra });
  }

  /**
   * One message after another, so that they arrive as they were sent; files go beside them.
   * @param {any} data
   * @param {string} [to]
   * @returns {Promise<void>} never rejects: `onerror` tells
   */
  send(data, to) {
    if (typeof Blob !== 'undefined' && data instanceof Blob && this.#engine.connection.enableFileSharing) return this.shareFile(data, to);
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
    const turn = this.#said;
    const said = async () => {
      this.#assertHere(to);
      const content = bytes?.slice() ?? new TextEncoder().encode(JSON.stringify(data) ?? 'null');
      await turn;
      if (content.length <= PART_BYTES) await this.#put(frame(bytes ? BYTES : TEXT, content), to);
      else await this.#putParcel({ kind: bytes ? 'bytes' : 'text' }, content, PART_BYTES, to);
    };
    return (this.#said = said().catch((thrown) => this.#engine.report(thrown)));
  }

  /** @param {File | Blob} file @param {string} [to] */
  async shareFile(file, to) {
    try {
      const size = Math.min(Math.max(Math.floor(this.#engine.connection.chunkSize) || PART_BYTES, 1), 65_000);
      this.#assertHere(to);
      assertFits(file.size);
      const content = new Uint8Array(await file.arrayBuffer());
      await this.#files.sending(file, to, size, (header, told) => this.#putParcel(header, content, size, to, told));
    } catch (thrown) {
      this.#engine.report(thrown);
    }
  }

  /** Somebody else is to know that we part from them. @param {string} id */
  async tellParted(id) {
    await this.#room?.publishTopic(NAME, { kind: 'part' }, { to: [id] }).catch((thrown) => this.#engine.report(thrown));
  }

  /**
   * `getSocket().emit`.
   * @param {string} event
   * @param {any} data
   * @param {((...answer: any[]) => void) | undefined} acknowledge
   */
  async command(event, data, acknowledge) {
    const { connection, rooms } = this.#engine;
    if (event === 'check-presence') return rooms.checkPresence(String(data), acknowledge);
    if (event === 'get-public-rooms') return rooms.list(data, acknowledge);
    if (event === 'set-password') return rooms.setPassword(data, acknowledge);
    if (event === 'extra-data-updated') return connection.updateExtraData();
    try {
      if (!this.#room) throw new RoomError('not-in-room', connection.errors.DID_NOT_JOIN_ANY_ROOM);
      await this.#room.publishTopic(NAME, { kind: 'custom', event, data });
      this.#engine.call(() => acknowledge?.(true), `the callback of ${event}`);
    } catch (thrown) {
      this.#engine.report(thrown);
      this.#engine.call(() => acknowledge?.(false), `the callback of ${event}`);
    }
  }

  /** @param {string} from @param {unknown} message of our topic */
  #heard(from, message) {
    const { kind, event, data } = /** @type {{kind?: unknown, event?: unknown, data?: any}} */ (message ?? {});
    if (!this.#engine.users.knows(from)) return; // ourselves, or somebody we parted from
    if (kind === 'part') this.#engine.users.part(from);
    else if (kind === 'custom' && typeof event === 'string') this.#engine.call(() => this.onCustom(event, data), event);
  }

  /** @param {string} from @param {Uint8Array} bytes a frame */
  #received(from, bytes) {
    if (!this.#engine.users.knows(from)) return;
    const extra = this.#engine.users.extraOf(from);
    if (!this.#open.has(from)) {
      // Whatever comes from somebody proves that they are open, and whoever says hello hears us too.
      this.#open.add(from);
      this.#engine.tell('onopen', { userid: from, extra });
    }
    if (bytes[0] === HELLO) this.#greet(WELCOME, from);
    else if (bytes[0] === TEXT) this.#deliver(from, { kind: 'text' }, bytes.subarray(1));
    else if (bytes[0] === BYTES) this.#deliver(from, { kind: 'bytes' }, bytes.subarray(1));
    else if (bytes[0] === PART) this.#arrived(from, bytes);
    else if (bytes[0] === HEARD) {
      const place = placeOf(bytes);
      if (place) this.#pacing.hear(from, place.number, place.index);
    }
  }

  /** @param {string} from @param {Uint8Array} bytes */
  #arrived(from, bytes) {
    const place = placeOf(bytes);
    if (place) this.#put(heard(place.number, place.index), from).catch(() => {}); // of use to us or not: the sender waits for it
    let parcels = this.#parcels.get(from);
    if (!parcels) this.#parcels.set(from, (parcels = new Parcels()));
    const arrived = parcels.add(bytes);
    if (!arrived) return;
    const { header, index, count, content } = arrived;
    if (header.kind === 'file') this.#files.arriving(from, header, index, count, content);
    else if (content) this.#deliver(from, header, content);
  }

  /** @param {string} userid @param {Header} header @param {Uint8Array} content */
  #deliver(userid, { kind }, content) {
    let data;
    try {
      data = kind === 'text' ? JSON.parse(new TextDecoder().decode(content)) : content.slice().buffer;
    } catch {
      return; // not from this API
    }
    this.#engine.tell('onmessage', { userid, extra: this.#engine.users.extraOf(userid), data });
  }

  /**
   * @param {Header} header
   * @param {Uint8Array} content
   * @param {number} size of a part
   * @param {string} [to]
   * @param {(index: number, count: number) => void} [told] after each part
   */
  async #putParcel(header, content, size, to, told = () => {}) {
    assertFits(content.length);
    const whole = parcel(header, content);
    // The header must be in the first part whole.
    const step = Math.max(size, 2 + whole.length - content.length);
    const number = ++this.#parcelCount;
    const count = partsOf(whole.length, step);
    this.#pacing.begin(number, to === undefined ? this.#open : [to]);
    try {
      for (let index = 0; index < count; index++) {
        await this.#pacing.until(number, index + 1 - Pacing.ahead(step));
        await this.#put(part(whole, number, index, step), to);
        told(index, count);
      }
    } finally {
      this.#pacing.end(number);
    }
  }

  /** @param {string} [to] */
  #assertHere(to) {
    const { connection, users } = this.#engine;
    if (to !== undefined && !users.knows(to)) throw new RoomError('no-such-participant', connection.errors.USERID_NOT_AVAILABLE);
  }

  /** @param {number} kind HELLO or WELCOME @param {string} [to] */
  #greet(kind, to) {
    this.#put(frame(kind), to).catch(() => {}); // the room was left meanwhile
  }

  /**
   * Sends in turn, when the channel is open.
   * @param {Uint8Array} bytes
   * @param {string} [to]
   */
  #put(bytes, to) {
    const channel = this.#channel;
    if (!channel) return Promise.reject(new RoomError('channel-closed', 'send: not in a room with `session.data`.'));
    const turn = this.#tail.then(async () => {
      await opened(channel);
      await channel.send(bytes, to === undefined ? {} : { to });
    });
    this.#tail = turn.catch(() => {});
    return turn;
  }
}

/** @param {number} length */
function assertFits(length) {
  if (length > PARCEL_BYTES_MAX) throw new RoomError('message-too-large', `At most ${PARCEL_BYTES_MAX} bytes can be sent at a time.`);
}

/** @param {DataChannel} channel @returns {Promise<void>} */
function opened(channel) {
  if (channel.state === 'open') return Promise.resolve();
  return new Promise((resolve, reject) => {
    if (channel.state === 'closed') reject(new RoomError('left', 'The room was left.'));
    channel.once('open', resolve);
    channel.once('closed', () => reject(new RoomError('left', 'The room was left.')));
  });
}
