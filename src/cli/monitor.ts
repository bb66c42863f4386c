/** The small monitor behind Ctrl-A c: looks into a paused guest. */
import { createInterface } from 'node:readline/promises';
import chalk from 'chalk';
import { type CodeWidth, disassembleLines } from '../debug/disassemble-lines.ts';
import { hexDump } from '../debug/hex-dump.ts';
import { describeRegisters } from '../debug/register-view.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import { probeBytes } from '../machine/probe-memory.ts';

const HELP = `r             registers
m <addr> [n]  n bytes of memory at a linear address
u [addr] [n]  n instructions, by default from CS:EIP
s [n]         step n instructions
t             the VGA text screen
i             instructions retired, guest time, memory in use
c             continue            p  leave the guest paused and go back to the terminal
reset         the reset button    q  quit
Numbers are hexadecimal, counts decimal.`;

const CS = 1;
const ACCESS_BIG = 1 << 22;
const MAX_STEPS = 1_000_000;
const MAX_LENGTH = 4096;

/** Pauses the guest, takes commands until one leaves. The caller has put the terminal into cooked mode. */
export async function openMonitor(guest: Guest): Promise<'continue' | 'quit'> {
  guest.pause();
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: chalk.cyan('(vetro) ') });
  process.stdout.write(`\n${chalk.bold(guest.name)} is paused; h for help\n${here(guest)}\n`);
  try {
    terminal.prompt();
    for await (const line of terminal) {
      const [command = '', ...args] = line.trim().split(/\s+/);
      if (command === 'q') return 'quit';
      if (command === 'p') return 'continue';
      if (command === 'c') {
        if (guest.state === 'paused') void guest.run();
        return 'continue';
      }
      process.stdout.write(`${execute(guest, command, args)}\n`);
      terminal.prompt();
    }
    return 'quit'; // Ctrl-D
  } finally {
    terminal.close();
    process.stdin.resume();
  }
}

/** One command's answer. Exported for tests. */
export function execute(guest: Guest, command: string, args: readonly string[]): string {
  const address = parseNumber(args[0], 16);
  switch (command) {
    case '':
      return '';
    case 'r':
      return describeRegisters(guest.machine.processor.state);
    case 'm':
      return address === undefined ? 'm <addr> [n]' : dump(guest, address, parseNumber(args[1], 10) ?? 64);
    case 'u':
      return code(guest, address ?? instructionAddress(guest), parseNumber(args[1], 10) ?? 8);
    case 's':
      return step(guest, parseNumber(args[0], 10) ?? 1);
    case 't':
      return guest.machine.vga.text().join('\n');
    case 'i':
      return statistics(guest);
    case 'reset':
      guest.reset();
      return here(guest);
    default:
      return HELP;
  }
}

function parseNumber(text: string | undefined, radix: 10 | 16): number | undefined {
  const value = Number.parseInt(text ?? '', radix);
  return Number.isNaN(value) ? undefined : value;
}

function dump(guest: Guest, address: number, length: number): string {
  const bytes = probeBytes(guest.machine.processor, address, Math.min(length, MAX_LENGTH));
  return bytes.length === 0 ? 'not mapped' : hexDump(address, bytes);
}

function code(guest: Guest, address: number, count: number): string {
  const { processor } = guest.machine;
  const width: CodeWidth = processor.state.segments[CS]!.access & ACCESS_BIG ? 32 : 16;
  const bytes = probeBytes(processor, address, Math.min(count * 15, MAX_LENGTH));
  return bytes.length === 0 ? 'not mapped' : disassembleLines(bytes, address, width, count).join('\n');
}

function step(guest: Guest, count: number): string {
  for (let index = 0; index < Math.min(count, MAX_STEPS) && guest.state !== 'stopped'; index++) guest.step();
  return here(guest);
}

const instructionAddress = ({ machine: { processor } }: Guest): number =>
  (processor.state.segments[CS]!.base + processor.state.ip) >>> 0;

const here = (guest: Guest): string => code(guest, instructionAddress(guest), 1);

function statistics({ machine, instructions, clock }: Guest): string {
  const mebibytes = ((machine.memory.framesInUse * 4096) / 2 ** 20).toFixed(1);
  return [
    `${instructions.toLocaleString('en')} instructions, ${(machine.time / 1e9).toFixed(6)} s of guest time (clock ${clock})`,
    `${mebibytes} of ${machine.memory.size / 2 ** 20} MiB of memory touched`,
  ].join('\n');
}
