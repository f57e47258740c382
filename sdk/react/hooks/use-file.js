import { EnfiladeError } from '@enfilade/client';

const refuse = async () => {
  throw new EnfiladeError('not-supported', 'This server keeps no files. Put the file on a server of your own and send its address.');
};
const METHODS = Object.freeze({ uploadBase64File: refuse, fetchBase64File: refuse });

/**
 * There is no file store here: both methods reject with `not-supported`.
 * @returns {Readonly<{uploadBase64File: () => Promise<never>, fetchBase64File: () => Promise<never>}>}
 */
export function useFile() {
  return METHODS;
}
