import { browserPlatform, Capture } from '/sdk/client.js';
import { Call } from './call.js';
import { announce, byId } from './dom.js';
import { roomName } from './names.js';
import { PreJoin } from './prejoin.js';
import { complain, inWords } from './toasts.js';
import { developmentToken, tokenFromLink } from './token.js';

const HEADINGS = { removed: 'You were removed', 'room-closed': 'The room was closed', 'duplicate-participant': 'You are here twice' };

/** The call on the screen. @type {Call | null} */
let call = null;
/** The one being entered. @type {Call | null} */
let entering = null;
/** On our way from room to room; leaving ends that too. */
let going = false;
/** Who and where we were last, and the token that was typed. @type {{name: string, room: string, typed: string} | null} */
let last = null;
/** Tokens given to us by those who asked us over, by room. @type {Map<string, string>} */
const handed = new Map();

const prejoin = new PreJoin(new Capture(browserPlatform()), enter);
prejoin.show();

const roomInAddress = () => roomName(new URLSearchParams(location.search).get('room') ?? '');

/** What opens the room: what we were given for it, what was typed, or what a development server hands out. */
async function tokenFor(room, typed) {
  const given = handed.get(room);
  if (given) return onceThenAnother(room, given);
  if (typed || tokenFromLink()) return typed || tokenFromLink();
  if ((await developmentToken(room)) === null) {
    throw Object.assign(new Error('This server needs an access token.'), { code: 'token-missing' });
  }
  return async () => (await developmentToken(room)) ?? '';
}

/** A token that may be good for one join only: coming back after a long cut takes another one, where there is one. */
function onceThenAnother(room, given) {
  let used = false;
  return async () => {
    const again = used ? await developmentToken(room).catch(() => null) : null;
    used = true;
    return again ?? given;
  };
}

/** A call that is about to begin. */
function callIn({ name, room, token, password = '' }, waiting) {
  const made = new Call({ name, room, token, password }, {
    waiting,
    go: (to, handedOver) => void go(to, handedOver),
    ended: (error) => made === call && left(error),
  });
  return made;
}

/** From the first screen into the room; throws what the first screen should say. */
async function enter({ name, room, token: typed, password, camera, microphone }) {
  void entering?.room.leave();
  const token = await tokenFor(room, typed);
  const next = (entering = callIn({ name, room, token, password }, () => {
    byId('prejoin').hidden = true;
    byId('waiting-title').textContent = `Waiting to be let in to ${room}`;
    byId('waiting').hidden = false;
    byId('waiting-stop').focus();
  }));
  try {
    // Copies, so that a refused join leaves the preview its own.
    await next.join({ camera: camera?.clone() ?? null, microphone: microphone?.clone() ?? null });
  } catch (error) {
    if (String(error.code).startsWith('token-')) handed.delete(room); // perhaps there is a better one
    throw error;
  } finally {
    entering = null;
    byId('waiting').hidden = true;
  }
  prejoin.hide();
  byId('left').hidden = true;
  begin(next, { name, room, typed });
  history.replaceState(null, '', address(room));
}

/**
 * From one room to another, without leaving the page: what is on stays on. We are in the old room until the new one has
 * taken us in; where it does not, we stay.
 * @param {string} room
 * @param {string | null} token handed over by those who asked us; null: we go by ourselves
 * @param {boolean} [back] by the browser's own button: the address has changed already
 */
async function go(room, token, back = false) {
  const from = call;
  if (!from || !last || going || room === from.room.name) return;
  const { name, typed } = last;
  going = true;
  if (token) handed.set(room, token);
  try {
    const next = (entering = callIn({ name, room, token: await tokenFor(room, typed) }, () => {
      from.waitElsewhere({ room, stop: () => void next.room.leave() });
    }));
    await next.join(from.tracks());
    if (!going) return void next.room.leave();
    from.close();
    void from.room.leave();
    byId('left').hidden = true; // the old room may have ended meanwhile
    begin(next, { name, room, typed }, from);
    if (!back) history.pushState(null, '', address(room));
  } catch (error) {
    handed.delete(room);
    if (error.code !== 'left') complain(error);
    if (back) history.replaceState(null, '', address(from.room.name));
  } finally {
    going = false;
    entering = null;
    from.waitElsewhere(null);
  }
}

/** @param {Call} next @param {NonNullable<typeof last>} where @param {Call} [from] */
function begin(next, where, from) {
  call = next;
  last = where;
  next.open(from);
}

/** The address of a room. A token in it is for the room that it came with. @param {string} room */
function address(room) {
  const token = handed.get(room);
  const hash = token && tokenFromLink() ? `#${new URLSearchParams({ token })}` : location.hash;
  return `?${new URLSearchParams({ room })}${hash}`;
}

/** @param {any} error null: by ourselves */
function left(error) {
  call = null;
  if (!error) {
    going = false;
    void entering?.room.leave();
  }
  const title = error ? (HEADINGS[error.code] ?? 'The call ended') : `You left ${last?.room ?? 'the room'}`;
  byId('left-title').textContent = title;
  byId('left-reason').textContent = error ? inWords(error) : 'The door stays open: you can come back any time.';
  byId('left').hidden = false;
  byId('rejoin').focus();
  announce(title);
}

window.addEventListener('popstate', () => {
  const room = roomInAddress();
  if (call && room) void go(room, null, true);
  else if (!call && room) byId('room').value = room;
});
byId('waiting-stop').addEventListener('click', () => void entering?.room.leave());
byId('rejoin').addEventListener('click', () => back(true));
byId('home').addEventListener('click', () => back(false));

/** @param {boolean} again */
function back(again) {
  byId('left').hidden = true;
  if (again && last) byId('room').value = last.room;
  prejoin.show();
  if (again) byId('join-form').requestSubmit();
}
