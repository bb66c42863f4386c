import { describe, expect, it } from 'vitest';
import { EventSource } from '../../../src/base/event-source.ts';

function createSource() {
  const errors: unknown[] = [];
  const events = new EventSource<{ data: [value: number]; end: [] }>({
    names: ['data', 'end'],
    onListenerError: (error, event) => errors.push([event, error]),
  });
  const seen: string[] = [];
  return { events, errors, seen };
}

describe('EventSource', () => {
  it('calls listeners in the order of listening, until they stop', () => {
    const { events, seen } = createSource();
    const off = events.on('data', (value) => seen.push(`first ${value}`));
    events.on('data', (value) => seen.push(`second ${value}`));
    events.emit('data', 1);
    off();
    events.emit('data', 2);
    expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
  });

  it('L7: a listener that throws stops nobody else, and its error is reported once', () => {
    const { events, errors, seen } = createSource();
    events.on('data', () => {
      throw 'planted';
    });
    events.on('data', (value) => seen.push(`second ${value}`));
    events.emit('data', 1);
    expect(seen).toEqual(['second 1']);
    expect(errors).toEqual([['data', 'planted']]);
  });

  it('L7: so does one whose promise is rejected', async () => {
    const { events, errors } = createSource();
    events.on('end', async () => {
      throw 'late';
    });
    events.emit('end');
    await Promise.resolve();
    await Promise.resolve();
    expect(errors).toEqual([['end', 'late']]);
  });

  it('a listener given twice is called twice, and taken away once', () => {
    const { events, seen } = createSource();
    const listener = (value: number) => seen.push(String(value));
    const off = events.on('data', listener);
    events.on('data', listener);
    events.emit('data', 1);
    off();
    off();
    events.emit('data', 2);
    expect(seen).toEqual(['1', '1', '2']);
    expect(events.count('data')).toBe(1);
  });

  it('one that an earlier listener takes away, or brings, is not called for this event', () => {
    const { events, seen } = createSource();
    events.on('data', () => {
      off();
      events.on('data', () => seen.push('new'));
    });
    const off = events.on('data', () => seen.push('gone'));
    events.emit('data', 1);
    expect(seen).toEqual([]);
  });

  it('L7: refuses events that there are not, and what is no function', () => {
    const { events } = createSource();
    expect(() => events.on('dta' as 'data', () => {})).toThrow('on: there is no event "dta"; there is data, end');
    expect(() => events.on('data', undefined as never)).toThrow('on: the listener must be a function, not undefined');
  });
});
