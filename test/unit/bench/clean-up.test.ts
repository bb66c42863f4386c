import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CleanUp } from '../../../bench/clean-up.ts';

describe('cleaning up', () => {
  it('does the latest first, and each thing once', () => {
    const done: string[] = [];
    const cleanUp = new CleanUp();
    cleanUp.add(() => done.push('first'));
    const second = cleanUp.add(() => done.push('second'));
    cleanUp.add(() => done.push('third'));
    second();
    second();
    cleanUp.all();
    cleanUp.all();
    expect(done).toEqual(['second', 'third', 'first']);
  });

  it('removes its folders', () => {
    const cleanUp = new CleanUp();
    const folder = cleanUp.temporaryFolder();
    expect(existsSync(folder)).toBe(true);
    cleanUp.all();
    expect(existsSync(folder)).toBe(false);
  });
});
