import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { CleanUp } from '../../../bench/clean-up.ts';
import type { Invocation } from '../../../bench/emulators.ts';
import { Ended, GuestSession, TimeLimit } from '../../../bench/guest-session.ts';

/** Stands for an emulator: a shell on its standard input and output, which does what our /init does. */
const shell = (script: string): Invocation => ({ command: 'sh', args: ['-c', script] });
const GUEST = shell(`
  run() { echo "@@start $1"; eval "$2" </dev/null; echo "@@end $1 $?"; }
  echo @@ready
  while read -r line; do eval "$line"; done
`);
const LIMIT = 20_000;

const cleanUp = new CleanUp();
afterEach(() => cleanUp.all());

describe('a session with a guest', () => {
  it('runs commands one after the other', async () => {
    const session = await GuestSession.boot(GUEST, cleanUp, LIMIT);
    expect(session.bootTime.wall).toBeGreaterThan(0);
    expect(await session.run('first', `echo "it's"; (exit 3)`, LIMIT)).toMatchObject({ status: 3, output: "it's\n" });
    const { time, status } = await session.run('second', 'sleep 0.2', LIMIT);
    expect(status).toBe(0);
    expect(time!.wall).toBeGreaterThanOrEqual(190);
    expect(time!.corrected).toBeLessThanOrEqual(time!.wall);
    await session.close();
    expect(session.ended).toBe(true);
  });

  it('gives no time for what begins and ends in one read', async () => {
    const at = shell(`echo @@ready; read -r line; printf '@@start x\\n@@end x 0\\n'; read -r line`);
    const session = await GuestSession.boot(at, cleanUp, LIMIT);
    expect((await session.run('x', '', LIMIT)).time).toBeUndefined();
  });

  it('can be stopped, and go on', async () => {
    const session = await GuestSession.boot(GUEST, cleanUp, LIMIT);
    session.pause();
    let done = false;
    const result = session.run('later', 'echo now', LIMIT).finally(() => (done = true));
    await sleep(200);
    expect(done).toBe(false);
    session.resume();
    expect(await result).toMatchObject({ output: 'now\n' });
    session.pause();
    await session.close();
  });

  it('ends an emulator whose guest takes too long', async () => {
    const session = await GuestSession.boot(GUEST, cleanUp, LIMIT);
    await expect(session.run('long', 'exec sleep 1000', 100)).rejects.toThrow(TimeLimit);
    expect(session.ended).toBe(true);
    expect(() => process.kill(session.pid, 0)).toThrow('ESRCH');
  });

  it('says what an emulator said that did not get that far', async () => {
    const boot = GuestSession.boot(shell('echo kernel; echo no such option >&2; exit 2'), cleanUp, LIMIT);
    await expect(boot).rejects.toThrow(new Ended('the emulator ended (2) after: no such option'));
    const absent = GuestSession.boot({ command: '/no/such/emulator', args: [] }, cleanUp, LIMIT);
    await expect(absent).rejects.toThrow(/^\/no\/such\/emulator cannot be started: /);
  });
});
