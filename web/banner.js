import { byId, h } from './dom.js';

/** A cut shorter than this is not worth a word, in ms. */
const CUT_MS = 600;

/** The one line above the floor: trouble first, then what is going on. */
export class Banner {
  #timer = 0;
  #place = byId('banner');

  /**
   * @param {object} now
   * @param {import('/sdk/client.js').Room} now.room
   * @param {{room: string, stop: () => void} | null} now.waiting at the door of another room
   * @param {(() => void) | null} now.stopSharing null: we share nothing
   */
  show({ room, waiting, stopSharing }) {
    clearTimeout(this.#timer);
    const trouble = room.state === 'reconnecting' ? 'The connection was lost. Reconnecting…' : room.mediaState === 'lost' ? 'Sound and picture were interrupted. Reconnecting…' : '';
    const { blocked } = room.playback;
    if (trouble) this.#timer = window.setTimeout(() => this.#put(trouble, null, null, true), CUT_MS);
    else if (blocked) this.#put('Your browser holds back the sound.', 'Hear the others', () => void room.playback.resume());
    else if (waiting) this.#put(`Waiting to be let in to ${waiting.room}…`, 'Stay here', waiting.stop, true);
    else if (stopSharing) this.#put('You are sharing your screen.', 'Stop sharing', stopSharing);
    else this.#place.hidden = true;
    this.#place.classList.toggle('calm', !trouble && !blocked);
  }

  close() {
    clearTimeout(this.#timer);
    this.#place.hidden = true;
  }

  /** @param {string} text @param {string | null} action @param {(() => void) | null} act @param {boolean} [spins] */
  #put(text, action, act, spins = false) {
    const parts = [spins ? h('span', { class: 'spin', 'aria-hidden': 'true' }) : null, h('span', { text }), action ? h('button', { type: 'button', text: action, onclick: act }) : null];
    this.#place.replaceChildren(...parts.filter((p) => p !== null));
    this.#place.hidden = false;
  }
}
