/** @typedef {import('./protocol.js').PublishLine} PublishLine */

/**
 * The few wishes that a sender can only state in the answer it is given: Opus for a microphone saves what silence would
 * cost (usedtx), Opus for the sound of a screen is stereo and unhurried.
 * @param {string} sdp the server's answer
 * @param {PublishLine[]} lines what each new sending m-line carries
 */
export function tuneAnswer(sdp, lines) {
  const wishes = new Map();
  for (const { mid, source } of lines) {
    if (source === 'microphone') wishes.set(mid, { usedtx: '1', useinbandfec: '1' });
    if (source === 'screenAudio') wishes.set(mid, { stereo: '1', 'sprop-stereo': '1', maxaveragebitrate: '128000' });
  }
  if (wishes.size === 0) return sdp;
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      const wish = wishes.get(/^a=mid:(\S+)/m.exec(section)?.[1]);
      const opus = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
      return wish && opus ? withParameters(section, opus, wish) : section;
    })
    .join('');
}

/**
 * @param {string} section one m-section
 * @param {string} payloadType
 * @param {Record<string, string>} wish
 */
function withParameters(section, payloadType, wish) {
  const line = new RegExp(`^a=fmtp:${payloadType} (.*?)(\\r?)$`, 'm');
  const write = (/** @type {Record<string, string>} */ parameters) =>
    `a=fmtp:${payloadType} ${Object.entries(parameters).map(([k, v]) => `${k}=${v}`).join(';')}`;
  const found = line.exec(section);
  if (!found) {
    return section.replace(new RegExp(`^(a=rtpmap:${payloadType} .*?)(\\r?)$`, 'm'), `$1$2\n${write(wish)}$2`);
  }
  const present = Object.fromEntries(
    (found[1] ?? '').split(';').map((pair) => pair.trim().split('=')).filter(([key]) => key).map(([k, v]) => [k, v ?? '']),
  );
  return section.replace(line, `${write({ ...present, ...wish })}$2`);
}
