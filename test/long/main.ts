// Checks that take long: npm run check:long [-- name [arguments]]
// Without a name, all of them, one after the other. Exit status 1 if one finds something wrong, 2 if arguments are wrong.
import { crashLong } from './crash-long.ts';
import type { LongCheck } from './long-check.ts';
import { migrationLong } from './migration-long.ts';
import { overcommitLong } from './overcommit-long.ts';
import { recoveryLong } from './recovery-long.ts';
import { saveRestoreLong } from './save-restore-long.ts';
import { snapshotsLong } from './snapshots-long.ts';
import { x87Long } from './x87-long.ts';

const CHECKS: Readonly<Record<string, { readonly usage: string; readonly run: LongCheck }>> = {
  x87: { usage: '[vectors] [word …]', run: x87Long },
  crash: { usage: '[kills] [seed]', run: crashLong },
  recovery: { usage: '[kills] [seed]', run: recoveryLong },
  'save-restore': { usage: '[snapshots a stage] [seed]', run: saveRestoreLong },
  overcommit: { usage: '[guests] [MiB] [MiB of the pool] [rounds]', run: overcommitLong },
  snapshots: { usage: '[rounds] [seed]', run: snapshotsLong },
  migration: { usage: '[rounds] [seed]', run: migrationLong },
};

const [chosen, ...words] = process.argv.slice(2);
if (chosen !== undefined && !Object.hasOwn(CHECKS, chosen)) refuse(`there is no '${chosen}'`);
for (const [name, { run }] of Object.entries(CHECKS)) {
  if (chosen !== undefined && name !== chosen) continue;
  console.log(`${name}:`);
  if (!(await run(words, refuse))) process.exitCode = 1;
}

function refuse(problem: string): never {
  const usages = Object.entries(CHECKS).map(([name, { usage }]) => `npm run check:long -- ${name} ${usage}`);
  console.error([problem, 'usage: npm run check:long', ...usages].join('\n  '));
  process.exit(2);
}
