/** Debian's kernel with its own virtio_balloon: memory given back and taken again, statistics, reports of free pages. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { Host } from '../../src/index.ts';
import type { Pc, PcOptions } from '../../src/machine/pc.ts';
import type { PageRange } from '../../src/memory/guest-memory.ts';
import { debianModules } from '../support/debian-modules.ts';
import { runScript, scriptedInitrd, scriptedLinux } from '../support/scripted-linux.ts';

const MIB = 2 ** 20;
const PAGES = MIB / 4096;

async function prepare() {
  try {
    const { kernel, initrd } = await fetchSystem('debian-686');
    const modules = await debianModules('debian-686', ['virtio_pci', 'virtio_balloon']);
    return { system: { kernel: readFileSync(kernel), initrd: readFileSync(initrd), modules } };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}
const { system, reason } = await prepare();

/** `phase NAME`: the host does something. `used N`: memory has been written to and is free again. */
const FUNCTIONS = `
phase() { echo "phase $1:" $(grep -E 'MemTotal|MemFree' /proc/meminfo); }
used() { dd if=/dev/zero of=/fill bs=1M count=$1 2>/dev/null; rm /fill; }
echo features $(cat /sys/bus/virtio/devices/virtio0/features)
grep -i virtio /proc/interrupts
`;

const INFLATION = `${FUNCTIONS}
used 60
phase full
sleep 5
phase inflated
sleep 5
phase deflated
used 60
phase end
dmesg | grep -i -E 'oom|out of memory|balloon|virtio.*(fail|err)'`;

interface Phase {
  /** KiB, as the guest sees it. */
  readonly total: number;
  readonly free: number;
  /** MiB that have frames, when the host saw it, and pages in the balloon. */
  readonly used: number;
  readonly actual: number;
  readonly hash: string;
}

interface Scenario extends Partial<PcOptions> {
  readonly script: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly memory?: number;
  readonly append?: string;
  /** What the host does when the guest has come to a phase. */
  readonly host?: Readonly<Record<string, (pc: Pc) => void>>;
}

async function play({ script, parameters, memory = 128, append = '', host = {}, ...options }: Scenario) {
  const boot = scriptedLinux({ ...system!, script, memory, append, ...(parameters ? { parameters } : {}) });
  const phases: Record<string, Phase> = {};
  let seen = 0;
  const { transcript, pc } = await runScript(boot, {
    ...{ engine: 'auto', balloon: {}, memoryBytes: memory * MIB, ...options },
    // Idle time costs few instructions: the host must look in time.
    slice: 200_000,
    onSlice(pc, transcript) {
      if (transcript.length === seen) return;
      seen = transcript.length;
      for (const [, name, total, free] of transcript.matchAll(/^phase (\w+): MemTotal: (\d+) kB MemFree: (\d+) kB/gm)) {
        if (phases[name] !== undefined) continue;
        const used = (pc.memory.framesInUse * 4096) / MIB;
        phases[name] = {
          ...{ total: Number(total), free: Number(free), used },
          ...{ actual: pc.balloon!.actual, hash: pc.stateHash() },
        };
        host[name]?.(pc);
      }
    },
  });
  return { transcript, phases, pc };
}

const inflate = (mib: number) => (pc: Pc) => pc.balloon!.setTarget(mib * PAGES);

describe.skipIf(!system)(
  `virtio_balloon${reason ? ` (${reason})` : ''}`,
  () => {
    const inflation = (options: Partial<Scenario> = {}) =>
      play({
        script: INFLATION,
        host: {
          full: inflate(48),
          inflated(pc) {
            expect(pc.balloon!.requestStatistics()).toBe(true);
            inflate(0)(pc);
          },
        },
        ...options,
      });

    function check({ phases, transcript, pc }: Awaited<ReturnType<typeof play>>, { managed = true } = {}): void {
      const { full, inflated, deflated } = phases;
      expect(inflated.actual).toBe(48 * PAGES);
      expect(full.free - inflated.free).toBeGreaterThan(46 * 1024);
      expect(full.used - inflated.used).toBeGreaterThan(40);
      expect(full.total - inflated.total).toBe(managed ? 0 : 48 * 1024);
      expect(deflated.actual).toBe(0);
      expect(deflated.total).toBe(full.total);
      expect(Math.abs(deflated.free - full.free)).toBeLessThan(2 * 1024);
      const { values } = pc.balloon!.statistics;
      // It may have begun to take back what it counts as its own again.
      expect(values.totalMemory! / 1024).toBeGreaterThanOrEqual(inflated.total);
      expect(values.totalMemory! / 1024).toBeLessThanOrEqual(managed ? inflated.total : full.total);
      expect(values.freeMemory! / MIB).toBeGreaterThan(10);
      expect(Object.keys(values).length).toBeGreaterThanOrEqual(8);
      expect(transcript.slice(transcript.indexOf('features'))).not.toMatch(/oom|out of memory|fail|err/i);
    }

    it('gives memory back and takes it again, by the modern interface, the same on each engine', async () => {
      const auto = await inflation();
      expect(auto.transcript).toMatch(/features 011101/);
      check(auto);
      const interpreter = await inflation({ engine: 'interpreter' });
      expect(interpreter.phases).toEqual(auto.phases);
      expect(interpreter.pc.stateHash()).toBe(auto.pc.stateHash());
    });

    it('by the legacy interface', async () => {
      check(await inflation({ parameters: { virtio_pci: 'force_legacy=1' } }));
    });

    it('without DEFLATE_ON_OOM, what is given back is no memory of the guest’s', async () => {
      check(await inflation({ balloon: { deflateOnOutOfMemory: false } }), { managed: false });
    });

    it('takes memory back when it runs out', async () => {
      const script = `${FUNCTIONS}
phase full
sleep 5
phase inflated
dd if=/dev/zero of=/fill bs=1M count=50 && md5sum /fill
phase pressed
dmesg | grep -i -E 'killed|out of memory'`;
      const { phases, transcript, pc } = await play({ script, host: { full: inflate(70) } });
      expect(phases.inflated.actual).toBe(70 * PAGES);
      expect(phases.inflated.free).toBeLessThan(40 * 1024);
      expect(transcript).toContain('25e317773f308e446cc84c503a6d1f85  /fill');
      expect(transcript).not.toMatch(/killed|out of memory/i);
      expect(phases.pressed.actual).toBeLessThan(60 * PAGES);
      expect(pc.balloon!.target).toBe(70 * PAGES);
    });

    it('by the library, while the guest is idle', async () => {
      await using host = await Host.create();
      const { kernel, modules, initrd } = system!;
      const script = `${FUNCTIONS}\nused 60\nphase full\nsleep 100000`;
      const guest = await host.createGuest({
        boot: {
          kernel,
          initrd: scriptedInitrd({ initrd, modules, script }),
          commandLine: 'console=ttyS0 cryptomgr.notests',
        },
        memory: 128,
        clock: 'host',
        balloon: true,
      });
      void guest.run();
      await guest.serial.waitFor('phase full', { timeout: 600_000 });
      const before = guest.machine.memoryInUse;
      const full = await guest.balloon!.statistics({ timeout: 60_000 });
      guest.balloon!.setTarget(40);
      let given = full;
      while (guest.balloon!.actual < 40) given = await guest.balloon!.statistics({ timeout: 60_000 });
      given = await guest.balloon!.statistics({ timeout: 60_000 });
      expect(guest.balloon!.actual).toBe(40);
      // Meanwhile it does other things, too: by the wall clock, so never the same.
      expect(full.freeMemory! - given.freeMemory!).toBeGreaterThan(30 * MIB);
      expect(given.totalMemory).toBe(full.totalMemory);
      expect(before - guest.machine.memoryInUse).toBeGreaterThan(25 * MIB);
    });

    it('hints at free pages when it is asked, and has them again afterwards', async () => {
      const script = `${FUNCTIONS}
phase full
sleep 5
phase hinted
sleep 5
phase over`;
      const hints: PageRange[] = [];
      const { phases } = await play({
        script,
        balloon: { onHint: (ranges) => void hints.push(...ranges) },
        host: {
          full: (pc) => expect(pc.balloon!.startHinting()).toBe(true),
          hinted: (pc) => pc.balloon!.endHinting(),
        },
      });
      const hinted = (hints.reduce((sum, { pages }) => sum + pages, 0) * 4096) / 1024;
      expect(hinted).toBeGreaterThan(40 * 1024);
      expect(phases.full.free - phases.hinted.free).toBeGreaterThan(hinted - 2048);
      expect(Math.abs(phases.full.free - phases.over.free)).toBeLessThan(2048);
      expect(phases.over.actual).toBe(0);
    });

    it('reports free pages: what an idle guest has freed has no frames', async () => {
      const script = `${FUNCTIONS}
phase begin
used 200
phase full
sleep 60
phase idle
used 200
phase again`;
      const { phases } = await play({ script, memory: 512 });
      expect(phases.full.used - phases.begin.used).toBeGreaterThan(150);
      expect(phases.full.used - phases.idle.used).toBeGreaterThan(150);
      expect(phases.again.used - phases.idle.used).toBeGreaterThan(150);
      expect(phases.idle.total).toBe(phases.begin.total);
      expect(phases.idle.actual).toBe(0);
    });

    it('leaves free pages alone that the kernel has poisoned', async () => {
      const script = `${FUNCTIONS}\nused 60\nphase full\nsleep 60\nphase idle\ndmesg | grep -i corrupt`;
      const { phases, transcript, pc } = await play({ script, memory: 256, append: 'page_poison=1' });
      expect(transcript).toMatch(/features 011111/);
      expect(pc.balloon!.state.poison).toBe(0xaaaa_aaaa);
      expect(Math.abs(phases.full.used - phases.idle.used)).toBeLessThan(4);
      expect(transcript).not.toMatch(/corrupt/);
    });
  },
  1_200_000,
);
