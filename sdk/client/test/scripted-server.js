/**
 * The server's half of docs/PROTOCOL.md, small: sessions that resume, seats that fill, everything written down. A test may
 * put a function into `on[type]` to answer otherwise: it returns the answer's fields, throws {code}, or returns `null` for no answer.
 */
export class ScriptedServer {
  reachable = true;
  sessions = new Map();
  bySocket = new Map();
  log = [];
  on = {};
  participants = [];
  links = [];
  /** Rooms linked by `link.open`. */
  open = new Set();
  pins = [];
  /** Further fields of `joined`. */
  about = {};
  #keys = 0;
  #publications = 0;

  accept(socket) {
    if (!this.reachable) socket.break();
    else socket.open();
  }

  receive(socket, message) {
    this.log.push(message);
    if (message.type === 'ping') {
      if (!this.mute) socket.deliver({ type: 'pong', re: message.id });
      return;
    }
    const session = this.bySocket.get(socket);
    if (!session && (message.type === 'presence' || message.type === 'rooms')) return socket.deliver({ re: message.id, type: message.type, ...this.on[message.type](message) });
    if (!session && this.lobby) return this.#wait(socket, message);
    if (!session) return message.type === 'resume' ? this.#resume(socket, message) : this.#join(socket, message);
    if (message.id <= session.lastRequest) return this.send(session, { re: message.id, type: 'error', code: 'out-of-order', message: '!' });
    session.lastRequest = message.id;
    session.done.push(message);
    let answer;
    try {
      answer = (this.on[message.type] ?? this[`answer_${message.type.replace('.', '_')}`] ?? (() => ({}))).call(this, message, session);
    } catch (refusal) {
      if (!refusal.code) throw refusal;
      return this.send(session, { re: message.id, type: 'error', message: `refused: ${refusal.code}`, ...refusal });
    }
    if (answer !== null) this.send(session, { re: message.id, type: message.type === 'offer' ? 'answer' : 'ok', ...answer });
    if (message.type === 'leave') socket.break(1000);
  }

  closed(socket) {
    this.bySocket.delete(socket);
  }

  /** Whoever comes waits until the test says `decide(null)` or a refusal. */
  #wait(socket, message) {
    socket.deliver({ re: message.id, type: 'waiting' });
    this.decide = (refusal) => (refusal ? socket.deliver({ re: message.id, type: 'error', message: 'No.', ...refusal }) : this.#join(socket, message));
  }

  #join(socket, message) {
    if (this.on.join) {
      try {
        this.on.join(message);
      } catch (refusal) {
        return socket.deliver({ re: message.id, type: 'error', message: `refused: ${refusal.code}`, ...refusal });
      }
    }
    const key = `key-${++this.#keys}`;
    const session = { key, socket, seq: 0, sent: [], lastRequest: message.id, done: [] };
    this.sessions.set(key, session);
    this.bySocket.set(socket, session);
    this.send(session, {
      re: message.id, type: 'joined', version: 1, room: message.room ?? 'r1', session: this.occurrence ?? 's1',
      participant: { id: message.participant ?? 'me', displayName: message.displayName ?? '', joinedAtMs: 1, publications: [] },
      resume: { key, windowMs: 10000 }, participants: structuredClone(this.participants), iceServers: [],
      limits: { messageBytes: 65536, metadataBytes: 16384, chatBytes: 8192, seats: 50 },
      created: true, owner: null, permissions: ['publish', 'subscribe', 'talk'], settings: null, links: structuredClone(this.links), pins: structuredClone(this.pins),
      ...this.about,
    });
  }

  #resume(socket, message) {
    const session = this.sessions.get(message.key);
    if (!session) return socket.deliver({ re: message.id, type: 'error', code: 'resume-unknown', message: 'Too late.' });
    session.socket = socket;
    this.bySocket.set(socket, session);
    socket.deliver({ re: message.id, type: 'resumed', lastRequest: session.lastRequest });
    for (const m of session.sent) if (m.seq > message.lastSeq) socket.deliver(m);
  }

  send(session, message) {
    const numbered = { seq: ++session.seq, ...message };
    session.sent.push(numbered);
    session.socket.deliver(numbered);
  }

  /** The newest session. */
  get session() {
    return [...this.sessions.values()].at(-1);
  }

  /** An event to the newest session. */
  event(type, fields = {}) {
    this.send(this.session, { type, ...fields });
  }

  requests(type) {
    return this.log.filter((m) => m.type === type);
  }

  answer_offer({ sdp, publish = [] }) {
    const lines = [...sdp.matchAll(/^m=(\w+) .*\r?\na=mid:(\d+)\r?\na=(\w+)/gm)].map(([, kind, mid, direction]) => ({ kind, mid, direction }));
    const receiving = (kind) => lines.filter((l) => l.kind === kind && l.direction === 'recvonly');
    const [audio, video] = [receiving('audio'), receiving('video')];
    return {
      sdp: lines.map(({ kind, mid }) => `m=${kind} 9 X\r\na=mid:${mid}\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n`).join(''),
      seats: audio.slice(0, video.length).map((line, seat) => ({ seat, audioMid: line.mid, videoMid: video[seat].mid })),
      publications: publish.map(({ mid }) => ({ mid, publication: ++this.#publications })),
    };
  }

  answer_publish() {
    return { publication: ++this.#publications };
  }

  answer_chat() {
    return { message: 'm-1', timestampMs: 5 };
  }

  answer_link_chat() {
    return { message: 'l-1', timestampMs: 6 };
  }

  /** The link is open before it is said to be. */
  answer_link_open({ room, payload = null }) {
    if (!this.open.has(room)) this.event('link.opened', { link: room, payload, rights: ['roster', 'chat', 'switch'], participants: [] });
    this.open.add(room);
    return { link: room };
  }

  answer_topic_subscribe() {
    return { messages: this.kept ?? [] };
  }
}
