/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').Permission} Permission */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').SettingsInfo} SettingsInfo */

/** What holds for the room and for us in it: who owns it, its settings, what our token allows. */
export class RoomState {
  /** Whether our (latest) join began the room. */
  created = false;
  /** Id of the owner; null: nobody, or not joined yet. @type {string | null} */
  owner = null;
  /** Null before the join. @type {SettingsInfo | null} */
  settings = null;
  /** @type {ReadonlySet<Permission>} */
  permissions = new Set();

  /** @param {Joined} joined */
  reset(joined) {
    this.created = joined.created === true;
    this.owner = joined.owner ?? null;
    this.settings = joined.settings ? Object.freeze({ ...joined.settings }) : null;
    this.permissions = new Set(joined.permissions ?? []);
  }

  /** @param {ServerMessage} message `room.updated` */
  update(message) {
    this.owner = message.owner ?? null;
    this.settings = Object.freeze({ ...message.settings });
  }
}
