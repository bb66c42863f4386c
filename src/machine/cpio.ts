/**
 * Writer for the cpio "newc" format, the archive that Linux unpacks as its first root file system.
 * Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
 * Output depends on the entries alone: inode numbers count up from 1, times are zero, owner is root.
 */

export type CpioEntry =
  | { readonly type: 'folder'; readonly path: string; readonly mode?: number }
  | { readonly type: 'file'; readonly path: string; readonly data: Uint8Array; readonly mode?: number }
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  | {
      readonly type: 'character-device';
      readonly path: string;
      readonly major: number;
      readonly minor: number;
      readonly mode?: number;
    };

const FILE_TYPE = { folder: 0o040000, file: 0o100000, link: 0o120000, 'character-device': 0o020000 } as const;
const DEFAULT_MODE = { folder: 0o755, file: 0o644, link: 0o777, 'character-device': 0o600 } as const;

/** An archive of `entries`, in that order (a folder before what is in it). Paths are relative, without a leading slash. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.map((entry, index) => writeEntry(entry, index + 1));
  parts.push(member({ path: 'TRAILER!!!', inode: 0, mode: 0, links: 1 }));
  const archive = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

function writeEntry(entry: CpioEntry, inode: number): Uint8Array {
  const permissions = 'mode' in entry && entry.mode !== undefined ? entry.mode : DEFAULT_MODE[entry.type];
  return member({
    path: entry.path,
    inode,
    mode: FILE_TYPE[entry.type] | permissions,
    links: entry.type === 'folder' ? 2 : 1,
    data:
      entry.type === 'file' ? entry.data : entry.type === 'link' ? new TextEncoder().encode(entry.target) : undefined,
    device: entry.type === 'character-device' ? entry : undefined,
  });
}

interface Member {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly data?: Uint8Array;
  readonly device?: { readonly major: number; readonly minor: number };
}

const MAGIC = '070701';

function member({ path, inode, mode, links, data = new Uint8Array(0), device }: Member): Uint8Array {
  const name = new TextEncoder().encode(`${path}\0`);
  // After the magic: c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, c_maj, c_min, c_rmaj, c_rmin, c_namesize, c_chksum
  const fields = [
    inode,
    mode,
    0,
    0,
    links,
    0,
    data.length,
    0,
    0,
    device?.major ?? 0,
    device?.minor ?? 0,
    name.length,
    0,
  ];
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const dataAt = align4(header.length + name.length);
  const bytes = new Uint8Array(dataAt + align4(data.length));
  bytes.set(new TextEncoder().encode(header));
  bytes.set(name, header.length);
  bytes.set(data, dataAt);
  return bytes;
}

const align4 = (length: number): number => (length + 3) & ~3;
