/** Why calls to the file system fail, in words. */
import type { Stats } from 'node:fs';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EDQUOT: 'your disk quota is used up',
  EEXIST: 'a file is in its place',
  EFBIG: 'it would become too large',
  EIO: 'input/output error',
  EISDIR: 'it is a directory',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no such file',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'part of its path is not a folder',
  ENXIO: 'no such device',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  // Node's own.
  ERR_INVALID_ARG_VALUE: 'no file can have this name',
};

/** Why a call to the file system failed, in a few words. */
export function fileProblem(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message.replaceAll(/\s*\n\s*/g, ' ');
}

/** Whether an error came from the file system, not from our own code. */
export const isFileError = (error: unknown): boolean =>
  error instanceof Error && /^(E[A-Z0-9]+|ERR_INVALID_ARG_VALUE)$/.test((error as NodeJS.ErrnoException).code ?? '');

/** What that is which is no regular file. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO (named pipe)';
  return stats.isSocket() ? 'a socket' : 'a device';
}
