/** qemu-img and qemu-io, which say what a qcow2 image is. Debian: qemu-utils. */
import { spawnSync } from 'node:child_process';

/** Why they cannot be asked, or undefined. */
export const QEMU_IMG_MISSING =
  spawnSync('qemu-img', ['--version']).error || spawnSync('qemu-io', ['--version']).error
    ? 'no qemu-img, from the package qemu-utils'
    : undefined;

export function qemuImg(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Carries out commands on an image, as `write -P 0x11 0 64k`. */
export function qemuIo(path: string, ...commands: string[]): string {
  const words = ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), path];
  const { status, stdout, stderr } = spawnSync('qemu-io', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-io ${words.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** What `qemu-img check` finds: 0 all is well, 2 corruptions, 3 leaks alone. */
export function qemuCheck(path: string): { status: number; output: string } {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-f', 'qcow2', path], { encoding: 'utf8' });
  return { status: status ?? -1, output: `${stdout}${stderr}` };
}
