/**
 * What computes for snapshots: Node's own zlib and crypto where they are, which are three times as fast; else fflate and
 * SHA-256 of ours. What they give is the same.
 * @see `snapshot/codec.ts`, whose interface this implements.
 */
import { deflateSync, inflateSync } from 'fflate';
import { Sha256 } from './sha-256.ts';

export interface SnapshotCodec {
  deflate(bytes: Uint8Array): Uint8Array;
  inflate(bytes: Uint8Array, length: number): Uint8Array;
  digest(bytes: Uint8Array): Uint8Array;
}

/** Fast: a snapshot has tens of megabytes, and what higher levels save is a tenth. */
const LEVEL = 1;

export function createSnapshotCodec(): SnapshotCodec {
  const { process } = globalThis as { process?: NodeProcess };
  const zlib = process?.getBuiltinModule?.('node:zlib');
  const crypto = process?.getBuiltinModule?.('node:crypto');
  return zlib && crypto ? nodeCodec(zlib, crypto) : portableCodec();
}

export function portableCodec(): SnapshotCodec {
  const sha = new Sha256();
  return {
    deflate: (bytes) => deflateSync(bytes, { level: LEVEL }),
    inflate(bytes, length) {
      // One byte more than there should be shows what is too long.
      const unpacked = inflateSync(bytes, { out: new Uint8Array(length + 1) });
      return exactly(unpacked, length);
    },
    digest: (bytes) => sha.digest(bytes),
  };
}

const nodeCodec = (zlib: NodeZlib, crypto: NodeCrypto): SnapshotCodec => ({
  deflate: (bytes) => plain(zlib.deflateRawSync(bytes, { level: LEVEL })),
  inflate: (bytes, length) =>
    exactly(plain(zlib.inflateRawSync(bytes, { maxOutputLength: Math.max(length, 1) })), length),
  digest: crypto.hash
    ? (bytes) => plain(crypto.hash!('sha256', bytes, 'buffer'))
    : (bytes) => plain(crypto.createHash('sha256').update(bytes).digest()),
});

/** A Buffer as what it is to all others. */
const plain = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array => new Uint8Array(buffer, byteOffset, length);

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes were unpacked, not ${length}`);
  return bytes;
}

interface NodeZlib {
  deflateRawSync(bytes: Uint8Array, options: { level: number }): Uint8Array;
  inflateRawSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array;
}

interface NodeCrypto {
  /** From 20.12 on: for what is short, twice as fast. */
  hash?(name: 'sha256', bytes: Uint8Array, output: 'buffer'): Uint8Array;
  createHash(name: 'sha256'): { update(bytes: Uint8Array): { digest(): Uint8Array } };
}

/** As much of Node as is looked for in a place that may be a browser. */
interface NodeProcess {
  getBuiltinModule?(name: 'node:zlib'): NodeZlib | undefined;
  getBuiltinModule?(name: 'node:crypto'): NodeCrypto | undefined;
}
