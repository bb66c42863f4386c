import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { CodeWriter, I32, type Label } from '../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../src/wasm/module-builder.ts';
import {
  type FlowBranches,
  type FlowGraph,
  findLoopHeaders,
  writeStructuredFlow,
} from '../../../src/wasm/structured-flow.ts';

const graphOf = (edges: readonly (readonly number[])[], entries: readonly number[] = [0]): FlowGraph => ({
  count: edges.length,
  successors: (node) => edges[node],
  entries,
});

const edgesOf = ({ count, successors }: FlowGraph) => Array.from({ length: count }, (_, node) => successors(node));

/** Lists the structured control that it writes; the arrow of a branch points to where the label goes on, `^` for a loop. */
class ListingWriter extends CodeWriter {
  readonly listing: string[] = [];
  readonly #names = new Map<Label, string>();
  #count = 0;

  override block(): Label {
    return this.#open('block', super.block());
  }
  override loop(): Label {
    return this.#open('loop', super.loop());
  }
  override if(): Label {
    return this.#open('if', super.if());
  }
  override end(): void {
    super.end();
    this.listing.push('end');
  }
  override br(label: Label): void {
    super.br(label);
    this.listing.push(`br ${this.#names.get(label)}`);
  }
  override brIf(label: Label): void {
    super.brIf(label);
    this.listing.push(`br_if ${this.#names.get(label)}`);
  }
  override brTable(labels: readonly Label[], otherwise: Label): void {
    super.brTable(labels, otherwise);
    this.listing.push(`br_table ${[...labels, otherwise].map((label) => this.#names.get(label)).join(' ')}`);
  }
  #open(kind: string, label: Label): Label {
    const name = `${kind}${this.#count++}`;
    this.#names.set(label, name);
    this.listing.push(name);
    return label;
  }
}

/** The structured control for a graph whose nodes do nothing but branch to each successor in turn, the last one without a condition. */
function listing(graph: FlowGraph): string {
  const code = new ListingWriter(1);
  writeStructuredFlow({
    graph,
    code,
    selector: 0,
    node: (node, branches) => {
      code.listing.push(`<${node}>`);
      const successors = graph.successors(node);
      if (successors.length === 0) return code.op('return');
      for (const successor of successors.slice(0, -1)) {
        code.get(0);
        branches.toIf(successor);
      }
      branches.to(successors[successors.length - 1], 'last');
    },
  });
  return code.listing.join(' ');
}

const STEPS = 60;
const FIRST_HASH = 17;
const nextState = (state: number) => (Math.imul(state, 0x19_660d) + 0x3c6e_f35f) | 0;
const mix = (hash: number, node: number) => Math.imul(hash ^ (node + 1), 0x0100_0193);

/** What the compiled function returns: a hash of the nodes on the way that the seed decides. */
function walk({ successors, entries }: FlowGraph, entry: number, seed: number): number {
  let [node, state, hash] = [entries[entry], seed, FIRST_HASH];
  for (let step = 0; step < STEPS; step++) {
    hash = mix(hash, node);
    const next = successors(node);
    if (next.length === 0) return hash;
    state = nextState(state);
    node = next[(state >>> 16) % next.length];
  }
  return hash;
}

/** Ways to write the branches of a node. */
type BranchStyle = (code: CodeWriter, branches: FlowBranches, successors: readonly number[], choice: number) => void;
const pushChosen = (code: CodeWriter, choice: number, index: number) => {
  code.get(choice);
  code.i32(index);
  code.op('i32.eq');
};
const STYLES: readonly BranchStyle[] = [
  (code, branches, successors, choice) => {
    successors.slice(1).forEach((successor, at) => {
      pushChosen(code, choice, at + 1);
      branches.toIf(successor);
    });
    branches.to(successors[0], 'last');
  },
  (code, branches, successors, choice) => {
    successors.slice(0, -1).forEach((successor, index) => {
      pushChosen(code, choice, index);
      code.if();
      branches.to(successor, 'inside');
      code.end();
    });
    branches.to(successors[successors.length - 1], 'last');
  },
  (code, branches, successors, choice) => {
    const around = code.block();
    successors.forEach((successor, index) => {
      pushChosen(code, choice, index);
      if (index % 2) branches.toIf(successor);
      else {
        code.if();
        branches.to(successor, 'inside');
        code.op('unreachable');
        code.end();
      }
    });
    code.br(around);
    code.end();
    code.op('unreachable');
  },
];

type Compiled = (entry: number, seed: number) => number;

function compile(graph: FlowGraph, styleOf: (node: number) => BranchStyle): { run: Compiled; listing: string[] } {
  const [ENTRY, STATE] = [0, 1];
  const code = new ListingWriter(2);
  const [hash, steps, choice] = [code.newLocal(I32), code.newLocal(I32), code.newLocal(I32)];
  code.i32(FIRST_HASH);
  code.set(hash);
  const leave = () => {
    code.get(hash);
    code.op('return');
  };
  const node = (node: number, branches: FlowBranches) => {
    code.get(steps);
    code.i32(STEPS);
    code.op('i32.eq');
    code.if();
    leave();
    code.end();
    code.get(steps);
    code.i32(1);
    code.op('i32.add');
    code.set(steps);
    code.get(hash);
    code.i32(node + 1);
    code.op('i32.xor');
    code.i32(0x0100_0193);
    code.op('i32.mul');
    code.set(hash);
    const successors = graph.successors(node);
    if (successors.length === 0) return leave();
    code.get(STATE);
    code.i32(0x19_660d);
    code.op('i32.mul');
    code.i32(0x3c6e_f35f);
    code.op('i32.add');
    code.tee(STATE);
    code.i32(16);
    code.op('i32.shr_u');
    code.i32(successors.length);
    code.op('i32.rem_u');
    code.set(choice);
    styleOf(node)(code, branches, successors, choice);
  };
  writeStructuredFlow({ graph, code, selector: ENTRY, node });
  const module = new ModuleBuilder();
  const index = module.declare({ parameters: [I32, I32], results: [I32] }, 'flow');
  module.define(index, code);
  module.export('flow', index);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), {});
  return { run: exports.flow as Compiled, listing: code.listing };
}

/** Runs a graph from each entry; with a single one, the selector says nothing at the start. */
function expectSameTraces(graph: FlowGraph, run: Compiled, seeds: readonly number[], message?: string): void {
  graph.entries.forEach((_, entry) => {
    const selector = graph.entries.length > 1 ? entry : 3;
    expect(
      seeds.map((seed) => run(selector, seed)),
      message,
    ).toEqual(seeds.map((seed) => walk(graph, entry, seed)));
  });
}

function randomGraph(random: Random): FlowGraph {
  const count = 1 + random.below(24);
  const distinct = (size: number, draw: () => number) => [...new Set(Array.from({ length: size }, draw))];
  /** Few graphs without an order of their own are reducible, so most edges are short and lead on. */
  const wildness = random.below(3);
  const edges = Array.from({ length: count }, (_, node) =>
    distinct(random.oneIn(8) ? 0 : 1 + random.below(3), () => {
      if (random.below(4) < wildness) return random.below(count);
      return Math.max(0, Math.min(count - 1, node + 1 + random.below(4) - (random.oneIn(6) ? 5 : 0)));
    }),
  );
  const entries = random.oneIn(2) ? [0] : distinct(1 + random.below(3), () => random.below(count));
  return graphOf(edges, entries);
}

/** The nodes that control can reach without going through any in `removed`. */
function reachable(graph: FlowGraph, removed: ReadonlySet<number>): ReadonlySet<number> {
  const reached = new Set(graph.entries.filter((entry) => !removed.has(entry)));
  for (const node of reached)
    for (const successor of graph.successors(node)) if (!removed.has(successor)) reached.add(successor);
  return reached;
}

/** Whether edges form a cycle, found by taking away, over and over, the nodes that none of the edges leaves. */
function hasCycle(edges: readonly (readonly [number, number])[]): boolean {
  let rest = edges;
  for (;;) {
    const sources = new Set(rest.map(([source]) => source));
    const kept = rest.filter(([, target]) => sources.has(target));
    if (kept.length === rest.length) return rest.length > 0;
    rest = kept;
  }
}

/** By definition: what is a node's dominator is on each path to it. */
function analyse(graph: FlowGraph) {
  const nodes = reachable(graph, new Set());
  const edges = [...nodes].flatMap((node) => graph.successors(node).map((successor) => [node, successor] as const));
  const isBackEdge = ([source, target]: readonly [number, number]) => !reachable(graph, new Set([target])).has(source);
  return {
    nodes,
    edges,
    backTargets: new Set(edges.filter(isBackEdge).map(([, target]) => target)),
    isReducible: !hasCycle(edges.filter((edge) => !isBackEdge(edge))),
  };
}

const sorted = (nodes: Iterable<number>) => [...nodes].sort((left, right) => left - right);

describe('structured control from a graph', () => {
  const SEEDS = Array.from({ length: 16 }, (_, index) => index * 0x1234_567);
  const shapes: readonly (readonly [name: string, graph: FlowGraph, listing: string, headers: readonly number[]])[] = [
    ['a single node', graphOf([[]]), '<0>', []],
    ['a straight line', graphOf([[1], [2], []]), 'block0 <0> end block1 <1> end <2>', []],
    [
      'a diamond',
      graphOf([[2, 1], [3], [3], []]),
      'block0 block1 block2 <0> br_if block2 br block1 end <2> br block0 end <1> end <3>',
      [],
    ],
    [
      'a diamond in a branch',
      graphOf([[5, 1], [3, 2], [4], [4], [5], []]),
      'block0 block1 <0> br_if block0 end block2 block3 block4 <1> br_if block4 br block3 end ' +
        '<3> br block2 end <2> end <4> end <5>',
      [],
    ],
    [
      'a while loop',
      graphOf([[1], [3, 2], [1], []]),
      'block0 <0> end loop1 block2 block3 <1> br_if block3 br block2 end <3> end <2> br loop1 end',
      [1],
    ],
    [
      'a loop that repeats at its end',
      graphOf([[1], [1, 2], []]),
      'block0 <0> end loop1 block2 <1> br_if loop1 end <2> end',
      [1],
    ],
    [
      'nested loops',
      graphOf([[1], [2], [2, 3], [1, 4], []]),
      'block0 <0> end loop1 block2 <1> end loop3 block4 <2> br_if loop3 end block5 <3> br_if loop1 end <4> end end',
      [1, 2],
    ],
    [
      'a loop with two exits that meet',
      graphOf([[3, 1], [4, 2], [0], [5], [5], []]),
      'loop0 block1 block2 block3 <0> br_if block3 br block2 end <3> br block1 end ' +
        'block4 block5 <1> br_if block5 br block4 end <4> br block1 end <2> br loop0 end <5> end',
      [0],
    ],
    [
      'a loop with two entries',
      graphOf([[1, 2], [2], [1, 3], []]),
      'loop0 block1 block2 block3 br_table block3 block2 end <0> br_if block1 end ' +
        'block4 <2> br_if block1 end <3> end <1> br loop0 end',
      [2],
    ],
    [
      'several entries',
      graphOf([[2], [2], []], [1, 0]),
      'block0 block1 block2 br_table block2 block1 end <1> br block0 end <0> end <2>',
      [],
    ],
    [
      'several entries into a loop',
      graphOf([[1], [2], [0]], [0, 2]),
      'loop0 block1 block2 br_table block1 block2 end <2> end block3 <0> end <1> br loop0 end',
      [2],
    ],
    ['an entry named twice', graphOf([[]], [0, 0]), 'block0 br_table block0 block0 end <0>', []],
    ['a node that nothing reaches', graphOf([[2], [1, 2], []]), 'block0 <0> end <2>', []],
  ];
  for (const [name, graph, expected, headers] of shapes)
    it(name, () => {
      expect(listing(graph)).toBe(expected);
      expect(sorted(findLoopHeaders(graph))).toEqual(headers);
      for (const style of STYLES) expectSameTraces(graph, compile(graph, () => style).run, SEEDS);
    });

  it('random graphs go the way that walking them goes', () => {
    const random = new Random(1);
    const seen = { reducible: 0, irreducible: 0, severalEntries: 0 };
    for (let round = 0; round < 2000; round++) {
      const graph = randomGraph(random);
      const { isReducible } = analyse(graph);
      const styles = Array.from({ length: graph.count }, () => random.pick(STYLES));
      const { run, listing } = compile(graph, (node) => styles[node]);
      const seeds = Array.from({ length: 8 }, () => Number(random.bits(32)));
      expectSameTraces(graph, run, seeds, `graph ${round}`);
      const severalEntries = graph.entries.length > 1;
      const hasDispatch = listing.some((line) => line.startsWith('br_table'));
      expect(hasDispatch, `graph ${round}`).toBe(severalEntries || !isReducible);
      seen[isReducible ? 'reducible' : 'irreducible']++;
      if (severalEntries) seen.severalEntries++;
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(500);
  });

  it('a branch to what is no successor is refused', () => {
    const node = (node: number, branches: FlowBranches) => branches.to(node + 1, 'last');
    expect(() =>
      writeStructuredFlow({ graph: graphOf([[1], [0], []]), code: new CodeWriter(1), selector: 0, node }),
    ).toThrow('node 1 branches to 2, which is none of its successors');
  });
});

describe('the headers of loops', () => {
  it('are on each cycle, and for reducible graphs are what is branched back to', () => {
    const random = new Random(2);
    let reducible = 0;
    for (let round = 0; round < 2000; round++) {
      const graph = randomGraph(random);
      const { nodes, edges, backTargets, isReducible } = analyse(graph);
      const headers = findLoopHeaders(graph);
      const without = edges.filter(([source, target]) => !headers.has(source) && !headers.has(target));
      expect(hasCycle(without), `graph ${round}`).toBe(false);
      const onCycles = [...nodes].filter((node) =>
        reachable(graphOf(edgesOf(graph), graph.successors(node)), new Set()).has(node),
      );
      expect(onCycles, `graph ${round}`).toEqual(expect.arrayContaining([...headers]));
      expect([...headers], `graph ${round}`).toEqual(expect.arrayContaining([...backTargets]));
      if (!isReducible) continue;
      reducible++;
      expect(headers, `graph ${round}`).toEqual(backTargets);
    }
    expect(reducible).toBeGreaterThan(500);
  });
});

describe('the size of structured control', () => {
  /** Bytes for `count` nodes of which each can go to the next one, and with `exit` also to a common last one. */
  function sizeOfChain(count: number, exit: boolean): number {
    const code = new CodeWriter(1);
    const last = count - 1;
    const edges = Array.from({ length: count }, (_, node) => (node === last ? [] : [node + 1]));
    if (exit) for (const successors of edges.slice(0, -2)) successors.push(last);
    writeStructuredFlow({
      graph: graphOf(edges),
      code,
      selector: 0,
      node: (node, branches) => {
        if (node === last) return code.op('return');
        if (edges[node].length > 1) {
          code.get(0);
          branches.toIf(last);
        }
        branches.to(node + 1, 'last');
      },
    });
    return code.size;
  }

  it('grows by a block and its end for each node of a chain', () => {
    expect(sizeOfChain(200, false) - sizeOfChain(100, false)).toBe(100 * 3);
  });

  it('does not grow with the distance of a branch', () => {
    expect(sizeOfChain(200, true) - sizeOfChain(100, true)).toBe(100 * (3 + 4));
  });
});
