/**
 * Makes a golden snapshot by the program as it is now: `node .ci/ts.js test/golden/make-snapshot.ts NAME`. One is added with
 * each release, and none is ever made anew: what was released must restore in all that follows.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host } from '../../src/index.ts';
import { goldenGuest, SAVED_AT, seenOf } from '../support/golden-snapshots.ts';

const [name] = process.argv.slice(2);
const path = join(import.meta.dirname, 'snapshots', `${name}.vetro`);
if (!name || existsSync(path)) throw new Error('give a name that is not there yet');
const host = await Host.create();
const guest = await goldenGuest(host);
await guest.runTo(SAVED_AT);
await guest.snapshot({ to: path });
writeFileSync(path.replace('.vetro', '.json'), `${JSON.stringify(seenOf(guest), undefined, 2)}\n`);
host.dispose();
