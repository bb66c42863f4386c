/** A file that has its name only once it is complete: until then it stands beside it under another one. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from './file-problem.ts';

export interface NewSnapshotFile {
  write(bytes: Uint8Array): void;
  finish(): void;
  abandon(): void;
}

/** @throws UserError if it cannot be made; so do the methods, if the host cannot write */
export function createSnapshotFile(path: string): NewSnapshotFile {
  const partial = `${path}.partial`;
  const clearly = <Result>(action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw isFileError(error) ? new UserError(`cannot write ${path}: ${fileProblem(error)}`) : error;
    }
  };
  const file = clearly(() => openSync(partial, 'w'));
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
    finish() {
      clearly(() => {
        fsyncSync(file);
        close();
        renameSync(partial, path);
      });
    },
    abandon() {
      close();
      rmSync(partial, { force: true });
    },
  };
}
