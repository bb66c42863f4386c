import { describe, expect, it } from 'vitest';
import { BytesStore } from '../../../src/storage/bytes-store.ts';

describe('bytes as a store', () => {
  it.each([
    ['a Buffer', Buffer.from('content')],
    ['a Uint8Array', Uint8Array.from(Buffer.from('content'))],
  ])('%s: what is read has memory of its own', (_, bytes) => {
    const read = new BytesStore(bytes).read(0, 4);
    read.fill(0);
    expect(Buffer.from(bytes).toString()).toBe('content');
    expect(Buffer.isBuffer(read)).toBe(false);
  });
});
