import { createElement, useEffect, useInsertionEffect, useState } from 'react';
import { StoreContext } from './hooks/context.js';
import { useMeeting } from './hooks/use-meeting.js';
import { MeetingStore } from './store/meeting-store.js';

/** @typedef {import('./store/types.js').InitMeeting} InitMeeting */
/** @typedef {import('./store/types.js').MeetingOptions} MeetingOptions */

/**
 * @typedef {object} MeetingProviderProps
 * @property {MeetingOptions} config what `VideoSDK.initMeeting` takes; may be a new object at every render
 * @property {string} [token] default: that of the config, else that of `VideoSDK.config`
 * @property {boolean} [joinWithoutUserInteraction] joins as soon as it is mounted; default false
 * @property {boolean} [joinWithoutInteraction] the same
 * @property {boolean} [reInitialiseMeetingOnConfigChange] leaves the meeting and enters the one that `config` and `token`
 *   now ask for when they change; default false: a change waits until the provider is mounted anew, or until the next
 *   `join` when nobody has joined yet
 * @property {import('react').ReactNode} [children]
 */

/**
 * A MeetingProvider whose meetings are made in a way of one's own.
 * @param {InitMeeting} initMeeting
 * @returns {(props: MeetingProviderProps) => import('react').ReactElement}
 */
export function createMeetingProvider(initMeeting) {
  return function MeetingProvider({ config, token, joinWithoutUserInteraction, joinWithoutInteraction, reInitialiseMeetingOnConfigChange, children }) {
    const options = { ...config, ...(token ? { token } : {}) };
    const autoJoin = Boolean(joinWithoutUserInteraction ?? joinWithoutInteraction);
    const reinitialise = Boolean(reInitialiseMeetingOnConfigChange);
    const [store] = useState(() => new MeetingStore(initMeeting, options));
    // In place before the effects of the components below, whose `join` may come first.
    useInsertionEffect(() => store.want(options));
    useEffect(() => store.hold(), [store]);
    useEffect(() => store.reconsider(reinitialise, autoJoin));
    useEffect(() => {
      if (autoJoin) store.join().catch(() => {}); // `onError` tells
    }, [store, autoJoin]);
    return createElement(StoreContext.Provider, { value: store }, children);
  };
}

/**
 * `useMeeting` for those who prefer a render prop; takes the same callbacks as props.
 * @param {import('./hooks/use-meeting.js').MeetingCallbacks & {children: (meeting: import('./hooks/use-meeting.js').MeetingHook) => import('react').ReactNode}} props
 * @returns {import('react').ReactNode}
 */
export function MeetingConsumer({ children, ...callbacks }) {
  return children(useMeeting(callbacks));
}
