import { createSocket } from 'node:dgram';

/**
 * A way for the media that can be cut: a NAT in front of the server's media port. Every client address has a port of its own
 * towards the server.
 * @param {number} port of the server's media
 */
export async function startRelay(port) {
  const near = createSocket('udp4');
  /** @type {Map<string, {far: import('node:dgram').Socket, dead: boolean}>} */
  const flows = new Map();
  let open = true;
  let closed = false;
  const fresh = (address, clientPort) => {
    const far = createSocket('udp4');
    const flow = { far, dead: false };
    far.on('message', (datagram) => {
      if (open && !flow.dead && !closed) near.send(datagram, clientPort, address);
    });
    far.on('error', () => {});
    far.bind(0, '127.0.0.1');
    return flow;
  };
  near.on('message', (datagram, { address, port: clientPort }) => {
    const key = `${address}:${clientPort}`;
    let flow = flows.get(key);
    if (!flow) flows.set(key, (flow = fresh(address, clientPort)));
    if (open && !flow.dead) flow.far.send(datagram, port, '127.0.0.1');
  });
  near.on('error', () => {});
  await new Promise((resolve) => near.bind(0, '0.0.0.0', () => resolve(undefined)));
  return {
    port: near.address().port,
    /** Lets nothing pass, or everything again. @param {boolean} passes */
    pass: (passes) => void (open = passes),
    /** The flows there are end for good; who begins anew from another port passes. */
    killFlows() {
      for (const flow of flows.values()) flow.dead = true;
    },
    /** The NAT forgets: from now on every client has another port towards the server. */
    rebind() {
      for (const { far } of flows.values()) far.close();
      flows.clear();
    },
    close() {
      closed = true;
      for (const { far } of flows.values()) far.close();
      flows.clear();
      near.close();
    },
  };
}
