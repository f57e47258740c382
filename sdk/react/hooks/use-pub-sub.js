import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { useStore } from './context.js';
import { useLatest } from './use-latest.js';

/** @typedef {import('../store/types.js').Message} Message */

/**
 * @typedef {object} PubSubCallbacks
 * @property {(message: Message) => void} [onMessageReceived] for every message from now on, our own included
 * @property {(messages: readonly Message[]) => void} [onOldMessagesReceived] once per meeting: what was kept of before
 *
 * @typedef {object} PubSubHook
 * @property {(message: string, options?: {persist?: boolean, sendOnly?: string[]} | null, payload?: unknown) => Promise<void>} publish
 *   rejects with `invalid-argument` when the message is no string, `invalid-state` when we are not in the meeting
 * @property {readonly Message[]} messages the old ones and those since, oldest first; the newest 1000
 */

/**
 * A topic of the meeting. Listens while the component is mounted, from the moment the meeting is joined.
 *
 * @param {string} topic
 * @param {PubSubCallbacks} [callbacks] may be new functions at every render
 * @returns {PubSubHook}
 */
export function usePubSub(topic, callbacks) {
  const store = useStore('usePubSub');
  const latest = useLatest(callbacks);
  const subscribe = useCallback(
    (/** @type {() => void} */ changed) =>
      store.topics.read(topic, {
        changed,
        received: (message) => latest.current?.onMessageReceived?.(message),
        old: (messages) => latest.current?.onOldMessagesReceived?.(messages),
      }),
    [store, topic, latest],
  );
  const getMessages = useCallback(() => store.topics.messages(topic), [store, topic]);
  const messages = useSyncExternalStore(subscribe, getMessages, getMessages);
  const publish = useCallback(
    (/** @type {string} */ message, /** @type {object | null | undefined} */ options, /** @type {unknown} */ payload) =>
      store.publish(topic, message, options ?? {}, payload ?? undefined),
    [store, topic],
  );
  return useMemo(() => ({ publish, messages }), [publish, messages]);
}
