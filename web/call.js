import { Room } from '/sdk/client.js';
import { Chat } from './chat.js';
import { Controls } from './controls.js';
import { announce, byId, h } from './dom.js';
import { Floor } from './floor.js';
import { icon } from './icons.js';
import { showPeople } from './people.js';
import { Settings } from './settings.js';
import { Sounds } from './sounds.js';
import { complain, toast } from './toasts.js';

const PANELS = /** @type {const} */ ({ chat: 'Chat', people: 'People', settings: 'Devices' });

/** A cut shorter than this is not worth a word, in ms. */
const BANNER_MS = 600;

/** The screen of the call, from the join to its end. */
export class Call {
  #off = [];
  #unread = 0;
  /** @type {keyof typeof PANELS | null} */ #panel = null;
  #since = Date.now();
  #ticker = 0;
  #bannerTimer = 0;
  #sharing = false;

  /**
   * @param {{name: string, room: string, token: string | (() => Promise<string>)}} options
   * @param {(error: any) => void} ended null: the person left
   */
  constructor({ name, room, token }, ended) {
    this.room = new Room({ token, room, displayName: name });
    this.room.on('closed', (error) => {
      if (this.#ticker) this.#close();
      ended(error);
    });
  }

  /**
   * Joins with what the preview opened.
   * @param {{camera: MediaStreamTrack | null, microphone: MediaStreamTrack | null}} tracks
   */
  async join({ camera, microphone }) {
    const { devices } = this.room;
    // A refused join says so itself; everything of it rejects for the same reason.
    const complainInside = (error) => this.room.state !== 'closed' && complain(error);
    if (microphone) devices.setMicrophone(true, { track: microphone }).catch(complainInside);
    if (camera) devices.setCamera(true, { track: camera }).catch(complainInside);
    await this.room.join();
    this.#open();
  }

  #open() {
    const { room } = this;
    byId('room-name').textContent = room.name;
    document.title = `${room.name} · Enfilade`;
    byId('call').hidden = false;
    this.floor = new Floor(room);
    this.sounds = new Sounds(room);
    this.settings = new Settings(room, this.sounds);
    this.chat = new Chat(room, (text, who) => this.#message(text, who));
    this.controls = new Controls([
      { id: 'mic', key: 'M', label: 'Microphone', icon: 'mic', act: () => this.#switch('microphoneOn', 'setMicrophone') },
      { id: 'cam', key: 'V', label: 'Camera', icon: 'cam', act: () => this.#switch('cameraOn', 'setCamera') },
      { id: 'share', key: 'S', label: 'Share your screen', icon: 'share', act: () => this.#switch('screenOn', 'setScreen') },
      { id: 'chat', key: 'C', label: 'Chat', icon: 'chat', act: () => this.#toggle('chat') },
      { id: 'people', key: 'P', label: 'People', icon: 'people', act: () => this.#toggle('people') },
      { id: 'settings', key: 'D', label: 'Devices', icon: 'settings', act: () => this.#toggle('settings') },
      { id: 'link', key: 'L', label: 'Copy the link to this room', icon: 'link', top: true, act: () => this.#copyLink() },
      { id: 'leave', key: 'Shift+Q', label: 'Leave the room', icon: 'leave', act: () => void room.leave() },
    ]);
    byId('panel-close').replaceChildren(icon('close'));
    byId('panel-close').onclick = () => this.#show(null);
    this.#listen();
    this.#since = Date.now();
    this.#ticker = window.setInterval(() => this.#tick(), 1000);
    this.#tick();
    this.#refresh();
    byId('control-mic').focus({ preventScroll: true });
    announce(`You are in the room ${room.name}.`);
  }

  #close() {
    clearInterval(this.#ticker);
    clearTimeout(this.#bannerTimer);
    this.#ticker = 0;
    for (const off of this.#off) off();
    this.#show(null);
    this.floor.close();
    this.settings.close();
    this.sounds.close();
    this.chat.close();
    this.controls.close();
    byId('banner').hidden = true;
    byId('call').hidden = true;
    document.title = 'Enfilade';
  }

  #listen() {
    const { room } = this;
    const on = (event, listener) => this.#off.push(room.on(event, listener));
    const name = (who) => who.displayName || who.id;
    on('participant-joined', (who) => {
      announce(`${name(who)} joined.`);
      if (room.participants.size <= 12) toast(`${name(who)} joined`);
    });
    on('participant-left', (who, reason) => {
      const how = { timeout: 'lost the connection', removed: 'was removed', duplicate: 'joined elsewhere' }[reason] ?? 'left';
      announce(`${name(who)} ${how}.`);
      if (room.participants.size <= 12) toast(`${name(who)} ${how}`);
    });
    for (const event of ['participant-joined', 'participant-left', 'participant-updated', 'publication-added', 'publication-updated', 'publication-removed', 'track-started', 'track-stopped', 'speakers', 'quality', 'local-changed']) {
      on(event, () => this.#refreshSoon());
    }
    on('publication-added', (publication, who) => publication.source === 'screen' && announce(`${name(who)} shares a screen.`));
    on('subscription', (publication, who) => {
      if (publication.state === 'codec-not-supported') toast(`Your browser cannot show the ${publication.source} of ${name(who)}.`, { bad: true });
    });
    on('state', () => this.#banner());
    on('media-state', () => this.#banner());
    on('autoplay-blocked', () => this.#banner());
    on('autoplay-resumed', () => this.#banner());
    on('error', complain);
    const escape = (event) => event.key === 'Escape' && this.#show(null);
    document.addEventListener('keydown', escape);
    this.#off.push(() => document.removeEventListener('keydown', escape));
  }

  #refreshSoon() {
    if (this.refreshing) return;
    this.refreshing = true;
    requestAnimationFrame(() => {
      this.refreshing = false;
      if (this.#ticker) this.#refresh();
    });
  }

  #refresh() {
    const { room } = this;
    const { devices } = room;
    this.floor.refresh();
    if (this.#sharing !== devices.screenOn) {
      this.#sharing = devices.screenOn;
      this.#banner();
    }
    if (this.#panel === 'people') showPeople(room);
    const total = room.participants.size + 1;
    byId('count').textContent = total === 1 ? 'just you' : `${total} people`;
    this.controls.set('mic', { icon: devices.microphoneOn ? 'mic' : 'micOff', off: !devices.microphoneOn, label: devices.microphoneOn ? 'Mute the microphone' : 'Unmute the microphone' });
    this.controls.set('cam', { icon: devices.cameraOn ? 'cam' : 'camOff', off: !devices.cameraOn, label: devices.cameraOn ? 'Turn the camera off' : 'Turn the camera on' });
    this.controls.set('share', { active: devices.screenOn, label: devices.screenOn ? 'Stop sharing' : 'Share your screen' });
    const alone = byId('alone');
    alone.hidden = total > 1;
    if (total === 1 && !alone.firstChild) {
      alone.append(h('span', { text: 'Nobody else is here.' }), h('button', { type: 'button', text: 'Copy the link', onclick: () => this.#copyLink() }));
    }
  }

  /**
   * @param {'microphoneOn' | 'cameraOn' | 'screenOn'} state
   * @param {'setMicrophone' | 'setCamera' | 'setScreen'} act
   */
  async #switch(state, act) {
    const { devices } = this.room;
    try {
      await devices[act](!devices[state], this.#chosen(act));
      if (act !== 'setScreen') announce(`${act === 'setCamera' ? 'Camera' : 'Microphone'} ${devices[state] ? 'on' : 'off'}.`);
    } catch (error) {
      // Choosing nothing in the browser's own dialogue is no error.
      if (!(act === 'setScreen' && error.code === 'permission-denied')) complain(error);
    }
    this.#refreshSoon();
  }

  /** The device chosen before the call, where one is about to be opened. @param {string} act */
  #chosen(act) {
    const { camera, microphone } = this.settings.chosen;
    if (act === 'setCamera') return { deviceId: camera || undefined };
    const open = this.room.publications.find((p) => p.source === 'microphone')?.track?.getSettings().deviceId;
    return act === 'setMicrophone' && open !== microphone ? { deviceId: microphone || undefined } : {};
  }

  /** @param {keyof typeof PANELS} panel */
  #toggle(panel) {
    this.#show(this.#panel === panel ? null : panel);
  }

  /** @param {keyof typeof PANELS | null} panel */
  #show(panel) {
    if (panel === this.#panel) return;
    const before = this.#panel;
    this.#panel = panel;
    byId('panel').hidden = panel === null;
    for (const id of Object.keys(PANELS)) {
      byId(`${id}-view`).hidden = panel !== id;
      this.controls.set(id, { active: panel === id, pressed: panel === id });
    }
    if (panel === 'chat') {
      this.#unread = 0;
      this.controls.set('chat', { badge: 0, label: 'Chat' });
      byId('chat-text').focus({ preventScroll: true });
    }
    if (panel === 'people') {
      showPeople(this.room);
      byId('panel-close').focus({ preventScroll: true });
    }
    if (panel === 'settings') void this.settings.refresh().then(() => this.#panel === 'settings' && byId('settings-camera').focus({ preventScroll: true }));
    if (panel) {
      byId('panel-title').textContent = PANELS[panel];
      byId('panel').setAttribute('aria-label', PANELS[panel]);
    } else if (before) {
      byId(`control-${before}`).focus({ preventScroll: true });
    }
  }

  #message(text, who) {
    if (this.#panel === 'chat') return;
    this.#unread += 1;
    this.controls.set('chat', { badge: this.#unread, label: `Chat, ${this.#unread} unread` });
    toast(`${who}: ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`);
  }

  async #copyLink() {
    const link = new URL(location.href);
    link.search = new URLSearchParams({ room: this.room.name }).toString();
    link.hash = '';
    try {
      await navigator.clipboard.writeText(link.href);
      toast('Link copied. Send it to whoever should come in.');
    } catch {
      toast(link.href, { ms: 12_000 });
    }
  }

  #banner() {
    clearTimeout(this.#bannerTimer);
    const { room } = this;
    const banner = byId('banner');
    const trouble = room.state === 'reconnecting' ? 'The connection was lost. Reconnecting…' : room.mediaState === 'lost' ? 'Sound and picture were interrupted. Reconnecting…' : '';
    if (trouble) {
      this.#bannerTimer = window.setTimeout(() => {
        banner.replaceChildren(h('span', { class: 'spin', 'aria-hidden': 'true' }), h('span', { text: trouble }));
        banner.hidden = false;
      }, BANNER_MS);
    } else if (room.playback.blocked) {
      banner.replaceChildren(h('span', { text: 'Your browser holds back the sound.' }), h('button', { type: 'button', text: 'Hear the others', onclick: () => void room.playback.resume() }));
      banner.hidden = false;
    } else if (this.#sharing) {
      banner.replaceChildren(h('span', { text: 'You are sharing your screen.' }), h('button', { type: 'button', text: 'Stop sharing', onclick: () => this.#switch('screenOn', 'setScreen') }));
      banner.hidden = false;
    } else {
      banner.hidden = true;
    }
    banner.classList.toggle('calm', !trouble && !room.playback.blocked);
  }

  #tick() {
    const s = Math.floor((Date.now() - this.#since) / 1000);
    const two = (n) => String(n).padStart(2, '0');
    byId('clock').textContent = `${s >= 3600 ? `${Math.floor(s / 3600)}:` : ''}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  }
}
