/** What is in the drives of a machine in another thread: opened, flushed and closed there. What is to be said of it comes here. */
import type { GuestImages, MediaOwner } from '../media/guest-media.ts';
import { attempt } from '../media/guest-media.ts';

/** Asks the thread; what went wrong there is answered, in lines. */
export interface RemoteMediaParts {
  flush(): Promise<readonly string[]>;
  /** The machine has been disposed: resolves when nothing is open any more. */
  closed(): Promise<readonly string[]>;
}

export class RemoteMedia implements GuestImages {
  readonly #parts: RemoteMediaParts;
  #lines: string[] = [];
  #tried: readonly string[] | undefined;

  constructor(parts: RemoteMediaParts) {
    this.#parts = parts;
  }

  /** What has come together in the thread. */
  hear({ lines, tried }: { readonly lines: readonly string[]; readonly tried: readonly string[] | undefined }): void {
    this.#lines.push(...lines);
    this.#tried = tried ?? this.#tried;
  }

  takeLines(): readonly string[] {
    return this.#lines.splice(0);
  }

  takeTried(): readonly string[] | undefined {
    const tried = this.#tried;
    this.#tried = undefined;
    return tried;
  }

  flush(owner: MediaOwner): Promise<void> {
    return this.#say(owner, this.#parts.flush());
  }

  close(owner: MediaOwner): Promise<void> {
    return this.#say(owner, this.#parts.closed());
  }

  #say(owner: MediaOwner, lines: Promise<readonly string[]>): Promise<void> {
    return attempt(owner, async () => {
      for (const line of await lines) owner.warn(line);
    });
  }
}
