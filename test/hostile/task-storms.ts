/** Storms of task switches: to oneself, in circles, into tasks that cannot be. */
import { type HostileProgram, staged } from './program.ts';
import { AT, gateWords, SELECTOR, type StageSpec } from './stage.ts';

const KIND = 'task switches';
const NT_AND_IRET = 'pushfd\nor dword [esp], 0x4000\npopfd\niretd';
const FIELD = {
  LINK: 0,
  CR3: 0x1c,
  EIP: 0x20,
  EFLAGS: 0x24,
  ESP: 0x38,
  ES: 0x48,
  CS: 0x4c,
  SS: 0x50,
  LDT: 0x60,
  TRAP: 0x64,
};
const COUNT = AT.DATA;
const count = `inc dword [ss:${COUNT}]`;
const callSpare = `${count}\ncall ${SELECTOR.SPARE_TSS | 3}:0`;
const spoil = (field: number, value: number) => `mov dword [${AT.SPARE_TSS + field}], ${value}`;
const counted = { counts: COUNT };
/** By the handler of the exception that the program comes to meet for ever. */
const handled = (vector: number) => ({ counts: AT.ENTERED + 4 * vector });
const HANDLER_TASK = 33;

/** Spoilt fields of the task that is called. */
const SPOILT: readonly (readonly [name: string, setup: string])[] = [
  ['with nothing spoilt', ''],
  ['with CS null', spoil(FIELD.CS, 0)],
  ['with CS a data segment', spoil(FIELD.CS, SELECTOR.DATA)],
  ['with SS null', spoil(FIELD.SS, 0)],
  ['with SS of another level', spoil(FIELD.SS, SELECTOR.data(2))],
  ['with SS not present', spoil(FIELD.SS, SELECTOR.absent(0))],
  ['with ES not present', spoil(FIELD.ES, SELECTOR.absent(0))],
  ['with LDT a TSS', spoil(FIELD.LDT, SELECTOR.TSS)],
  ['with EIP where nothing is', spoil(FIELD.EIP, 0xd000_0000)],
  ['with ESP where nothing is', spoil(FIELD.ESP, 0xd000_0000)],
  ['with ESP in video memory', spoil(FIELD.ESP, 0xb_8100)],
  ['in virtual-8086 mode', `${spoil(FIELD.EFLAGS, 0x2_3002)}\n${spoil(FIELD.CS, 0xd00)}\n${spoil(FIELD.EIP, 0)}`],
  ['with TF', spoil(FIELD.EFLAGS, 0x102)],
  ['with NT and a link to itself', `${spoil(FIELD.EFLAGS, 0x4002)}\n${spoil(FIELD.LINK, SELECTOR.SPARE_TSS)}`],
  ['with its debug trap set', spoil(FIELD.TRAP, 0x68_0001)],
  ['already busy', `or byte [${AT.GDT + SELECTOR.SPARE_TSS + 5}], 2`],
  ['not present', `and byte [${AT.GDT + SELECTOR.SPARE_TSS + 5}], 0x7f`],
  ['whose TSS is nowhere', `mov byte [${AT.GDT + SELECTOR.SPARE_TSS + 7}], 0xd0`],
  ['whose TSS is in video memory', `mov word [${AT.GDT + SELECTOR.SPARE_TSS + 3}], 0x0b`],
];

const selfGate = (vector: number) => new Map([[vector, gateWords('task', SELECTOR.TSS, 0)]]);
const allSelf = new Map(
  Array.from({ length: 256 }, (_, vector) => [vector, gateWords('task', SELECTOR.TSS, 0)] as const),
);

export function* taskStorms(): Generator<HostileProgram> {
  const storm = (name: string, spec: StageSpec, extras = {}) => staged(KIND, `tasks: ${name}`, spec, extras);
  for (const level of [0, 3] as const) {
    const at = `, CPL ${level}`;
    for (const [name, setup] of SPOILT) yield storm(`call of a task ${name}${at}`, { body: callSpare, setup, level });
    yield storm(`INT3 through a task gate to oneself${at}`, { body: 'int3', gates: selfGate(3), level }, handled(13));
    yield storm(`all vectors are task gates to oneself${at}`, { body: 'int3', gates: allSelf, level });
    yield storm(`call through a task gate of the GDT${at}`, {
      body: `${count}\ncall ${SELECTOR.TASK_GATE | 3}:0`,
      level,
    });
    yield storm(`the handler task meets the same${at}`, {
      body: 'ud2',
      gate: 'task',
      level,
      setup: `mov dword [${AT.HANDLER_TSS + FIELD.EIP}], ${AT.PROGRAM}`,
    });
    yield storm(`NT and IRET${at}`, { body: NT_AND_IRET, level }, handled(10));
    yield storm(`interrupts with NT set${at}`, { body: `${count}\nint3`, flags: 0x4000, level }, counted);
  }
  yield storm(
    'JMP from task to task',
    {
      body: `${count}\njmp ${SELECTOR.SPARE_TSS}:0`,
      data: `other: jmp ${SELECTOR.TSS}:0\njmp other`,
      setup: `mov dword [${AT.SPARE_TSS + FIELD.EIP}], other`,
    },
    counted,
  );
  yield storm('CALL and IRET', { body: callSpare }, counted);
  yield storm('CALL of a 16-bit task', { body: `${count}\ncall ${SELECTOR.TSS16}:0` }, counted);
  yield storm('CALL of oneself', { body: `call ${SELECTOR.TSS}:0` }, handled(13));
  yield storm('LTR of a busy TSS', { body: `mov ax, ${SELECTOR.TSS}\nltr ax` }, handled(13));
  yield storm(
    'LTR again and again',
    {
      body: `${count}\nmov byte [${AT.GDT + SELECTOR.TSS + 5}], 0x89\nmov ax, ${SELECTOR.TSS}\nltr ax`,
    },
    counted,
  );
  yield storm('IRET to oneself by the link', { body: `mov word [${AT.TSS}], ${SELECTOR.TSS}\n${NT_AND_IRET}` });
  yield storm('a task with page tables nowhere', {
    body: callSpare,
    setup: spoil(FIELD.CR3, 0xd000_0000),
    paging: true,
  });
  yield storm('#DF through a task gate to a broken task', {
    body: 'mov ax, 0xfff8\nmov es, ax',
    setup: spoil(FIELD.CS, 0),
    gates: new Map([
      [13, [0, 0]],
      [8, gateWords('task', SELECTOR.SPARE_TSS, 0)],
    ]),
  });
  yield storm(
    '#DF through a task gate, returning',
    {
      body: 'mov ax, 0xfff8\nmov es, ax',
      gates: new Map([
        [13, [0, 0]],
        [8, gateWords('task', SELECTOR.HANDLER_TSS, 0)],
      ]),
    },
    handled(HANDLER_TASK),
  );
  yield storm('a TSS that lies on a page that is not there', {
    body: callSpare,
    setup: `mov word [${AT.GDT + SELECTOR.SPARE_TSS + 2}], 0xffe0\nmov byte [${AT.GDT + SELECTOR.SPARE_TSS + 4}], 0x2f`,
    paging: true,
  });
}
