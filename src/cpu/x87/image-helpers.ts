/** Instructions on whole images of the FPU. */
import type { Cpu } from '../cpu.ts';
import { fxRestore, fxSave } from './fx-image.ts';
import { type ImagePlace, loadEnvironment, restoreState, saveState, storeEnvironment } from './image.ts';

const on =
  (move: (cpu: Cpu, place: ImagePlace, operandSize: number) => void) =>
  (cpu: Cpu, segment: number, offset: number | bigint, operandSize: number): void =>
    move(cpu, { segment, offset: toNumber(offset) }, operandSize);

const onFx =
  (move: typeof fxSave) =>
  (cpu: Cpu, segment: number, offset: number | bigint, operandSize: number, longMode: number): void =>
    move(cpu, { segment, offset: toNumber(offset) }, { wide: operandSize === 64, longMode: longMode === 1 });

const toNumber = (offset: number | bigint): number =>
  typeof offset === 'bigint' ? Number(BigInt.asUintN(64, offset)) : offset >>> 0;

export const IMAGE_HELPERS = {
  x87StoreEnvironment: on(storeEnvironment),
  x87LoadEnvironment: on(loadEnvironment),
  x87SaveState: on(saveState),
  x87RestoreState: on(restoreState),
  fxSave: onFx(fxSave),
  fxRestore: onFx(fxRestore),
};
