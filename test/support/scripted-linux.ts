/** Debian's kernel, some of its modules, and a shell script of the test's own as /init: from power-on to its last word. */
import type { BootImage } from '../../src/machine/boot.ts';
import { writeCpio } from '../../src/machine/cpio.ts';
import { linuxBoot } from '../../src/machine/linux-boot.ts';
import { Pc, type PcOptions } from '../../src/machine/pc.ts';
import type { KernelModule } from './debian-modules.ts';
import { sharedCode } from './shared-code.ts';

const MIB = 2 ** 20;
/** The script's last line. */
const LAST_WORD = 'script: done';
const SLICE = 20_000_000;

const init = (
  modules: readonly KernelModule[],
  script: string,
  parameters: ScriptedLinux['parameters'],
): string => `#!/bin/busybox sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
${modules.map(({ name }) => `insmod /modules/${name}.ko ${parameters?.[name] ?? ''}`).join('\n')}
${script}
echo '${LAST_WORD}'
sleep 1000
`;

export interface ScriptedLinux {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly modules: readonly KernelModule[];
  readonly script: string;
  readonly memory?: number;
  /** More words for the kernel. */
  readonly append?: string;
  /** Of modules, by their names. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** The initial RAM disk: with the modules in it, and the script as /init. */
export function scriptedInitrd({
  initrd,
  modules,
  script,
  parameters,
}: Pick<ScriptedLinux, 'initrd' | 'modules' | 'script' | 'parameters'>): Uint8Array {
  // A later archive replaces files of an earlier one.
  const more = writeCpio([
    { type: 'folder', path: 'modules' },
    ...modules.map(({ name, data }) => ({ type: 'file', path: `modules/${name}.ko`, data }) as const),
    { type: 'file', path: 'init', data: new TextEncoder().encode(init(modules, script, parameters)), mode: 0o755 },
  ]);
  const all = new Uint8Array(initrd.length + more.length);
  all.set(initrd);
  all.set(more, initrd.length);
  return all;
}

export function scriptedLinux({ kernel, memory = 128, append = '', ...parts }: ScriptedLinux): BootImage {
  return linuxBoot({
    kernel,
    initrd: scriptedInitrd(parts),
    commandLine: `console=ttyS0 cryptomgr.notests ${append}`.trim(),
    memoryBytes: memory * MIB,
    cpu: 'i686',
    images: undefined,
  });
}

/**
 * Runs the machine until the script has said its last word. `onWait` is asked to bring the answer that it waits for.
 * `onSlice` hears what has come from the serial port so far, at counts that do not depend on the engine.
 * @returns what came from the serial port, and the state hashes at the counts asked for
 */
export async function runScript(
  boot: BootImage,
  options: Partial<PcOptions> & {
    counts?: readonly number[];
    onWait?: () => Promise<void>;
    onSlice?: (pc: Pc, transcript: string) => void;
    /** Instructions. */
    slice?: number;
    limit?: number;
  } = {},
): Promise<{ transcript: string; hashes: string[]; pc: Pc }> {
  const { counts = [], onWait = async () => {}, onSlice = () => {}, slice = SLICE, limit = 20e9, ...rest } = options;
  const pc = new Pc({
    ...{ name: 'linux', memoryBytes: 128 * MIB, cpu: 'i686', engine: 'interpreter', boot, powerOnTime: 0 },
    code: sharedCode(),
    ...rest,
  });
  let transcript = '';
  const decoder = new TextDecoder('latin1');
  pc.serial.onOutput = (bytes) => {
    transcript += decoder.decode(bytes, { stream: true });
  };
  const hashes: string[] = [];
  const stops = [...counts, limit];
  while (!transcript.includes(LAST_WORD)) {
    const stop = stops[0]!;
    const exit = pc.run({ instructions: Math.min(slice, stop - pc.instructions) });
    if (exit.reason === 'waiting') await onWait();
    else if (exit.reason === 'budget') onSlice(pc, transcript);
    else if (exit.reason !== 'output') throw new Error(`${exit.reason} in: …${transcript.slice(-2000)}`);
    if (pc.instructions < stop) continue;
    if (stop === limit) throw new Error(`no end in: …${transcript.slice(-2000)}`);
    hashes.push(pc.stateHash());
    stops.shift();
  }
  return { transcript, hashes, pc };
}
