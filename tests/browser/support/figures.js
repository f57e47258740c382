import { appendFileSync } from 'node:fs';

/**
 * Writes down a measured result: one JSON object per line in the file named by NETWORKS_FIGURES, and in the output.
 * @param {{figure: string, value: number, unit: string, goal: string, ok: boolean}} measured
 */
export function figure(measured) {
  const line = JSON.stringify(measured);
  console.log(line);
  if (process.env.NETWORKS_FIGURES) appendFileSync(process.env.NETWORKS_FIGURES, `${line}\n`);
}

/** @param {number[]} values */
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
