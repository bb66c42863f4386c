/**
 * Whether code for a form may leave it half-way, and the form then be carried out from its beginning by other code:
 * nothing that can fail or leave follows an effect. Registers and memory read may have any value then, but none of
 * them is a changed one.
 */
import type { FormStatement } from './form-lowering.ts';

/**
 * What code for a helper does that is part of the form's: it changes nothing before it is known that it does it all.
 * 'checks': nothing at all.
 */
export type PartialHelper = 'checks' | 'changes';

/**
 * Assumes that jumps reach their targets, as they do in a flat segment or after a `checkTarget`.
 * @param partial of helpers for which the form has such code; undefined for others
 */
export function isRestartable(
  statements: readonly FormStatement[],
  partial: (helper: string) => PartialHelper | undefined = () => undefined,
): boolean {
  let changed = false;
  for (const statement of statements) {
    switch (statement.kind) {
      case 'call': {
        const does = partial(statement.helper);
        // Any other helper may do anything, and fail behind it.
        if (does === undefined || changed) return false;
        changed = does === 'changes';
        break;
      }
      case 'load':
      case 'raise':
      case 'checkTarget':
        if (changed) return false;
        break;
      case 'store':
        // That place has been checked.
        if (changed && !statement.after) return false;
        changed = true;
        break;
      case 'write':
      case 'flags':
        changed = true;
        break;
      case 'when':
        if (isExit(statement) ? changed : !statement.then.every(cannotFail)) return false;
        if (!statement.otherwise.every(cannotFail)) return false;
        changed ||= !isExit(statement) || statement.otherwise.length > 0;
        break;
      case 'read':
      case 'jump':
        break;
      default:
        statement satisfies never;
    }
  }
  return true;
}

/** A condition on which a helper has to do the instruction's work: the form is left to other code then. */
export const isExit = ({ then }: Extract<FormStatement, { kind: 'when' }>): boolean =>
  then.length > 0 && then.every(({ kind }) => kind === 'call');

const cannotFail = ({ kind }: FormStatement): boolean => kind === 'read' || kind === 'write' || kind === 'flags';
