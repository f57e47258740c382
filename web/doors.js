import { byId, h, hueOf } from './dom.js';
import { Door } from './door.js';
import { icon } from './icons.js';
import { nameOf, roomName, roomTrouble } from './names.js';
import { complain, inWords, toast } from './toasts.js';
import { developmentToken } from './token.js';

/** So long a door waits for somebody to be behind it, in ms; the most the server takes. */
const WAIT_MS = 60_000;

/** Why a door closed, where that is worth more than a word. */
const CLOSED = {
  'remote-ended': (room) => `The room ${room} has ended.`,
  unreachable: (room) => `The room ${room} cannot be reached any more.`,
  policy: (room) => `The door to ${room} was closed: its rules have changed.`,
};

/** @typedef {import('/sdk/client.js').RoomLink} RoomLink */

/** The column beside the grid: a door to each room that ours is linked with, and a line to open another one. */
export class Doors {
  #column = byId('doors');
  #list = byId('door-list');
  #answer = byId('door-answer');
  #input = byId('door-room');
  #off = [];
  /** @type {Map<string, Door>} */ #doors = new Map();
  /** @type {Map<string, any>} rooms whose doors are about to open */ #pending = new Map();

  /**
   * @param {import('/sdk/client.js').Room} room
   * @param {object} hooks
   * @param {(room: string) => void} hooks.go
   * @param {import('./chat.js').Chat} hooks.chat
   * @param {(text: string, who: string) => void} hooks.message somebody over there said something
   * @param {(opened: boolean) => void} hooks.changed another number of doors; `opened` while we are here
   */
  constructor(room, hooks) {
    this.room = room;
    this.hooks = hooks;
    const form = byId('door-form');
    const submit = (event) => {
      event.preventDefault();
      void this.open(roomName(this.#input.value));
    };
    form.addEventListener('submit', submit);
    this.#off.push(
      () => form.removeEventListener('submit', submit),
      room.on('link-opened', (link, { replayed }) => {
        this.#add(link);
        if (!replayed && !this.shown) toast(`A door to ${link.id} is open`);
        hooks.changed(true);
      }),
      room.on('link-closed', (link, reason) => {
        this.#remove(link.id);
        toast((CLOSED[reason] ?? ((name) => `The door to ${name} is closed.`))(link.id));
        hooks.changed(false);
      }),
    );
    form.hidden = !this.#mayLink;
    this.#input.value = '';
    this.#say('');
    for (const link of room.links.values()) this.#add(link);
    this.#showEmpty();
  }

  get count() {
    return this.#doors.size;
  }

  get shown() {
    return !this.#column.hidden;
  }

  /** @param {boolean} shown */
  show(shown) {
    this.#column.hidden = !shown;
  }

  /** Where the focus goes. */
  get first() {
    return this.#mayLink ? this.#input : byId('doors-close');
  }

  close() {
    for (const off of this.#off) off();
    for (const door of this.#doors.values()) door.remove();
    this.#list.replaceChildren();
    this.#column.hidden = true;
  }

  /**
   * @param {string} name of the other room
   * @param {number} [waitMs]
   */
  async open(name, waitMs = 0) {
    const trouble = roomTrouble(name);
    if (trouble) return this.#say(name ? trouble : 'Name the room that the door should lead to.', 'bad');
    if (this.#pending.has(name)) return;
    const known = this.#doors.get(name);
    if (known) {
      this.#say(`The door to ${name} is open already.`);
      return known.element.scrollIntoView({ block: 'nearest' });
    }
    this.#say('');
    const words = waitMs ? `Waiting for somebody to come to ${name}…` : `Knocking at ${name}…`;
    const card = h('article', { class: 'door pending', style: `--hue:${hueOf(name)}` }, h('header', {}, icon('door'), h('h3', { text: name })), h('p', { class: 'door-note', role: 'status', text: words }));
    this.#pending.set(name, card);
    this.#list.append(card);
    this.#showEmpty();
    try {
      await this.room.openLink(name, { waitMs });
      if (roomName(this.#input.value) === name) this.#input.value = '';
    } catch (error) {
      this.#refused(name, error, waitMs);
    }
    this.#pending.delete(name);
    card.remove();
    this.#showEmpty();
  }

  get #mayLink() {
    return this.room.permissions.has('link');
  }

  /** @param {string} name @param {any} error @param {number} waitMs */
  #refused(name, error, waitMs) {
    const absent = error.code === 'room-not-found' || error.code === 'room-not-live';
    if (!absent) return this.#say(inWords(error), 'bad');
    this.#say(
      waitMs ? `Still nobody in ${name}. Wait on?` : `Nobody is in a room called ${name} yet. Wait for it?`,
      '',
      h('button', { type: 'button', class: 'small', text: 'Wait for it', onclick: () => void this.open(name, WAIT_MS) }),
      h('button', { type: 'button', class: 'small', text: 'Never mind', onclick: () => (this.#say(''), this.#input.focus()) }),
    );
  }

  /** @param {string} text @param {string} [className] @param {...Node} buttons */
  #say(text, className = '', ...buttons) {
    this.#answer.className = `door-answer ${className}`;
    this.#answer.replaceChildren(...(text ? [h('p', { text })] : []), ...buttons);
    this.#answer.hidden = !text;
  }

  /** @param {RoomLink} link */
  #add(link) {
    this.#remove(link.id);
    const door = new Door(link, {
      mayLink: this.#mayLink,
      go: () => this.hooks.go(link.id),
      askOver: (person) => this.#askOver(link, person),
      say: (text) => this.#sayAcross(link, text),
    });
    this.#doors.set(link.id, door);
    const card = this.#pending.get(link.id);
    if (card) card.replaceWith(door.element);
    else this.#list.append(door.element);
    const heard = (chat) => {
      const who = nameOf({ id: chat.participant, displayName: chat.displayName });
      door.heard(who, chat.text);
      this.hooks.chat.add(who, chat.text, chat.timestampMs, { from: link.id });
      this.hooks.message(chat.text, `${who} in ${link.id}`);
    };
    const echoed = (chat) => this.hooks.chat.add(nameOf({ id: chat.participant, displayName: chat.displayName }), chat.text, chat.timestampMs, { to: link.id });
    this.#off.push(link.on('chat', heard), link.on('chat-sent', echoed));
    this.#showEmpty();
  }

  /** @param {string} id */
  #remove(id) {
    this.#doors.get(id)?.remove();
    this.#doors.delete(id);
    this.#showEmpty();
  }

  /** @param {RoomLink} link @param {string} text */
  async #sayAcross(link, text) {
    const item = this.hooks.chat.add('You', text, Date.now(), { to: link.id, className: 'mine sending' });
    try {
      await link.chat(text, { echo: true }); // the rest of our room hears both halves of the conversation
      item.classList.remove('sending');
    } catch (error) {
      item.classList.replace('sending', 'failed');
      complain(error);
    }
  }

  /** @param {RoomLink} link @param {{id: string, displayName: string}} person */
  async #askOver(link, person) {
    const { room } = this;
    const self = /** @type {NonNullable<typeof room.localParticipant>} */ (room.localParticipant);
    // For that one person, unless somebody here goes by the same id: the token would turn that one out.
    const taken = room.participants.has(person.id) || self.id === person.id;
    const token = await developmentToken(room.name, taken ? undefined : person.id);
    if (token === null) {
      toast(`This server gives out no tokens, so this page cannot ask ${nameOf(person)} over. Send them a link to this room instead.`, { bad: true });
      return false;
    }
    await link.switchParticipant(person.id, { room: room.name, token, payload: { displayName: self.displayName } });
    return true;
  }

  #showEmpty() {
    byId('door-none').hidden = this.#doors.size + this.#pending.size > 0;
  }
}
