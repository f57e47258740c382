import { scene, SMALL } from './support/scene.js';

scene('Chromium and Firefox see and hear each other', { browsers: ['chromium', 'firefox'] }, async ({ caller }) => {
  const ann = await caller('Ann', { browser: 'chromium' });
  const bob = await caller('Bob', { browser: 'firefox' });
  await ann.join({ room: 'r', camera: SMALL, microphone: true });
  await bob.join({ room: 'r', camera: SMALL, microphone: true });
  await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
});

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  scene(`two people, both in ${browser}`, { browsers: [browser] }, async ({ caller }) => {
    const [ann, bob] = [await caller('Ann'), await caller('Bob')];
    await ann.join({ room: 'r', camera: SMALL, microphone: true });
    await bob.join({ room: 'r', camera: SMALL, microphone: true });
    await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
  });
}
