import { useMemo, useSyncExternalStore } from 'react';
import { ConnectionSlot } from '../store/connection-slot.js';
import { CONNECTION_EVENTS } from '../store/names.js';
import { useStore } from './context.js';
import { useCallbacks } from './use-latest.js';

/** @typedef {import('../store/connection-slot.js').Connection} Connection */
/** @typedef {import('../store/connection-slot.js').ConnectionMeeting} ConnectionMeeting */
/** @typedef {import('../store/connection-slot.js').ConnectionParticipant} ConnectionParticipant */

/**
 * @typedef {object} ConnectionCallbacks
 * @property {(participant: ConnectionParticipant) => void} [onParticipantJoined]
 * @property {(participantId: string, more?: {displayName: string, reason: string}) => void} [onParticipantLeft]
 * @property {(message: {message: string, participantId: string, id: string, timestamp: number, senderName: string, connectionId: string}) => void} [onChatMessage] sent
 *   to us by the other meeting
 * @property {(message: {message: string, participantId: string, id: string, timestamp: number, senderName: string, connectionId: string}) => void} [onChatMessageSent] sent
 *   to the other meeting by somebody of ours, with `echo`
 * @property {(count: number) => void} [onMessagesLost] the connection was overloaded
 * @property {(state: {stale: boolean}) => void} [onStateChanged]
 *
 * @typedef {object} ConnectionOptions
 * @property {ConnectionCallbacks} [onMeeting]
 *
 * @typedef {object} ConnectionHook
 * @property {Connection} connection never null: a stand-in while no connection is open
 * @property {boolean} isOpen
 * @property {boolean} stale nothing has been heard of that meeting for 5 s
 * @property {ReadonlyMap<string, ConnectionParticipant>} participants who is in the other meeting
 * @property {string} id of the other meeting
 * @property {unknown} payload what came with `connectTo`; null while no connection is open
 * @property {ConnectionMeeting} meeting
 * @property {() => Promise<void>} close
 */

/**
 * The connection with another meeting, by that meeting's id: `useConnection(id, {onMeeting})` or
 * `useConnection({connectionId: id, onMeeting})`.
 *
 * It may be read at every render, also before the connection is open and after it was closed: then nobody is in
 * `connection.meeting.participants`, and every method rejects with `link-closed`. The component renders again when the
 * connection opens or closes and when somebody there comes or goes.
 *
 * @param {string | ({connectionId: string} & ConnectionOptions & ConnectionCallbacks)} connectionId
 * @param {ConnectionOptions} [options] callbacks may be new functions at every render
 * @returns {ConnectionHook}
 */
export function useConnection(connectionId, options) {
  const store = useStore('useConnection');
  const given = typeof connectionId === 'string' ? { connectionId, ...options } : { ...connectionId };
  const id = given.connectionId;
  const slot = useMemo(() => new ConnectionSlot(store, id), [store, id]);
  const view = useSyncExternalStore(slot.subscribe, slot.getView, slot.getView);
  useCallbacks(slot.on, CONNECTION_EVENTS, { ...given, ...given.onMeeting });
  return useMemo(() => {
    const { connection } = view;
    return { ...view, id: connection.id, payload: connection.payload, meeting: connection.meeting, close: async () => connection.close() };
  }, [view]);
}
