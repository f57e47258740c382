import { byId, h } from './dom.js';
import { icon } from './icons.js';

/**
 * The bar of switches, with a key for each.
 * @typedef {{id: string, key: string, label: string, icon: any, act: () => void, top?: boolean}} Control
 *   top: in the bar above rather than below
 */
export class Controls {
  /** @type {Map<string, any>} */ #buttons = new Map();
  /** @type {Control[]} */ #controls;
  #onKey = (event) => this.#key(event);

  /** @param {Control[]} controls */
  constructor(controls) {
    this.#controls = controls;
    const made = (bar) =>
      controls.filter((control) => Boolean(control.top) === bar).flatMap((control) => {
        const button = h('button', { type: 'button', class: `${bar ? 'plain' : 'control'} to-${control.id}`, id: `control-${control.id}`, 'aria-keyshortcuts': control.key, onclick: () => control.act() }, icon(control.icon));
        this.#buttons.set(control.id, button);
        this.set(control.id, { label: control.label });
        return control.id === 'chat' || control.id === 'leave' ? [h('span', { class: 'gap' }), button] : [button];
      });
    byId('controls').replaceChildren(...made(false));
    byId('top-controls').replaceChildren(...made(true));
    document.addEventListener('keydown', this.#onKey);
  }

  /**
   * @param {string} id
   * @param {{icon?: any, label?: string, off?: boolean, active?: boolean, pressed?: boolean, busy?: boolean, badge?: number}} state
   */
  set(id, state) {
    const button = this.#buttons.get(id);
    const { key } = this.#controls.find((c) => c.id === id);
    if (state.icon) button.replaceChildren(icon(state.icon));
    if (state.label) {
      button.setAttribute('aria-label', state.label);
      button.title = `${state.label} (${key})`;
    }
    if (state.off !== undefined) button.classList.toggle('off', state.off);
    if (state.active !== undefined) button.classList.toggle('active', state.active);
    if (state.pressed !== undefined) button.setAttribute('aria-pressed', String(state.pressed));
    if (state.busy !== undefined) button.setAttribute('aria-disabled', String(state.busy));
    if (state.badge !== undefined) {
      button.querySelector('.badge')?.remove();
      if (state.badge > 0) button.append(h('span', { class: 'badge', text: state.badge > 9 ? '9+' : String(state.badge) }));
    }
  }

  close() {
    document.removeEventListener('keydown', this.#onKey);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
    const pressed = event.shiftKey ? `Shift+${event.key.toUpperCase()}` : event.key.toUpperCase();
    if (target.tagName === 'BUTTON' && event.key === ' ') return;
    const control = this.#controls.find((c) => c.key === pressed);
    if (!control) return;
    event.preventDefault();
    control.act();
  }
}
