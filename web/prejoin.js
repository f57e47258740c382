import { byId, h } from './dom.js';
import { icon } from './icons.js';
import { roomName, roomTrouble } from './names.js';
import { inWords } from './toasts.js';
import { tokenFromLink } from './token.js';

/** What is remembered between visits. */
const memory = {
  get: (key) => {
    try {
      return localStorage.getItem(`enfilade.${key}`) ?? '';
    } catch {
      return '';
    }
  },
  set: (key, value) => {
    try {
      localStorage.setItem(`enfilade.${key}`, value);
    } catch {
      // a browser that keeps nothing is a browser that asks again
    }
  },
};

/** @param {any} cam @param {any} mic why they did not open; null: they did, or were not asked to */
function troubleInWords(cam, mic) {
  const what = cam && mic && cam.code === mic.code ? 'camera and microphone' : cam ? 'camera' : 'microphone';
  switch ((cam ?? mic)?.code) {
    case undefined:
      return '';
    case 'permission-denied':
      return `Your browser does not let this page use your ${what}. Allow it in the address bar, then press the button below. You can also join without.`;
    case 'device-not-found':
      if (cam && mic) return mic.code === cam.code ? 'No camera and no microphone were found. You can join without.' : 'No camera was found. You can join without.';
      return cam ? 'No camera was found. You can join without.' : 'No microphone was found: others will not hear you.';
    case 'device-in-use':
      return `Your ${what} is in use by another program. Close that, then press the button below.`;
    default:
      return (cam ?? mic).message;
  }
}

/**
 * The screen before the call: a look at oneself, a name, a room.
 */
export class PreJoin {
  /** @type {MediaStreamTrack | null} */ #cam = null;
  /** @type {MediaStreamTrack | null} */ #mic = null;
  #wantCam = memory.get('camera') !== 'off';
  #wantMic = memory.get('microphone') !== 'off';
  /** Why a device that was wanted did not open. @type {{cam: any, mic: any}} */ #trouble = { cam: null, mic: null };
  /** @type {AudioContext | null} */ #audio = null;
  #meter = 0;
  #open = false;
  #turn = Promise.resolve();

  /**
   * @param {import('/sdk/client.js').Capture} capture
   * @param {(choice: {name: string, room: string, token: string, password: string, camera: MediaStreamTrack | null, microphone: MediaStreamTrack | null}) => Promise<void>} join
   */
  constructor(capture, join) {
    this.capture = capture;
    const form = byId('join-form');
    byId('name').value = memory.get('name');
    byId('room').value = roomName(new URLSearchParams(location.search).get('room') ?? '');
    if (tokenFromLink()) byId('token').value = tokenFromLink();
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const [name, room] = [byId('name').value.trim(), roomName(byId('room').value)];
      if (!name) return this.fail({ message: 'Say how others should call you.' }, 'name');
      if (roomTrouble(room)) return this.fail({ message: roomTrouble(room) }, 'room');
      byId('room').value = room;
      this.fail(null);
      memory.set('name', name);
      this.#busy(true);
      await this.#turn;
      try {
        const { camera, microphone } = { camera: this.#cam, microphone: this.#mic };
        await join({ name, room, token: byId('token').value.trim(), password: byId('password').value, camera, microphone });
        this.#cam = this.#mic = null; // the call has them now
      } catch (error) {
        this.#busy(false);
        byId('prejoin').hidden = false;
        const field = ['token', 'password'].find((what) => String(error.code).startsWith(`${what}-`));
        if (field) byId(`${field}-row`).hidden = false;
        this.fail(error.code === 'left' ? null : error, field); // gave up waiting
        if (!field) byId('join').focus();
      } finally {
        this.#busy(false);
      }
    });
    byId('preview-mic').addEventListener('click', () => this.#toggle('mic'));
    byId('preview-cam').addEventListener('click', () => this.#toggle('cam'));
    byId('camera').addEventListener('change', () => this.#again('cam'));
    byId('microphone').addEventListener('change', () => this.#again('mic'));
    capture.onDevicesChanged(() => this.#open && this.#list());
  }

  show() {
    this.#open = true;
    byId('prejoin').hidden = false;
    (byId('name').value ? (byId('room').value ? byId('join') : byId('room')) : byId('name')).focus({ preventScroll: true });
    this.#paint();
    this.#queue(async () => {
      await this.#startBoth();
      await this.#list();
    });
  }

  hide() {
    this.#open = false;
    byId('prejoin').hidden = true;
    this.#stopMeter();
    this.#cam?.stop();
    this.#mic?.stop();
    this.#cam = this.#mic = null;
    byId('preview-video').srcObject = null;
  }

  /**
   * @param {any} error null: all is well
   * @param {string} [field] the culprit
   */
  fail(error, field) {
    const place = byId('join-error');
    place.hidden = !error;
    place.textContent = error ? inWords(error) : '';
    for (const id of ['name', 'room', 'token', 'password']) byId(id).setAttribute('aria-invalid', String(id === field));
    if (field) byId(field).focus();
  }

  #busy(busy) {
    byId('join').disabled = busy;
    byId('join').textContent = busy ? 'Opening the door…' : 'Join the room';
  }

  #queue(job) {
    this.#turn = this.#turn.then(job).catch(() => {});
    return this.#turn;
  }

  #toggle(what) {
    if (what === 'cam') memory.set('camera', (this.#wantCam = !this.#wantCam) ? 'on' : 'off');
    else memory.set('microphone', (this.#wantMic = !this.#wantMic) ? 'on' : 'off');
    this.#paint();
    this.#again(what);
  }

  #again(what) {
    this.#queue(async () => {
      if (what === 'cam') this.#cam = (this.#cam?.stop(), null);
      else this.#mic = (this.#mic?.stop(), null);
      await this.#start(what);
    });
  }

  /** Both with one question of the browser, where both are wanted. */
  async #startBoth() {
    if (this.#wantCam && this.#wantMic) {
      try {
        const [camera, microphone] = await this.capture.cameraAndMicrophone({ deviceId: byId('camera').value || undefined }, { deviceId: byId('microphone').value || undefined });
        if (!this.#open) return camera.stop(), microphone.stop();
        [this.#cam, this.#mic] = [camera, microphone];
      } catch {
        // One of the two fails. Each is tried alone, so that the other works and the page can say which it was.
      }
    }
    await this.#start('cam');
    await this.#start('mic');
  }

  async #start(what) {
    const cam = what === 'cam';
    let trouble = null;
    if (this.#open && !(cam ? this.#cam : this.#mic) && (cam ? this.#wantCam : this.#wantMic)) {
      const deviceId = byId(cam ? 'camera' : 'microphone').value || undefined;
      try {
        const track = await (cam ? this.capture.camera({ deviceId }) : this.capture.microphone({ deviceId }));
        if (!this.#open) return track.stop();
        if (cam) this.#cam = track;
        else this.#mic = track;
      } catch (error) {
        trouble = error;
        if (cam) this.#wantCam = false;
        else this.#wantMic = false;
      }
    }
    this.#trouble[what] = trouble;
    if (cam) {
      const video = byId('preview-video');
      video.hidden = !this.#cam;
      video.srcObject = this.#cam ? new MediaStream([this.#cam]) : null;
      if (this.#cam) video.play().catch(() => {});
      byId('preview-empty').hidden = Boolean(this.#cam);
    } else {
      this.#startMeter();
    }
    byId('preview-note').textContent = this.#cam ? '' : troubleInWords(this.#trouble.cam, this.#trouble.mic) || 'Your camera is off.';
    const aside = this.#cam ? troubleInWords(null, this.#trouble.mic) : '';
    byId('preview-aside').textContent = aside;
    byId('preview-aside').hidden = !aside;
    this.#paint();
  }

  #paint() {
    for (const [id, on, name] of /** @type {const} */ ([['preview-mic', this.#wantMic, 'mic'], ['preview-cam', this.#wantCam, 'cam']])) {
      byId(id).replaceChildren(icon(on ? name : `${name}Off`));
      byId(id).setAttribute('aria-pressed', String(on));
      byId(id).setAttribute('aria-label', name === 'mic' ? 'Microphone' : 'Camera');
    }
  }

  async #list() {
    const devices = await this.capture.devices();
    for (const [id, kind, word, live] of /** @type {const} */ ([['camera', 'videoinput', 'Camera', this.#cam], ['microphone', 'audioinput', 'Microphone', this.#mic]])) {
      const select = byId(id);
      const found = devices.filter((d) => d.kind === kind);
      select.replaceChildren(...found.map((d, i) => h('option', { value: d.deviceId, text: d.label || `${word} ${i + 1}` })));
      if (found.length === 0) select.append(h('option', { value: '', text: `No ${word.toLowerCase()}` }));
      select.disabled = found.length === 0;
      const current = live?.getSettings().deviceId;
      if (current) select.value = current;
    }
  }

  #startMeter() {
    this.#stopMeter();
    if (!this.#mic || typeof AudioContext === 'undefined') return;
    byId('preview-meter').hidden = false;
    const audio = (this.#audio = new AudioContext());
    const analyser = audio.createAnalyser();
    analyser.fftSize = 512;
    audio.createMediaStreamSource(new MediaStream([this.#mic])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const lamps = [...byId('preview-meter').children];
    this.#meter = window.setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = Math.sqrt(samples.reduce((sum, v) => sum + v * v, 0) / samples.length);
      const lit = Math.min(lamps.length, Math.round(Math.sqrt(power) * 9));
      lamps.forEach((lamp, i) => {
        lamp.classList.toggle('on', i < lit);
        lamp.style.height = `${30 + i * 17}%`;
      });
    }, 80);
  }

  #stopMeter() {
    clearInterval(this.#meter);
    byId('preview-meter').hidden = true;
    this.#audio?.close();
    this.#audio = null;
  }
}
