import { byId, h } from './dom.js';
import { developmentToken, tokenFromLink } from './token.js';

/** How often the server is asked, in ms. */
const EVERY_MS = 2000;

const LACKING = ['budget', 'paused-no-budget', 'settling'];

const kbps = (/** @type {number | null | undefined} */ bps) => (bps === null || bps === undefined ? '–' : `${Math.round(bps / 1000)} kb/s`);
const ms = (/** @type {number | null | undefined} */ n) => (n === null || n === undefined ? '–' : `${Math.round(n)} ms`);
const percent = (/** @type {number | null | undefined} */ share) => (share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)} %`);

let timer = 0;

/** @param {string} room @param {string} token */
async function look(room, token) {
  const answer = await fetch(`/v1/rooms/${encodeURIComponent(room)}/stats`, { headers: { authorization: `Bearer ${token}` } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message ?? `The server says ${answer.status}.`);
  return body;
}

/** @param {any} who */
function person({ participant, down, up, subscriptions }) {
  const facts = [
    down ? `path carries ${down.estimateBps === null ? 'unknown' : kbps(down.estimateBps)} (held by: ${down.limitedBy ?? '–'})` : 'receives nothing',
    down ? `sent ${kbps(down.sentBps)}, of these again ${kbps(down.resentBps)}; sound ${kbps(down.audioBps)}, pictures ${kbps(down.videoBps)} of ${kbps(down.wantedBps)} wanted` : null,
    down ? `lost ${percent(down.loss)}, there and back ${ms(down.roundTripMs)}, queue ${ms(down.queueDelayMs)}` : null,
    up ? `comes in ${kbps(up.receivedBps)}, lost ${percent(up.loss)}` : null,
  ];
  const head = ['publication', 'encoding', 'spatial', 'temporal', 'size', 'gets', 'wanted', 'why'];
  const rows = subscriptions.map((/** @type {any} */ s) =>
    h('tr', {}, ...[s.publication, s.encoding ?? '–', s.spatial ?? '–', s.temporal ?? '–', s.width ? `${s.width}×${s.height}` : '–', kbps(s.bps), kbps(s.wantedBps)].map((text) => h('td', { text: String(text) })),
      h('td', { class: LACKING.includes(s.reason) ? 'bad' : '', text: `${s.reason}: ${s.text}` })),
  );
  return h('article', {},
    h('h2', { text: participant }),
    ...facts.filter((fact) => fact !== null).map((text) => h('p', { text })),
    rows.length ? h('table', {}, h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { text })))), h('tbody', {}, ...rows)) : null,
  );
}

/** @param {string} room @param {string} token */
async function show(room, token) {
  try {
    const { participants } = await look(room, token);
    byId('said').textContent = participants.length ? '' : 'Nobody is in this room.';
    byId('people').replaceChildren(...participants.map(person));
  } catch (error) {
    byId('said').textContent = /** @type {Error} */ (error).message;
    byId('people').replaceChildren();
  }
}

async function start() {
  clearInterval(timer);
  const room = byId('room').value.trim();
  if (!room) return;
  const token = byId('token').value.trim() || (await developmentToken(room)) || '';
  await show(room, token);
  timer = window.setInterval(() => void show(room, token), EVERY_MS);
}

byId('ask').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  void start().catch((error) => (byId('said').textContent = error.message));
});
byId('room').value = new URLSearchParams(location.search).get('room') ?? '';
byId('token').value = tokenFromLink();
if (byId('room').value) void start().catch((error) => (byId('said').textContent = error.message));
