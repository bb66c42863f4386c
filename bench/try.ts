import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { runV86 } from './child-v86.ts';
import { CleanUp } from './clean-up.ts';
import { qemu, v86, vetro } from './emulators.ts';
import { buildGuestImage } from './guest-image.ts';
import { GuestSession } from './guest-session.ts';
import { PROGRAMS, scaled } from './programs.ts';
if (process.argv[2] === '--v86') runV86(JSON.parse(process.argv[3]));
else {
  const c = new CleanUp(); c.atExit();
  const { kernel } = await fetchSystem('debian-686');
  const f = c.temporaryFolder();
  const initrd = join(f, 'initrd');
  buildGuestImage(readFileSync(join(dirname(kernel), 'busybox')), initrd, f);
  const system = { kernel, initrd, commandLine: 'console=ttyS0 cryptomgr.notests', memory: 512 };
  const e = { vetro: vetro('vetro', '', process.cwd()), v86: v86('v86'), qemu }[process.argv[2]]!;
  const s = await GuestSession.boot(e.boot(system, 'virtual'), c, 120000);
  console.log('boot', s.bootTime, s.residentAtPrompt / 2 ** 20);
  for (const p of PROGRAMS) {
    const size = scaled(p, Number(process.argv[3]));
    if (p.needs && process.argv[2] === 'vetro') continue;
    if (p.group === 'x87' && process.argv[2] === 'vetro') { if (size > 2) continue; }
    if (p.before) await s.run('before', p.before(size), 60000);
    const r = await s.run(p.name, p.command(size), 60000);
    const a = p.after ? (await s.run('after', p.after, 60000)).output : '';
    console.log(p.name.padEnd(12), String(size).padStart(6), r.time.corrected.toFixed(0).padStart(6), r.time.waited.toFixed(0).padStart(5), 'est. full', (r.time.corrected / size * p.size / 1000).toFixed(2), r.status, r.lines, p.differs ? '' : r.output.trim(), a.trim());
  }
  process.exit();
}
