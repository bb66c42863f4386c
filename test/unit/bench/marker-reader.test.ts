import { describe, expect, it } from 'vitest';
import { MarkerReader } from '../../../bench/marker-reader.ts';

describe('markers on the serial line', () => {
  it('come with what was printed between them', () => {
    const reader = new MarkerReader();
    expect(reader.put('[    1.0] Run /init\r\n@@ready\r\n')).toEqual([{ kind: 'ready' }]);
    expect(reader.put('@@start sieve\r\nsieve 0badcafe\r\n@@end sieve 0\r\n')).toEqual([
      { kind: 'start', name: 'sieve' },
      { kind: 'end', name: 'sieve', status: 0, output: 'sieve 0badcafe\n' },
    ]);
  });

  it('may come in any pieces', () => {
    const reader = new MarkerReader();
    const text = '@@start nbody-sse\r\none\r\ntwo\r\n@@end nbody-sse 7\r\n';
    expect([...text].flatMap((character) => reader.put(character))).toEqual([
      { kind: 'start', name: 'nbody-sse' },
      { kind: 'end', name: 'nbody-sse', status: 7, output: 'one\ntwo\n' },
    ]);
  });

  it('may stand behind a line that has no end', () => {
    const reader = new MarkerReader();
    reader.put('@@start cat\n');
    expect(reader.put('no end@@end cat 0\n')).toEqual([{ kind: 'end', name: 'cat', status: 0, output: 'no end' }]);
  });

  it('are not what only looks like one', () => {
    expect(new MarkerReader().put('@@start\n@@end sieve\n@@ready steady\n@@ end sieve 0\n')).toEqual([]);
  });

  it('long output is kept from its end', () => {
    const reader = new MarkerReader();
    const [end] = reader.put(`${'x'.repeat(100_000)}\nlast\n@@end yes 0\n`);
    expect(end.kind === 'end' && end.output.length).toBe(65_536);
    expect(end.kind === 'end' && end.output.endsWith('x\nlast\n')).toBe(true);
  });
});
