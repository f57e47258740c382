import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { PARTICIPANT_EVENTS, PARTICIPANT_METHODS } from '../store/names.js';
import { useStore } from './context.js';
import { useCallbacks } from './use-latest.js';

/** @typedef {import('../store/types.js').ParticipantView} ParticipantView */
/** @typedef {typeof PARTICIPANT_METHODS[number]} ParticipantMethod */
/** @typedef {Partial<Record<keyof typeof PARTICIPANT_EVENTS, (...args: any[]) => void>>} ParticipantCallbacks */
/** @typedef {import('../store/types.js').Participant} Participant */
/** @typedef {{[Name in ParticipantMethod]: (...args: Parameters<Participant[Name]>) => Promise<Awaited<ReturnType<Participant[Name]>>>}} ParticipantMethods */
/** @typedef {ParticipantView & ParticipantMethods} ParticipantHook */

/**
 * Somebody in the meeting, ourselves included. The component renders again only when something of this one changes.
 *
 * An id that is not (or not yet) in the meeting gives empty values: `participant` is null, nothing is on, and every method
 * rejects with `no-such-participant`.
 *
 * @param {string} participantId
 * @param {ParticipantCallbacks} [callbacks] may be new functions at every render
 * @returns {ParticipantHook}
 */
export function useParticipant(participantId, callbacks) {
  const store = useStore('useParticipant');
  const getView = useCallback(() => store.getParticipant(participantId), [store, participantId]);
  const view = useSyncExternalStore(store.subscribe, getView, getView);
  const on = useCallback(
    (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => store.onParticipant(participantId, event, listener),
    [store, participantId],
  );
  useCallbacks(on, PARTICIPANT_EVENTS, callbacks);
  const methods = useMemo(
    () =>
      /** @type {ParticipantMethods} */ (
        Object.fromEntries(
          PARTICIPANT_METHODS.map((name) => [name, (/** @type {any[]} */ ...args) => store.callParticipant(participantId, name, ...args)]),
        )
      ),
    [store, participantId],
  );
  return useMemo(() => ({ ...methods, ...view }), [methods, view]);
}
