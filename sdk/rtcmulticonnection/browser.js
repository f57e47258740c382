/** @typedef {import('../client/core/platform.js').Platform} Platform */

/**
 * Everything foreign that this API needs beyond what the SDK needs.
 * @typedef {object} PageParts
 * @property {(tag: 'audio' | 'video') => HTMLMediaElement} createElement
 * @property {() => string} pageUrl
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {(listener: () => void) => void} onGesture at every click and key of the person
 * @property {(blob: Blob) => string} blobUrl
 *
 * @typedef {Platform & PageParts} Surroundings
 */

/**
 * @param {Platform} platform
 * @returns {Surroundings}
 */
export function pageSurroundings(platform) {
  return {
    ...platform,
    createElement: (tag) => document.createElement(tag),
    pageUrl: () => location.href,
    fetch: (url, init) => fetch(url, init),
    onGesture(listener) {
      for (const gesture of ['pointerdown', 'keydown']) document.addEventListener(gesture, listener, { capture: true });
    },
    blobUrl: (blob) => URL.createObjectURL(blob),
  };
}
