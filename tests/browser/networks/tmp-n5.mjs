import { call, sleep } from './call.js';
import { Stage } from './stage.js';
import { matrix } from './wire.js';
const stage = await Stage.open({ seed: Number(process.env.SEED ?? 1), far: 'chromium' });
const m = matrix();
await stage.wire.set(m.n5[0]);
const running = await call(stage, { from: 'near' });
await sleep(12000);
let t = Date.now();
const look = async () => {
  const s = await running.receiver.evaluate(async () => { const r = await window.call.room.stats(); const m = await window.measure.read(); return { ...r.server, frames: m.video.framesDecoded, h: m.height }; });
  const a = await running.sender.evaluate(async () => (await window.call.room.stats()).server.publications?.map((p) => p.encodings) ?? null);
  const w = await stage.wire.stats();
  console.log(((Date.now() - t)/1000).toFixed(1), 'est', Math.round(s.down.estimateBps/1000), s.down.limitedBy, 'q', s.down.queueDelayMs, 'loss', s.down.loss?.toFixed(3), 'sent', Math.round(s.down.sentBps/1000), 'frames', s.frames, s.h, JSON.stringify(s.subscriptions), 'wireq', Math.round(w.down.queue_ms), 'pub', JSON.stringify(a));
};
for (let i = 0; i < 2; i++) { await look(); await sleep(300); }
await stage.wire.set(m.n5[1]); t = Date.now();
for (let i = 0; i < 36; i++) { await look(); await sleep(300); }
await running.close(); await stage.close(); process.exit(0);
