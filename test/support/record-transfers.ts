/**
 * Records `test/golden/transfers.json`: random programs of `random-transfers.ts` with the results that Bochs gives.
 *
 *   apt-get install bochs bochs-term && node .ci/ts.js test/support/record-transfers.ts [programs]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomTransfers } from './random-transfers.ts';
import { MEMORY_SIZE, pack, readOutcome, type SystemImage } from './system-image.ts';
import { runSystem } from './system-machine.ts';

const ATTEMPTS = 80;
const DUMP_SIZE = 0xa0000;
const OUTPUT = 'test/golden/transfers.json';
const folder = mkdtempSync(join(tmpdir(), 'transfers-'));
const path = (name: string) => join(folder, name);

const CONFIGURATION = `
config_interface: textconfig
display_library: term
romimage: file=${path('rom.bin')}, address=0xffff0000
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
optramimage1: file=${path('memory.bin')}, address=0x0
megs: 32
cpu: model=p3_katmai, count=1, ips=50000000, reset_on_triple_fault=0
pci: enabled=0
vga: extension=none
log: ${path('log.txt')}
panic: action=fatal
error: action=report
plugin_ctrl: unmapped=0, biosdev=0, speaker=0, extfpuirq=0, parallel=0, serial=0, gameport=0, iodebug=0
`;

/** Memory after the program, by Bochs's debugger. */
function runBochs(memory: Uint8Array, rom: Uint8Array, end: number): Uint8Array {
  writeFileSync(path('memory.bin'), memory);
  writeFileSync(path('rom.bin'), rom);
  writeFileSync(path('bochsrc'), CONFIGURATION);
  const dump = path('dump.bin');
  rmSync(dump, { force: true });
  writeFileSync(path('rc'), `lb ${end - 1}\nsba 5000000\nc\nr\nwritemem "${dump}" 0 ${DUMP_SIZE}\nq\n`);
  spawnSync('script', ['-qec', `bochs -q -f ${path('bochsrc')} -rc ${path('rc')}`, '/dev/null'], {
    timeout: 60_000,
    stdio: ['ignore', openSync(path('out.txt'), 'w'), 'ignore'],
    env: { ...process.env, TERM: 'xterm' },
  });
  if (!existsSync(dump)) throw new Error(`Bochs wrote no memory; see ${path('out.txt')}`);
  return readFileSync(dump);
}

const programs = Number(process.argv[2] ?? 10);
const images: SystemImage[] = [];
for (let seed = 1; seed <= programs; seed++) {
  const { source, prepare } = randomTransfers(seed, ATTEMPTS);
  const before: { memory?: Uint8Array; rom?: Uint8Array } = {};
  const result = runSystem('reference', source, {
    prepare(machine) {
      prepare(machine);
      before.memory = machine.memory.copyOut(0, MEMORY_SIZE);
      before.rom = machine.memory.copyOut(0xffff_0000, 0x10000);
    },
  });
  const { memory, rom } = before as Required<typeof before>;
  const end = result.labels.get('program_end')!;
  const after = runBochs(memory, rom, end);
  const expected = readOutcome((address, bytes) => after.subarray(address, address + bytes), ATTEMPTS);
  const image = {
    name: `transfers ${seed}`,
    memory: pack(memory),
    rom: pack(rom),
    end,
    count: ATTEMPTS,
    expected: pack(expected),
  };
  images.push(image);
  console.log(`${image.name}: ${image.memory.length} + ${image.expected.length} characters`);
}
writeFileSync(OUTPUT, `${JSON.stringify(images, null, 2)}\n`);
rmSync(folder, { recursive: true });
