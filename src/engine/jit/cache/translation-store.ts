/** Translations by content: at work or not. */
import type { Translation } from './translation.ts';

/** Kept at most; then those that are not at work are forgotten. */
const MOST_TRANSLATIONS = 3000;

export class TranslationStore {
  /** By where the first trace begins in its page, and its first byte. */
  readonly #kept = new Map<number, Set<Translation>>();
  #size = 0;

  /** Whether any may begin with a byte at an offset in a page. */
  hasAny(offset: number, first: number): boolean {
    return this.#kept.has(keyOf(offset, first));
  }

  /** Those that may begin with a byte at an offset in a page. */
  beginningAt(offset: number, first: number): Iterable<Translation> {
    return this.#kept.get(keyOf(offset, first)) ?? [];
  }

  /** @param atWork whether a translation is used */
  add(translation: Translation, atWork: (translation: Translation) => boolean): void {
    if (this.#size >= MOST_TRANSLATIONS) this.#forget((one) => !atWork(one));
    const [{ bytes, offset }] = translation.traces;
    const key = keyOf(offset, bytes[0]);
    const same = this.#kept.get(key);
    if (same) same.add(translation);
    else this.#kept.set(key, new Set([translation]));
    this.#size++;
  }

  delete(translation: Translation): void {
    const [{ bytes, offset }] = translation.traces;
    const key = keyOf(offset, bytes[0]);
    const same = this.#kept.get(key);
    if (!same?.delete(translation)) return;
    this.#size--;
    if (same.size === 0) this.#kept.delete(key);
  }

  #forget(isUnused: (translation: Translation) => boolean): void {
    for (const [key, translations] of this.#kept) {
      for (const translation of translations) {
        if (!isUnused(translation)) continue;
        translations.delete(translation);
        this.#size--;
      }
      if (translations.size === 0) this.#kept.delete(key);
    }
  }
}

const keyOf = (offset: number, first: number): number => offset * 256 + first;
