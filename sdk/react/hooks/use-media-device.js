import { useCallbacks } from './use-latest.js';

/**
 * What the devices of this machine can be asked, and the events they tell.
 * @template {Record<string, (...args: any[]) => Promise<any>>} Methods
 * @template {Record<string, string>} Events name of the callback -> event
 * @typedef {object} DeviceSource
 * @property {Methods} methods
 * @property {Events} events
 * @property {(event: string, listener: (...args: any[]) => void) => () => void} on returns how to stop
 */

/**
 * A useMediaDevice over a source of one's own. It needs no provider; its methods are the same at every render.
 * @template {Record<string, (...args: any[]) => Promise<any>>} Methods
 * @template {Record<string, string>} Events
 * @param {DeviceSource<Methods, Events>} source
 * @returns {(callbacks?: {[Name in keyof Events]?: (...args: any[]) => void}) => Methods}
 */
export function createUseMediaDevice({ methods, events, on }) {
  return function useMediaDevice(callbacks) {
    useCallbacks(on, events, callbacks);
    return methods;
  };
}
