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
 * Calls the callbacks of a component for events. Only what has a callback is listened to.
 *
 * Each event keeps one listener for the life of the component, whatever the callback is at the moment: nothing is lost
 * between two renders or heard twice, and a source that tells a new listener what it missed tells it once.
 *
 * @param {(event: string, listener: (...args: any[]) => void) => () => void} on stable; returns how to stop
 * @param {Readonly<Record<string, string>>} events name of the callback -> event
 * @param {Readonly<Record<string, unknown>> | null | undefined} callbacks
 */
export function useCallbacks(on, events, callbacks) {
  const latest = useLatest(callbacks);
  const listeners = useRef(/** @type {Map<string, (...args: any[]) => void>} */ (new Map()));
  const offs = useRef(/** @type {Map<string, () => void>} */ (new Map()));
  const given = Object.keys(events).filter((name) => typeof callbacks?.[name] === 'function').join(' ');
  useEffect(() => {
    const mine = offs.current;
    return () => {
      for (const off of mine.values()) off();
      mine.clear();
    };
  }, [on]);
  useEffect(() => {
    const names = given ? given.split(' ') : [];
    for (const [name, off] of [...offs.current]) {
      if (names.includes(name)) continue;
      off();
      offs.current.delete(name);
    }
    for (const name of names) {
      if (offs.current.has(name)) continue;
      let listener = listeners.current.get(name);
      if (!listener) {
        listener = (...args) => {
          const callback = latest.current?.[name];
          if (typeof callback === 'function') callback(...args);
        };
        listeners.current.set(name, listener);
      }
      offs.current.set(name, on(/** @type {string} */ (events[name]), listener));
    }
  }, [on, events, given, latest]);
}
