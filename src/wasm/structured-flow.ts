/**
 * Writes an arbitrary control-flow graph as the structured control of wasm, after its dominator tree: Norman Ramsey, "Beyond Relooper", ICFP 2022;
 * dominators meet as in Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". What no nesting of loops can express goes through one
 * dispatching loop around everything.
 *
 * A node's children in the tree stand behind it, each behind the end of a block that the node and the children before it are in: branching
 * forwards is leaving that block. A node that is branched back to has a loop around itself and all that it dominates.
 */
import type { CodeWriter, Label } from './code-writer.ts';

/** A control-flow graph. Nodes are numbered 0 .. count-1. */
export interface FlowGraph {
  readonly count: number;
  /** Where control can go from a node; each named once. Where the graph leaves a choice, the first one named stands right behind the node. */
  successors(node: number): readonly number[];
  /**
   * Nodes at which control enters from outside, at least one. With more than one, the i32 local `selector` holds, at the start, the position in
   * this list.
   */
  readonly entries: readonly number[];
}

/** Branches of the node being written; each goes to one of its successors, anything else throws. */
export interface FlowBranches {
  /**
   * Goes there: the last thing a path of the node does. At position `last` it must also be the last thing written for the node, as nothing is
   * written where control falls through to the successor; `inside`, other code of the node follows in the text.
   */
  to(successor: number, position: 'last' | 'inside'): void;
  /** Pops an i32 condition; goes there if it is not 0, else control goes on behind. */
  toIf(successor: number): void;
}

export interface FlowOptions {
  readonly graph: FlowGraph;
  readonly code: CodeWriter;
  /** A local (i32), see `FlowGraph.entries`; also used for irreducible parts. */
  readonly selector: number;
  /**
   * Writes the code of a node, which for the header of a loop begins each of its turns; each path ends in a branch or leaves the function. It may
   * open labels of its own, all closed before it returns.
   */
  node(node: number, branches: FlowBranches): void;
}

/** Writes each node that control can reach once; control does not go on behind what is written. */
export function writeStructuredFlow(options: FlowOptions): void {
  new StructuredFlowWriter(options).write();
}

/**
 * Which nodes head loops, i.e. are the target of a back edge from a node they dominate, or are entered by the dispatch of an irreducible part.
 * Each cycle that control can reach contains at least one.
 */
export function findLoopHeaders(graph: FlowGraph): ReadonlySet<number> {
  const { nodes, successors } = rankNodes(graph);
  return new Set([...retreatingEdges(successors)].map(([, target]) => nodes[target]));
}

/**
 * The nodes that control can reach, named by their ranks: positions in a reverse post-order of a depth-first search. Rank 0 is the origin, a node
 * that is not in the graph and whose successors are the entries. Each dominator has a lower rank than what it dominates.
 */
interface RankedFlow {
  /** Nodes by rank; -1 for the origin. */
  readonly nodes: readonly number[];
  /** Ranks by node; the origin's for what is not reached. */
  readonly ranks: Int32Array;
  /** Ranks by rank. */
  readonly successors: readonly (readonly number[])[];
}
const ORIGIN = 0;

function rankNodes(graph: FlowGraph): RankedFlow {
  const seen = new Uint8Array(graph.count);
  const postorder: number[] = [];
  const visitAll = (nodes: readonly number[]) => {
    // Backwards, as what is visited last gets the lowest rank.
    for (let at = nodes.length - 1; at >= 0; at--) {
      const node = nodes[at];
      if (seen[node]) continue;
      seen[node] = 1;
      visitAll(graph.successors(node));
      postorder.push(node);
    }
  };
  visitAll(graph.entries);
  const nodes = [-1, ...postorder.reverse()];
  const ranks = new Int32Array(graph.count);
  for (let rank = 1; rank < nodes.length; rank++) ranks[nodes[rank]] = rank;
  const successors = nodes.map((node, rank) =>
    (rank === ORIGIN ? graph.entries : graph.successors(node)).map((successor) => ranks[successor]),
  );
  return { nodes, ranks, successors };
}

/** The edges that do not go to a higher rank, as source and target: every cycle has one. */
function* retreatingEdges(successors: RankedFlow['successors']): Generator<readonly [source: number, target: number]> {
  for (let source = 0; source < successors.length; source++)
    for (const target of successors[source]) if (target <= source) yield [source, target];
}

/** The dominator tree, by rank. */
interface Dominance {
  readonly immediate: Int32Array;
  /** Targets of the retreating edges from nodes that they do not dominate. Here, the origin counts as a predecessor of each. */
  readonly dispatched: ReadonlySet<number>;
}

function findDominance(successors: RankedFlow['successors']): Dominance {
  // Edges to dominators do not count for dominance, and other retreating edges go through the origin: what is left leads to higher ranks.
  const predecessors: number[][] = successors.map(() => []);
  successors.forEach((targets, source) => {
    for (const target of targets) if (target > source) predecessors[target].push(source);
  });
  const retreating = [...retreatingEdges(successors)];
  const dispatched = new Set<number>();
  // What the dispatch can enter is no longer dominated by what stood before it, which can make more edges irreducible. The ranks stay valid: the
  // search could as well have looked at the origin's new successors last, and found them seen.
  for (;;) {
    const immediate = immediateDominators(predecessors);
    const before = dispatched.size;
    for (const [source, target] of retreating) {
      if (dispatched.has(target) || dominates(immediate, target, source)) continue;
      dispatched.add(target);
      predecessors[target].push(ORIGIN);
    }
    if (dispatched.size === before) return { immediate, dispatched };
  }
}

/** @param predecessors of lower rank, by rank; each but the origin has one, as the search came from there */
function immediateDominators(predecessors: readonly (readonly number[])[]): Int32Array {
  const immediate = new Int32Array(predecessors.length);
  const meet = (left: number, right: number): number => {
    while (left !== right) {
      if (left > right) left = immediate[left];
      else right = immediate[right];
    }
    return left;
  };
  // What a predecessor's dominators are is known by then.
  for (let rank = 1; rank < predecessors.length; rank++) immediate[rank] = predecessors[rank].reduce(meet);
  return immediate;
}

/** A node dominates itself. */
function dominates(immediate: Int32Array, rank: number, other: number): boolean {
  let dominator = other;
  while (dominator > rank) dominator = immediate[dominator];
  return dominator === rank;
}

class StructuredFlowWriter {
  readonly #options: FlowOptions;
  readonly #flow: RankedFlow;
  readonly #dominance: Dominance;
  /** Children in the dominator tree, in the order of their ranks, by rank. */
  readonly #children: readonly number[][];
  /** What has a loop around it. */
  readonly #headers: ReadonlySet<number>;
  /** What the dispatch can go to, by the value of the selector. */
  readonly #selectable: readonly number[];
  /** Where a branch backwards to a rank goes, while it is open. */
  readonly #loops: Label[] = [];
  /** Blocks behind whose end a rank stands, while they are open. */
  readonly #blocks: Label[] = [];

  constructor(options: FlowOptions) {
    this.#options = options;
    this.#flow = rankNodes(options.graph);
    const { successors } = this.#flow;
    this.#dominance = findDominance(successors);
    const { immediate, dispatched } = this.#dominance;
    this.#children = successors.map(() => []);
    for (let rank = 1; rank < immediate.length; rank++) this.#children[immediate[rank]].push(rank);
    this.#headers = new Set(
      [...retreatingEdges(successors)].map(([source, target]) =>
        dominates(immediate, target, source) ? target : ORIGIN,
      ),
    );
    this.#selectable = [...successors[ORIGIN], ...[...dispatched].filter((rank) => !successors[ORIGIN].includes(rank))];
  }

  write(): void {
    const { code, selector } = this.#options;
    const [entry, ...others] = this.#selectable;
    if (others.length === 0) this.#writeTree(entry, undefined);
    else {
      if (this.#flow.successors[ORIGIN].length === 1) {
        code.i32(0);
        code.set(selector);
      }
      this.#writeTree(ORIGIN, undefined);
    }
    // What is behind the end of a block counts as reached, and a function may have to end with results.
    code.op('unreachable');
  }

  /** @param behind the rank whose code is next in the text */
  #writeTree(rank: number, behind: number | undefined): void {
    const { code } = this.#options;
    const children = this.#children[rank];
    const isHeader = this.#headers.has(rank);
    if (isHeader) this.#loops[rank] = code.loop();
    for (const child of [...children].reverse()) this.#blocks[child] = code.block();
    if (rank === ORIGIN) this.#writeDispatch();
    else this.#options.node(this.#flow.nodes[rank], this.#branchesOf(rank, children[0] ?? behind));
    children.forEach((child, at) => {
      code.end();
      this.#writeTree(child, children[at + 1] ?? behind);
    });
    if (isHeader) code.end();
  }

  #writeDispatch(): void {
    const { code, selector } = this.#options;
    const labels = this.#selectable.map((rank) => this.#blocks[rank]);
    code.get(selector);
    code.brTable(labels.slice(0, -1), labels[labels.length - 1]);
  }

  #branchesOf(source: number, behind: number | undefined): FlowBranches {
    const { code } = this.#options;
    return {
      to: (successor, position) => {
        const target = this.#targetOf(source, successor);
        if (target === behind && position === 'last') return;
        const label = this.#labelOf(source, target);
        if (label) code.br(label);
        else this.#select(target);
      },
      toIf: (successor) => {
        const target = this.#targetOf(source, successor);
        const label = this.#labelOf(source, target);
        if (label) return code.brIf(label);
        code.if();
        this.#select(target);
        code.end();
      },
    };
  }

  #targetOf(source: number, successor: number): number {
    const target = this.#flow.ranks[successor];
    if (!this.#flow.successors[source].includes(target))
      throw new Error(`node ${this.#flow.nodes[source]} branches to ${successor}, which is none of its successors`);
    return target;
  }

  /** Where a branch goes; undefined for one that takes the dispatch. */
  #labelOf(source: number, target: number): Label | undefined {
    if (target > source) return this.#blocks[target];
    return dominates(this.#dominance.immediate, target, source) ? this.#loops[target] : undefined;
  }

  /** Goes there by the dispatch. */
  #select(target: number): void {
    const { code, selector } = this.#options;
    code.i32(this.#selectable.indexOf(target));
    code.set(selector);
    code.br(this.#loops[ORIGIN]);
  }
}
