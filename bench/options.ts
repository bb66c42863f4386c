/** The command line of the benchmark. */
import { parseArgs } from 'node:util';
import { UserError } from '../src/base/errors.ts';
import { SYSTEMS, type SystemName } from '../src/cli/fetch/debian.ts';
import { EMULATORS, type EmulatorName, USUAL_EMULATORS } from './emulators.ts';
import { GROUPS, PROGRAMS } from './programs.ts';
import { FIGURES, type Selection, select, selectEmulators } from './selection.ts';

export interface BenchOptions {
  readonly help: boolean;
  readonly selection: Selection;
  /** Without `base`. */
  readonly emulators: readonly EmulatorName[];
  readonly base: string | undefined;
  readonly json: string | undefined;
  readonly rounds: number;
  /** Of the programs' sizes. */
  readonly scale: number;
  /** In ms: of a program; of a boot; how long an idle guest is watched. */
  readonly limit: number;
  readonly bootLimit: number;
  readonly idle: number;
  /** RAM of the guests in MiB. */
  readonly memory: number;
  readonly system: SystemName;
}

const USUAL = { rounds: 3, scale: 1, limit: 90, idle: 20 };
const QUICK = { rounds: 1, scale: 0.25, limit: 20, idle: 10 };

const groupLines = GROUPS.map((group) => {
  const members = PROGRAMS.filter((program) => program.group === group);
  return `  ${group}\n${members.map(({ name, about }) => `    ${name.padEnd(12)} ${about}`).join('\n')}`;
}).join('\n');

export const HELP = `npm run bench -- [options] [name …]

Runs programs in Linux guests under Vetro, v86 and QEMU in turn, and compares their times and results.
Without names, everything. Names are groups of programs, programs, or figures:

${groupLines}
  besides
${Object.entries(FIGURES)
  .map(([name, about]) => `    ${name.padEnd(12)} ${about}`)
  .join('\n')}

Options:
  --quick               one round of a quarter of the work: about five minutes
  --base <revision>     also an older revision of Vetro, checked out and built in a temporary folder
  --json <file>         all results as JSON, too
  --emulators <list>    of ${EMULATORS.filter((name) => name !== 'base').join(', ')}: the first of them, in this order, is
                        compared with the others (${USUAL_EMULATORS.join(',')})
  --rounds <n>          rounds, each with a new process of every emulator (${USUAL.rounds}; quick ${QUICK.rounds})
  --scale <factor>      work of each program (${USUAL.scale}; quick ${QUICK.scale})
  --limit <seconds>     time limit of a program (${USUAL.limit}; quick ${QUICK.limit})
  --boot-limit <s>      time limit of a boot (300)
  --idle <seconds>      how long an idle guest is watched (${USUAL.idle}; quick ${QUICK.idle})
  --memory <MiB>        RAM of the guests (512)
  --system <name>       whose kernel: ${Object.keys(SYSTEMS).join(' or ')} (debian-686)
  --help`;

/** @throws UserError that names the option */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  for (const name of ['base', 'json'] as const)
    if (values[name] === '') throw new UserError(`--${name} is empty: give it a value or leave it out`);
  const usual = values.quick ? QUICK : USUAL;
  const system = values.system;
  if (!Object.hasOwn(SYSTEMS, system))
    throw new UserError(`--system must be one of ${Object.keys(SYSTEMS).join(', ')}, not ${system}`);
  const emulators = selectEmulators(values.emulators);
  if (emulators.includes('base')) throw new UserError('the base is given by --base REVISION, not among the emulators');
  return {
    help: values.help,
    selection: select(positionals),
    emulators,
    base: values.base,
    json: values.json,
    rounds: numberOf('rounds', values.rounds ?? usual.rounds, { least: 1, most: 1000, whole: true }),
    scale: numberOf('scale', values.scale ?? usual.scale, { least: 0.0001, most: 1000 }),
    limit: 1000 * numberOf('limit', values.limit ?? usual.limit, SECONDS),
    bootLimit: 1000 * numberOf('boot-limit', values['boot-limit'], SECONDS),
    idle: 1000 * numberOf('idle', values.idle ?? usual.idle, SECONDS),
    memory: numberOf('memory', values.memory, { least: 128, most: 2048, whole: true }),
    system: system as SystemName,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        base: text,
        json: text,
        emulators: { type: 'string', default: USUAL_EMULATORS.join(',') },
        rounds: text,
        scale: text,
        limit: text,
        'boot-limit': { type: 'string', default: '300' },
        idle: text,
        memory: { type: 'string', default: '512' },
        system: { type: 'string', default: 'debian-686' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error;
    throw new UserError(`${message.split('\n')[0].replace(/\.( To specify.*)?$/, '')}; see --help`);
  }
}

const SECONDS = { least: 0.1, most: 86_400 };

interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
}

function numberOf(name: string, given: string | number, { least, most, whole = false }: Range): number {
  const value = given === '' ? Number.NaN : Number(given);
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new UserError(
    `--${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not ${given || 'empty'}`,
  );
}
