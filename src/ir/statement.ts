/** Effects, in the order in which they happen. `P` names a register-like place, `S` a segment; both are opaque here. */
import type { Temporary, Value, Width } from './value.ts';

export type Statement<P = unknown, S = unknown> =
  | { readonly kind: 'read'; readonly result: Temporary; readonly place: P }
  | { readonly kind: 'write'; readonly place: P; readonly value: Value }
  | {
      readonly kind: 'load';
      readonly result: Temporary;
      readonly segment: S;
      readonly offset: Value;
      readonly width: Width;
      /** 'modify': a store to the same place follows, so write permission is checked now, before any effect. */
      readonly intent: 'read' | 'modify';
    }
  | {
      readonly kind: 'store';
      readonly segment: S;
      readonly offset: Value;
      readonly value: Value;
      /** The 'modify' load whose place this store writes; it cannot fault any more. */
      readonly after?: Temporary;
    }
  /** Sets the named flags; those not named keep their values. */
  | { readonly kind: 'flags'; readonly values: Readonly<Record<string, Value>> }
  /** Transfers control to an offset in the current code segment (checked against its limit). */
  | { readonly kind: 'jump'; readonly target: Value; readonly condition?: Value }
  /**
   * Faults as a jump to `target` would, before an effect that precedes the jump (if the condition holds). `pushed`: the
   * place that is to be written first, and whose own fault comes first.
   */
  | {
      readonly kind: 'checkTarget';
      readonly target: Value;
      readonly condition?: Value;
      readonly pushed?: { readonly segment: S; readonly offset: Value; readonly width: Width };
    }
  /** Raises a fault and ends the instruction (if the condition holds). */
  | {
      readonly kind: 'raise';
      readonly vector: number;
      readonly errorCode?: number;
      readonly cause: string;
      readonly condition?: Value;
    }
  /** Runs a helper: a function of the layer above, by name. It may fault. */
  | {
      readonly kind: 'call';
      readonly helper: string;
      readonly args: readonly Value[];
      readonly results: readonly Temporary[];
    }
  | {
      readonly kind: 'when';
      readonly condition: Value;
      readonly then: readonly Statement<P, S>[];
      readonly otherwise: readonly Statement<P, S>[];
    };
