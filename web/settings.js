import { byId, h } from './dom.js';
import { complain } from './toasts.js';

/** @typedef {'camera' | 'microphone' | 'speaker'} Device */

const KINDS = /** @type {const} */ ({ camera: 'videoinput', microphone: 'audioinput', speaker: 'audiooutput' });
const LABELS = { camera: 'Camera', microphone: 'Microphone', speaker: 'Loudspeaker' };

/** Which camera, microphone and loudspeaker are used, to be changed during the call. */
export class Settings {
  /** @type {Record<Device, string>} ids; empty: the browser's choice */
  chosen = { camera: byId('camera').value, microphone: byId('microphone').value, speaker: '' };
  #off;

  /**
   * @param {import('/sdk/client.js').Room} room
   * @param {import('./sounds.js').Sounds} sounds
   */
  constructor(room, sounds) {
    this.room = room;
    this.sounds = sounds;
    this.#off = room.capture.onDevicesChanged(() => void this.refresh());
  }

  close() {
    this.#off();
  }

  /** Lists what is connected now. */
  async refresh() {
    const view = byId('settings-view');
    if (view.hidden) return;
    const devices = await this.room.capture.devices().catch(() => []);
    const shown = /** @type {Device[]} */ (['camera', 'microphone', ...(this.sounds.canChoose ? ['speaker'] : [])]);
    const focused = document.activeElement?.id;
    view.replaceChildren(
      ...shown.map((device) => {
        const found = devices.filter((d) => d.kind === KINDS[device] && d.deviceId);
        const options = found.map((d, i) => h('option', { value: d.deviceId, text: d.label || `${LABELS[device]} ${i + 1}`, selected: d.deviceId === this.#current(device) }));
        const none = h('option', { value: '', text: `No ${LABELS[device].toLowerCase()} found` });
        const select = h('select', { id: `settings-${device}`, disabled: options.length === 0, onchange: () => void this.#choose(device, select) }, ...(options.length ? options : [none]));
        return h('label', {}, LABELS[device], select);
      }),
    );
    if (focused) byId(focused)?.focus();
  }

  /** @param {Device} device */
  #current(device) {
    const track = device === 'speaker' ? null : this.room.publications.find((p) => p.source === device)?.track;
    return track?.getSettings().deviceId || this.chosen[device];
  }

  /** @param {Device} device @param {HTMLSelectElement} select */
  async #choose(device, select) {
    const { devices } = this.room;
    const deviceId = select.value;
    try {
      if (device === 'speaker') await this.sounds.choose(deviceId);
      if (device === 'camera' && devices.cameraOn) await devices.setCamera(true, { deviceId });
      if (device === 'microphone' && devices.microphoneOn) await devices.setMicrophone(true, { deviceId });
      this.chosen[device] = deviceId;
    } catch (error) {
      complain(error);
    }
    void this.refresh();
  }
}
