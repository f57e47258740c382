/**
 * Constraints as getUserMedia wants them today. The old form, `{mandatory: {minWidth: 1280}, optional: [{sourceId: 'x'}]}`, is
 * translated; what has no meaning any more (googLeakyBucket and the like) is left out.
 * @param {unknown} given
 * @returns {boolean | MediaTrackConstraints}
 */
export function modernConstraints(given) {
  if (given === null || typeof given !== 'object') return given !== false && given !== undefined;
  const { mandatory = {}, optional = [], ...modern } = /** @type {{mandatory?: Record<string, any>, optional?: Record<string, any>[]}} */ (given);
  /** @type {Record<string, any>} */
  const out = {};
  for (const [name, value] of Object.entries(Object.assign({}, ...(Array.isArray(optional) ? optional : [])))) translate(out, name, value, 'ideal');
  for (const [name, value] of Object.entries(mandatory)) translate(out, name, value, 'exact');
  Object.assign(out, modern);
  return Object.keys(out).length > 0 ? out : true;
}

const RANGES = new Set(['width', 'height', 'frameRate', 'aspectRatio']);
const NAMES = /** @type {Record<string, string>} */ ({
  sourceId: 'deviceId', deviceId: 'deviceId', facingMode: 'facingMode', echoCancellation: 'echoCancellation',
  googEchoCancellation: 'echoCancellation', googNoiseSuppression: 'noiseSuppression', googAutoGainControl: 'autoGainControl',
});

/**
 * @param {Record<string, any>} out
 * @param {string} name
 * @param {unknown} value
 * @param {'ideal' | 'exact'} strength
 */
function translate(out, name, value, strength) {
  const [, bound = '', rest = ''] = /^(min|max)(\w+)$/.exec(name) ?? [];
  const range = rest.charAt(0).toLowerCase() + rest.slice(1);
  if (bound && RANGES.has(range)) {
    // A wish, not a demand: an optional minimum is aimed at, an optional maximum too.
    out[range] = { ...out[range], [strength === 'exact' ? bound : 'ideal']: value };
    return;
  }
  const modern = NAMES[name];
  if (modern) out[modern] = { [strength]: value };
}
