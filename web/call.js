import { Room } from '/sdk/client.js';
import { Asks } from './asks.js';
import { Banner } from './banner.js';
import { Chat } from './chat.js';
import { sayComings } from './comings.js';
import { ConnectionView } from './connection.js';
import { Controls } from './controls.js';
import { announce, byId, h } from './dom.js';
import { Doors } from './doors.js';
import { Floor } from './floor.js';
import { icon } from './icons.js';
import { nameOf, people } from './names.js';
import { People } from './people.js';
import { putRequests } from './requests.js';
import { Settings } from './settings.js';
import { Sounds } from './sounds.js';
import { clearToasts, complain, toast } from './toasts.js';

const PANELS = /** @type {const} */ ({ chat: 'Chat', people: 'People', settings: 'Devices', connection: 'Connection' });

/** Here only one of doors and panel has room beside the grid. */
const narrow = window.matchMedia('(max-width: 1100px)');
/** Here neither has: they lie over it. */
const small = window.matchMedia('(max-width: 720px)');

/** The screen of the call, from the join to its end. */
export class Call {
  #off = [];
  #unread = 0;
  /** @type {keyof typeof PANELS | null} */ #panel = null;
  #since = Date.now();
  #ticker = 0;
  #sharing = false;
  /** The person put the doors away; they come back when asked for. */ #doorsAway = false;
  /** @type {{room: string, stop: () => void} | null} */ #waiting = null;

  /**
   * @param {{name: string, room: string, token: string | (() => string | Promise<string>), password?: string}} options
   * @param {object} hooks
   * @param {(error: any) => void} hooks.ended null: the person left
   * @param {() => void} hooks.waiting in the lobby
   * @param {(room: string, token: string | null) => void} hooks.go to another room; token: one that was handed over
   */
  constructor({ name, room, token, password }, hooks) {
    this.name = name;
    this.hooks = hooks;
    this.room = new Room({ token, room, displayName: name, password: password || undefined });
    this.room.on('waiting', hooks.waiting);
    this.room.on('closed', (error) => {
      this.close();
      hooks.ended(error);
    });
  }

  /**
   * Joins with what is open already; shows nothing yet.
   * @param {{camera: MediaStreamTrack | null, microphone: MediaStreamTrack | null}} tracks
   */
  async join({ camera, microphone }) {
    const { devices } = this.room;
    // A refused join says so itself; everything of it rejects for the same reason.
    const complainInside = (error) => this.room.state !== 'closed' && complain(error);
    if (microphone) devices.setMicrophone(true, { track: microphone }).catch(complainInside);
    if (camera) devices.setCamera(true, { track: camera }).catch(complainInside);
    await this.room.join();
  }

  /** Copies of what others see and hear of us, to take along to another room. What is off stays off there. */
  tracks() {
    const { devices, publications } = this.room;
    const copy = (source, on) => (on && publications.find((p) => p.source === source)?.track?.clone()) || null;
    return { camera: copy('camera', devices.cameraOn), microphone: copy('microphone', devices.microphoneOn) };
  }

  /** At the door of another room, or no longer. @param {{room: string, stop: () => void} | null} waiting */
  waitElsewhere(waiting) {
    this.#waiting = waiting;
    if (this.#ticker) this.#banner();
  }

  /** @param {Call} [before] the call in the room we came from */
  open(before) {
    const { room } = this;
    byId('room-name').textContent = room.name;
    document.title = `${room.name} · Enfilade`;
    byId('call').hidden = false;
    this.floor = new Floor(room);
    this.sounds = new Sounds(room);
    this.settings = new Settings(room, this.sounds);
    if (before) {
      Object.assign(this.settings.chosen, before.settings.chosen);
      if (this.settings.chosen.speaker) void this.sounds.choose(this.settings.chosen.speaker).catch(complain);
    }
    this.chat = new Chat(room, (text, who) => this.#message(text, who));
    this.people = new People(room);
    this.connection = new ConnectionView(room);
    this.banner = new Banner();
    this.asks = new Asks();
    this.controls = new Controls([
      { id: 'mic', key: 'M', label: 'Microphone', icon: 'mic', act: () => this.#switch('microphoneOn', 'setMicrophone') },
      { id: 'cam', key: 'V', label: 'Camera', icon: 'cam', act: () => this.#switch('cameraOn', 'setCamera') },
      { id: 'share', key: 'S', label: 'Share your screen', icon: 'share', act: () => this.#switch('screenOn', 'setScreen') },
      { id: 'chat', key: 'C', label: 'Chat', icon: 'chat', act: () => this.#toggle('chat') },
      { id: 'people', key: 'P', label: 'People', icon: 'people', act: () => this.#toggle('people') },
      { id: 'doors', key: 'O', label: 'Doors to other rooms', icon: 'door', act: () => this.#showDoors(!this.doors.shown, true) },
      { id: 'link', key: 'L', label: 'Copy the link to this room', icon: 'link', top: true, act: () => this.#copyLink() },
      { id: 'settings', key: 'D', label: 'Devices', icon: 'settings', top: true, act: () => this.#toggle('settings') },
      { id: 'connection', key: 'N', label: 'Connection', icon: 'connection', top: true, act: () => this.#toggle('connection') },
      { id: 'leave', key: 'Shift+Q', label: 'Leave the room', icon: 'leave', act: () => void room.leave() },
    ]);
    byId('panel-close').replaceChildren(icon('close'));
    byId('panel-close').onclick = () => this.#show(null);
    byId('alone').replaceChildren(h('span', { text: 'Nobody else is here.' }), h('button', { type: 'button', text: 'Copy the link', onclick: () => this.#copyLink() }));
    byId('doors-close').replaceChildren(icon('close'));
    byId('doors-close').onclick = () => this.#showDoors(false, true);
    this.doors = new Doors(room, {
      go: (to) => this.hooks.go(to, null),
      chat: this.chat,
      message: (text, who) => this.#message(text, who, this.doors.shown),
      changed: (opened) => {
        if (opened && !narrow.matches && !this.#doorsAway) this.#showDoors(true);
        this.#countDoors();
      },
    });
    this.#showDoors(this.doors.count > 0 && !narrow.matches);
    this.#listen();
    this.#recorded();
    this.#since = Date.now();
    this.#ticker = window.setInterval(() => this.#tick(), 1000);
    this.#tick();
    this.#refresh();
    byId('control-mic').focus({ preventScroll: true });
    announce(`You are in the room ${room.name}.`);
  }

  /** Off the screen; the room itself is left elsewhere. */
  close() {
    if (!this.#ticker) return;
    clearInterval(this.#ticker);
    this.#ticker = 0;
    for (const off of this.#off) off();
    this.#show(null);
    this.asks.close();
    this.doors.close();
    this.people.close();
    this.connection.close();
    this.banner.close();
    this.floor.close();
    this.settings.close();
    this.sounds.close();
    this.chat.close();
    this.controls.close();
    clearToasts();
    byId('recording').hidden = true;
    byId('call').hidden = true;
    document.title = 'Enfilade';
  }

  #listen() {
    const { room } = this;
    const on = (event, listener) => this.#off.push(room.on(event, listener));
    this.#off.push(...sayComings(room), ...putRequests(room, this.asks, (to, token) => this.hooks.go(to, token)));
    for (const event of ['participant-joined', 'participant-left', 'participant-updated', 'publication-added', 'publication-updated', 'publication-removed', 'track-started', 'track-stopped', 'speakers', 'quality', 'local-changed']) {
      on(event, () => this.#refreshSoon());
    }
    on('publication-added', (publication, who) => publication.source === 'screen' && announce(`${nameOf(who)} shares a screen.`));
    on('subscription', (publication, who) => {
      if (publication.state === 'codec-not-supported') toast(`Your browser cannot show the ${publication.source} of ${nameOf(who)}.`, { bad: true });
    });
    on('state', () => {
      this.#banner();
      this.#refreshSoon();
    });
    on('media-state', () => this.#banner());
    on('autoplay-blocked', () => this.#banner());
    on('autoplay-resumed', () => this.#banner());
    on('recording', () => this.#recorded());
    on('error', complain);
    const escape = (event) => {
      if (event.key !== 'Escape') return;
      if (byId('doors').contains(event.target) || (small.matches && this.doors.shown)) this.#showDoors(false, true);
      else this.#show(null);
    };
    document.addEventListener('keydown', escape);
    this.#off.push(() => document.removeEventListener('keydown', escape));
  }

  /** Everybody is told, and sees it for as long as it lasts. */
  #recorded() {
    const recorded = this.room.recording !== null;
    const shown = !byId('recording').hidden;
    byId('recording').hidden = !recorded;
    if (recorded !== shown) toast(recorded ? 'This room is being recorded.' : 'The recording has ended.');
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
    if (this.#panel === 'people') this.people.refresh();
    const total = room.participants.size + 1;
    byId('count').textContent = total === 1 ? 'just you' : people(total);
    this.controls.set('mic', { icon: devices.microphoneOn ? 'mic' : 'micOff', off: !devices.microphoneOn, label: devices.microphoneOn ? 'Mute the microphone' : 'Unmute the microphone' });
    this.controls.set('cam', { icon: devices.cameraOn ? 'cam' : 'camOff', off: !devices.cameraOn, label: devices.cameraOn ? 'Turn the camera off' : 'Turn the camera on' });
    this.controls.set('share', { active: devices.screenOn, label: devices.screenOn ? 'Stop sharing' : 'Share your screen' });
    byId('alone').hidden = total > 1;
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
    if (panel && narrow.matches) this.#showDoors(false);
    if (panel && small.matches) clearToasts();
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
      this.people.refresh();
      byId('panel-close').focus({ preventScroll: true });
    }
    this.connection.show(panel === 'connection');
    if (panel === 'connection') byId('panel-close').focus({ preventScroll: true });
    if (panel === 'settings') void this.settings.refresh().then(() => this.#panel === 'settings' && byId('settings-camera').focus({ preventScroll: true }));
    if (panel) {
      byId('panel-title').textContent = PANELS[panel];
      byId('panel').setAttribute('aria-label', PANELS[panel]);
    } else if (before) {
      byId(`control-${before}`).focus({ preventScroll: true });
    }
  }

  /**
   * The doors beside the grid.
   * @param {boolean} shown
   * @param {boolean} [byHand] the person did it: the focus goes along
   */
  #showDoors(shown, byHand = false) {
    if (byHand) this.#doorsAway = !shown;
    if (shown && narrow.matches) this.#show(null);
    if (shown && small.matches) clearToasts(); // they would lie over it
    this.doors.show(shown);
    this.controls.set('doors', { active: shown, pressed: shown });
    this.#countDoors();
    if (byHand && shown) (small.matches ? byId('doors-close') : this.doors.first).focus({ preventScroll: true }); // no keyboard on a phone yet
    else if (byHand) byId('control-doors').focus({ preventScroll: true });
  }

  #countDoors() {
    const { count, shown } = this.doors;
    this.controls.set('doors', { badge: shown ? 0 : count, label: count === 0 ? 'Doors to other rooms' : `Doors to other rooms, ${count} open` });
  }

  /** @param {string} text @param {string} who @param {boolean} [seen] it is on the screen anyhow */
  #message(text, who, seen = false) {
    if (this.#panel === 'chat') return;
    this.#unread += 1;
    this.controls.set('chat', { badge: this.#unread, label: `Chat, ${this.#unread} unread` });
    if (seen) announce(`${who}: ${text}`);
    else toast(`${who}: ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`);
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
    const stopSharing = this.#sharing ? () => void this.#switch('screenOn', 'setScreen') : null;
    this.banner.show({ room: this.room, waiting: this.#waiting, stopSharing });
  }

  #tick() {
    const s = Math.floor((Date.now() - this.#since) / 1000);
    const two = (n) => String(n).padStart(2, '0');
    byId('clock').textContent = `${s >= 3600 ? `${Math.floor(s / 3600)}:` : ''}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  }
}
