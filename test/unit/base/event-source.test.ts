import { describe, expect, it } from 'vitest';
import { EventSource } from '../../../src/base/event-source.ts';

describe('EventSource', () => {
  it('calls listeners in the order of listening, until they stop', () => {
    const events = new EventSource<{ data: [value: number] }>();
    const seen: string[] = [];
    const off = events.on('data', (value) => seen.push(`first ${value}`));
    events.on('data', (value) => seen.push(`second ${value}`));
    events.emit('data', 1);
    off();
    events.emit('data', 2);
    expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
  });

  it('gives the next event as a promise, once', async () => {
    const events = new EventSource<{ exit: [status: number] }>();
    const next = events.next('exit');
    events.emit('exit', 7);
    events.emit('exit', 8);
    expect(await next).toEqual([7]);
  });
});
