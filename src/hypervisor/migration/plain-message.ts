/** Plain data in a message: its length (32 bits), the SHA-256 of what follows, and its deflated form. */
import { type Codec, DIGEST_BYTES } from '../../snapshot/codec.ts';
import { decodePlain, encodePlain } from '../../snapshot/plain-data.ts';
import { wrongStream } from './migration-error.ts';
import { unpack } from './page-batch.ts';
import { MOST_PLAIN_BYTES } from './protocol.ts';

const PREFIX = 4;

/** @throws UserError for too much of it */
export async function packPlain(data: unknown, codec: Codec): Promise<Uint8Array> {
  const plain = encodePlain(data);
  const packed = await codec.deflate(plain);
  const bytes = new Uint8Array(PREFIX + DIGEST_BYTES + packed.length);
  new DataView(bytes.buffer).setUint32(0, plain.length, true);
  bytes.set(await codec.digest(packed), PREFIX);
  bytes.set(packed, PREFIX + DIGEST_BYTES);
  return bytes;
}

/** @throws UserError for what is no such message */
export async function unpackPlain(bytes: Uint8Array, codec: Codec): Promise<unknown> {
  if (bytes.length < PREFIX + DIGEST_BYTES) throw wrongStream('data without a beginning');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length > MOST_PLAIN_BYTES) throw wrongStream('too much data');
  const packed = bytes.subarray(PREFIX + DIGEST_BYTES);
  const digest = await codec.digest(packed);
  if (digest.some((byte, index) => bytes[PREFIX + index] !== byte)) throw wrongStream('data with another checksum');
  return decodePlain(await unpack(codec, packed, length));
}
