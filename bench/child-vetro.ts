/** Vetro in a process of its own: runs a program, or boots, and reports. */
import { readFileSync } from 'node:fs';
import { createPlatform } from '../src/host/platform.ts';
import { Host } from '../src/index.ts';
import { createSharedCode, Pc } from '../src/machine/pc.ts';
import { BOOT_MARKER, type Task } from './emulators.ts';
import { type Message, RoundReader } from './measurement.ts';
import { multibootState, PROGRAM_MEMORY } from './programs.ts';

const MIB = 2 ** 20;
const SLICE = 10_000_000;

export async function runVetro(task: Task, send: (message: Message) => void): Promise<void> {
  if (task.kind === 'program') runRounds(task, send);
  else await boot(task, send);
}

/** Rounds until this process is ended from outside. */
function runRounds({ image }: Task & { kind: 'program' }, send: (message: Message) => void): void {
  const machine = new Pc({
    name: 'bench',
    memoryBytes: PROGRAM_MEMORY * MIB,
    cpu: 'i686',
    engine: 'interpreter',
    boot: multibootState(readFileSync(image)),
    powerOnTime: 0,
    code: createSharedCode({ compileLoop: createPlatform().compile }),
  });
  send({ kind: 'started' });
  let start = 0;
  let executed = 0;
  let marker: string | undefined;
  const reader = new RoundReader((span, checksum) => {
    send({ kind: 'round', round: { span, checksum, instructions: executed } });
  });
  // The machine hands output over when a run ends; here the moment counts. After a marker the run ends at once, for
  // then the number of instructions is known.
  machine.debugConsole.put = (byte) => {
    reader.put(byte);
    marker = String.fromCharCode(byte);
    if (marker === 'S' || marker === 'E') machine.processor.stop();
  };
  for (;;) {
    const exit = machine.run({ instructions: SLICE });
    if (exit.reason !== 'budget') throw new Error(`the program ended early: ${exit.reason}`);
    if (marker === 'S') start = machine.instructions;
    if (marker === 'E') executed = machine.instructions - start;
    marker = undefined;
  }
}

async function boot(
  { emulator, boot: files }: Task & { kind: 'boot' },
  send: (message: Message) => void,
): Promise<void> {
  const residentBefore = process.memoryUsage.rss();
  const host = await Host.create();
  const guest = await host.createGuest({
    boot: {
      kernel: readFileSync(files.kernel),
      initrd: readFileSync(files.initrd),
      commandLine: files.commandLine,
    },
    memory: files.memory,
    clock: emulator === 'vetro-host-clock' ? 'host' : 'virtual',
    onTripleFault: 'stop',
    onReset: 'stop',
  });
  let output = '';
  let ready = false;
  guest.serial.on('data', (bytes) => {
    output = (output + Buffer.from(bytes).toString('latin1')).slice(-4096);
    if (ready || !output.includes(BOOT_MARKER)) return;
    ready = true;
    send({
      kind: 'prompt',
      prompt: {
        resident: process.memoryUsage.rss(),
        residentBefore,
        touched: guest.machine.memoryInUse,
        instructions: guest.instructions,
      },
    });
    guest.stop();
  });
  send({ kind: 'started' });
  const exit = await guest.run();
  if (!ready) throw new Error(`the guest ended before its prompt: ${JSON.stringify(exit)}`);
}
