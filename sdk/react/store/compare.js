/**
 * Whether two snapshots say the same, one level deep: maps by their entries, plain data by value.
 * @param {Record<string, unknown>} a
 * @param {Record<string, unknown>} b
 */
export function sameFields(a, b) {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => sameValue(a[key], b[key]));
}

/**
 * Same keys in the same order with the same values.
 * @param {ReadonlyMap<string, unknown>} a
 * @param {ReadonlyMap<string, unknown>} b
 */
export function sameMap(a, b) {
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [key, value] of a) {
    const [otherKey, other] = others.next().value ?? [];
    if (key !== otherKey || !sameData(value, other)) return false;
  }
  return true;
}

/** @param {unknown} a @param {unknown} b */
function sameValue(a, b) {
  return sameData(a, b) || (a instanceof Map && b instanceof Map && sameMap(a, b));
}

/** Plain data by value, everything else by identity. @param {unknown} a @param {unknown} b */
function sameData(a, b) {
  return Object.is(a, b) || (isPlain(a) && isPlain(b) && JSON.stringify(a) === JSON.stringify(b));
}

/**
 * Whether two sets of meeting options ask for the same meeting: plain data by value, everything else (streams, a
 * platform, functions) by identity, so that an object literal written anew at every render is no change.
 * @param {Record<string, unknown>} a
 * @param {Record<string, unknown>} b
 */
export function sameOptions(a, b) {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => sameData(a[key], b[key]));
}

/** @param {unknown} value */
function isPlain(value) {
  if (value === null || typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || Array.isArray(value);
}
