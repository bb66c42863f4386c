/** Constant folding and the algebraic identities that tracing produces often. Always exact. */
import { evaluateOperator } from './evaluate-operator.ts';
import { isOperation, type Operation, type Value, type Width } from './value.ts';

const constant = (value: bigint, width: Width): Value => ({ op: 'constant', width, value });
const isConstant = (value: Value | undefined, wanted?: bigint): boolean =>
  value?.op === 'constant' && (wanted === undefined || value.value === wanted);

const DIVISIONS: ReadonlySet<string> = new Set(['udiv', 'urem', 'sdiv', 'srem']);

function areConstant(values: readonly Value[]): boolean {
  for (const { op } of values) if (op !== 'constant') return false;
  return true;
}

/** The simplest value equal to `node`. */
export function fold(node: Operation): Value {
  const { op, width, args } = node;
  const [a, b, c] = args as [Value, Value, Value];
  if (areConstant(args) && !(DIVISIONS.has(op) && isConstant(b, 0n))) {
    return constant(
      evaluateOperator(
        op,
        width,
        a.width,
        args.map((arg) => (arg.op === 'constant' ? arg.value : 0n)),
      ),
      width,
    );
  }
  switch (op) {
    case 'add':
    case 'or':
    case 'xor':
      if (isConstant(b, 0n)) return a;
      if (isConstant(a, 0n)) return b;
      return op === 'add' ? addUp(node) : node;
    case 'sub':
      return isConstant(b, 0n) ? a : addUp(node);
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rotl':
    case 'rotr':
      if (isConstant(b, 0n)) return a;
      break;
    case 'and':
      if (isConstant(a, 0n) || isConstant(b, 0n)) return constant(0n, width);
      if (isConstant(b, BigInt.asUintN(width, -1n))) return a;
      if (isConstant(a, BigInt.asUintN(width, -1n))) return b;
      break;
    case 'select':
      if (a.op === 'constant') return a.value ? b : c;
      if (b === c) return b;
      break;
    case 'zeroExtend':
    case 'truncate':
      // Extending and cutting back is nothing.
      if (
        op === 'truncate' &&
        isOperation(a) &&
        (a.op === 'zeroExtend' || a.op === 'signExtend') &&
        a.args[0].width === width
      ) {
        return a.args[0];
      }
      break;
  }
  return node;
}

/** (x + c) + d is x + (c + d), (x − c) − d is x − (c + d). */
function addUp(node: Operation): Value {
  const [a, d] = node.args;
  if (!isOperation(a) || a.op !== node.op || d.op !== 'constant') return node;
  const [x, c] = a.args;
  if (c.op !== 'constant') return node;
  return fold({ ...node, args: [x, constant(BigInt.asUintN(node.width, c.value + d.value), node.width)] });
}
