/** A drive of a machine in another thread: its medium is exchanged there. */
import type { ImageRequest } from '../media/image-opener.ts';
import { checkEject, checkInserted, type ExchangeableDrive } from '../media/removable-drive.ts';
import type { CdromOptions, FloppyOptions, ImageSource } from '../options/media-options.ts';
import { requestForThread } from './image-for-thread.ts';
import type { DriveFacts } from './messages.ts';

export interface RemoteDriveParts {
  readonly kind: 'cdrom' | 'floppy';
  /** As it was after the last slice. */
  facts(): DriveFacts;
  /** Resolves when it is in. @throws UserError (as a rejection) */
  insert(request: ImageRequest): Promise<void>;
  /** Resolves when it is out, or the guest has been asked for it. */
  eject(options: { readonly force: boolean }): Promise<void>;
  /** @throws StateError once the guest is disposed */
  assertUsable(): void;
}

export class RemoteDrive implements ExchangeableDrive {
  readonly #parts: RemoteDriveParts;
  /** Media that are on their way out. */
  #leaving = 0;

  constructor(parts: RemoteDriveParts) {
    this.#parts = parts;
  }

  get loaded(): boolean {
    return this.#leaving === 0 && this.#parts.facts().loaded;
  }

  async insert(image: ImageSource | CdromOptions | FloppyOptions): Promise<void> {
    const { kind, insert, assertUsable } = this.#parts;
    assertUsable();
    await insert(requestForThread(checkInserted(kind, image)));
  }

  eject(options?: { readonly force?: boolean | undefined }): boolean {
    const { facts, eject, assertUsable } = this.#parts;
    const { force } = checkEject(options);
    assertUsable();
    // The guest may lock it before it hears of this: what was answered holds.
    const comesOut = force || !facts().locked;
    if (comesOut) this.#leaving++;
    const done = (): void => {
      if (comesOut) this.#leaving--;
    };
    // If its thread ends meanwhile, the guest says so.
    eject({ force: comesOut }).then(done, done);
    return comesOut;
  }
}
