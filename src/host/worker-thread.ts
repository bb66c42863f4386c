/** Threads, as Node and browsers start them; and the way back, from within one. */

/** @see `hypervisor/platform.ts`, whose interface this implements. */
export interface WorkerThread {
  post(message: object, transfer?: readonly ArrayBuffer[]): void;
  onMessage: ((message: unknown) => void) | undefined;
  onEnd: ((reason: Error) => void) | undefined;
  keepAlive(wanted: boolean): void;
  terminate(): void;
}

/** `program`: address of the worker's bundle, an ES module. */
export function startWorkerThread(program: string | URL): WorkerThread {
  const node = nodeThreads();
  return node ? startInNode(new node.Worker(asNodeWants(program), nodeOptions())) : startInBrowser(program);
}

/** From within a thread: to who has started it. */
export interface ParentThread {
  post(message: object, transfer?: readonly ArrayBuffer[]): void;
  onMessage: ((message: unknown) => void) | undefined;
}

export function parentThread(): ParentThread {
  const inNode = nodeThreads()?.parentPort;
  const port = inNode ?? (globalThis as unknown as WorkerScope);
  const parent: ParentThread = {
    post: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: undefined,
  };
  if (inNode) inNode.on('message', (message) => parent.onMessage?.(message));
  else (port as WorkerScope).onmessage = ({ data }) => parent.onMessage?.(data);
  return parent;
}

const NAME = 'vetro pool';

/** Threads have the options of their process; but one that says how text is to be read stops those that run a file. */
function nodeOptions(): NodeWorkerOptions {
  const given = (globalThis as NodeGlobals).process?.execArgv ?? [];
  return given.some((option) => option.startsWith('--input-type')) ? { name: NAME, execArgv: [] } : { name: NAME };
}

function startInNode(worker: NodeWorker): WorkerThread {
  const thread: WorkerThread = {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: undefined,
    onEnd: undefined,
    keepAlive: (wanted) => (wanted ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  };
  worker.on('message', (message) => thread.onMessage?.(message));
  worker.on('messageerror', (error) => thread.onEnd?.(error as Error));
  worker.on('error', (error) => thread.onEnd?.(error as Error));
  worker.on('exit', (status) => thread.onEnd?.(new Error(`it exited with status ${status}`)));
  return thread;
}

function startInBrowser(program: string | URL): WorkerThread {
  const worker = new Worker(program, { type: 'module', name: NAME });
  const thread: WorkerThread = {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    onMessage: undefined,
    onEnd: undefined,
    keepAlive() {},
    terminate: () => worker.terminate(),
  };
  worker.onmessage = ({ data }) => thread.onMessage?.(data);
  worker.onmessageerror = () => thread.onEnd?.(new Error('what it said cannot be read'));
  worker.onerror = (event) => {
    event.preventDefault();
    // One that cannot be loaded says nothing more.
    thread.onEnd?.(new Error(event.message || `${program} cannot be loaded`));
  };
  return thread;
}

/** A path, or the URL of a file; a string that is one counts as a path. */
const asNodeWants = (program: string | URL): string | URL =>
  typeof program === 'string' && /^[a-z]{2,}:/i.test(program) ? new URL(program) : program;

const nodeThreads = (): NodeThreads | undefined =>
  (globalThis as NodeGlobals).process?.getBuiltinModule?.('node:worker_threads');

interface NodeGlobals {
  readonly process?: {
    getBuiltinModule?(name: 'node:worker_threads'): NodeThreads | undefined;
    readonly execArgv?: readonly string[];
  };
}

interface NodeThreads {
  readonly Worker: new (program: string | URL, options: NodeWorkerOptions) => NodeWorker;
  readonly parentPort: NodePort | null;
}

interface NodeWorkerOptions {
  readonly name: string;
  readonly execArgv?: readonly string[];
}

interface NodePort {
  postMessage(message: object, transfer: readonly ArrayBuffer[]): void;
  on(event: 'message', listener: (message: unknown) => void): void;
}

interface NodeWorker {
  postMessage(message: object, transfer: readonly ArrayBuffer[]): void;
  on(event: 'message' | 'messageerror' | 'error' | 'exit', listener: (what: unknown) => void): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<number>;
}

/** As much of a DedicatedWorkerGlobalScope as is used. */
interface WorkerScope {
  postMessage(message: object, transfer: readonly ArrayBuffer[]): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}
