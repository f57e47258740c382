import { asEnfiladeError, EnfiladeError } from './errors.js';
import { tuneAnswer } from './sdp.js';

/** @typedef {import('./protocol.js').Answer} Answer */
/** @typedef {import('./protocol.js').PublishLine} PublishLine */

/**
 * Everything that touches the peer connection goes through here, one job at a time and in the order it was asked for, so
 * that no offer is made while another is under way.
 */
export class NegotiationQueue {
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();
  /** @type {EnfiladeError | null} */
  #closedBy = null;
  /** @type {(error: EnfiladeError) => void} */
  #reject = () => {};
  /** @type {Promise<never>} */
  #closing = new Promise((_, reject) => {
    this.#reject = reject;
  });

  constructor() {
    this.#closing.catch(() => {});
  }

  /**
   * @template T
   * @param {() => Promise<T>} job
   * @returns {Promise<T>} what the job says; rejects at once when the queue closes, even under way (a closed peer
   *   connection leaves its promises open for ever)
   */
  run(job) {
    const turn = this.#tail.then(() => {
      if (this.#closedBy) throw this.#closedBy;
      return Promise.race([job(), this.#closing]);
    });
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** @param {EnfiladeError} error what waiting and running jobs reject with */
  close(error) {
    if (this.#closedBy) return;
    this.#closedBy = error;
    this.#reject(error);
  }
}

/**
 * One round of offer and answer. When the server refuses, the offer is taken back and the earlier state stays in force.
 * @param {RTCPeerConnection} pc
 * @param {(offer: {sdp: string, publish: PublishLine[]}) => Promise<Answer>} ask
 * @param {object} [options]
 * @param {boolean} [options.iceRestart]
 * @param {() => PublishLine[]} [options.publish] called once the new lines have their mids
 * @param {(sdp: string) => void} [options.offered] called with our offer
 * @param {(answer: Answer) => void} [options.answered] called before the answer is applied
 * @returns {Promise<Answer>}
 */
export async function exchange(pc, ask, { iceRestart = false, publish = () => [], offered = () => {}, answered = () => {} } = {}) {
  let lines;
  try {
    await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
    lines = publish();
    offered(pc.localDescription?.sdp ?? '');
  } catch (thrown) {
    throw asEnfiladeError(thrown, 'negotiation-failed', 'The browser could not make an offer.');
  }
  try {
    const answer = await ask({ sdp: pc.localDescription?.sdp ?? '', publish: lines });
    answered(answer);
    await pc.setRemoteDescription({ type: 'answer', sdp: tuneAnswer(answer.sdp, lines) });
    return answer;
  } catch (thrown) {
    if (pc.signalingState === 'have-local-offer') {
      await pc.setLocalDescription({ type: 'rollback' }).catch(() => {});
    }
    throw asEnfiladeError(thrown, 'negotiation-failed', "The browser could not apply the server's answer.");
  }
}
