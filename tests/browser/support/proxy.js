import { connect, createServer } from 'node:net';

/**
 * A way to the server that can be cut: everything over TCP goes through it, media does not.
 * @param {number} port of the server
 * @param {string} address to listen on
 */
export async function startProxy(port, address = '127.0.0.1') {
  const pairs = new Set();
  let open = true;
  let stalled = false;
  const proxy = createServer((near) => {
    if (!open) return near.destroy();
    const far = connect(port, '127.0.0.1');
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.pipe(far);
    far.pipe(near);
    if (stalled) for (const socket of pair) socket.pause();
  });
  await new Promise((resolve) => proxy.listen(0, address, resolve));
  return {
    url: `http://localhost:${proxy.address().port}`,
    port: proxy.address().port,
    /** Breaks every connection, and lets nobody through for so long. @param {number} ms */
    async cut(ms) {
      open = false;
      for (const pair of [...pairs]) for (const socket of pair) socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, ms));
      open = true;
    },
    /** Nothing moves in either direction, and nobody is told; or it goes on. @param {boolean} stops */
    stall(stops) {
      stalled = stops;
      for (const pair of pairs) for (const socket of pair) stops ? socket.pause() : socket.resume();
    },
    close() {
      for (const pair of [...pairs]) for (const socket of pair) socket.destroy();
      proxy.close();
    },
  };
}
