/** What the server takes as the name of a room, at most; in bytes of UTF-8. */
const BYTES_MAX = 128;

/** As the server takes it: people write spaces. @param {string} text */
export const roomName = (text) => text.trim().replace(/\s+/g, '-');

/**
 * Why this cannot be the name of a room, in a sentence; empty: it can.
 * @param {string} room
 */
export function roomTrouble(room) {
  if (!room) return 'Name the room you want to enter.';
  if (new TextEncoder().encode(room).length > BYTES_MAX) return 'The name of this room is too long. Choose a shorter one.';
  if (/[@\p{C}]/u.test(room)) return 'The name of a room cannot contain @ or invisible characters.';
  return '';
}

/** @param {number} count @param {string} [nobody] */
export const people = (count, nobody = 'nobody') => (count === 0 ? nobody : count === 1 ? '1 person' : `${count} people`);

/** @param {{id: string, displayName: string}} who */
export const nameOf = (who) => who.displayName || who.id;
