import { useEffect, useInsertionEffect, useRef } from 'react';

/**
 * What was given at the last render that reached the screen. It is in place before any other effect runs, so that an
 * event never meets the closure of a render that was thrown away, nor an old one.
 * @template T
 * @param {T} value
 * @returns {{readonly current: T}}
 */
export function useLatest(value) {
  const latest = useRef(value);
  useInsertionEffect(() => {
    latest.current = value;
  });
  return latest;
}

/**
 * Calls the callbacks of a component for events. Another closure at the next render changes no subscription: nothing is
 * lost between two renders and nothing heard twice. Only what has a callback is listened to.
 * @param {(event: string, listener: (...args: any[]) => void) => () => void} on stable; returns how to stop
 * @param {Readonly<Record<string, string>>} events name of the callback -> event
 * @param {Readonly<Record<string, unknown>> | null | undefined} callbacks
 */
export function useCallbacks(on, events, callbacks) {
  const latest = useLatest(callbacks);
  const given = Object.keys(events).filter((name) => typeof callbacks?.[name] === 'function').join(' ');
  useEffect(() => {
    if (!given) return undefined;
    const offs = given.split(' ').map((name) =>
      on(/** @type {string} */ (events[name]), (...args) => {
        const callback = latest.current?.[name];
        if (typeof callback === 'function') callback(...args);
      }),
    );
    return () => offs.forEach((off) => off());
  }, [on, events, given, latest]);
}
