import { bars, byId, h } from './dom.js';
import { nameOf } from './names.js';

/** How often the numbers are read while they are shown, in ms. */
const EVERY_MS = 1000;

const SCORES = ['Not known yet', 'Bad', 'Weak', 'Fair', 'Good', 'Excellent'];
const SOURCES = { camera: 'camera', microphone: 'microphone', screen: 'screen', screenAudio: 'sound of the screen' };
/** What keeps a picture smaller than it could be, in the server's words and ours. */
const REASONS = {
  budget: 'smaller, because the connection is full',
  'paused-no-budget': 'paused, because the connection is full',
  'paused-by-wish': 'paused, because it is out of sight',
  wish: 'as large as it is shown',
  'not-live': 'better is not sent at the moment',
  settling: 'smaller for now: it was too much a moment ago',
};
const BAD = ['budget', 'paused-no-budget', 'settling'];

/** How the connection is doing: what comes, what goes, and why it is not more. */
export class ConnectionView {
  #view = byId('connection-view');
  #timer = 0;
  #reading = false;

  /** @param {import('/sdk/client.js').Room} room */
  constructor(room) {
    this.room = room;
  }

  /** @param {boolean} shown */
  show(shown) {
    clearInterval(this.#timer);
    if (!shown) return;
    void this.#read();
    this.#timer = window.setInterval(() => void this.#read(), EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#view.replaceChildren();
  }

  async #read() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#draw(await this.room.stats());
    } catch {
      // Between two connections there is nothing to read; the next one will tell.
    } finally {
      this.#reading = false;
    }
  }

  /** @param {Awaited<ReturnType<import('/sdk/client.js').Room['stats']>>} stats */
  #draw(stats) {
    const { quality, transport, server, received, sent } = stats;
    const down = server?.down ?? {};
    const up = server?.up ?? {};
    const facts = [
      ['Way to the server', transport ? way(transport) : 'none'],
      ['There and back', whole(down.roundTripMs ?? transport?.rtt, 'ms')],
      ['Lost on the way here', percent(down.loss)],
      ['Lost on the way there', percent(up.loss)],
      ['Room to receive', rate(down.estimateBps)],
      ['Received', rate(down.sentBps)],
    ].filter(([, value]) => value !== null);
    this.#view.replaceChildren(
      h('p', { class: 'verdict' }, bars(quality), h('b', { text: SCORES[quality ?? 0] })),
      h('dl', {}, ...facts.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: value })])),
      h('h3', { text: 'What comes' }),
      list(received.filter((r) => r.stream || r.server).map((r) => this.#received(r)), 'Nothing at the moment.'),
      h('h3', { text: 'What goes' }),
      list(sent.flatMap(({ source, encodings }) => encodings.filter((e) => e.bitrate !== 0).map((e) => line(SOURCES[source], facets(e), limited(e), true))), 'Nothing at the moment.'),
    );
  }

  /** @param {any} received */
  #received({ participant, source, stream, server }) {
    const who = this.room.participants.get(participant);
    const name = `${who ? nameOf(who) : participant}, ${SOURCES[source]}`;
    return line(name, stream ? facets(stream) : '', server ? (REASONS[server.reason] ?? '') : '', BAD.includes(server?.reason ?? ''), server?.text);
  }
}

/** @param {any[]} rows @param {string} none */
const list = (rows, none) => (rows.length ? h('ul', {}, ...rows) : h('p', { class: 'none', text: none }));

/** @param {string} name @param {string} numbers @param {string | null} note @param {boolean} bad @param {string} [title] */
const line = (name, numbers, note, bad, title) =>
  h('li', { title: title ?? null }, h('b', { text: name }), h('span', { text: numbers }), note ? h('em', { class: bad ? 'bad' : '', text: note }) : null);

/** @param {any} stream */
function facets({ size, bitrate, codec, jitter }) {
  const frames = size?.framerate ? `${Math.round(size.framerate)} fps` : null;
  const words = [size?.width ? `${size.width}×${size.height}` : null, frames, bitrate === null ? null : rate(bitrate * 1000), codec?.split('/')[1], jitter ? `${jitter} ms jitter` : null];
  return words.filter(Boolean).join(' · ');
}

/** @param {any} stream */
const limited = ({ limitation }) =>
  limitation === 'bandwidth' ? 'smaller, because the connection is full' : limitation === 'cpu' ? 'smaller, because this computer is busy' : null;

/** @param {any} transport */
function way({ localCandidateType, protocol }) {
  const by = protocol ? protocol.toUpperCase() : '';
  return localCandidateType === 'relay' ? `${by} through a relay` : by;
}

/** @param {number | null | undefined} value @param {string} unit */
const whole = (value, unit) => (value === null || value === undefined ? null : `${Math.round(value)} ${unit}`);
/** @param {number | null | undefined} share */
const percent = (share) => (share === null || share === undefined ? null : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);
/** @param {number | null | undefined} bps */
const rate = (bps) => (bps === null || bps === undefined ? null : bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`);
