/** @typedef {import('./protocol.js').Source} Source */

/** Names of simulcast encodings, low to high. */
const RIDS = ['q', 'h', 'f'];

/**
 * How many encodings a picture is worth. Chromium sends fewer than it is asked for below these sizes (a 320x240 capture
 * would go out as one layer scaled by four), so we never ask.
 * @param {number} width pixels
 * @param {number} height pixels
 */
export function layersFor(width, height) {
  const pixels = width * height;
  if (pixels >= 960 * 540) return 3;
  if (pixels >= 480 * 270) return 2;
  return 1;
}

/**
 * What one encoding of this size may cost, in bit/s.
 * @param {number} pixels
 * @param {Source} source
 */
export function bitrateFor(pixels, source) {
  if (source === 'screen') return pixels >= 1280 * 720 ? 2_500_000 : 700_000;
  if (pixels >= 1920 * 1080) return 3_200_000;
  if (pixels >= 1280 * 720) return 2_000_000;
  if (pixels >= 960 * 540) return 1_200_000;
  if (pixels >= 640 * 360) return 700_000;
  if (pixels >= 320 * 180) return 160_000;
  return 120_000;
}

/**
 * The encodings of a source, low to high.
 * @param {Source} source
 * @param {{width?: number, height?: number}} size of the capture, in pixels; 1280x720 where unknown
 * @param {{simulcast?: boolean, layers?: number, codec?: string, maxBitrate?: number}} [options] layers: at most so many;
 *   maxBitrate in bit/s, of the best one
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsFor(source, size, { simulcast = true, layers: most = 3, codec, maxBitrate } = {}) {
  if (source === 'microphone') return [maxBitrate ? { maxBitrate } : {}];
  if (source === 'screenAudio') return [{ maxBitrate: maxBitrate ?? 128_000 }];
  const { width = 1280, height = 720 } = size;
  const wanted = simulcast ? Math.min(layersFor(width, height), most) : 1;
  const layers = source === 'screen' ? Math.min(wanted, 2) : wanted;
  return Array.from({ length: layers }, (_, i) => {
    const scaleResolutionDownBy = 2 ** (layers - 1 - i);
    const best = i === layers - 1;
    const bitrate = bitrateFor((width * height) / scaleResolutionDownBy ** 2, source);
    return /** @type {RTCRtpEncodingParameters} */ ({
      ...(layers > 1 ? { rid: RIDS[i] } : {}),
      scaleResolutionDownBy,
      maxBitrate: best && maxBitrate ? maxBitrate : bitrate,
      // Without a mode Chromium takes several VP9 encodings for spatial layers of one. Frames that can be left out are steps between
      // encodings, for paths that do not carry the next one whole.
      ...(codec === 'vp9' || codec === 'av1' || (source === 'camera' && codec !== 'h264') ? { scalabilityMode: 'L1T3' } : {}),
    });
  });
}

/**
 * Fits encodings agreed earlier to a new capture, and to what anybody receives: the best ones are switched off when it is too
 * small for all of them, and those that nobody wants.
 * @param {RTCRtpSender} sender
 * @param {Source} source
 * @param {{width?: number, height?: number}} size
 * @param {{simulcast?: boolean, layers?: number, codec?: string, maxBitrate?: number}} [options]
 * @param {readonly boolean[] | null} [wanted] by encoding, lowest first; null: all of them
 */
export async function refitEncodings(sender, source, size, options, wanted = null) {
  const parameters = sender.getParameters();
  const agreed = parameters.encodings?.length ?? 0;
  const [first] = parameters.encodings ?? [];
  if (!first) return;
  const isWanted = (/** @type {number} */ i) => wanted?.[i] ?? true;
  if (source === 'microphone' || source === 'screenAudio') {
    if (first.active === isWanted(0)) return;
    first.active = isWanted(0);
    await sender.setParameters(parameters);
    return;
  }
  const ideal = encodingsFor(source, size, options);
  const used = ideal.slice(-Math.min(agreed, ideal.length));
  parameters.encodings.forEach((encoding, i) => {
    const want = used[i];
    encoding.active = want !== undefined && isWanted(i);
    if (!want) return;
    encoding.scaleResolutionDownBy = want.scaleResolutionDownBy;
    encoding.maxBitrate = want.maxBitrate;
  });
  await sender.setParameters(parameters);
}

/**
 * Leaves one codec alone, with what repairs it: whoever gets this stream can decode nothing else.
 * @param {RTCRtpTransceiver} transceiver
 * @param {RTCRtpCapabilities | null} capabilities
 * @param {string} codec e.g. "vp8"
 */
export function restrictCodec(transceiver, capabilities, codec) {
  if (!capabilities || typeof transceiver.setCodecPreferences !== 'function') return;
  const is = (/** @type {RTCRtpCodec} */ c) => [`/${codec}`, '/rtx'].some((name) => c.mimeType.toLowerCase().endsWith(name));
  transceiver.setCodecPreferences(capabilities.codecs.filter(is));
}

/**
 * Puts the wished codec first and leaves the others behind it, so that a browser without it (Firefox ESR has no H264)
 * still has something to agree on. Microphones prefer redundant audio (RED) where the browser has it.
 * @param {RTCRtpTransceiver} transceiver
 * @param {RTCRtpCapabilities | null} capabilities
 * @param {string | undefined} wished e.g. "vp9", "red"
 */
export function preferCodec(transceiver, capabilities, wished) {
  if (!wished || !capabilities || typeof transceiver.setCodecPreferences !== 'function') return;
  const is = (/** @type {RTCRtpCodec} */ codec) => codec.mimeType.toLowerCase().endsWith(`/${wished.toLowerCase()}`);
  if (!capabilities.codecs.some(is)) return;
  try {
    transceiver.setCodecPreferences([...capabilities.codecs.filter(is), ...capabilities.codecs.filter((c) => !is(c))]);
  } catch {
    // an order the browser does not like is a wish not granted
  }
}
