import { basename } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take long, for a clone in which they never ran; after that, vitest knows how long each took. */
const SLOW = [
  'packed',
  'compiler',
  'leaks',
  'testing-room',
  'why-tls-fails',
  'ca-roll',
  'chaos',
  'chaos-faults',
  'network',
  'readme',
  'differential-requests',
  'rotation.isolated',
  'cluster',
  'renewal',
  'issued-hierarchy',
  'config-lint-files',
  'config-lint',
  'quickstart',
  'coordination-partition',
  'process',
  'renew-directory',
].map((name) => `${name}.test.ts`)

/**
 * Runs tests with a real etcd first, because they wait more than they work: what works fills the gaps towards the end of the
 * run. Of both, the slow ones come first, so that none is left alone at the end.
 */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): [number, number] => {
      const known = SLOW.indexOf(basename(moduleId))
      return [/\/test\/(?:integration|differential)\//.test(moduleId) ? 0 : 1, known < 0 ? SLOW.length : known]
    }
    return sorted
      .map((file, index) => ({ file, key: [...rank(file), index] }))
      .sort((one, other) => compare(one.key, other.key))
      .map(({ file }) => file)
  }
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index])
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0)
}
