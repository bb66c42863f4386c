#!/usr/bin/env node
/** The process `vetro`: its arguments, its signals, its end. */
import { hideBin } from 'yargs/helpers';
import { listenForStop, SIGNAL_STATUS } from './stop.ts';
import { listensItself, vetro } from './vetro.ts';

const words = hideBin(process.argv);
const status = await vetro(words, listenForStop({ signals: listensItself(words) }));
// Node crashes when it exits from a terminal that is gone: the signal that says so ends the process by itself (129 to a
// shell all the same).
const terminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
if (status === SIGNAL_STATUS.SIGHUP && terminal) {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}
// Whatever is still open ends with it.
process.exit(status);
