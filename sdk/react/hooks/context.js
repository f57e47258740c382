import { EnfiladeError } from '@enfilade/client';
import { createContext, useContext } from 'react';

/** @typedef {import('../store/meeting-store.js').MeetingStore} MeetingStore */

/** @type {import('react').Context<MeetingStore | null>} */
export const StoreContext = createContext(/** @type {MeetingStore | null} */ (null));

/**
 * The store of the MeetingProvider above.
 * @param {string} hook who asks
 * @returns {MeetingStore}
 */
export function useStore(hook) {
  const store = useContext(StoreContext);
  if (!store) throw new EnfiladeError('invalid-state', `${hook} works only below a MeetingProvider.`);
  return store;
}
