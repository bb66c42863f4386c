/** Small images of formats that are only read, made here: their parts are where the formats' descriptions say. */
import { zlibSync } from 'fflate';

const SECTOR = 512;

/** A disk whose every third block of 64 KiB is zeroes. */
export function sampleDisk(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => ((at >> 16) % 3 === 1 ? 0 : 1 + ((at * 7 + (at >> 9)) % 255)));
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** Bytes put one behind the other, each at a multiple of a sector. */
class Writer {
  #bytes = new Uint8Array(0);

  get end(): number {
    return this.#bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get view(): DataView {
    return new DataView(this.#bytes.buffer);
  }

  append(bytes: Uint8Array): number {
    const at = this.end;
    const larger = new Uint8Array(at + Math.ceil(bytes.length / SECTOR) * SECTOR);
    larger.set(this.#bytes);
    larger.set(bytes, at);
    this.#bytes = larger;
    return at;
  }
}

export function createVdi(disk: Uint8Array, blockBytes = 1 << 16): Uint8Array {
  const file = new Writer();
  const blocks = Math.ceil(disk.length / blockBytes);
  const header = new DataView(new ArrayBuffer(512));
  new Uint8Array(header.buffer).set(new TextEncoder().encode('<<< a VDI image >>>\n'));
  const fields: [number, number][] = [
    [0x40, 0xbeda_107f],
    [0x44, 0x0001_0001],
    [0x48, 0x190],
    [0x4c, 1],
    [0x154, 512],
    [0x158, 512 + Math.ceil((blocks * 4) / SECTOR) * SECTOR],
    [0x168, 512],
    [0x170, disk.length],
    [0x178, blockBytes],
    [0x180, blocks],
  ];
  for (const [at, value] of fields) header.setUint32(at, value, true);
  file.append(new Uint8Array(header.buffer));
  const table = file.append(new Uint8Array(blocks * 4).fill(0xff));
  // The last block first, so that places are not in order.
  let used = 0;
  for (let block = blocks - 1; block >= 0; block--) {
    const bytes = padded(disk.subarray(block * blockBytes, (block + 1) * blockBytes), blockBytes);
    if (isZero(bytes)) continue;
    file.append(bytes);
    file.view.setUint32(table + block * 4, used++, true);
  }
  return file.bytes;
}

export function createVhd(disk: Uint8Array, { fixed }: { readonly fixed: boolean }, blockBytes = 1 << 16): Uint8Array {
  const footer = new DataView(new ArrayBuffer(512));
  new Uint8Array(footer.buffer).set(new TextEncoder().encode('conectix'));
  footer.setUint32(12, 0x0001_0000);
  footer.setBigUint64(16, fixed ? 0xffff_ffff_ffff_ffffn : 512n);
  // Who made it: of some, QEMU believes the geometry only.
  new Uint8Array(footer.buffer).set(new TextEncoder().encode('win '), 28);
  footer.setBigUint64(40, BigInt(disk.length));
  footer.setBigUint64(48, BigInt(disk.length));
  footer.setUint32(60, fixed ? 2 : 3);
  seal(footer, 64);
  const file = new Writer();
  if (fixed) {
    file.append(disk);
    file.append(new Uint8Array(footer.buffer));
    return file.bytes;
  }
  const blocks = Math.ceil(disk.length / blockBytes);
  file.append(new Uint8Array(footer.buffer));
  const header = new DataView(new ArrayBuffer(1024));
  new Uint8Array(header.buffer).set(new TextEncoder().encode('cxsparse'));
  header.setBigUint64(16, 1536n);
  header.setUint32(28, blocks);
  header.setUint32(32, blockBytes);
  seal(header, 36);
  file.append(new Uint8Array(header.buffer));
  const table = file.append(new Uint8Array(blocks * 4).fill(0xff));
  for (let block = blocks - 1; block >= 0; block--) {
    const bytes = padded(disk.subarray(block * blockBytes, (block + 1) * blockBytes), blockBytes);
    if (isZero(bytes)) continue;
    const at = file.append(new Uint8Array(SECTOR).fill(0xff));
    file.append(bytes);
    file.view.setUint32(table + block * 4, at / SECTOR);
  }
  file.append(new Uint8Array(footer.buffer));
  return file.bytes;
}

/** The checksum: the complement of the sum of all other bytes. */
export function seal(view: DataView, at: number): void {
  view.setUint32(at, 0);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  view.setUint32(at, ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0);
}

/** Grain tables of 16 entries, so that there are several. */
export function createVmdk(
  disk: Uint8Array,
  { stream }: { readonly stream: boolean },
  grainBytes = 1 << 15,
): Uint8Array {
  const perTable = 16;
  const grains = Math.ceil(disk.length / grainBytes);
  const tables = Math.ceil(grains / perTable);
  const file = new Writer();
  file.append(new Uint8Array(SECTOR));
  const descriptor = file.append(
    padded(new TextEncoder().encode('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n'), 1024),
  );
  const entries = new Uint32Array(grains);
  for (let grain = grains - 1; grain >= 0; grain--) {
    const bytes = padded(disk.subarray(grain * grainBytes, (grain + 1) * grainBytes), grainBytes);
    if (isZero(bytes)) continue;
    if (!stream) {
      entries[grain] = file.append(bytes) / SECTOR;
      continue;
    }
    const packed = zlibSync(bytes);
    const marked = new Uint8Array(12 + packed.length);
    new DataView(marked.buffer).setUint32(0, (grain * grainBytes) / SECTOR, true);
    new DataView(marked.buffer).setUint32(8, packed.length, true);
    marked.set(packed, 12);
    entries[grain] = file.append(marked) / SECTOR;
  }
  const directory = new DataView(new ArrayBuffer(tables * 4));
  for (let table = 0; table < tables; table++) {
    const part = entries.subarray(table * perTable, (table + 1) * perTable);
    if (part.every((entry) => entry === 0)) continue;
    const bytes = new DataView(new ArrayBuffer(perTable * 4));
    part.forEach((entry, index) => {
      bytes.setUint32(index * 4, entry, true);
    });
    directory.setUint32(table * 4, file.append(new Uint8Array(bytes.buffer)) / SECTOR, true);
  }
  const directoryAt = file.append(new Uint8Array(directory.buffer)) / SECTOR;
  const header = (gdOffset: bigint): DataView => {
    const view = new DataView(new ArrayBuffer(SECTOR));
    view.setUint32(0, 0x564d_444b, true);
    view.setUint32(4, stream ? 3 : 1, true);
    view.setUint32(8, stream ? 0x3_0001 : 1, true);
    view.setBigUint64(12, BigInt(Math.ceil(disk.length / SECTOR)), true);
    view.setBigUint64(20, BigInt(grainBytes / SECTOR), true);
    view.setBigUint64(28, BigInt(descriptor / SECTOR), true);
    view.setBigUint64(36, 2n, true);
    view.setUint32(44, perTable, true);
    view.setBigUint64(56, gdOffset, true);
    view.setUint16(77, stream ? 1 : 0, true);
    return view;
  };
  if (stream) {
    // A marker: one sector follows, of type 3, the footer. Behind that, the end of the stream.
    const marker = new DataView(new ArrayBuffer(SECTOR));
    marker.setUint32(0, 1, true);
    marker.setUint32(12, 3, true);
    file.append(new Uint8Array(marker.buffer));
    file.append(new Uint8Array(header(BigInt(directoryAt)).buffer));
    file.append(new Uint8Array(SECTOR));
  }
  const first = header(stream ? 0xffff_ffff_ffff_ffffn : BigInt(directoryAt));
  file.bytes.set(new Uint8Array(first.buffer));
  return file.bytes;
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes);
  return result;
}
