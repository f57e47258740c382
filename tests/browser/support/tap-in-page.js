/**
 * Runs in the browser, beside in-page.js: looks at frames where the SDK lets nobody look. In a page with keys it writes down
 * what the SDK's worker gives WebCrypto to encrypt, and what it gets decrypted; in a page without, the frames as they arrive.
 */
const tap = { plain: [], decrypted: [], forwarded: [], on: false };
const channel = new BroadcastChannel('tap');
channel.onmessage = ({ data: { of, bytes, page } }) => page === tap.page && tap.on && tap[of].length < 400 && tap[of].push(new Uint8Array(bytes));
tap.page = Math.random();

const blob = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));

/** The SDK's worker, in a scope whose WebCrypto tells what goes in and comes out. */
tap.spyOnCipher = () => {
  const spy = blob(`
    const channel = new BroadcastChannel('tap');
    const { encrypt, decrypt } = crypto.subtle;
    const tell = (of, bytes) => channel.postMessage({ of, bytes: new Uint8Array(bytes).slice(), page: ${tap.page} });
    crypto.subtle.encrypt = (how, key, data) => (tell('plain', data), encrypt.call(crypto.subtle, how, key, data));
    crypto.subtle.decrypt = async (how, key, data) => {
      const plain = await decrypt.call(crypto.subtle, how, key, data);
      tell('decrypted', plain);
      return plain;
    };`);
  window.platformChange = {
    encryption() {
      const worker = new Worker(blob(`import '${spy}'; import '${location.origin}/sdk/core/e2ee-worker.js';`), { type: 'module' });
      return { worker, config: {}, attach: (way, options) => (way.transform = new RTCRtpScriptTransform(worker, options)) };
    },
  };
};

/** Every receiver of this page hands its frames over as the server sent them, and then to the decoder all the same. */
tap.eavesdrop = () => {
  const worker = new Worker(blob(`
    const channel = new BroadcastChannel('tap');
    onrtctransform = ({ transformer: { readable, writable } }) => {
      const transform = (frame, controller) => {
        channel.postMessage({ of: 'forwarded', bytes: new Uint8Array(frame.data).slice(), page: ${tap.page} });
        controller.enqueue(frame);
      };
      readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable).catch(() => {});
    };`));
  const { addTransceiver } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (...args) {
    const transceiver = addTransceiver.apply(this, args);
    if (args[0] === 'video') transceiver.receiver.transform = new RTCRtpScriptTransform(worker, {});
    return transceiver;
  };
};

/** What was written down of a kind, each as base64. */
tap.take = (of) =>
  Promise.all(tap[of].map((bytes) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(',')[1] ?? '');
    reader.readAsDataURL(new Blob([bytes]));
  })));

window.tap = tap;
