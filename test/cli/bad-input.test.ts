/**
 * Bad input of every kind: one line on standard error that names the option or file and says what to do, nothing on
 * standard output, status 2. Most rows run in this process, through the function that `main.ts` calls; some as processes.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CPU_MODEL_NAMES } from '../../src/cpu/cpu-model.ts';
import { ENGINES } from '../../src/engine/processor.ts';
import { createBzImage } from '../support/bz-image.ts';
import { createExecutable } from '../support/elf-file.ts';
import { createFlatKernel, elfText, KERNEL_AT } from '../support/multiboot-kernel.ts';
import { expectOneLine, runHere } from '../support/run-here.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-bad-input-'));
const file = (name: string) => join(folder, name);
const GIB = 2 ** 30;
let server: Server;

beforeAll(async () => {
  const kernel = createBzImage({ code: new Uint8Array(20_000) });
  const patched = (offset: number, ...bytes: number[]): Uint8Array => {
    const copy = kernel.slice();
    copy.set(bytes, offset);
    return copy;
  };
  writeFileSync(file('bzImage'), kernel);
  writeFileSync(file('truncated'), kernel.subarray(0, 9000));
  writeFileSync(file('headless'), kernel.subarray(0, 0x220));
  writeFileSync(file('old'), patched(0x206, 0x05, 0x02));
  writeFileSync(file('zImage'), patched(0x211, 0));
  writeFileSync(file('thirsty'), createBzImage({ initSize: 600 * 2 ** 20 }));
  writeFileSync(file('text'), 'This is no kernel.\n'.repeat(100));
  writeFileSync(file('empty'), '');
  writeFileSync(file('zeros'), new Uint8Array(5000));
  writeFileSync(file('initrd'), new Uint8Array(20 * 2 ** 20));
  writeFileSync(file('gzip'), Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0));
  writeFileSync(file('elf'), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...new Uint8Array(60)));
  const multibootElf = createExecutable(KERNEL_AT, [{ physical: KERNEL_AT, bytes: elfText() }]);
  const segments = (physical: number) => [
    { physical: KERNEL_AT, bytes: elfText() },
    { physical, bytes: Uint8Array.of(1) },
  ];
  writeFileSync(file('multiboot'), multibootElf);
  writeFileSync(file('multiboot64'), multibootElf.with(4, 2));
  writeFileSync(file('multiboot-cut'), multibootElf.subarray(0, -1));
  writeFileSync(file('multiboot-high'), createExecutable(KERNEL_AT, segments(0xf000_0000)));
  writeFileSync(file('multiboot-twice'), createExecutable(KERNEL_AT, segments(KERNEL_AT + 8)));
  writeFileSync(file('multiboot-demanding'), createFlatKernel({ flags: 0x10 }));
  writeFileSync(
    file('multiboot-corrupt'),
    createExecutable(KERNEL_AT, [{ physical: KERNEL_AT, bytes: elfText({ error: 1 }) }]),
  );
  writeFileSync(file('System.map'), 'c0001000 T start\n');
  writeFileSync(file('flat256'), new Uint8Array(256).fill(0x90));
  writeFileSync(file('flat'), new Uint8Array(2 ** 20).fill(0x90));
  writeFileSync(file('blank'), new Uint8Array(2 ** 17).fill(0xff));
  writeFileSync(file('unreadable'), 'secret');
  chmodSync(file('unreadable'), 0);
  writeFileSync(file('sparse'), '');
  truncateSync(file('sparse'), 100 * GIB);
  symlinkSync(file('loop'), file('loop'));
  symlinkSync(file('nowhere'), file('dangling'));
  execFileSync('mkfifo', [file('fifo')]);
  server = createServer().listen(file('socket'));
  mkdirSync(file('folder'));
  writeFileSync(file('good.asm'), 'nop\n');
  writeFileSync(file('wrong.asm'), 'mov eax, ebx\nmov eax, bl\n');
  writeFileSync(file('mnemonic.asm'), 'mov eax, ebx\n\nmvo eax, ecx\n');
  writeFileSync(file('label.asm'), 'jmp nowhere\n');
  writeFileSync(file('include.asm'), '%include "missing.asm"\n');
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `@/` stands for the folder of files. A word with spaces is given as an array. */
type Row = readonly [what: string, line: string | readonly string[], message: RegExp];

const wordsOf = (line: Row[1]): string[] =>
  (typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : [...line]).map((word) =>
    word.replace('@/', `${folder}/`),
  );

// biome-ignore format: one case a line
const COMMANDS: readonly Row[] = [
  ['no command', '', /^a command is needed: run, fetch, asm, disasm, difftest, image, snapshot, recover, migrate or completion; see vetro --help$/],
  ['an unknown command', 'fly', /^unknown command fly; see vetro --help$/],
  ['a command with a slip', 'rnu', /^unknown command rnu, did you mean run\?/],
  ['another', 'disams x', /^unknown command disams, did you mean disasm\?/],
  ['a command in capitals', 'RUN', /^unknown command RUN/],
  ['an option instead of a command', '--kernel', /^a command is needed/],
  ['an unknown short option', '-z', /^a command is needed/],
  ['two commands', 'fetch debian-686 run', /^one argument too many: run; see vetro fetch --help$/],
  ['--help with a value', 'run --help=yes', /^--help takes no value/],
  ['--version with a value', '--version=2', /^--version takes no value/],
  ['a name that objects have', 'run --toString 3', /^unknown option --toString/],
  ['an unknown option of run', 'run --colour blue', /^unknown option --colour; see vetro run --help$/],
  ['two letters swapped', 'run --memroy 64', /^unknown option --memroy, did you mean --memory\?/],
  ['a letter missing', 'run --kerne @/bzImage', /^unknown option --kerne, did you mean --kernel\?/],
  ['a letter too many', 'run --aappend x', /^unknown option --aappend, did you mean --append\?/],
  ['an option with a dot', 'run --kernel.x 1', /^unknown option --kernel\.x, did you mean --kernel\?/],
  ['no for what has no no', 'run --no-memory', /^unknown option --no-memory/],
  ['--reboot', 'run --reboot', /^unknown option --reboot/],
  ['an unknown short option of run', 'run -m 64', /^unknown option -m; see vetro run --help$/],
  ['an unknown option of fetch', 'fetch debian-686 --force', /^unknown option --force; see vetro fetch --help$/],
  ['an unknown option of asm', 'asm @/good.asm --ouput x', /^unknown option --ouput, did you mean --output\?/],
  ['an unknown option of disasm', 'disasm @/text --orgin 0', /^unknown option --orgin, did you mean --origin\?/],
  ['too many files for run', 'run @/bzImage @/text', /^one argument too many: .*\/text; see vetro run --help$/],
  ['too many files for asm', 'asm @/good.asm @/text', /^one argument too many: .*\/text; see vetro asm --help$/],
  ['too many files for disasm', 'disasm @/good.asm @/text', /^one argument too many: .*\/text/],
  ['asm without a source', 'asm', /^an argument is missing: vetro asm <source>; see vetro asm --help$/],
  ['fetch without a guest', 'fetch', /^an argument is missing: vetro fetch <guest>/],
  ['completion without a shell', 'completion', /^an argument is missing: vetro completion <shell>/],
  ['completion for an unknown shell', 'completion fish', /^shell must be one of bash, zsh, not fish$/],
  ['an unknown option of completion', 'completion bash --shel zsh', /^unknown option --shel/],
  ['difftest without a check', 'difftest', /^an argument is missing: vetro difftest <check> \[file\]; see vetro difftest --help$/],
  ['an unknown check', 'difftest sidestep', /^check must be one of lockstep, not sidestep$/],
  ['an unknown option of difftest', 'difftest lockstep --engine reference', /^unknown option --engine, did you mean --engines\?/],
  ['too many files for difftest', 'difftest lockstep @/bzImage @/text', /^one argument too many: .*\/text; see vetro difftest --help$/],
  ['an unknown guest to fetch', 'fetch plan9', /^guest must be one of debian-686, debian-686-pae, grub, memtest, demo, not plan9$/],
];

// biome-ignore format: one case a line
const VALUES: readonly Row[] = [
  ...['kernel', 'initrd', 'module', 'append', 'guest', 'bios', 'memory', 'cpu', 'engine', 'clock', 'power-on-time', 'serial', 'count', 'weight', 'cap', 'fuel', 'profile', 'profile-interval', 'symbols'].map(
    (name): Row => [`--${name} without its value`, `run --${name}`, new RegExp(`^--${name} needs a value; see vetro run --help$`)],
  ),
  ['an option where a value should be', 'run --append --memory 64', /^--append needs a value/],
  ['asm --output without its value', 'asm @/good.asm --output', /^--(o|output) needs a value|^-o needs a value/],
  ['disasm --hex without its value', 'disasm --hex', /^--hex needs a value/],
  ['disasm --origin without its value', 'disasm @/text --origin', /^--origin needs a value/],
  ...['kernel', 'initrd', 'append', 'guest', 'bios', 'memory', 'cpu', 'power-on-time', 'serial', 'count'].map(
    (name): Row => [`--${name} given twice`, `run --${name} debian-686 --${name} debian-686`, new RegExp(`^--${name} is given twice: give it once$`)],
  ),
  ['--engine given twice', 'run --engine reference --engine interpreter', /^--engine is given twice/],
  ['--clock given twice', 'run --clock host --clock virtual', /^--clock is given twice/],
  ['--bits given twice', 'asm @/good.asm --bits 16 --bits 32', /^--bits is given twice/],
  ['--hex given twice', 'disasm --hex 90 --hex 91', /^--hex is given twice/],
  ['--demo with a value', 'run --demo=maybe', /^--demo takes no value/],
  ['--balloon with a value', 'run --balloon=64', /^--balloon takes no value/],
  ['--no-reboot with a value', 'run --no-reboot=1', /^--no-reboot takes no value/],
  ['an empty --kernel', ['run', '--kernel', ''], /^--kernel is empty: give it a value or leave it out$/],
  ['an empty --initrd', ['run', '--kernel', '@/bzImage', '--initrd='], /^--initrd is empty/],
  ['an empty --serial', ['run', '--serial', ''], /^--serial is empty/],
  ['an empty --profile', ['run', '--demo', '--profile='], /^--profile is empty: give it a value or leave it out$/],
  ['an empty --symbols', ['run', '--demo', '--profile', '@/p', '--symbols=', '--memory', '1'], /^--symbols is empty: give it a value or leave it out$/],
  ['--profile given twice', 'run --demo --profile @/p --profile @/q', /^--profile is given twice: give it once$/],
  ['a profile on standard output', 'run --demo --profile -', /^--profile takes the name of a file: standard output is the guest's$/],
  ['an empty --cpu', ['run', '--cpu='], /^--cpu is empty/],
  ['an empty --engine', ['run', '--engine='], /^--engine must be one of auto, jit, interpreter, reference/],
  ['an empty --memory', ['run', '--memory='], /^--memory must be a whole number of MiB from 1 to 3072, not 0$/],
  ['an unknown CPU', 'run --cpu 6502', /^unknown CPU "6502"; known: i686$/],
  ['an unknown engine', 'run --engine warp', /^--engine must be one of auto, jit, interpreter, reference, not warp$/],
  ...['', 'noon', '2026', '2026-02-30', '2026-13-01', '1969-12-31', '2026-11-28T25:00', '2026-11-28T12:00+01:00', '12026-01-01'].map(
    (time): Row => [`--power-on-time ${time}`, ['run', '--demo', '--power-on-time', time], /^--power-on-time .*: must be now, or a date from 1970 to 9999 in UTC, as 2026-11-28 or 2026-11-28T12:34:56$/],
  ),
  ['an unknown clock', 'run --clock sun', /^--clock must be one of virtual, host, not sun$/],
  ['an unknown guest to run', 'run --guest cpm', /^--guest must be one of debian-686, debian-686-pae, grub, memtest, demo, not cpm$/],
  ['an unknown serial kind', 'run --demo --serial carrier-pigeon', /^--serial carrier-pigeon: must be stdio, pty, file:<path> or none$/],
  ['a serial kind in capitals', 'run --demo --serial STDIO', /^--serial STDIO: must be/],
  ['a serial file without a name', 'run --demo --serial file:', /^--serial file:: must be/],
  ...['engines', 'instructions', 'interval', 'type', 'prompt'].map(
    (name): Row => [`difftest --${name} without its value`, `difftest lockstep --${name}`, new RegExp(`^--${name} needs a value; see vetro difftest --help$`)],
  ),
  ['one engine to compare', 'difftest lockstep --demo --engines reference', /^--engines takes two different engines, as in jit,interpreter, not reference$/],
  ['three engines to compare', 'difftest lockstep --engines reference,interpreter,reference', /^--engines takes two different engines/],
  ['an engine and itself', 'difftest lockstep --engines reference,reference', /^--engines takes two different engines/],
  ['an unknown engine to compare', 'difftest lockstep --engines interpreter,warp', /^--engines takes names from auto, jit, interpreter, reference, not warp$/],
  ['no engine behind a comma', 'difftest lockstep --engines interpreter,', /^--engines takes names from auto, jit, interpreter, reference, not none$/],
  ['no engines', ['difftest', 'lockstep', '--engines='], /^--engines takes names from .*, not none$/],
  ['--engines given twice', 'difftest lockstep --engines a,b --engines c,d', /^--engines is given twice/],
  ['an empty --prompt', ['difftest', 'lockstep', '--prompt='], /^--prompt is empty: give it a value or leave it out$/],
  ['an unknown CPU to compare on', 'difftest lockstep --cpu 6502', /^unknown CPU "6502"; known: i686$/],
  ['an unknown width of asm', 'asm @/good.asm --bits 8', /^--bits must be one of 16, 32, 64, not 8$/],
  ['an unknown width of disasm', 'disasm @/text --bits x', /^--bits must be one of 16, 32, 64, not NaN|x$/],
];

// biome-ignore format: one case a line
const NUMBERS: readonly Row[] = [
  ...['0', '-1', '-512', '1.5', '3073', '99999', '1e9', '1e999', '-1e999', 'Infinity', 'lots', '512MiB', '512M', '1_024', '0x1000', 'NaN', '99999999999999999999'].map(
    (value): Row => [`--memory ${value}`, `run --demo --memory ${value}`, /^--memory must be a whole number of MiB from 1 to 3072(, not .*)?$/],
  ),
  ...['0', '-1', '1.5', '257', '1e999', 'two', '0x101', 'NaN'].map(
    (value): Row => [`--count ${value}`, `run --demo --count ${value}`, /^--count must be a whole number from 1 to 256(, not .*)?$/],
  ),
  ...['0', '-3', '1e999', '1e-9', '1e7', 'heavy', 'Infinity', 'NaN'].map(
    (value): Row => [`U13: --weight ${value}`, `run --demo --weight ${value}`, /^--weight (must be a number from 0\.001 to 1000000, not .*|takes numbers only: FILE, if there is one, comes before it)$/],
  ),
  ['no time for an instruction', 'run --demo --instruction-time 0', /^--instruction-time must be a number of ns from 0\.01 to 1000, not 0$/],
  ['a word for a time', 'run --demo --instruction-time x', /^--instruction-time must be a number of ns from 0\.01 to 1000$/],
  ...['0', '99', '1.5', '1e13', 'often', 'NaN'].map(
    (value): Row => [`--profile-interval ${value}`, `run --demo --profile @/p --profile-interval ${value}`, /^--profile-interval must be a whole number from 100 to 1000000000000(, not .*)?$/],
  ),
  ...(['instructions', 'interval'] as const).flatMap((name) =>
    ['0', '-1', '1.5', '1e999', 'many', 'NaN'].map(
      (value): Row => [`--${name} ${value}`, `difftest lockstep --demo --${name} ${value}`, new RegExp(`^--${name} must be a whole number from 1 to 1000000000000000(, not .*)?$`)],
    ),
  ),
  ['memory to compare on', 'difftest lockstep --demo --memory 0', /^--memory must be a whole number of MiB from 1 to 3072, not 0$/],
  ['one of several weights', 'run --demo --count 3 --weight 1 x 2', /^--weight takes numbers only: /],
  ['a file behind --weight', 'run --weight 1 @/bzImage', /^--weight takes numbers only: FILE, if there is one, comes before it$/],
  ['a file behind --', 'run -- @/bzImage', /^-- is not needed: put FILE before the options, and \.\/ before a name/],
  ['a source behind --', 'asm -- @/text', /^-- is not needed: /],
  ['bytes behind --', 'disasm -- @/text', /^-- is not needed: /],
  ['U10: more weights than guests', 'run --demo --count 2 --weight 1 2 3', /^--weight has 3 numbers for 2 guests \(see --count\)$/],
  ['two weights for one guest', 'run --demo --weight 1 2', /^--weight has 2 numbers for 1 guest \(see --count\)$/],
  ['a cap of nothing', 'run --demo --cap 0', /^--cap must be a number of per cent from 0\.1 to 100, not 0$/],
  ['more caps than guests', 'run --demo --cap 10 20', /^--cap has 2 numbers for 1 guest \(see --count\)$/],
  ['half an instruction of fuel', 'run --demo --fuel 0.5', /^--fuel must be a whole number from 0 to 9007199254740991, not 0\.5$/],
  ...['-1', 'here', '0x', '1.5', '1e99'].map(
    (value): Row => [`--origin ${value}`, `disasm @/text --origin=${value}`, /^--origin .* is not an address/],
  ),
  ...['32', '16'].map(
    (bits): Row => [`an origin beyond ${bits}-bit code`, `disasm @/text --origin 0x100000000 --bits ${bits}`, /^--origin 0x100000000 is not an address: \d\d-bit code has those from 0 to 0xffffffff$/],
  ),
  ['an origin beyond 64-bit code', 'disasm @/text --origin 0x1000000000000 --bits 64', /^--origin .*: 64-bit code has those from 0 to 0xffffffffffff$/],
  ['an odd number of digits', 'disasm --hex 123', /^--hex takes pairs of hexadecimal digits$/],
  ['no digits', 'disasm --hex xyz', /^--hex takes pairs of hexadecimal digits$/],
];

// biome-ignore format: one case a line
const CONFLICTS: readonly Row[] = [
  ['two kernels', 'run @/bzImage --kernel @/bzImage', /^FILE and --kernel both say what to boot: give one of them$/],
  ['a BIOS and a file', 'run @/bzImage --bios seabios', /^FILE and --bios both say what to boot: give one of them$/],
  ['a BIOS and a guest', 'run --bios @/blank --guest grub', /^--guest and --bios both say what to boot/],
  ['a BIOS and an initrd', 'run --bios @/blank --initrd @/initrd', /^--initrd needs a kernel/],
  ['a BIOS and a command line', 'run --bios @/blank --append x', /^--append is for kernels: a BIOS has no command line$/],
  ['an empty --bios', ['run', '--bios', ''], /^--bios is empty: give it a value or leave it out$/],
  ['a BIOS that is not there', 'run --bios @/missing', /^cannot read the BIOS .*\/missing: no such file$/],
  ['an empty BIOS', 'run --bios @/empty', /\/empty has 0 bytes: the image of a BIOS has 64, 128, 192 or 256 KiB$/],
  ['a BIOS of another size', 'run --bios @/text', /\/text has 1900 bytes: the image of a BIOS has 64, 128, 192 or 256 KiB$/],
  ['a BIOS that is too large', 'run --bios @/flat', /\/flat.* it has 1 MiB, and a BIOS has at most 256 KiB$/],
  ['a BIOS without code', 'run --bios @/blank', /\/blank is no BIOS: there is no code in its last 16 bytes, where a PC starts$/],
  ['a folder as BIOS', 'run --bios @/folder', /^cannot read the BIOS .*\/folder: it is a directory; give a regular file$/],
  ['a file and the demo', 'run @/bzImage --demo', /^FILE and --demo both say what to boot/],
  ['a kernel and the demo', 'run --kernel @/bzImage --demo', /^--kernel and --demo both say what to boot/],
  ['a kernel and a guest', 'run --kernel @/bzImage --guest debian-686', /^--kernel and --guest both say what to boot/],
  ['the demo and a guest', 'run --demo --guest debian-686', /^--demo and --guest both say what to boot/],
  ['a file and a guest', 'run @/bzImage --guest memtest', /^FILE and --guest both say what to boot/],
  ['a guest and drives', 'run --guest grub --disk @/flat --boot disk', /^--boot starts from drives, and --guest does not: give one of them$/],
  ['a guest with an initrd', 'run --guest grub --initrd @/initrd', /^--initrd needs a kernel/],
  ['a guest with a module', 'run --guest debian-686 --module @/text', /^--module needs a Multiboot kernel/],
  ['a CD with a command line', 'run --guest grub --append quiet', /^--append is for kernels: grub has no command line$/],
  ['a guest that is the demo with a command line', 'run --guest demo --append quiet', /^--append is for kernels: the demo has no command line$/],
  ['an initrd without a kernel', 'run --initrd @/initrd', /^--initrd needs a kernel: vetro run bzImage --initrd FILE$/],
  ['the demo with an initrd', 'run --demo --initrd @/initrd', /^--initrd needs a kernel/],
  ['the demo with a command line', 'run --demo --append quiet', /^--append is for kernels: the demo has no command line$/],
  ['a flat image with a command line', 'run @/flat256 --append quiet', /^--append needs a kernel; .*\/flat256 is a flat image$/],
  ['a flat image with an initrd', 'run @/flat256 --initrd @/initrd', /^--initrd needs a kernel/],
  ['kernel and initrd from standard input', 'run --kernel - --initrd -', /^kernel, initrd and modules cannot share standard input/],
  ['a module without a kernel', 'run --module @/text', /^--module needs a Multiboot kernel: vetro run KERNEL --module 'FILE STRING'$/],
  ['a module and the demo', 'run --demo --module @/text', /^--module needs a Multiboot kernel/],
  ['a module and a BIOS', 'run --bios @/blank --module @/text', /^--module needs a Multiboot kernel/],
  ['a module and drives', 'run @/multiboot --module @/text --disk @/flat --boot disk', /^--boot starts from drives, and --module does not/],
  ['a module for a Linux kernel', 'run @/bzImage --module @/text', /^--module goes with a Multiboot kernel, and .*\/bzImage is a Linux kernel \(bzImage\)$/],
  ['a module for --kernel with a Linux kernel', 'run --kernel @/bzImage --module @/text', /^--module goes with a Multiboot kernel/],
  ['a module for a flat image', 'run @/flat256 --module @/text', /^--module needs a kernel; .*\/flat256 is a flat image$/],
  ['an initrd for a Multiboot kernel', 'run @/multiboot --initrd @/text', /^--initrd goes with a Linux kernel, and .*\/multiboot is a kernel \(Multiboot\): give a --module$/],
  ['kernel and module from standard input', ['run', '--kernel', '-', '--module=-'], /^kernel, initrd and modules cannot share standard input/],
  ['an empty module', ['run', '@/multiboot', '--module', ''], /^--module is empty: /],
  ['a module with a string alone', ['run', '@/multiboot', '--module', ' root'], /^--module is empty: /],
  ['an interval without a profile', 'run --demo --profile-interval 1000', /^--profile-interval is for profiles: give --profile FILE, too$/],
  ['symbols without a profile', 'run --demo --symbols @/System.map', /^--symbols is for profiles: give --profile FILE, too$/],
  ['two guests to compare on', 'difftest lockstep @/bzImage --demo', /^FILE and --demo both say what to boot: give one of them$/],
  ['a file and bytes to disassemble', 'disasm --hex 90 @/flat256', /^FILE and --hex both say what to disassemble: give one of them$/],
  ['standard input and bytes to disassemble', 'disasm - --hex 90', /^FILE and --hex both say what to disassemble/],
  ['nothing to disassemble', 'disasm', /^give a file, or bytes with --hex$/],
];

// biome-ignore format: one case a line
const FILES: readonly Row[] = [
  ...(['run --kernel', 'run --kernel @/bzImage --initrd', 'run', 'asm', 'disasm'] as const).flatMap((command): Row[] => [
    [`${command}: a missing file`, `${command} @/none`, /^cannot read the \w+( \w+)? .*\/none: no such file$/],
    [`${command}: a folder`, `${command} @/folder`, /^cannot read the .*\/folder: it is a directory; give a regular file$/],
    [`${command}: a FIFO`, `${command} @/fifo`, /^cannot read the .*\/fifo: it is a FIFO \(named pipe\); give a regular file$/],
    [`${command}: a socket`, `${command} @/socket`, /^cannot read the .*\/socket: it is a socket; give a regular file$/],
    [`U7: ${command}: a device without end`, `${command} /dev/zero`, /^cannot read the .*\/dev\/zero: it is a device; give a regular file$/],
    [`U7: ${command}: a sparse file of 100 GB`, `${command} @/sparse`, /\/sparse\b.*(102,400 MiB|too large|zeros)/],
    [`${command}: a path through a file`, `${command} @/text/x`, /^cannot read the .*\/text\/x: part of its path is not a folder$/],
    [`${command}: a link to itself`, `${command} @/loop`, /^cannot read the .*\/loop: too many symbolic links$/],
    [`${command}: a link to nothing`, `${command} @/dangling`, /^cannot read the .*\/dangling: no such file$/],
  ]),
  ['a missing file to compare on', 'difftest lockstep @/none', /^cannot read the .*\/none: no such file$/],
  ['an empty file to compare on', ['difftest', 'lockstep', ''], /^<file> is empty: give it a value$/],
  ['an empty check', ['difftest', ''], /^<check> is empty: give it a value$/],
  ['a kernel to compare on that is none', 'difftest lockstep --kernel @/text', /^the kernel .*\/text is neither a Linux bzImage nor for Multiboot/],
  ['a kernel to compare on that is truncated', 'difftest lockstep --kernel @/truncated', /^the kernel is truncated/],
  ['missing symbols', 'run --demo --profile @/p --symbols @/none', /^cannot read the symbols .*\/none: no such file$/],
  ['symbols after good ones', 'run --demo --profile @/p --symbols @/System.map @/folder', /^cannot read the symbols .*\/folder: it is a directory/],
  ['symbols that are text', 'run --demo --profile @/p --symbols @/text', /^--symbols .*\/text: neither an ELF file nor a System\.map/],
  ['symbols that are empty', 'run --demo --profile @/p --symbols @/empty', /^--symbols .*\/empty: it names no functions/],
  ['symbols that are stripped', 'run --demo --profile @/p --symbols @/elf', /^--symbols .*\/elf: an ELF file of a kind that no PC runs$/],
  ['an empty source', ['asm', ''], /^<source> is empty: give it a value$/],
  ['an empty source behind an option', ['asm', '-o', '@/x', ''], /^<source> is empty: give it a value$/],
  ['an empty file of bytes', ['disasm', '--origin=0', ''], /^<file> is empty: give it a value$/],
  ['an empty file to boot', ['run', '', '--memory', '64'], /^<file> is empty: give it a value$/],
  ['an empty file to boot behind a switch', ['run', '--demo', ''], /^<file> is empty: give it a value$/],
  ['a name that is too long', `run --kernel @/${'x'.repeat(300)}`, /: the name is too long$/],
  ['a name with a NUL', ['run', '--kernel', '@/a\0b'], /^cannot read the kernel .*: /],
  ['a text file as kernel', 'run --kernel @/text', /^the kernel .*\/text is neither a Linux bzImage nor for Multiboot: it is text; /],
  ['an empty file as kernel', 'run --kernel @/empty', /^the kernel .*\/empty is neither a Linux bzImage nor for Multiboot: it is empty; /],
  ['zeros as kernel', 'run --kernel @/zeros', /^the kernel .*\/zeros is neither a Linux bzImage nor for Multiboot: it is nothing but zeros; /],
  ['a compressed kernel', 'run --kernel @/gzip', /^the kernel .*\/gzip is neither a Linux bzImage nor for Multiboot: it is compressed with gzip; unpack/],
  ['an ELF file as kernel', 'run --kernel @/elf', /^the kernel .*\/elf is neither a Linux bzImage nor for Multiboot: it is an ELF file; /],
  ['a missing module', 'run @/multiboot --module @/none', /^cannot read the module .*\/none: no such file$/],
  ['a folder as module', ['run', '@/multiboot', '--module', '@/folder args'], /^cannot read the module .*\/folder: it is a directory/],
  ['an empty file as module', 'run @/multiboot --module @/empty', /^the module .*\/empty is empty$/],
  ['a module larger than memory', 'run @/multiboot --module @/initrd --memory 16', /^cannot read the module .*: it has 20 MiB, and the guest has 16 MiB/],
  ['a module that does not fit', 'run @/multiboot --module @/initrd --memory 20', /^the module \(20 MiB\) does not fit into 20 MiB of memory next to the kernel$/],
  ['a Multiboot kernel of 64 bits', 'run @/multiboot64', /^the kernel is an ELF64 file: Multiboot starts 32-bit code/],
  ['a truncated Multiboot kernel', 'run @/multiboot-cut', /^the kernel is truncated: \d+ of at least \d+ bytes$/],
  ['a Multiboot kernel where no memory is', 'run --kernel @/multiboot-high', /^the kernel wants to be loaded to F0000000h–F0000000h, where no memory is$/],
  ['a Multiboot kernel of segments that overlap', 'run @/multiboot-twice', /^the kernel is corrupt: its segments at 100000h and 100008h overlap$/],
  ['a Multiboot kernel that wants too much', 'run @/multiboot-demanding', /^the kernel wants what Multiboot 1 does not have: flags 10h of its header$/],
  ['a Multiboot header that is corrupt', 'run @/multiboot-corrupt', /\/multiboot-corrupt seems to be an ELF file with a corrupt Multiboot header; /],
  ['a text file to boot', 'run @/text', /\/text seems to be text; /],
  ['an empty file to boot', 'run @/empty', /\/empty seems to be empty; /],
  ['an ELF file to boot', 'run @/elf', /\/elf seems to be an ELF file; /],
  ['a flat image that is too large', 'run @/flat', /\/flat is no kernel that boots, and too large for a flat image: 1048576 bytes/],
  ['a truncated bzImage', 'run --kernel @/truncated', /^the kernel is truncated: 9000 of 21024 bytes/],
  ['a bzImage of little more than a header', 'run --kernel @/headless', /kernel/],
  ['a kernel of an old protocol', 'run --kernel @/old', /^the kernel speaks boot protocol 2\.05; 2\.06 or newer is needed/],
  ['a zImage', 'run --kernel @/zImage', /^the kernel is a zImage, .*; a bzImage is needed/],
  ['a kernel larger than memory', 'run --kernel @/thirsty --memory 64', /^the kernel needs at least 601 MiB of memory, the guest has 64/],
  ['an initrd larger than memory', 'run --kernel @/bzImage --initrd @/initrd --memory 16', /^cannot read the initrd .*: it has 20 MiB, and the guest has 16 MiB of memory \(see --memory\)$/],
  ['an initrd that does not fit next to the kernel', 'run --kernel @/bzImage --initrd @/initrd --memory 21', /^the initrd \(20 MiB\) does not fit/],
  ['a command line longer than the kernel takes', `run --kernel @/bzImage --append ${'x'.repeat(300)}`, /^the command line is longer than the 255 bytes/],
  ['a wrong source', 'asm @/wrong.asm', /wrong\.asm:2: /],
  ['an unknown mnemonic', 'asm @/mnemonic.asm', /mnemonic\.asm:3: .*mvo/],
  ['an unknown label', 'asm @/label.asm', /label\.asm:1: .*nowhere/],
  ['a missing included file', 'asm @/include.asm', /missing\.asm/],
];

// biome-ignore format: one case a line
const OUTPUTS: readonly Row[] = [
  ['asm into a missing folder', 'asm @/good.asm -o @/none/x', /^cannot write .*\/none\/x: its folder does not exist$/],
  ['asm into a folder', 'asm @/good.asm -o @/folder', /^cannot write .*\/folder: it is a directory$/],
  ['asm into a FIFO that nobody reads', 'asm @/good.asm -o @/fifo', /^cannot write .*\/fifo: it is a socket, or a FIFO that nobody reads$/],
  ['asm into a socket', 'asm @/good.asm -o @/socket', /^cannot write .*\/socket: it is a socket, or a FIFO that nobody reads$/],
  ['asm onto a full device', 'asm @/good.asm -o /dev/full', /^cannot write \/dev\/full: no space left on the device$/],
  ['asm over its source', 'asm @/good.asm -o @/good.asm', /good\.asm is a source itself/],
  ['asm into nothing', ['asm', '@/good.asm', '--output='], /^--output is empty: give it a value$/],
  ['asm into an empty word', ['asm', '@/good.asm', '-o', ''], /^--output is empty: give it a value$/],
  ['asm through a file', 'asm @/good.asm -o @/text/x', /^cannot write .*\/text\/x: part of its path is not a folder$/],
  ['--profile into a missing folder', 'run --demo --profile @/none/p', /^cannot write .*\/none\/p: its folder does not exist$/],
  ['--profile into a folder', 'run --demo --profile @/folder', /^cannot write .*\/folder: it is a directory$/],
  ['--profile into a FIFO that nobody reads', 'run --demo --profile @/fifo', /^cannot write .*\/fifo: it is a socket, or a FIFO that nobody reads$/],
  ['--profile over the image', 'run @/flat256 --profile @/flat256', /^--profile .*\/flat256 would write over what is read: give another file$/],
  ['--profile over its symbols', 'run --demo --profile @/System.map --symbols @/System.map', /^--profile .*\/System\.map would write over what is read/],
  ['--serial into a missing folder', 'run --demo --serial file:@/none/log', /^cannot write .*\/none\/log: its folder does not exist$/],
  ['--serial into a folder', 'run --demo --serial file:@/folder', /^cannot write .*\/folder: it is a directory$/],
  ['--serial into a FIFO that nobody reads', 'run --demo --serial file:@/fifo', /^cannot write .*\/fifo: it is a socket, or a FIFO that nobody reads$/],
  ['--serial over the kernel', 'run --kernel @/bzImage --serial file:@/bzImage', /^--serial file:.*\/bzImage would write over what is booted: give another file$/],
  ['--serial over the initrd', 'run --kernel @/bzImage --initrd @/initrd --serial file:@/initrd', /^--serial file:.*\/initrd would write over what is booted/],
  ['--serial over the image', 'run @/flat256 --serial file:@/flat256', /^--serial file:.*\/flat256 would write over what is booted/],
  ['U4: --serial onto a full device', 'run --demo --serial file:/dev/full', /^cannot write \/dev\/full: no space left on the device$/],
];

describe.each<[string, readonly Row[]]>([
  ['commands and names of options', COMMANDS],
  ['values of options', VALUES],
  ['numbers', NUMBERS],
  ['options that exclude each other', CONFLICTS],
  ['files', FILES],
  ['outputs', OUTPUTS],
])('bad input: %s', (_, rows) => {
  it.each(rows)('%s', async (_what, line, message) => {
    expectOneLine(await runHere(wordsOf(line)), message);
  });
});

describe('bad input: the environment', () => {
  // biome-ignore format: one case a line
  it.each([
    ['U2: HOME=/dev/null', { HOME: '/dev/null', XDG_CACHE_HOME: '' }, /^cannot use the cache folder \/dev\/null\/\.cache\/vetro: part of its path is not a folder; set XDG_CACHE_HOME to another folder$/],
    ['U2: HOME a file', { HOME: '@/text', XDG_CACHE_HOME: '' }, /^cannot use the cache folder .*\/text\/\.cache\/vetro: part of its path is not a folder; /],
    ['U2: XDG_CACHE_HOME a file', { XDG_CACHE_HOME: '@/text' }, /^cannot use the cache folder .*\/text\/vetro: part of its path is not a folder; /],
    ['U2: XDG_CACHE_HOME where no folder can be', { XDG_CACHE_HOME: '/proc/self/fdinfo' }, /^cannot use the cache folder \/proc\/self\/fdinfo\/vetro: /],
    ['U2: XDG_CACHE_HOME/vetro a FIFO', { XDG_CACHE_HOME: '@/cache' }, /^cannot use the cache folder .*\/cache\/vetro: a file is in its place; /],
    ['no apt', { PATH: '@/folder', XDG_CACHE_HOME: '@/folder' }, /^apt is not available on this machine$/],
  ])('%s', async (_what, environment, message) => {
    mkdirSync(file('cache'), { recursive: true });
    if (_what.endsWith('FIFO')) execFileSync('mkfifo', [file('cache/vetro')]);
    const entries = Object.entries(environment).map(([name, value]) => [name, value!.replace('@/', `${folder}/`)]);
    expectOneLine(await runHere(['fetch', 'debian-686'], Object.fromEntries(entries)), message);
  });

  it('a file that may not be read', async () => {
    const root = process.getuid!() === 0;
    chmodSync(folder, 0o755);
    if (root) process.seteuid!(65_534);
    try {
      expectOneLine(
        await runHere(['run', '--kernel', file('unreadable')]),
        /^cannot read the kernel .*\/unreadable: permission denied$/,
      );
    } finally {
      if (root) process.seteuid!(0);
    }
  });
});

it('the tables have at least 120 rows, all different', () => {
  const lines = [COMMANDS, VALUES, NUMBERS, CONFLICTS, FILES, OUTPUTS]
    .flat()
    .map(([, line]) => wordsOf(line).join('\0'));
  expect(lines.length).toBeGreaterThanOrEqual(120);
  expect(new Set(lines).size).toBe(lines.length);
});

describe('vetro', () => {
  let built: Vetro;
  beforeAll(async () => {
    built = await buildVetro();
  });
  afterAll(() => built.dispose());

  it('as a process, too: an option, a file, an error while it runs', async () => {
    const results = await Promise.all(
      [
        ['run', '--memory', 'lots'],
        ['run', '--kernel', '/dev/zero'],
        ['asm', file('wrong.asm')],
      ].map((words) => built.run(words)),
    );
    for (const [index, message] of [/^--memory/, /^cannot read the kernel/, /wrong\.asm:2/].entries()) {
      expectOneLine(results[index], message);
    }
  });

  it('--version prints the version', async () => {
    expect(await built.run(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it('U12: --help names the commands, CPU models and engines; run --help the keys and exit statuses', async () => {
    const help = await built.run(['--help']);
    expect(help.status).toBe(0);
    for (const command of ['run', 'fetch', 'asm', 'disasm', 'difftest'])
      expect(help.stdout).toContain(`vetro ${command}`);
    const runHelp = await built.run(['run', '--help']);
    expect(runHelp.stdout).toContain('Ctrl-A x');
    expect(runHelp.stdout).toContain('Exit status');
    for (const name of [...CPU_MODEL_NAMES, ...ENGINES]) {
      expect(help.stdout).toContain(name);
      expect(runHelp.stdout).toContain(name);
    }
  });

  it('asm and disasm are each other’s inverse', async () => {
    const source = 'bits 16\norg 0x7c00\nstart: mov ax, 0x1234\njmp start\n';
    const assembled = await built.run(['asm', '-'], { input: source });
    expect(assembled).toMatchObject({ status: 0, stderr: '' });
    expect(assembled.stdout).toContain('00007c00  b83412            start: mov ax, 0x1234');
    const disassembled = await built.run(['disasm', '--hex', 'b83412 ebfb', '--bits', '16', '--origin', '0x7c00']);
    expect(disassembled.stdout.split('\n').map((line) => line.slice(28))).toEqual(['mov ax, 0x1234', 'jmp 0x7c00', '']);
  });

  it('a lone - is standard input and standard output', async () => {
    const input = "db 'hello'";
    for (const words of ['asm - -o -', 'asm -o - -', 'asm --output - --bits 16 -', 'asm - --output=-'])
      expect(await built.run(words.split(' '), { input })).toEqual({ status: 0, stdout: 'hello', stderr: '' });
    const { stdout } = await built.run(['disasm', '--bits', '16', '-'], { input: 'a' });
    expect(stdout).toBe(`00000000  61${' '.repeat(16)}popa\n`);
    const text = await built.run(['run', '-'], { input: 'no program\n'.repeat(10) });
    expect(text).toMatchObject({ status: 2, stderr: expect.stringMatching(/^vetro: - seems to be text/) });
  });

  it('addresses begin again at 0 behind the last one', async () => {
    const { stdout } = await built.run(['disasm', '--hex', '90 90 eb fe', '--origin', '0xffffffff']);
    expect(stdout.split('\n').map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      'ffffffff 90 nop',
      '00000000 90 nop',
      '00000001 ebfe jmp 1',
      '',
    ]);
    const wide = await built.run(['disasm', '--hex', '90', '--bits', '64', '--origin', '0xffffffffffff']);
    expect(wide.stdout).toMatch(/^ffffffffffff {2}90 +nop\n$/);
  });

  it('asm writes into a pipe by its name', () => {
    // By a shell: what Node gives its children as pipes are sockets.
    const line = `echo "db 'hello'" | "$0" "$1" asm - -o /dev/stdout | cat`;
    expect(execFileSync('sh', ['-c', line, ...built.command], { encoding: 'utf8' })).toBe('hello');
  });

  it.each([
    [
      'without end',
      '/dev/zero',
      /^cannot read the kernel standard input: it has more than 1 MiB, and the guest has 1 MiB of/,
    ],
    ['a folder', folder, /^cannot read the kernel standard input: it is a directory$/],
  ])('U7: standard input %s', async (_what, path, message) => {
    const input = openSync(path, 'r');
    const running = built.start(['run', '--kernel', '-', '--memory', '1'], { stdio: [input, 'pipe', 'pipe'] });
    const status = (await running.ended) as number;
    closeSync(input);
    expectOneLine({ status, stdout: running.stdout, stderr: running.stderr }, message);
  });
});
