/** A file that has its name only once it is complete: until then it stands beside it under another one, which nobody else has. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { pid } from 'node:process';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from './file-problem.ts';
import { syncFolder } from './file-store.ts';

export interface NewSnapshotFile {
  write(bytes: Uint8Array): void;
  /** `as`: the path that it gets, if that was not known before. */
  finish(as?: string): void;
  abandon(): void;
}

/** @throws UserError if it cannot be made; so do the methods, if the host cannot write */
export function createSnapshotFile(path: string): NewSnapshotFile {
  const clearly = <Result>(action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw isFileError(error) ? new UserError(`cannot write ${path}: ${fileProblem(error)}`) : error;
    }
  };
  const { file, partial } = clearly(() => openPartial(path));
  let open = true;
  const close = (): void => {
    if (open) closeSync(file);
    open = false;
  };
  return {
    write(bytes) {
      clearly(() => {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      });
    },
    finish(as = path) {
      clearly(() => {
        fsyncSync(file);
        close();
        renameSync(partial, as);
        syncFolder(dirname(as));
      });
    },
    abandon() {
      close();
      rmSync(partial, { force: true });
    },
  };
}

function openPartial(path: string): { file: number; partial: string } {
  for (let count = 1; ; count++) {
    const partial = `${path}.${pid}-${count}.partial`;
    try {
      return { file: openSync(partial, 'wx'), partial };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
    }
  }
}
