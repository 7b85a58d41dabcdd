import { basename } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take long, for a clone in which they never ran; after that, vitest knows how long each took. */
const SLOW = [
  'packed',
  'compiler',
  'leaks',
  'client',
  'chaos',
  'chaos-faults',
  'testing-room',
  'issued-hierarchy',
  'why-tls-fails',
  'rotation-etcd',
  'rotation.isolated',
  'config-lint',
  'issued',
  'quickstart',
  'renew-directory',
].map((name) => `${name}.test.ts`)

/** Integration tests wait more than they work, so what works fills the gaps towards the end of the run. */
const PROJECTS = ['integration isolated', 'integration', 'unit', 'unit isolated']

/**
 * Runs the files of one project after those of another, since a worker that goes from one to the other starts again and loads
 * everything again; and in each the slow ones first, so that none is left alone at the end.
 */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId, project }: TestSpecification): [number, number] => {
      const known = SLOW.indexOf(basename(moduleId))
      return [PROJECTS.indexOf(project.name), known < 0 ? SLOW.length : known]
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
