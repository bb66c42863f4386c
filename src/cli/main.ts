#!/usr/bin/env node
/** The process `vetro`: its arguments, its signals, its end. */
import { hideBin } from 'yargs/helpers';
import { listenForStop } from './stop.ts';
import { vetro } from './vetro.ts';

// Whatever is still open ends with it.
process.exit(await vetro(hideBin(process.argv), listenForStop()));
