/** @typedef {import('../core/connection.js').ConnectionState} ConnectionState */
/** @typedef {import('../core/errors.js').EnfiladeError} EnfiladeError */
/** @typedef {'CONNECTING' | 'CONNECTED' | 'FAILED' | 'DISCONNECTED' | 'CLOSING' | 'CLOSED' | 'RECONNECTING'} MeetingState */
/** @typedef {'joining' | 'joined' | 'interrupted' | 'reconnecting' | 'reconnected' | 'leaving' | 'left' | 'ended' | 'failed'} Phase */
/** @typedef {'six' | 'v1'} StateModel */

/**
 * What `meeting-state-changed` tells. `reason`: code of the error behind it, or null.
 * @typedef {{state: MeetingState, detail: {phase: Phase, reason: string | null}}} StateChange
 */

/** Which state may follow which. `FAILED` and `CLOSED` are the end. @type {Readonly<Record<string, readonly MeetingState[]>>} */
export const TRANSITIONS = Object.freeze({
  CONNECTING: Object.freeze(/** @type {const} */ (['CONNECTED', 'FAILED'])),
  CONNECTED: Object.freeze(/** @type {const} */ (['DISCONNECTED', 'CLOSING'])),
  DISCONNECTED: Object.freeze(/** @type {const} */ (['CONNECTING', 'FAILED', 'CLOSED'])),
  CLOSING: Object.freeze(/** @type {const} */ (['CLOSED'])),
  FAILED: Object.freeze([]),
  CLOSED: Object.freeze([]),
});

/** The same for `stateModel: 'v1'`. `FAILED` and `DISCONNECTED` are the end. @type {Readonly<Record<string, readonly MeetingState[]>>} */
export const TRANSITIONS_V1 = Object.freeze({
  CONNECTING: Object.freeze(/** @type {const} */ (['CONNECTED', 'FAILED'])),
  CONNECTED: Object.freeze(/** @type {const} */ (['RECONNECTING', 'DISCONNECTED'])),
  RECONNECTING: Object.freeze(/** @type {const} */ (['CONNECTED', 'FAILED', 'DISCONNECTED'])),
  FAILED: Object.freeze([]),
  DISCONNECTED: Object.freeze([]),
});

/** The states of a meeting: follows the connection, in one of two vocabularies, and takes no step its table lacks. */
export class MeetingStates {
  #tell;
  #model;
  #table;
  /** @type {MeetingState | null} */
  #state = null;
  #interrupted = false;

  /**
   * @param {StateModel} model
   * @param {(change: StateChange) => void} tell
   */
  constructor(model, tell) {
    this.#model = model;
    this.#table = model === 'v1' ? TRANSITIONS_V1 : TRANSITIONS;
    this.#tell = tell;
  }

  /** Null before the join. */
  get state() {
    return this.#state;
  }

  /**
   * @param {ConnectionState} connection
   * @param {EnfiladeError | null} error
   */
  follow(connection, error) {
    const v1 = this.#model === 'v1';
    const reason = error?.code ?? null;
    switch (connection) {
      case 'connecting':
        return this.#go('CONNECTING', 'joining', null);
      case 'connected':
        return this.#go('CONNECTED', this.#state === 'CONNECTING' && !this.#interrupted ? 'joined' : 'reconnected', null);
      case 'reconnecting':
        this.#interrupted = true;
        if (v1) return this.#go('RECONNECTING', 'reconnecting', reason);
        this.#go('DISCONNECTED', 'interrupted', reason);
        return this.#go('CONNECTING', 'reconnecting', reason);
      case 'leaving':
        if (!v1 && this.#state === 'CONNECTED') this.#go('CLOSING', 'leaving', 'left');
        return;
      case 'closed':
        return this.#close(reason);
    }
  }

  /** @param {string | null} reason null: we left by ourselves */
  #close(reason) {
    if (this.#state === null) return;
    const phase = reason === null ? 'left' : 'ended';
    const why = reason ?? 'left';
    // A join that came to nothing has failed, even if it was we who gave it up: that is the only way on from CONNECTING.
    if (this.#state === 'CONNECTING') return this.#go('FAILED', reason === null ? 'left' : 'failed', why);
    if (this.#model === 'v1') {
      const gaveUp = this.#state === 'RECONNECTING' && reason !== null;
      return this.#go(gaveUp ? 'FAILED' : 'DISCONNECTED', gaveUp ? 'failed' : phase, why);
    }
    if (this.#state === 'CONNECTED') this.#go('CLOSING', 'leaving', why); // the server has said goodbye
    this.#go('CLOSED', phase, why);
  }

  /**
   * @param {MeetingState} state
   * @param {Phase} phase
   * @param {string | null} reason
   */
  #go(state, phase, reason) {
    const legal = this.#state === null ? state === 'CONNECTING' : this.#table[this.#state]?.includes(state);
    if (!legal) return;
    this.#state = state;
    this.#tell({ state, detail: { phase, reason } });
  }
}
