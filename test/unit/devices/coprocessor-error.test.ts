import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { CoprocessorError } from '../../../src/devices/coprocessor-error.ts';
import { RecordingLine } from '../../support/devices.ts';

describe('port F0h (coprocessor error)', () => {
  it('FERR# requests the interrupt, a write of anything takes it back', () => {
    const irq = new RecordingLine();
    const port = new CoprocessorError({ irq });
    port.raise();
    port.raise();
    expect(irq.level).toBe(1);
    expect(port.readPort()).toBe(0xff);
    expect(irq.level).toBe(1);
    port.writePort();
    expect(irq).toMatchObject({ level: 0, rising: [0], falling: [0] });
  });

  it('reset takes it back', () => {
    const irq = new RecordingLine();
    const port = new CoprocessorError({ irq });
    port.raise();
    resetDevices([port]);
    expect([irq.level, port.state]).toEqual([0, { requested: 0 }]);
  });
});
