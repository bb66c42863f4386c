/**
 * The format of a store: a folder for many snapshots, of which each page is stored once.
 *
 * - `packs/NAME`: pages. A file as `snapshot/layout` describes it, without maps; its name is the SHA-256 of its digests. A
 *   block may be empty: none of its pages is needed any longer, and what the others are called stays the same.
 * - `snapshots/ID`: one snapshot. The same format without pages; its head is a `Manifest`, which knows of every page in
 *   which pack it is. So each snapshot stands by itself: its parent is where it came from, and may be deleted.
 *
 * A pack is complete before a snapshot refers to it, and a snapshot is there when its file has its name. What no snapshot
 * refers to is garbage, whoever left it.
 */
import { UserError } from '../../base/errors.ts';
import { DIGEST_BYTES } from '../codec.ts';
import { packNumbers } from '../page-file-writer.ts';
import {
  anything,
  bytes,
  choice,
  count,
  dictionary,
  list,
  nullable,
  record,
  type Schema,
  type TypeOf,
  text,
  whole,
} from '../schema.ts';
import { damaged, isLater } from '../snapshot-error.ts';
import { unpackNumbers } from '../snapshot-file.ts';

export const STORE_VERSION = 1;
export const LONGEST_ID = 100;
/** A snapshot that would refer to more packs copies what it needs of the smallest: each is a file that is kept open. */
export const MOST_PACKS = 64;

const WRAP = 2 ** 32;

const digest = bytes({ length: DIGEST_BYTES });
const places = record({
  /** Each less the one before, less 1. */
  numbers: bytes(),
  /** By index in `packs`. */
  packs: bytes(),
  /** Each less the one before, less 1, modulo 2³²: most follow each other. */
  pages: bytes(),
});

const manifest = record({
  kind: choice(['snapshot']),
  version: whole(1, 0xffff),
  /** Wall clock, in ms since 1970. */
  taken: count,
  /** The snapshot that the guest had when it went on to this one, and the digest of its index: its name may be given again. */
  parent: nullable(record({ id: text(LONGEST_ID), digest })),
  /** It was taken by itself, every so many ms, and is deleted when there are `keep` later ones. */
  checkpoint: nullable(record({ every: whole(1, 2 ** 31), keep: whole(1, 1000), epoch: count })),
  /** Digests of the packs' digests. */
  packs: list(digest, 2 * MOST_PACKS),
  maps: dictionary(places),
  head: anything,
});
export type Manifest = TypeOf<typeof manifest>;

/** @throws UserError for another version, or what is none */
export const checkManifest: Schema<Manifest> = (value, place) => {
  const { kind, version } = Object(value) as { kind?: unknown; version?: unknown };
  if (kind !== 'snapshot') throw damaged('it is none of a store');
  if (Number.isInteger(version) && (version as number) > STORE_VERSION) throw isLater('store', version, STORE_VERSION);
  const checked = manifest(value, place);
  // Each is opened.
  if (new Set(checked.packs.map(hex)).size !== checked.packs.length) throw damaged('it has a pack twice');
  return checked;
};

/** Where the pages are that belong to something: three lists of equal length. */
export interface PagePlaces {
  /** Rising. */
  readonly numbers: Uint32Array;
  readonly packs: Uint32Array;
  readonly pages: Uint32Array;
}

export function packPlaces({ numbers, packs, pages }: PagePlaces): Manifest['maps'][string] {
  return { numbers: packNumbers(steps(numbers)), packs: packNumbers(packs), pages: packNumbers(steps(pages)) };
}

/** @throws UserError for what `packPlaces` did not make */
export function unpackPlaces(name: string, packed: Manifest['maps'][string], packCount: number): PagePlaces {
  const numbers = sums(unpackNumbers(packed.numbers));
  const packs = unpackNumbers(packed.packs);
  const pages = sums(unpackNumbers(packed.pages));
  if (numbers.length !== packs.length || numbers.length !== pages.length) throw damaged(`the pages of ${name}`);
  if (numbers.some((number, index) => index > 0 && number <= numbers[index - 1])) throw damaged(`the order of ${name}`);
  if (packs.some((pack) => pack >= packCount)) throw damaged(`packs of ${name} that are not there`);
  return { numbers, packs, pages };
}

function steps(values: Uint32Array): Uint32Array {
  const result = new Uint32Array(values.length);
  let expected = 0;
  for (const [index, value] of values.entries()) {
    result[index] = value - expected;
    expected = value + 1;
  }
  return result;
}

function sums(values: Uint32Array): Uint32Array {
  const result = new Uint32Array(values.length);
  let expected = 0;
  for (const [index, value] of values.entries()) {
    result[index] = (value + expected) % WRAP;
    expected = result[index] + 1;
  }
  return result;
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** What a file that is being written ends with, and names that no file may have everywhere. */
const NOT_AN_ID = /\.partial$|\.$/;

/** @throws UserError for what cannot name a snapshot in a store */
export function checkId(id: string): string {
  if (!ID.test(id) || NOT_AN_ID.test(id) || id.length > LONGEST_ID)
    throw new UserError(
      `a snapshot in a store cannot be called '${id.slice(0, LONGEST_ID)}': letters, digits, dots and dashes, up to ${LONGEST_ID}`,
    );
  return id;
}

/** A guest's name, as far as it can be part of an id. */
export const idStem = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60) || 'guest';

export const hex = (digest: Uint8Array): string =>
  Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
