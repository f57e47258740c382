/** Furthest that a colour may be off, of 255: some engines convert by BT.601, some by BT.709. */
const COLOUR_OFF_MAX = 40;
/** Furthest that a tone may be off. */
const TONE_OFF_MAX = 0.04;
/** Quietest tone, of full scale: most send a quarter, Firefox's fake microphone a fourteenth. */
const LEVEL_MIN = 0.04;
/** How much of the time there must be sound: a browser records by the clock, and a busy machine speaks late. */
const SOUND_SHARE_MIN = 0.6;
/** The square must have been seen in so many places. */
const PLACES_MIN = 5;

/** The three kinds of media. */
export const MEDIA = /** @type {const} */ (['audio', 'video', 'data']);

/**
 * Compares what a subscriber saw, heard and was told with what was published.
 * @param {{picture: {width: number, height: number, colour: number[]}, toneHz: number, codec: string, messages: number, pictures: number, seconds: number}} sent messages:
 *   none when no data was exchanged
 * @param {any} got what `watch` reported
 * @returns {{video: string | null, audio: string | null, data: string | null}} what is wrong, null where nothing is
 */
export function verdict(sent, got) {
  return { video: video(sent, got.video), audio: audio(sent, got.audio), data: data(sent, got.data) };
}

function video({ picture, pictures, codec }, seen) {
  if (!seen?.pictures) return 'no picture';
  if (seen.codec && seen.codec !== codec) return `${seen.codec} instead of ${codec}`;
  // A smaller encoding of the same picture will do.
  const scale = [1, 2, 4].find((by) => Math.abs(seen.width * by - picture.width) < 2 * by && Math.abs(seen.height * by - picture.height) < 2 * by);
  if (!scale) return `${seen.width}x${seen.height} instead of ${picture.width}x${picture.height}`;
  if (picture.colour.some((part, i) => Math.abs(part - seen.colour[i]) > COLOUR_OFF_MAX)) return `colour ${seen.colour} instead of ${picture.colour}`;
  if (seen.pictures < pictures) return `only ${seen.pictures} pictures of ${pictures}`;
  if (seen.places < PLACES_MIN) return `frozen: the square was in ${seen.places} places`;
  if (seen.lost) return `${seen.lost} packets lost`;
  return null;
}

function audio({ toneHz, seconds }, heard) {
  if (!heard) return 'no sound';
  if (heard.seconds < SOUND_SHARE_MIN * seconds) return `only ${heard.seconds} s of sound`;
  if (heard.level < LEVEL_MIN) return `too quiet: ${heard.level}`;
  if (Math.abs(heard.toneHz - toneHz) > toneHz * TONE_OFF_MAX) return `${heard.toneHz} Hz instead of ${toneHz}`;
  if (heard.lost) return `${heard.lost} packets lost`;
  return null;
}

function data({ messages }, got) {
  if (!messages) return null;
  if (!got) return 'no channel';
  return got.echoed === messages ? null : `${got.echoed} of ${messages} messages came back`;
}
