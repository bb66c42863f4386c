/** Images in the file system. */
import { statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { ImageFile, ImageFolder } from '../../storage/open-image.ts';
import { fileProblem, isFileError } from './file-problem.ts';
import { FileStore } from './file-store.ts';
import { assertNoJournals, UndoFile } from './undo-file.ts';

export interface ImageFilesOptions {
  /** Read images even while another process writes them. */
  readonly shareWithWriter?: boolean;
  /** What is written can be undone. */
  readonly undo?: UndoImages | undefined;
}

export interface UndoImages {
  /** The epoch that files are brought back to before they are written. */
  readonly backTo: number | undefined;
  /** Takes those that are opened for writing. */
  readonly opened: UndoFile[];
}

/** Images found by their paths. */
export const imageFiles = ({ shareWithWriter = false, undo }: ImageFilesOptions = {}): ImageFolder => ({
  find(name, from): ImageFile {
    const path = from ? resolveBacking(name, from.name) : name;
    try {
      const { dev, ino } = statSync(path, { bigint: true });
      return { name: path, identity: `${dev}:${ino}` };
    } catch (error) {
      throw isFileError(error) ? new UserError(`cannot open ${path}: ${fileProblem(error)}`) : error;
    }
  },
  stamp({ name }) {
    const { size, mtimeNs } = statSync(name, { bigint: true });
    return `${size}:${mtimeNs}`;
  },
  open({ name }, { writable }) {
    if (!writable) return FileStore.open(name, { shareWithWriter });
    if (!undo) {
      assertNoJournals(name);
      return FileStore.open(name, { writable, shareWithWriter });
    }
    const file = UndoFile.open(name, undo);
    undo.opened.push(file);
    return file;
  },
});

/** A name with a protocol (`nbd:`, `json:`) is QEMU's way to name what is no file; `file:` is one. */
function resolveBacking(name: string, image: string): string {
  const [, protocol] = /^([a-z][a-z0-9+.-]*):/i.exec(name) ?? [];
  if (protocol !== undefined && protocol !== 'file')
    throw new UserError(`cannot open ${name}: it is no path of a file`);
  const path = protocol === undefined ? name : name.slice('file:'.length);
  return isAbsolute(path) ? path : join(dirname(image), path);
}
