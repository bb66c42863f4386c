import { describe, expect, it } from 'vitest';
import { type CpioEntry, writeCpio } from '../../../src/machine/cpio.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Reads an archive back, member by member, as the format's text describes it. */
function readCpio(archive: Uint8Array) {
  const members = [];
  for (let at = 0; ; ) {
    const field = (index: number) =>
      Number.parseInt(text(archive.subarray(at + 6 + 8 * index, at + 14 + 8 * index)), 16);
    expect(text(archive.subarray(at, at + 6))).toBe('070701');
    const path = text(archive.subarray(at + 110, at + 110 + field(11) - 1));
    const dataAt = Math.ceil((at + 110 + field(11)) / 4) * 4;
    if (path === 'TRAILER!!!') return { members, end: dataAt };
    const data = archive.slice(dataAt, dataAt + field(6));
    members.push({ path, inode: field(0), mode: field(1), major: field(9), minor: field(10), data });
    at = Math.ceil((dataAt + data.length) / 4) * 4;
  }
}

const ENTRIES: CpioEntry[] = [
  { type: 'folder', path: 'dev' },
  { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  { type: 'file', path: 'init', data: new TextEncoder().encode('hello'), mode: 0o755 },
  { type: 'link', path: 'sh', target: 'busybox' },
];

describe('cpio, newc format', () => {
  it('holds every entry with its type, mode and content', () => {
    const { members } = readCpio(writeCpio(ENTRIES));
    expect(
      members.map(({ path, mode, major, minor, data }) => [path, mode.toString(8), major, minor, text(data)]),
    ).toEqual([
      ['dev', '40755', 0, 0, ''],
      ['dev/console', '20600', 5, 1, ''],
      ['init', '100755', 0, 0, 'hello'],
      ['sh', '120777', 0, 0, 'busybox'],
    ]);
  });

  it('numbers inodes apart and ends with TRAILER!!!, padded to 4 bytes', () => {
    const archive = writeCpio(ENTRIES);
    const { members, end } = readCpio(archive);
    expect(members.map(({ inode }) => inode)).toEqual([1, 2, 3, 4]);
    expect(archive.length).toBe(end);
    expect(archive.length % 4).toBe(0);
  });

  it('is the same for the same entries', () => {
    expect(writeCpio(ENTRIES)).toEqual(writeCpio(ENTRIES));
  });
});
