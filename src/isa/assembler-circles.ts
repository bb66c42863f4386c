/** Names that `equ` defines by each other: no pass would ever find a value that means anything. */
import { UserError } from '../base/errors.ts';
import { symbolsOf } from './assembler-expression.ts';
import { atLine } from './assembler-source.ts';
import type { Statement } from './assembler-statement.ts';

/** Names of a circle that a message has. */
const SHOWN = 8;

/** @throws UserError at the line of the first name of a circle */
export function refuseCircles(statements: readonly Statement[]): void {
  const definitions = new Map<string, Statement>();
  for (const statement of statements) {
    if (statement.body.kind === 'equ') definitions.set(statement.label!, statement);
  }
  const names = function* (name: string): Generator<string> {
    const body = definitions.get(name)?.body;
    if (body?.kind === 'equ') for (const used of symbolsOf(body.value)) if (definitions.has(used)) yield used;
  };
  const finished = new Set<string>();
  for (const first of definitions.keys()) {
    // Depth first, without recursion: chains of names may be long.
    const path = finished.has(first) ? [] : [{ name: first, uses: names(first) }];
    const onPath = new Set([first]);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const { value: used, done } = last.uses.next();
      if (done) {
        path.pop();
        onPath.delete(last.name);
        finished.add(last.name);
      } else if (onPath.has(used)) {
        const circle = path.map(({ name }) => name);
        refuse(definitions.get(used)!, circle.slice(circle.indexOf(used)));
      } else if (!finished.has(used)) {
        path.push({ name: used, uses: names(used) });
        onPath.add(used);
      }
    }
  }
}

function refuse({ source }: Statement, names: readonly string[]): never {
  const shown = names.length > SHOWN ? [...names.slice(0, SHOWN), `${names.length - SHOWN} more`] : names;
  const subject = `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)} are defined by each other`;
  return atLine(source, () => {
    throw new UserError(names.length === 1 ? `${names[0]} is defined by itself` : subject);
  });
}
