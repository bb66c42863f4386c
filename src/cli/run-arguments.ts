/** The options of `vetro run`, as its parser gives them. */
import type { EngineName } from '../engine/processor.ts';
import type { SystemName } from './fetch/debian.ts';

export interface RunArguments {
  file?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  system?: SystemName;
  demo: boolean;
  memory: number;
  cpu: string;
  engine: EngineName;
  clock?: 'virtual' | 'host';
  'instruction-time': number;
  serial: string;
  count: number;
  weight: number[];
  'no-reboot': boolean;
}
