/** All hostile programs. */
import { codeStorms } from './code-storms.ts';
import { deviceStorms } from './device-storms.ts';
import { faultStorms } from './fault-storms.ts';
import { memoryStorms } from './memory-storms.ts';
import type { HostileProgram } from './program.ts';
import { resetStorms } from './reset-storms.ts';
import { taskStorms } from './task-storms.ts';

/** @throws Error if two have the same name */
export function corpus(): HostileProgram[] {
  const programs = [
    ...taskStorms(),
    ...memoryStorms(),
    ...codeStorms(),
    ...deviceStorms(),
    ...resetStorms(),
    ...faultStorms(),
  ];
  const names = new Set<string>();
  for (const { name } of programs) {
    if (names.has(name)) throw new Error(`two hostile programs are called "${name}"`);
    names.add(name);
  }
  return programs;
}
