/** Wall clock and timers, in terms that Node and browsers share. */

/** @see `hypervisor/platform.ts`, whose interface this implements. */
export function createPlatform(): {
  now(): number;
  yield(): Promise<void>;
  delay(ms: number, action: () => void): () => void;
} {
  return {
    now: () => performance.now(),
    yield: nextTurn(),
    delay(ms, action) {
      const timer = setTimeout(action, Math.min(ms, LONGEST_TIMEOUT));
      return () => clearTimeout(timer);
    },
  };
}

/** setTimeout takes a signed 32-bit number. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** A task behind those that wait: setImmediate where there is one, else a message to ourselves (setTimeout is clamped to 4 ms). */
function nextTurn(): () => Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (action: () => void) => void };
  if (setImmediate) return () => new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(0);
    });
}
