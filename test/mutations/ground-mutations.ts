/** Faults in what emitters stand on: walking, sharing, folding, liveness, binding. */
import type { Mutation } from './mutations.ts';

const unit = (name: string): string => `test/unit/${name}.test.ts`;

export const GROUND_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'a walker forgets what is pushed before a jump',
    file: 'src/ir/visit.ts',
    original: 'given(statement.condition, statement.pushed?.offset, statement.target)',
    planted: 'given(statement.condition, statement.target)',
    tests: [unit('ir/visit')],
  },
  {
    fault: 'operations of different widths on the same arguments are one node',
    file: 'src/ir/value-interner.ts',
    original: 'const nodes = (byWidth[width] ??= new Map());',
    planted: 'const nodes = (byWidth[0] ??= new Map());',
    tests: [unit('ir/value-interner')],
  },
  {
    fault: 'folding: a branch whose condition is true goes the other way',
    file: 'src/ir/simplify.ts',
    original: 'return condition.value ? then : otherwise;',
    planted: 'return condition.value ? otherwise : then;',
    tests: [unit('ir/simplify')],
  },
  {
    fault: 'folding: the condition of a fault that is always false stays, and is always true',
    file: 'src/ir/simplify.ts',
    original: 'return condition.value ? [always] : [];',
    planted: 'return [always];',
    tests: [unit('ir/simplify')],
  },
  {
    fault: 'folding: SBB, which takes a borrow in, is taken for a comparison',
    file: 'src/ir/simplify.ts',
    original: '? result.args[0] === left && result.args[1] === right',
    planted: '? true',
    tests: [unit('ir/simplify')],
  },
  {
    fault: 'folding: (x − c) − d becomes x − (c − d)',
    file: 'src/ir/fold.ts',
    original: 'c.value + d.value',
    planted: "node.op === 'add' ? c.value + d.value : c.value - d.value",
    tests: [unit('ir/simplify')],
  },
  {
    fault: 'liveness: a load, a jump or a helper sees nothing',
    file: 'src/ir/liveness.ts',
    original: 'if (mayLeave(statement)) this.locations = known.all;',
    planted: 'if (!mayLeave(statement)) this.locations |= 0;',
    tests: [unit('ir/liveness')],
  },
  {
    fault: 'liveness: what only one of two branches looks at is dead before both',
    file: 'src/ir/liveness.ts',
    original: 'yes.before.locations | no.before.locations',
    planted: 'yes.before.locations',
    tests: [unit('ir/liveness')],
  },
  {
    fault: 'liveness: a byte written leaves nothing of the register',
    file: 'src/engine/lowering/place-locations.ts',
    original: 'place.width >= 32',
    planted: 'place.width >= 8',
    tests: [unit('ir/liveness')],
  },
  {
    fault: 'binding: AH is taken for SPL',
    file: 'src/isa/bind-form.ts',
    original: "return { space: 'gpr', register: number - 4, width, high: true };",
    planted: "return { space: 'gpr', register: number, width };",
    tests: [unit('isa/bind-form')],
  },
  {
    fault: 'binding: the scale of an index is forgotten',
    file: 'src/isa/bind-form.ts',
    original: 'b.shl(register(memory.index), memory.scale)',
    planted: 'register(memory.index)',
    tests: [unit('isa/bind-form')],
  },
  {
    fault: 'binding: addresses are worked out after what the instruction wrote',
    file: 'src/isa/bind-form.ts',
    original: 'return [...this.#reads, ...bound];',
    planted: "return [...bound.filter(({ kind }) => kind === 'write'), ...this.#reads, ...bound];",
    tests: [unit('isa/bind-form')],
  },
  {
    fault: 'a form with a store behind a store is taken to be restartable',
    file: 'src/engine/lowering/restartable.ts',
    original: 'if (changed && !statement.after) return false;',
    planted: '',
    tests: [unit('engine/lowering/restartable')],
  },
];
