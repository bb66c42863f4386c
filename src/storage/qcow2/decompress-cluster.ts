/** Compressed clusters. The data may be followed by anything: what counts is that a whole cluster comes out. */
import { inflateSync } from 'fflate';
import { damaged } from './header.ts';
import { inflateZstd } from './inflate-zstd.ts';

/**
 * @param bytes of the file, up to the end of the last sector that belongs to the cluster
 * @throws StorageError if no whole cluster comes out
 */
export function decompressCluster(bytes: Uint8Array, clusterBytes: number, method: 'zlib' | 'zstd'): Uint8Array {
  try {
    const cluster = method === 'zstd' ? inflateZstd(bytes, clusterBytes) : inflate(bytes, clusterBytes);
    if (cluster.length === clusterBytes) return cluster;
  } catch {
    // The library has errors of its own for what it cannot read, and some that it does not know of.
  }
  throw damaged('a compressed cluster cannot be unpacked');
}

/** Raw deflate data, RFC 1951. What is too much is dropped: the library does not write beyond `out`. */
const inflate = (bytes: Uint8Array, length: number): Uint8Array => inflateSync(bytes, { out: new Uint8Array(length) });
