/**
 * Instructions that read or write all of EFLAGS, or the interrupt flag. SDM Vol. 1, "Flag Control (EFLAG) Instructions";
 * Vol. 3A, "System Flags and Fields in the EFLAGS Register".
 *
 * A kernel executes them all the time, and nearly always nothing follows from them but a changed bit: that is written
 * here. What else can be — a fault, an interrupt that waits, a change of TF, IOPL or AC — is left, as a whole and before
 * anything was changed, to a helper that knows all cases.
 */
import type { Value } from '../../ir/value.ts';
import { EFLAGS, EFLAGS_FIXED } from '../eflags.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import type { FlagName, SemanticsBuilder, StatusFlag } from '../semantics.ts';

type Builder = SemanticsBuilder<FlagName>;

/** EFLAGS but for the status flags. */
const otherFlags = (b: Builder): Value => b.state('flagsOther', 32);
const anyOf = (b: Builder, flags: Value, mask: number): Value => b.ne(b.and(flags, mask >>> 0), 0);

/** CPL > IOPL: the program may not change IF. Real-address mode is CPL 0, virtual-8086 mode CPL 3. */
function lacksPrivilege(b: Builder, flags: Value): Value {
  const iopl = b.and(b.shr(flags, Math.log2(EFLAGS.IOPL & -EFLAGS.IOPL)), 3);
  return b.ult(iopl, b.state('cpl', 32));
}

/** The interrupt controller asks for an interrupt. */
const interruptWaits = (b: Builder): Value => b.ne(b.state('interruptRequest', 32), 0);

const cli = instruction({
  mnemonic: 'cli',
  summary: 'Clear interrupt flag',
  manual: 'SDM Vol. 2A, "CLI—Clear Interrupt Flag"',
  operands: {},
  encodings: [['FA']],
  flags: {},
  execute(_, b) {
    const flags = otherFlags(b);
    b.when(
      lacksPrivilege(b, flags),
      () => b.call('clearInterruptFlag', []),
      () => b.setState('flagsOther', b.and(flags, ~EFLAGS.IF >>> 0)),
    );
  },
});

const sti = instruction({
  mnemonic: 'sti',
  summary: 'Set interrupt flag',
  manual: 'SDM Vol. 2B, "STI—Set Interrupt Flag"',
  operands: {},
  encodings: [['FB']],
  flags: {},
  // The budget tells the end of the shadow: it must be that of this instruction.
  endsBlock: true,
  execute(_, b) {
    const flags = otherFlags(b);
    const budget = b.state('budget', 32);
    const shadow = b.state('interruptShadow', 32);
    b.when(
      b.or(lacksPrivilege(b, flags), interruptWaits(b)),
      () => b.call('setInterruptFlag', []),
      () => {
        b.setState('flagsOther', b.or(flags, EFLAGS.IF));
        b.setState('interruptShadow', b.select(anyOf(b, flags, EFLAGS.IF), shadow, budget));
      },
    );
  },
});

/** The status flags at their places in EFLAGS. */
const STATUS_FLAGS = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'] as const satisfies readonly StatusFlag[];
const place = (flag: StatusFlag): number => Math.log2(EFLAGS[flag]);

const pushf = instruction({
  mnemonic: 'pushf',
  mnemonics: { 16: 'pushfw', 32: 'pushfd', 64: 'pushfq' },
  summary: 'Push EFLAGS onto the stack',
  manual: 'SDM Vol. 2B, "PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register Onto the Stack"',
  operands: {},
  encodings: [['9C d64']],
  flags: { reads: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF', 'DF'] },
  execute(_, b) {
    const flags = otherFlags(b);
    b.when(anyOf(b, flags, EFLAGS.VM), () => b.call('checkPushFlags', []));
    const others = b.or(b.and(flags, ~(EFLAGS.VM | EFLAGS.RF) >>> 0), EFLAGS_FIXED);
    const image = STATUS_FLAGS.reduce(
      (bits, flag) => b.or(bits, b.shl(b.zeroExtend(b.flag(flag), 32), place(flag))),
      others,
    );
    const stack = b.stack();
    const size = b.operandSize;
    stack.push(size === 64 ? b.zeroExtend(image, 64) : b.truncate(image, size));
    stack.commit();
  },
});

/** Bits that POPF may change without anything following from it. */
const PLAIN = EFLAGS.IF | EFLAGS.DF;
/** Bits that it may change besides. The others of the image are ignored: RF is cleared, VM, VIF and VIP stay. */
const CONSEQUENTIAL = EFLAGS.TF | EFLAGS.IOPL | EFLAGS.NT | EFLAGS.AC | EFLAGS.ID;

const popf = instruction({
  mnemonic: 'popf',
  mnemonics: { 16: 'popfw', 32: 'popfd', 64: 'popfq' },
  summary: 'Pop EFLAGS from the stack',
  manual: 'SDM Vol. 2B, "POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"',
  operands: {},
  encodings: [['9D d64']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF', 'DF'] },
  endsBlock: true,
  execute(_, b) {
    const stack = b.stack();
    const size = b.operandSize;
    const popped = stack.pop(size);
    const image = size === 64 ? b.truncate(popped, 32) : b.zeroExtend(popped, 32);
    const flags = otherFlags(b);
    const changes = b.xor(image, flags);
    const consequential = size === 16 ? CONSEQUENTIAL & 0xffff : CONSEQUENTIAL;
    const follows = [
      anyOf(b, changes, consequential),
      anyOf(b, flags, EFLAGS.TF | EFLAGS.RF | EFLAGS.VM),
      b.and(anyOf(b, changes, EFLAGS.IF), b.or(lacksPrivilege(b, flags), interruptWaits(b))),
    ];
    b.when(
      follows.reduce((one, other) => b.or(one, other)),
      () => b.call('popFlags', [image, b.constant(size, 8)]),
      () => {
        b.setState('flagsOther', b.xor(flags, b.and(changes, PLAIN)));
        const bit = (flag: StatusFlag) => b.truncate(b.shr(image, place(flag)), 1);
        b.setFlags({
          CF: bit('CF'),
          PF: bit('PF'),
          AF: bit('AF'),
          ZF: bit('ZF'),
          SF: bit('SF'),
          OF: bit('OF'),
          DF: b.truncate(b.shr(image, Math.log2(EFLAGS.DF)), 1),
        });
      },
    );
    stack.commit();
  },
});

export const SYSTEM_FLAGS: readonly InstructionRow[] = [cli, sti, pushf, popf];
