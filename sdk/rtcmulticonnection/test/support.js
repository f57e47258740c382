import { FakeTrack, fakePlatform, settle } from '../../client/test/fake-platform.js';
import { ScriptedServer } from '../../client/test/scripted-server.js';
import RTCMultiConnection from '../index.js';

export { FakeTrack, settle } from '../../client/test/fake-platform.js';
export { camera, microphone, person } from '../../client/test/support.js';

export class FakeStream {
  static count = 0;
  id = `stream-${FakeStream.count++}`;
  constructor(tracks) {
    this.tracks = [...tracks];
  }
  getTracks() {
    return [...this.tracks];
  }
  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === 'audio');
  }
  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === 'video');
  }
  addTrack(track) {
    this.tracks.push(track);
  }
  removeTrack(track) {
    this.tracks = this.tracks.filter((other) => other !== track);
  }
}

class FakeElement {
  style = {};
  attributes = {};
  constructor(tag) {
    this.tagName = tag.toUpperCase();
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  async play() {}
}

const EVENTS = [
  'onstream', 'onstreamended', 'onmute', 'onunmute', 'onopen', 'onclose', 'onmessage', 'onerror', 'onleave', 'onUserStatusChanged',
  'onExtraDataUpdated', 'onEntireSessionClosed', 'onOwnerChanged', 'onReConnecting', 'onMediaError', 'onSocketDisconnect', 'onSocketError',
  'onJoinWithPassword', 'onInvalidPassword', 'onRoomFull', 'onspeaking', 'onsilence', 'onFileStart', 'onFileProgress', 'onFileEnd',
  'onNumberOfBroadcastViewersUpdated',
];

/** A connection with a scripted server behind it. `nobody`: what presence says of a room; `heard`: every event by name. */
export function scene({ session } = {}) {
  const server = new ScriptedServer();
  server.about = { created: true, owner: 'me' };
  server.on.presence = ({ room }) => ({ room, exists: false, participants: 0, maxParticipants: null, full: false, passwordProtected: false, owner: null, info: null });
  const platform = fakePlatform(server);
  const asked = [];
  const fetched = [];
  Object.assign(platform, {
    createStream: (tracks) => new FakeStream(tracks),
    createElement: (tag) => new FakeElement(tag),
    pageUrl: () => 'http://localhost:7880/page.html?x=1',
    fetch: async (url, init) => {
      fetched.push({ url, body: JSON.parse(init.body) });
      return { ok: true, status: 200, json: async () => ({ token: 'dev-token' }) };
    },
    onGesture() {},
    blobUrl: () => 'blob:x',
    mediaDevices: {
      getUserMedia: async (constraints) => {
        asked.push(constraints);
        return new FakeStream(['audio', 'video'].filter((kind) => constraints[kind]).map((kind) => new FakeTrack(kind)));
      },
      getDisplayMedia: async (constraints) => {
        asked.push({ screen: true, ...constraints });
        return new FakeStream([new FakeTrack('video')]);
      },
    },
  });
  const connection = new RTCMultiConnection('room');
  connection.platform = platform;
  connection.userid = 'me';
  if (session) connection.session = session;
  const heard = [];
  for (const name of EVENTS) connection[name] = (...args) => heard.push([name, ...args]);
  return {
    server, platform, connection, asked, fetched, heard,
    /** Arguments of the calls of one event. */
    of: (name) => heard.filter(([event]) => event === name).map(([, ...args]) => args),
    get pc() {
      return platform.peers.at(-1);
    },
    /** Calls a method with a callback and gives the callback's arguments. */
    async ask(method, ...args) {
      let answer;
      connection[method](...args, (...given) => (answer = given));
      await settle(200);
      return answer;
    },
    async opened(...args) {
      const answer = await this.ask('open', 'room', ...args);
      platform.peers.at(-1)?.ice('connected');
      await settle();
      return answer;
    },
    /** The server says that a room is there. */
    exists(more = {}) {
      const { presence } = server.on;
      server.on.presence = (message) => ({ ...presence(message), exists: true, participants: 1, owner: { id: 'ann', displayName: 'Ann', metadata: { name: 'Ann' } }, ...more });
      server.about = { created: false, owner: 'ann' };
    },
    /** The far end of our data channel: `open()` it, `deliver(from, bytes)`, look at `sent`. */
    get data() {
      const channel = platform.peers.at(-1).channels.at(-1);
      return {
        channel,
        async open() {
          channel.readyState = 'open';
          channel.onopen();
          await settle();
        },
        async deliver(from, bytes) {
          const name = new TextEncoder().encode(from);
          channel.onmessage({ data: new Uint8Array([name.length, ...name, ...bytes]).buffer });
          await settle();
        },
        /** What we sent: [addressee, first byte, rest]. */
        get sent() {
          return channel.sent.map((bytes) => [new TextDecoder().decode(bytes.subarray(1, 1 + bytes[0])), bytes[1 + bytes[0]], bytes.subarray(2 + bytes[0])]);
        },
      };
    },
  };
}
