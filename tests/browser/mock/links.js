/** The links of the mock: rooms that are there, with people who can be seen and talked to from the room of the page. */

/** @typedef {{id: string, displayName: string}} Person */

export const RIGHTS = ['roster', 'chat', 'switch'];

/**
 * What the server says of a link.
 * @param {string} link the other room
 * @param {{people: Person[], rights?: string[]}} room
 */
const wire = (link, { people, rights = RIGHTS }) => ({ link, payload: null, rights, participants: people });

/** Links that were there before the page came. @param {any} scene */
export const linksOf = (scene) => scene.linked.map((name) => wire(name, scene.rooms[name]));

/**
 * Plays the requests about links.
 * @param {any} socket with `say`
 * @param {any} scene `rooms`: by name, those that are there; `linked`: names of those linked; `asked`: every request, for the test
 * @param {any} m the request
 * @returns {boolean} whether it was one of these
 */
export function playLinks(socket, scene, m) {
  const ok = (fields = {}) => socket.say({ re: m.id, type: 'ok', ...fields });
  const fail = (code) => socket.say({ re: m.id, type: 'error', code, message: `No: ${code}.` });
  const close = (reason) => {
    scene.linked = scene.linked.filter((name) => name !== m.link);
    socket.say({ type: 'link.closed', link: m.link, reason });
  };
  const open = () => {
    if (!scene.linked.includes(m.room)) {
      scene.linked.push(m.room);
      socket.say({ type: 'link.opened', ...wire(m.room, scene.rooms[m.room]) });
    }
    ok({ link: m.room });
  };
  if (!m.type.startsWith('link.') && m.type !== 'switch') return false;
  scene.asked.push(m);
  if (m.type === 'link.open') {
    if (m.room === scene.room) fail('same-room');
    else if (scene.rooms[m.room]?.denies) fail('link-denied');
    else if (scene.rooms[m.room]) open();
    else if (m.waitMs) scene.appeared = open;
    else fail('room-not-found');
  } else if (m.type === 'link.close') {
    close('closed-local');
    ok();
  } else if (m.type === 'link.end') {
    close('remote-ended');
    ok();
  } else if (m.type === 'link.chat') {
    ok({ message: `l-${m.id}`, timestampMs: Date.now() });
  } else {
    ok();
  }
  return true;
}
