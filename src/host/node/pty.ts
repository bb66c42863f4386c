/**
 * A pseudo-terminal. Node has no call for one; the program `script` (util-linux) opens it, and a shell at its far end
 * keeps it open, in raw mode, for whoever attaches.
 */
import { spawn } from 'node:child_process';
import { UserError } from '../../base/errors.ts';

export interface Pty {
  /** What others open, such as /dev/pts/3. */
  readonly path: string;
  /** Sends bytes to whoever has it open; dropped while too many wait. */
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Bytes that may wait for a reader. */
const BACKLOG = 1 << 16;

/** @throws UserError if the machine has no `script` */
export function openPty(onInput: (bytes: Uint8Array) => void): Promise<Pty> {
  // The far end reports its name on descriptor 3, then only holds the terminal open.
  const far = 'stty raw -echo; tty >&3; exec 3>&-; while :; do sleep 86400; done';
  const child = spawn('script', ['-q', '-f', '-c', far, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    const fail = () => reject(new UserError('--serial pty needs the program script (package util-linux)'));
    child.on('error', fail);
    child.on('exit', fail);
    child.stdin!.on('error', () => {});
    child.stdio[3]!.once('data', (name: Buffer) => {
      child.stdout!.on('data', onInput);
      resolve({
        path: name.toString().trim(),
        write: (bytes) => {
          if (child.stdin!.writableLength < BACKLOG) child.stdin!.write(bytes);
        },
        close: () => {
          child.kill();
        },
      });
    });
  });
}
