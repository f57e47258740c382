/**
 * RTCMultiConnection as a module, for bundlers: `import RTCMultiConnection from '@enfilade/rtcmulticonnection'`.
 * @module
 */
import * as client from '@enfilade/client';
import { Engine } from './engine.js';
import './rtcmulticonnection.js';

/** The class of rtcmulticonnection.js, which is a classic script and sets a global. */
const Class = /** @type {typeof RTCMultiConnection} */ (/** @type {any} */ (globalThis).RTCMultiConnection);
Class.load = async () => ({ client, Engine });

export default Class;
