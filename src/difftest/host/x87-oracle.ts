/** Runs one x87 instruction on the host CPU, on many states of the FPU: the silicon's answers, for comparison. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X87_RECORD, x87Program } from './x87-program.ts';

export class X87Oracle {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vetro-x87-'));
  readonly #child: ChildProcessWithoutNullStreams;

  #ended = false;
  /** Goes on with a run that waits for output. */
  #wake: () => void = () => {};

  readonly #bytes: number;

  /**
   * @param instruction its bytes; a memory operand is [RSI]
   * @param batch records of each run
   */
  constructor(instruction: readonly number[], batch: number) {
    this.#bytes = batch * X87_RECORD.size;
    const file = join(this.#folder, 'instruction');
    writeFileSync(file, x87Program(instruction, batch), { mode: 0o755 });
    this.#child = spawn(file, [], { stdio: 'pipe' });
    this.#child.stderr.resume();
    this.#child.stdout.on('readable', () => this.#wake());
    this.#child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** @param records exactly a batch. @returns the records after the instruction. @throws Error if the program ends */
  async run(records: Uint8Array): Promise<Uint8Array> {
    const { stdin, stdout } = this.#child;
    stdin.write(records);
    const parts: Uint8Array[] = [];
    let left = this.#bytes;
    while (left > 0) {
      const part = stdout.read() as Uint8Array | null;
      if (part === null) {
        if (this.#ended) throw new Error('the program ended');
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  dispose(): void {
    this.#child.stdin.end();
    this.#child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
