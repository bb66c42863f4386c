import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files whose paths contain one of these are begun first: nobody is to wait for them alone at the end. */
export function longestFirst(parts: readonly string[]): typeof BaseSequencer {
  return class LongestFirst extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const sorted = await super.sort(files);
      const isLong = ({ moduleId }: TestSpecification) => parts.some((part) => moduleId.includes(part));
      return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
    }
  };
}
