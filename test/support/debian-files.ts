/** Files of Debian packages that do not depend on the machine, fetched for a test; or why there are none. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DebianFiles {
  /** Undefined: they are there. */
  readonly reason?: string;
  /** `path` within the package, without a leading slash. */
  read(path: string): Uint8Array;
  dispose(): void;
}

export function debianFiles(...packages: readonly string[]): DebianFiles {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-debian-'));
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  const read = (path: string) => new Uint8Array(readFileSync(join(folder, 'files', path)));
  try {
    execFileSync('apt-get', ['-q', 'download', ...packages], { cwd: folder, stdio: 'pipe', timeout: 120_000 });
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.deb')))
      execFileSync('dpkg-deb', ['-x', name, 'files'], { cwd: folder, stdio: 'pipe' });
    return { read, dispose };
  } catch (error) {
    dispose();
    return { reason: (error as Error).message.split('\n')[0], read, dispose: () => {} };
  }
}
