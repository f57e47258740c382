// Leads from a Unix socket, which every network namespace sees, to a port of loopback in the namespace it runs in.
// ip netns exec NAMESPACE node relay.js SOCKET PORT
import { connect, createServer } from 'node:net';

const [socket, port] = process.argv.slice(2);
createServer((near) => {
  const far = connect(Number(port), '127.0.0.1');
  for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
}).listen(socket, () => console.log('ready'));
// Whoever started it keeps its standard input open.
process.stdin.on('end', () => process.exit()).resume();
