/** A thread with a pool in it, as the host sees it: numbered requests, each with its reply. */
import { InternalError } from '../../base/errors.ts';
import type { MemoryPool } from '../../machine/machine.ts';
import type { WorkerPort } from '../platform.ts';
import type { ExchangeKind, Exchanges, Reply } from './messages.ts';
import { fromPlainError } from './plain-error.ts';

interface Waiting {
  readonly kind: ExchangeKind;
  resolve(reply: never): void;
  reject(error: Error): void;
}

/** Who holds the thread: it ends with the last of them. */
export interface PoolMember {
  /** The thread has ended by itself. */
  lost(error: InternalError): void;
}

export class PoolThread implements MemoryPool {
  /** "pool 3", for messages. */
  readonly name: string;
  /** Of frames, as of the last reply. */
  bytesInUse = 0;
  /** Clones' frames are shared there; what that saves is not reported. */
  readonly bytesSaved = 0;
  /** Has no effect: machines are stopped by limits of their own. */
  limit = Number.POSITIVE_INFINITY;
  /** Pages are not searched for equal ones in another thread. */
  readonly scanner = {
    scan: () => 0,
    roundUnits: 0,
    figures: { scanned: 0, rounds: 0, merged: 0, zeros: 0, parted: 0, saved: 0 },
  };
  readonly #port: WorkerPort;
  readonly #waiting = new Map<number, Waiting>();
  readonly #members = new Set<PoolMember>();
  #requests = 0;
  #ended: InternalError | undefined;

  constructor(name: string, port: WorkerPort) {
    this.name = name;
    this.#port = port;
    port.onMessage = (message) => this.#receive(message as Reply);
    port.onEnd = (reason) => this.#lose(new InternalError(`the thread of ${name} has ended: ${reason.message}`));
    port.keepAlive(false);
  }

  /** Why nothing can be asked any more; undefined: it can. */
  get ended(): InternalError | undefined {
    return this.#ended;
  }

  /** @throws what the thread answers with; InternalError if it has ended (as rejections) */
  request<Kind extends ExchangeKind>(
    kind: Kind,
    content: Exchanges[Kind]['request'],
    transfer?: readonly ArrayBuffer[],
  ): Promise<Exchanges[Kind]['reply']> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const number = ++this.#requests;
      this.#port.post({ number, kind, ...content }, transfer);
      if (this.#waiting.size === 0) this.#port.keepAlive(true);
      this.#waiting.set(number, { kind, resolve, reject });
    });
  }

  /** What is short there is met there. */
  prepare(): boolean {
    return true;
  }

  join(member: PoolMember): void {
    this.#members.add(member);
  }

  leave(member: PoolMember): void {
    this.#members.delete(member);
    this.#terminateUnused();
  }

  /** Snapshots that are being written are given up first, so that no half of a file is left. */
  #terminateUnused(): void {
    const saves = [...this.#waiting.values()].some(({ kind }) => kind === 'snapshot');
    if (this.#members.size === 0 && !saves) this.terminate();
  }

  terminate(): void {
    if (this.#ended !== undefined) return;
    this.#end(new InternalError(`${this.name} is disposed`));
    this.#port.terminate();
  }

  #receive(message: Reply): void {
    const waiting = this.#waiting.get(message.number);
    if (waiting === undefined) return;
    this.#waiting.delete(message.number);
    if (this.#waiting.size === 0) this.#port.keepAlive(false);
    if ('error' in message) waiting.reject(fromPlainError(message.error));
    else waiting.resolve(message.reply as never);
    if (waiting.kind === 'snapshot') this.#terminateUnused();
  }

  #lose(error: InternalError): void {
    // First those who live there, so that none of them takes what it waits for as its own doing.
    for (const member of [...this.#members]) member.lost(error);
    this.#end(error);
    this.#port.terminate();
  }

  #end(error: InternalError): void {
    this.#ended = error;
    this.#port.onMessage = undefined;
    this.#port.onEnd = undefined;
    for (const { reject } of [...this.#waiting.values()]) reject(error);
    this.#waiting.clear();
  }
}
