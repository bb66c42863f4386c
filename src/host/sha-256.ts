/** SHA-256, FIPS 180-4, where the host has none that answers here: browsers give theirs to secure pages only. */

const ROUNDS = 64;
const BLOCK = 64;

/** The first 32 bits of the fractional parts of the roots (square: 2, cube: 3) of the first primes: 4.2.2 and 5.3.3. */
function fractions(count: number, root: 2 | 3): Uint32Array {
  const result = new Uint32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate++) {
    if (!isPrime(candidate)) continue;
    const value = root === 2 ? Math.sqrt(candidate) : Math.cbrt(candidate);
    result[found++] = (value - Math.floor(value)) * 2 ** 32;
  }
  return result;
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

export class Sha256 {
  readonly #constants = fractions(ROUNDS, 3);
  readonly #initial = fractions(8, 2);
  readonly #schedule = new Int32Array(ROUNDS);

  digest(message: Uint8Array): Uint8Array {
    const length = Math.ceil((message.length + 9) / BLOCK) * BLOCK;
    const padded = new Uint8Array(length);
    padded.set(message);
    padded[message.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setBigUint64(length - 8, BigInt(message.length) * 8n);
    const hash = Int32Array.from(this.#initial);
    for (let at = 0; at < length; at += BLOCK) this.#block(hash, view, at);
    const result = new Uint8Array(32);
    const words = new DataView(result.buffer);
    for (const [index, word] of hash.entries()) words.setInt32(4 * index, word);
    return result;
  }

  /** 6.2.2. */
  #block(hash: Int32Array, view: DataView, at: number): void {
    const schedule = this.#schedule;
    for (let t = 0; t < 16; t++) schedule[t] = view.getInt32(at + 4 * t);
    for (let t = 16; t < ROUNDS; t++) {
      const [x, y] = [schedule[t - 15], schedule[t - 2]];
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      schedule[t] = schedule[t - 16] + s0 + schedule[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let t = 0; t < ROUNDS; t++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const one = (h + s1 + ((e & f) ^ (~e & g)) + this.#constants[t] + schedule[t]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) hash[index] += word;
  }
}
