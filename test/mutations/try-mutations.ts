/** Tries a list of mutations, several at once. */
import { availableParallelism } from 'node:os';
import type { Mutation } from './mutations.ts';
import { type Outcome, Workspace } from './workspace.ts';

const MOST_AT_ONCE = 4;

/**
 * First the tests are run as they are: one that fails anyway would notice every fault, so it cannot be used. Then each
 * fault is planted by itself.
 * @param report called with each outcome as it comes
 * @returns the mutations that no test noticed, or that are out of date
 */
export async function tryMutations(
  mutations: readonly Mutation[],
  report: (mutation: Mutation, outcome: Outcome) => void,
): Promise<Mutation[]> {
  const count = Math.min(availableParallelism(), MOST_AT_ONCE, mutations.length);
  const workspaces = Array.from({ length: count }, () => new Workspace());
  try {
    const failing = await findFailing(workspaces, mutations);
    const missed: Mutation[] = [];
    const waiting = [...mutations];
    await Promise.all(
      workspaces.map(async (workspace) => {
        for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
          const unusable = mutation.tests.find((file) => failing.has(file));
          const outcome: Outcome = unusable
            ? { result: 'invalid', reason: `${unusable} fails without a fault` }
            : await workspace.try(mutation);
          report(mutation, outcome);
          if (outcome.result !== 'killed') missed.push(mutation);
        }
      }),
    );
    return missed;
  } finally {
    for (const workspace of workspaces) workspace.dispose();
  }
}

/** The test files that fail without a fault. */
async function findFailing(
  workspaces: readonly Workspace[],
  mutations: readonly Mutation[],
): Promise<ReadonlySet<string>> {
  const files = [...new Set(mutations.flatMap(({ tests }) => tests))];
  const failing = await Promise.all(
    workspaces.map((workspace, index) => {
      const own = files.filter((_, number) => number % workspaces.length === index);
      return own.length === 0 ? [] : workspace.findFailing(own);
    }),
  );
  return new Set(failing.flat());
}
