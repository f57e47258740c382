import { Emitter } from '../core/emitter.js';
import { notServed } from './errors.js';

/**
 * What belongs to hosted services and no self-hosted media server does. Each of these rejects with `not-supported` and the
 * number that the Meeting API has for its failure.
 * @template {Record<string, unknown[]>} Events
 * @extends {Emitter<Events>}
 */
export class HostedServices extends Emitter {
  /** @readonly @type {null} */
  livestreamState = null;
  /** @readonly @type {null} */
  hlsState = null;
  /** @readonly @type {null} */
  transcriptionState = null;
  /** @readonly */
  hlsUrls = Object.freeze({ downstreamUrl: null, playbackHlsUrl: null, livestreamUrl: null });

  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, 4013 */
  async startLivestream(..._) {
    throw notServed('startLivestream', 'startLivestream');
  }
  /** @returns {Promise<never>} `not-supported`, 4014 */
  async stopLivestream() {
    throw notServed('stopLivestream', 'stopLivestream');
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, 4016 */
  async startHls(..._) {
    throw notServed('startHls', 'startHls');
  }
  /** @returns {Promise<never>} `not-supported`, 4017 */
  async stopHls() {
    throw notServed('stopHls', 'stopHls');
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, 4031 */
  async startTranscription(..._) {
    throw notServed('startTranscription', 'startTranscription');
  }
  /** @returns {Promise<never>} `not-supported`, 4032 */
  async stopTranscription() {
    throw notServed('stopTranscription', 'stopTranscription');
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, 4078. For what crosses without media see `connectTo` */
  async requestMediaRelay(..._) {
    throw notServed('requestMediaRelay', 'requestMediaRelay');
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, 4079 */
  async stopMediaRelay(..._) {
    throw notServed('stopMediaRelay', 'stopMediaRelay');
  }
  /** @returns {Promise<never>} `not-supported`, without a number */
  async startWhiteboard() {
    throw notServed('startWhiteboard', null);
  }
  /** @returns {Promise<never>} `not-supported`, without a number */
  async stopWhiteboard() {
    throw notServed('stopWhiteboard', null);
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, without a number */
  async uploadBase64File(..._) {
    throw notServed('uploadBase64File', null);
  }
  /** @param {...unknown} _ @returns {Promise<never>} `not-supported`, without a number */
  async fetchBase64File(..._) {
    throw notServed('fetchBase64File', null);
  }
}
