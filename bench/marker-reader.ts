/**
 * Finds the markers that the guest's /init writes on its serial port: `@@ready`, then for each command `@@start NAME`,
 * what it prints, and `@@end NAME STATUS`.
 */
export type Marker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start'; readonly name: string }
  | {
      readonly kind: 'end';
      readonly name: string;
      readonly status: number;
      /** What the command printed, with plain line ends; only the last `KEPT` characters if it is more. */
      readonly output: string;
    };

const MARKER = /@@(ready|start ([\w.-]+)|end ([\w.-]+) (\d+))$/;
const KEPT = 1 << 16;

export class MarkerReader {
  #line = '';
  #output = '';

  /** @returns the markers that this piece of output completes */
  put(text: string): Marker[] {
    const pieces = (this.#line + text).split('\n');
    this.#line = pieces.pop()!;
    return pieces.flatMap((line) => this.#take(line.replaceAll('\r', '')) ?? []);
  }

  /** The last of what was read: for messages. */
  get recent(): string {
    return (this.#output + this.#line).trimEnd().slice(-500);
  }

  #take(line: string): Marker | undefined {
    const match = MARKER.exec(line);
    if (!match) {
      this.#keep(`${line}\n`);
      return undefined;
    }
    const [marker, , started, ended, status] = match;
    // The last line of a command may have no end.
    if (match.index > 0) this.#keep(line.slice(0, -marker.length));
    const output = this.#output.slice(-KEPT);
    this.#output = '';
    if (started !== undefined) return { kind: 'start', name: started };
    if (ended !== undefined) return { kind: 'end', name: ended, status: Number(status), output };
    return { kind: 'ready' };
  }

  #keep(text: string): void {
    this.#output += text;
    if (this.#output.length > 2 * KEPT) this.#output = this.#output.slice(-KEPT);
  }
}
