import { bars, h, hueOf, initials } from './dom.js';
import { icon } from './icons.js';

/**
 * One picture on the floor: a person, or a screen of one. It shows what it is told and decides nothing.
 */
export class Tile {
  #state = /** @type {any} */ ({});
  /** @type {HTMLVideoElement | null} */ #video = null;
  /** @type {import('/sdk/client.js').RemotePublication | null} */ #publication = null;

  /**
   * @param {{id: string, screen?: boolean, local?: boolean, onPin: () => void}} options
   */
  constructor({ id, screen = false, local = false, onPin }) {
    this.screen = screen;
    this.local = local;
    this.name = h('b');
    this.marks = h('span', { class: 'marks', style: 'display:contents' });
    this.avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' }, h('span'));
    this.pin = h('button', { type: 'button', class: 'pin', onclick: onPin }, icon('pin'));
    this.label = h('div', { class: 'label' }, screen ? icon('screen') : null, this.name, this.marks);
    this.element = h('article', { class: `tile ${screen ? 'screen' : ''}`, style: `--hue:${hueOf(id)}` }, this.avatar, this.label, this.pin);
  }

  /**
   * @param {{name: string, track: MediaStreamTrack | null, publication: import('/sdk/client.js').RemotePublication | null, muted: boolean, speaking: boolean, quality: number | null, pinned: boolean}} state
   *   publication: of somebody else, who then sends what fits the tile
   */
  show(state) {
    const was = this.#state;
    this.#state = state;
    if (state.name !== was.name) {
      const shown = this.local ? 'You' : state.name;
      this.name.textContent = this.screen ? (this.local ? 'Your screen' : `${state.name}’s screen`) : shown;
      this.avatar.firstChild.textContent = initials(state.name);
      this.element.setAttribute('aria-label', this.name.textContent);
    }
    if (state.muted !== was.muted || state.quality !== was.quality) {
      const muted = state.muted && !this.screen ? h('span', { role: 'img', 'aria-label': 'microphone off', style: 'display:grid' }, icon('micOff')) : null;
      this.marks.replaceChildren(...[muted, !this.screen && state.quality !== null ? bars(state.quality) : null].filter(Boolean));
    }
    if (state.pinned !== was.pinned) {
      this.pin.setAttribute('aria-pressed', String(state.pinned));
      this.pin.setAttribute('aria-label', `${state.pinned ? 'Unpin' : 'Pin'} ${this.name.textContent}`);
      this.pin.title = state.pinned ? 'Back to the grid' : 'Show large';
      this.element.classList.toggle('pinned', state.pinned);
    }
    this.element.classList.toggle('speaking', state.speaking);
    this.element.classList.toggle('weak', state.quality !== null && state.quality <= 1);
    if (state.track !== was.track) this.#picture(state.track, state.publication);
  }

  /** @param {MediaStreamTrack | null} track @param {import('/sdk/client.js').RemotePublication | null} publication */
  #picture(track, publication) {
    if (this.#video) {
      this.#publication?.detach(this.#video);
      this.#video.srcObject = null;
      this.#video.remove();
      this.#video = null;
    }
    this.#publication = publication;
    this.avatar.hidden = false;
    if (!track) return;
    // A new element each time: an old one would show the last picture of whoever sat there before.
    const video = (this.#video = h('video', { playsinline: true, class: this.local && !this.screen ? 'mirror' : '' }));
    video.muted = true;
    video.addEventListener('loadeddata', () => (this.avatar.hidden = this.#video === video), { once: true }); // until then the initials
    this.element.prepend(video);
    if (publication) return publication.attach(video);
    video.srcObject = new MediaStream([track]);
    video.play().catch(() => {});
  }

  remove() {
    this.#picture(null, null);
    this.element.remove();
  }
}
