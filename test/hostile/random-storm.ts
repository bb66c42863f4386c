/** Random combinations of what the corpus attacks with: one seed, one program. */
import { Random } from '../../src/difftest/random.ts';
import { FAULT_SOURCES, type FaultSource, faultStorm, levelsOf, storms } from './fault-storms.ts';
import type { HostileProgram } from './program.ts';
import {
  GATES,
  type GateKind,
  type GateTarget,
  PLACES,
  type Place,
  type Reaction,
  type Structure,
  type Width,
} from './stage.ts';

const WIDTHS: readonly Width[] = [16, 32, 32, 'v86', 64];
const TARGETS: readonly GateTarget[] = ['inner', 'conforming', 'same'];
const REACTIONS: readonly Reaction[] = ['return', 'return', 'again', 'restart', 'halt'];
const STRUCTURES: readonly Structure[] = ['gdt', 'idt', 'ldt', 'tss', 'stack', 'directory', 'pages'];
const EXTRA_FLAGS = [0, 0, 0, 0x100, 0x4000, 0x1_0000, 0x4_0000, 0x200, 0x3000];

export interface RandomStorm {
  readonly program: HostileProgram;
  /** What was drawn, as "what: value", for coverage. */
  readonly drawn: readonly string[];
}

export function randomStorm(seed: number): RandomStorm {
  const random = new Random(seed);
  const source = random.pick(FAULT_SOURCES);
  const width = random.pick(WIDTHS.filter((each) => storms(source, each)));
  // Two at once: the second in the same loop.
  const second = random.oneIn(3) ? random.pick(FAULT_SOURCES.filter((each) => storms(each, width))) : undefined;
  const level = random.pick(levelsOf(source, width));
  const gate = random.pick(Object.keys(GATES) as GateKind[]);
  const target = random.pick(TARGETS);
  const reaction = random.pick(REACTIONS);
  const places: Partial<Record<Structure, Place>> = {};
  const misplaced = width === 64 ? 0 : random.pick([0, 0, 1, 2]);
  for (let index = 0; index < misplaced; index++)
    places[random.pick(STRUCTURES)] = random.pick((Object.keys(PLACES) as Place[]).filter((place) => place !== 'ram'));
  const flags = random.pick(EXTRA_FLAGS);
  const nmi = random.oneIn(4);
  const paging = source.paging === true || second?.paging === true || random.oneIn(3);
  const mixed = second && second !== source ? mix(source, second) : source;
  const storm = faultStorm(
    { source: mixed, width, level, gate, target, reaction },
    { paging, flags: (mixed.flags ?? 0) | flags, ...(misplaced > 0 && { places }) },
  );
  const { counts: _, ...program } = storm;
  return {
    program: { ...program, name: `seed ${seed}: ${storm.name}`, ...(nmi && { nmi }) },
    drawn: [
      ...[`source: ${source.name}`, `width: ${width}`, `level: ${level}`, `gate: ${gate}`, `target: ${target}`],
      ...[`reaction: ${reaction}`, `paging: ${paging}`, `NMI: ${nmi}`, `flags: ${flags.toString(16)}h`],
      ...Object.entries(places).flatMap(([structure, place]) => [`structure: ${structure}`, `place: ${place}`]),
    ],
  };
}

/** One program that meets both; labels of the second would clash, and are not needed. */
function mix(first: FaultSource, second: FaultSource): FaultSource {
  const usesLabels = /again|^\s*\w+:/m.test(`${second.setup ?? ''}${second.body}`);
  if (usesLabels) return first;
  return {
    name: `${first.name} and ${second.name}`,
    vector: undefined,
    body: `${first.body}\n${second.body}`,
    setup: `${first.setup ?? ''}\n${second.setup ?? ''}`,
    flags: (first.flags ?? 0) | (second.flags ?? 0),
    gates: new Map([...(first.gates ?? []), ...(second.gates ?? [])]),
  };
}
