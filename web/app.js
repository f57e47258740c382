import { browserPlatform, Capture } from '/sdk/client.js';
import { Call } from './call.js';
import { announce, byId } from './dom.js';
import { PreJoin } from './prejoin.js';
import { inWords } from './toasts.js';
import { developmentToken, tokenFromLink } from './token.js';

const HEADINGS = { removed: 'You were removed', 'room-closed': 'The room was closed', 'duplicate-participant': 'You are here twice' };

let last = null;
const prejoin = new PreJoin(new Capture(browserPlatform()), enter);
prejoin.show();

/** From the first screen into the room; throws what the first screen should say. */
async function enter({ name, room, token: typed, camera, microphone }) {
  let token = /** @type {any} */ (typed || tokenFromLink());
  if (!token) {
    if ((await developmentToken(room)) === null) {
      throw Object.assign(new Error('This server needs an access token.'), { code: 'token-missing' });
    }
    token = async () => (await developmentToken(room)) ?? '';
  }
  let inside = false;
  const call = new Call({ name, room, token }, (error) => inside && leave(error));
  // Copies, so that a refused join leaves the preview its own.
  await call.join({ camera: camera?.clone() ?? null, microphone: microphone?.clone() ?? null });
  inside = true;
  last = { name, room };
  history.replaceState(null, '', `?${new URLSearchParams({ room })}${location.hash}`);
  prejoin.hide();
  byId('left').hidden = true;
}

/** @param {any} error null: by ourselves */
function leave(error) {
  const title = error ? (HEADINGS[error.code] ?? 'The call ended') : `You left ${last?.room ?? 'the room'}`;
  byId('left-title').textContent = title;
  byId('left-reason').textContent = error ? inWords(error) : 'The door stays open: you can come back any time.';
  byId('left').hidden = false;
  byId('rejoin').focus();
  announce(title);
}

byId('rejoin').addEventListener('click', () => back(true));
byId('home').addEventListener('click', () => back(false));

/** @param {boolean} again */
function back(again) {
  byId('left').hidden = true;
  if (again && last) byId('room').value = last.room;
  prejoin.show();
  if (again) byId('join-form').requestSubmit();
}
