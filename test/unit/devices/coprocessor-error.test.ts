import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { CoprocessorError } from '../../../src/devices/coprocessor-error.ts';
import { RecordingLine } from '../../support/devices.ts';

const create = () => {
  const irq = new RecordingLine();
  return { irq, port: new CoprocessorError({ irq }) };
};

describe('port F0h (coprocessor error)', () => {
  it('FERR# requests the interrupt, a write of anything takes it back', () => {
    const { irq, port } = create();
    port.setFerr(1);
    port.setFerr(1);
    expect(irq.level).toBe(1);
    expect(port.readPort()).toBe(0xff);
    expect(irq.level).toBe(1);
    port.writePort();
    expect(irq).toMatchObject({ level: 0, rising: [0], falling: [0] });
  });

  it('C5: IGNNE# is asserted by the write, and until FERR# is negated; meanwhile nothing is requested', () => {
    const { irq, port } = create();
    expect(port.setFerr(1)).toBe(false);
    port.writePort();
    expect([port.setFerr(1), port.setFerr(1), irq.level]).toEqual([true, true, 0]);
    expect(port.setFerr(0)).toBe(false);
    expect([port.setFerr(1), irq.level]).toEqual([false, 1]);
  });

  it('C5: IGNNE# is not asserted while FERR# is not', () => {
    const { irq, port } = create();
    port.writePort();
    expect([port.setFerr(1), irq.level]).toEqual([false, 1]);
  });

  it('the request stays when FERR# is negated', () => {
    const { irq, port } = create();
    port.setFerr(1);
    port.setFerr(0);
    expect(irq.level).toBe(1);
  });

  it('reset takes it back', () => {
    const { irq, port } = create();
    port.setFerr(1);
    port.writePort();
    resetDevices([port]);
    expect([irq.level, port.state]).toEqual([0, { requested: 0, ferr: 0, ignne: 0 }]);
  });
});
