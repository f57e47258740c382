import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { MEETING_EVENTS, MEETING_METHODS } from '../store/names.js';
import { useStore } from './context.js';
import { useCallbacks } from './use-latest.js';

/** @typedef {import('../store/meeting-store.js').MeetingStore} MeetingStore */
/** @typedef {import('../store/types.js').MeetingView} MeetingView */
/** @typedef {import('../store/types.js').Meeting} Meeting */
/** @typedef {typeof MEETING_METHODS[number]} MeetingMethod */
/** @typedef {{[Name in MeetingMethod]: (...args: Parameters<Meeting[Name]>) => Promise<Awaited<ReturnType<Meeting[Name]>>>}} MeetingMethods */
/** @typedef {Partial<Record<keyof typeof MEETING_EVENTS, (...args: any[]) => void>>} MeetingCallbacks */

/**
 * @typedef {object} OwnMethods
 * @property {() => Promise<void>} join idempotent while it is under way and inside; after the end it begins a new meeting
 * @property {() => Promise<void>} leave
 * @property {(customTrack?: MediaStream) => Promise<void>} toggleMic
 * @property {(customTrack?: MediaStream) => Promise<void>} toggleWebcam
 * @property {(customTrack?: MediaStream) => Promise<void>} toggleScreenShare
 * @property {Meeting['startLivestream']} startLiveStream the same as startLivestream
 * @property {Meeting['stopLivestream']} stopLiveStream the same as stopLivestream
 *
 * @typedef {MeetingView & OwnMethods & MeetingMethods} MeetingHook
 */

/** @type {WeakMap<MeetingStore, OwnMethods & MeetingMethods>} */
const methodsByStore = new WeakMap();

/**
 * The meeting of the provider above: its methods, its state, and a callback for every event.
 *
 * The component renders again when something in the state changes, participants and their streams included. Methods
 * are the same functions at every render; they return Promises and reject with an EnfiladeError.
 *
 * @param {MeetingCallbacks} [callbacks] may be new functions at every render
 * @returns {MeetingHook}
 */
export function useMeeting(callbacks) {
  const store = useStore('useMeeting');
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  const on = useCallback((/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => store.on(event, listener), [store]);
  useCallbacks(on, MEETING_EVENTS, callbacks);
  return useMemo(() => ({ ...methodsOf(store), ...view }), [store, view]);
}

/** @param {MeetingStore} store @returns {OwnMethods & MeetingMethods} */
function methodsOf(store) {
  const known = methodsByStore.get(store);
  if (known) return known;
  const theirs = Object.fromEntries(MEETING_METHODS.map((name) => [name, (/** @type {any[]} */ ...args) => store.call(name, ...args)]));
  /** @type {OwnMethods & MeetingMethods} */
  const methods = {
    .../** @type {MeetingMethods} */ (/** @type {unknown} */ (theirs)),
    join: () => store.join(),
    leave: () => store.leave(),
    toggleMic: (track) => store.toggle('localMicOn', 'unmuteMic', 'muteMic', track),
    toggleWebcam: (track) => store.toggle('localWebcamOn', 'enableWebcam', 'disableWebcam', track),
    toggleScreenShare: (track) => store.toggle('localScreenShareOn', 'enableScreenShare', 'disableScreenShare', track),
    startLiveStream: (...args) => methods.startLivestream(...args),
    stopLiveStream: () => methods.stopLivestream(),
  };
  methodsByStore.set(store, methods);
  return methods;
}
