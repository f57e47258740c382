import { Emitter } from './emitter.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {'new' | 'connecting' | 'connected' | 'lost' | 'closed'} MediaState */

/**
 * How long something that looks lost may still mend itself, in ms: the browser says "disconnected" late enough as it is, and of a TCP
 * connection that broke it may have made another.
 */
const PATIENCE_MS = 250;
/** The first connection may take so long, in ms: all pairs of addresses are tried. */
const FIRST_MS = 8000;
/** From one restart to the next, in ms, by how many were in vain before it. */
const PACE_MS = [0, 1500, 3000, 4000, 4000];
/** How long traffic is watched when the network changed, in ms: the server says something every half second at least. */
const WATCH_MS = 700;
/** How often it is looked whether anything comes in, in ms. */
const LISTEN_MS = 200;
/**
 * Nothing at all for so long, in ms, and the path counts as lost: the server says something twice a second, media or not. Where
 * sound or pictures were coming in, dozens of packets are missing long before.
 */
const SILENCE_MS = 2000;
const SUDDEN_SILENCE_MS = 1100;
/** So long after a restart something of ours must have left on the new path, in ms: reports at least go every second or so. */
const AUDIT_MS = 4000;

/**
 * Watches the way of the media (ICE and DTLS of one peer connection) and asks for ICE restarts until it is back, or says
 * that it is dead, or that something gets through although it is lost (`alive`). Restarts are paced, never overlap, and wait while the signalling is away: an offer made then would hold
 * addresses of a network that may be another by the time it goes out.
 *
 * @extends {Emitter<{state: [MediaState], alive: [], dead: []}>}
 */
export class MediaPath extends Emitter {
  #platform;
  #pc;
  #restart;
  #signalling;
  /** @type {MediaState} */
  #state = 'new';
  /** Waiting for it to mend itself. @type {unknown} */
  #patience = null;
  /** The server hears nothing from us. */
  #unheard = false;
  /** A restart is to be made. */
  #wanted = false;
  #running = false;
  /** Restarts since it was last well. */
  #inVain = 0;
  #restartedAt = -Infinity;
  /** Ends the present wait between restarts. @type {(() => void) | null} */
  #wake = null;
  /** @type {unknown} */
  #audit = null;
  /** @type {unknown} */
  #listening = null;
  /** @type {unknown} */
  #life = null;
  /** When something came in; null: nothing has since the last restart, so silence means nothing. @type {number | null} */
  #heardAt = null;
  /** What came in last was sound or a picture. */
  #flowing = false;
  #lastHeard = { source: 0, bytes: 0 };

  /**
   * @param {Platform} platform
   * @param {RTCPeerConnection} pc
   * @param {() => Promise<unknown>} restart makes an offer with new ICE credentials, done when the answer is in force
   * @param {() => Promise<unknown>} [signalling] done when the server can be asked
   */
  constructor(platform, pc, restart, signalling = async () => {}) {
    super();
    this.#platform = platform;
    this.#pc = pc;
    this.#restart = restart;
    this.#signalling = signalling;
    pc.oniceconnectionstatechange = () => this.#look();
    pc.onconnectionstatechange = () => this.#look();
  }

  get state() {
    return this.#state;
  }

  /** What the server sees of the path. @param {boolean} connected */
  heard(connected) {
    this.#unheard = !connected;
    if (this.#state !== 'new') this.#look();
  }

  /**
   * The network, or the way of the signalling, is not what it was. If nothing comes in any more, ICE is restarted before the
   * browser notices.
   * @param {boolean} changed the network is another one: in doubt restart
   */
  async suspect(changed) {
    if (this.#state === 'closed' || this.#state === 'new') return;
    this.#wake?.(); // what waited for a better network has waited long enough
    const before = await this.#traffic();
    await new Promise((resolve) => this.#platform.setTimeout(() => resolve(undefined), WATCH_MS));
    const after = await this.#traffic();
    if (before && after ? after.received === before.received : changed) this.#want();
  }

  close() {
    this.#wanted = false;
    this.#disarm();
    this.#platform.clearTimeout(this.#audit);
    this.#platform.clearTimeout(this.#listening);
    this.#platform.clearTimeout(this.#life);
    this.#pc.oniceconnectionstatechange = this.#pc.onconnectionstatechange = null;
    this.#set('closed');
    this.#wake?.();
    this.removeAllListeners();
  }

  #well() {
    const ice = this.#pc.iceConnectionState;
    const connected = (ice === 'connected' || ice === 'completed') && (this.#pc.connectionState ?? 'connected') === 'connected';
    return connected && !this.#unheard;
  }

  #look() {
    if (this.#state === 'closed') return;
    const ice = this.#pc.iceConnectionState;
    if (this.#well()) {
      this.#settle();
    } else if (ice === 'failed' || this.#pc.connectionState === 'failed') {
      this.#disarm();
      this.#want();
    } else if (ice === 'disconnected' || (this.#unheard && this.#state !== 'connecting')) {
      this.#arm(PATIENCE_MS);
    } else if (this.#state === 'new' && ice !== 'new') {
      this.#set('connecting');
      this.#arm(FIRST_MS);
    }
  }

  /** All is well. */
  #settle() {
    this.#disarm();
    this.#wanted = false;
    this.#inVain = 0;
    this.#wake?.();
    this.#set('connected');
    if (this.#listening === null) this.#listen();
  }

  /**
   * Browsers take five seconds and more to say that a path is dead. Media that comes in is seen at no cost; only without any the
   * statistics are asked.
   */
  #listen() {
    this.#listening = this.#platform.setTimeout(async () => {
      const now = this.#platform.now();
      const source = newestSource(this.#pc);
      let bytes = this.#lastHeard.bytes;
      if (source === this.#lastHeard.source) bytes = (await this.#traffic())?.received ?? bytes;
      this.#listening = null;
      if (this.#state !== 'connected') return;
      if (source !== this.#lastHeard.source || bytes !== this.#lastHeard.bytes) {
        this.#flowing = source !== this.#lastHeard.source;
        this.#lastHeard = { source, bytes };
        this.#heardAt = now;
      } else if (this.#heardAt !== null && now - this.#heardAt >= (this.#flowing ? SUDDEN_SILENCE_MS : SILENCE_MS)) {
        this.#want();
        return;
      }
      this.#listen();
    }, LISTEN_MS);
  }

  /**
   * What comes in while the path is lost shows that the network is back, sooner than an attempt to open a socket does.
   * @param {number | null} before bytes
   */
  #awaitLife(before) {
    this.#life = this.#platform.setTimeout(async () => {
      const received = (await this.#traffic())?.received ?? null;
      this.#life = null;
      if (this.#state !== 'lost') return;
      if (before !== null && received !== null && received > before) this.emit('alive');
      else this.#awaitLife(received);
    }, LISTEN_MS);
  }

  /** @param {number} ms */
  #arm(ms) {
    this.#patience ??= this.#platform.setTimeout(() => {
      this.#patience = null;
      if (!this.#well()) this.#want();
    }, ms);
  }

  #disarm() {
    this.#platform.clearTimeout(this.#patience);
    this.#patience = null;
  }

  #want() {
    if (this.#state === 'closed') return;
    this.#wanted = true;
    this.#heardAt = null;
    this.#set('lost');
    if (this.#life === null) this.#awaitLife(null);
    if (!this.#running) void this.#run();
  }

  async #run() {
    this.#running = true;
    while (this.#wanted) {
      await this.#pace();
      if (!this.#wanted) break;
      if (this.#inVain >= PACE_MS.length) {
        this.#wanted = false;
        this.emit('dead');
        break;
      }
      try {
        await this.#signalling();
        if (!this.#wanted) break; // it was well again before we could ask
      } catch {
        break; // the session is over, and with it this path
      }
      try {
        this.#wanted = false;
        this.#inVain += 1;
        this.#restartedAt = this.#platform.now();
        await this.#restart();
      } catch {
        // the next try, or the session's end, deals with it
      }
      if (this.state === 'closed') break;
      // Whether it helped: a browser that was connected all along reports nothing.
      if (this.#well() && !this.#wanted) this.#settle();
      else this.#wanted = true;
      this.#watchOutgoing();
    }
    this.#running = false;
  }

  /** Waits until the next restart may begin. */
  async #pace() {
    const pace = PACE_MS[Math.min(this.#inVain, PACE_MS.length - 1)] ?? 0;
    const ms = this.#restartedAt + pace - this.#platform.now();
    if (ms <= 0) return;
    await new Promise((resolve) => {
      const timer = this.#platform.setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        this.#platform.clearTimeout(timer);
        this.#wake = null;
        resolve(undefined);
      };
    });
  }

  /**
   * Firefox may go on sending into an old path when a restart in vain was followed by one that helped, and no further restart
   * brings it back; only a new peer connection does.
   */
  #watchOutgoing() {
    this.#platform.clearTimeout(this.#audit);
    this.#audit = this.#platform.setTimeout(async () => {
      const traffic = this.#state === 'connected' ? await this.#traffic() : null;
      if (this.#state === 'connected' && traffic && traffic.received > 0 && traffic.sent === 0) this.emit('dead');
    }, AUDIT_MS);
  }

  /**
   * Bytes of the pair in use; null when the browser does not tell.
   * @returns {Promise<{received: number, sent: number} | null>}
   */
  async #traffic() {
    /** @type {any[]} */
    let reports;
    try {
      reports = [...(await this.#pc.getStats()).values()];
    } catch {
      return null; // closed meanwhile
    }
    const chosen = reports.find((r) => r.type === 'transport' && r.selectedCandidatePairId)?.selectedCandidatePairId;
    const pair = reports.find((r) => r.type === 'candidate-pair' && (chosen ? r.id === chosen : r.selected));
    return pair ? { received: pair.bytesReceived ?? 0, sent: pair.bytesSent ?? 0 } : null;
  }

  /** @param {MediaState} state */
  #set(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }
}

/**
 * When the newest sound or picture came in, on whatever clock.
 * @param {RTCPeerConnection} pc
 */
function newestSource(pc) {
  let newest = 0;
  for (const { receiver } of pc.getTransceivers?.() ?? []) {
    for (const { timestamp } of receiver.getSynchronizationSources?.() ?? []) newest = Math.max(newest, timestamp);
  }
  return newest;
}
