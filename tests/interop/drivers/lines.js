import { createInterface } from 'node:readline';

/**
 * Orders as lines of JSON on standard input, results as lines of JSON on standard output; see README.md. Ends with its input.
 * @param {Record<string, (order: any) => any>} verbs
 */
export function obey(verbs) {
  const reply = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const input = createInterface({ input: process.stdin });
  input.on('line', async (line) => {
    const order = JSON.parse(line);
    try {
      if (!verbs[order.do]) throw new Error(`${order.do} is not known`);
      reply({ id: order.id, ok: (await verbs[order.do](order)) ?? {} });
    } catch (error) {
      reply({ id: order.id, error: String(error?.message ?? error) });
    }
  });
  input.on('close', () => process.exit(0));
}
