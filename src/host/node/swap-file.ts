/** A file that is ours alone and has no name: a process that is killed leaves nothing of it, and nobody else can read it. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { platform } from 'node:process';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from './file-problem.ts';

export interface SwapFile {
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  close(): void;
}

/** @throws UserError if there is something at `path`, or no file can be made there; so do the methods, if the host cannot */
export function openSwapFile(path: string): SwapFile {
  const clearly = <Result>(verb: string, action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw isFileError(error) ? new UserError(`cannot ${verb} ${path}: ${fileProblem(error)}`) : error;
    }
  };
  // What guests have in memory is nobody else's business.
  const file = clearly('create', () => openSync(path, 'wx+', 0o600));
  // Elsewhere a name outlives the file that it is of.
  const keepsName = platform === 'win32';
  if (!keepsName) clearly('create', () => rmSync(path));
  let open = true;
  return {
    read: (offset, length) =>
      clearly('read', () => {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const count = readSync(file, bytes, done, length - done, offset + done);
          if (count === 0) throw new UserError(`cannot read ${path}: it has become shorter`);
          done += count;
        }
        return bytes;
      }),
    write: (offset, bytes) =>
      clearly('write', () => {
        for (let done = 0; done < bytes.length; )
          done += writeSync(file, bytes, done, bytes.length - done, offset + done);
      }),
    close() {
      if (!open) return;
      open = false;
      closeSync(file);
      if (keepsName) rmSync(path, { force: true });
    },
  };
}
