import { Emitter } from './emitter.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {'new' | 'connecting' | 'connected' | 'lost' | 'closed'} MediaState */

/** ICE often mends itself; after this long "disconnected" we help, in ms. */
const PATIENCE_MS = 1500;
/** A restart that has not connected by then is tried again, in ms. */
const RESTART_MS = 4000;
/** Restarts in vain before the path is given up. */
const RESTARTS_MAX = 4;

/**
 * Watches the way of the media (ICE and DTLS of one peer connection) and asks for ICE restarts until it is back, or says
 * that it is dead.
 * @extends {Emitter<{state: [MediaState], dead: []}>}
 */
export class MediaPath extends Emitter {
  #platform;
  #pc;
  #restart;
  /** @type {MediaState} */
  #state = 'new';
  /** @type {unknown} */
  #timer = null;
  #restarts = 0;
  #restarting = false;

  /**
   * @param {Platform} platform
   * @param {RTCPeerConnection} pc
   * @param {() => Promise<unknown>} restart makes an offer with new ICE credentials
   */
  constructor(platform, pc, restart) {
    super();
    this.#platform = platform;
    this.#pc = pc;
    this.#restart = restart;
    pc.oniceconnectionstatechange = () => this.#look();
    pc.onconnectionstatechange = () => this.#look();
  }

  get state() {
    return this.#state;
  }

  /** Somebody knows better (the server, or the page's `online`): restart now. */
  restartNow() {
    if (this.#state === 'closed') return;
    this.#set('lost');
    void this.#tryRestart();
  }

  close() {
    this.#platform.clearTimeout(this.#timer);
    this.#pc.oniceconnectionstatechange = this.#pc.onconnectionstatechange = null;
    this.#set('closed');
    this.removeAllListeners();
  }

  #look() {
    if (this.#state === 'closed') return;
    const ice = this.#pc.iceConnectionState;
    if (ice === 'failed' || this.#pc.connectionState === 'failed') {
      this.#set('lost');
      void this.#tryRestart();
    } else if (ice === 'disconnected') {
      this.#arm(PATIENCE_MS);
    } else if (ice === 'connected' || ice === 'completed') {
      const dtls = this.#pc.connectionState;
      if (dtls !== undefined && dtls !== 'connected') {
        if (this.#state === 'new') this.#set('connecting');
        return;
      }
      this.#disarm();
      this.#restarts = 0;
      this.#set('connected');
    } else if (ice === 'checking' && this.#state === 'new') {
      this.#set('connecting');
      this.#arm(RESTART_MS * 2);
    }
  }

  /** @param {number} ms */
  #arm(ms) {
    if (this.#timer !== null) return;
    this.#timer = this.#platform.setTimeout(() => {
      this.#timer = null;
      if (this.#state === 'closed' || this.#alive()) return;
      this.#set('lost');
      void this.#tryRestart();
    }, ms);
  }

  #disarm() {
    this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #alive() {
    const ice = this.#pc.iceConnectionState;
    return (ice === 'connected' || ice === 'completed') && (this.#pc.connectionState ?? 'connected') === 'connected';
  }

  async #tryRestart() {
    if (this.#restarting) return;
    this.#disarm();
    if (this.#restarts >= RESTARTS_MAX) {
      this.emit('dead');
      return;
    }
    this.#restarting = true;
    this.#restarts += 1;
    try {
      await this.#restart();
    } catch {
      // the next try, or the session's end, deals with it
    } finally {
      this.#restarting = false;
    }
    // The browser reports nothing when it was connected all along, so look again.
    if (this.#state === 'closed') return;
    if (this.#alive() && this.#state === 'lost' && this.#restarts === 1) this.#look();
    else this.#arm(RESTART_MS);
  }

  /** @param {MediaState} state */
  #set(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }
}
