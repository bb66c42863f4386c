/** What keys take to their echo: from a stroke until the guest, which sends back what it gets, has had a slice with it. */
import type { Host } from '../src/index.ts';
import { assemble } from '../src/isa/assemble.ts';

const STROKES = 500;
const SPIN = 'bits 16\norg 0x7c00\nagain: inc eax\njmp again';
const ECHO = `bits 16\norg 0x7c00\nmov dx, 0x3fb\nmov al, 3\nout dx, al\nmov dx, 0x3f9\nmov al, 1\nout dx, al
  mov al, 0x11\nout 0x20, al\nmov al, 8\nout 0x21, al\nmov al, 4\nout 0x21, al\nmov al, 1\nout 0x21, al\nmov al, 0xef\nout 0x21, al
  mov word [0x30], got\nmov word [0x32], 0\nmov dx, 0x3fc\nmov al, 11\nout dx, al
  mov dx, 0x3f8\nmov al, '!'\nout dx, al
  wait: sti\nhlt\njmp wait
  got: push ax\npush dx\nmov dx, 0x3f8\nin al, dx\nout dx, al\nmov al, 0x20\nout 0x20, al\npop dx\npop ax\niret`;

/** Beside so many guests that are busy. In ms, the shortest first. */
export async function echoTimes(host: Host, busyGuests: number): Promise<number[]> {
  const boot = (source: string) => ({ boot: { image: assemble(source).bytes }, memory: 1 });
  const busy = await Promise.all(Array.from({ length: busyGuests }, () => host.createGuest(boot(SPIN))));
  const typed = await host.createGuest({ ...boot(ECHO), clock: 'host', latency: 'interactive' });
  for (const guest of [...busy, typed]) void guest.run();
  await typed.serial.waitFor('!', { timeout: 60_000 });
  const waits: number[] = [];
  for (let count = 0; count < STROKES; count++) {
    await new Promise((resolve) => setTimeout(resolve, 5 + (count % 7)));
    const start = performance.now();
    typed.serial.write('x');
    await typed.serial.waitFor('x', { timeout: 5_000 });
    waits.push(performance.now() - start);
  }
  for (const guest of [...busy, typed]) guest.dispose();
  return waits.sort((one, other) => one - other);
}
