/** How long the lint takes for a file that is as large as it may be. */
import { parseDocument } from 'yaml'
import { lintEtcdConfig } from '../../src/config/index.js'
import type { Bench } from './harness.js'

const KEYS = 35_000
const FLOOR = 'parseDocument of yaml'
const OURS = 'lintEtcdConfig'
const MAX_RATIO = 1.5

export const bench: Bench = {
  title: 'Linting a YAML file of almost 1 MB',
  about: 'A file with 35,000 unknown keys: parsed, each key looked up, and the first hundred reported.',
  unit: 'file',
  base: FLOOR,
  slice: 500,
  rounds: 5,
  promises: [
    {
      says: `etcd-mtls takes at most ${String(MAX_RATIO)} × the parser of yaml`,
      holds: (measured) => measured(OURS).ratio <= MAX_RATIO,
    },
  ],
  prepare() {
    const line = (i: number): string => `key-of-${String(i).padStart(6, '0')}: value-${String(i).padStart(6, '0')}\n`
    const yaml = Array.from({ length: KEYS }, (_, i) => line(i)).join('')
    return {
      contenders: [
        { name: FLOOR, run: () => parseDocument(yaml, { uniqueKeys: false }) },
        { name: OURS, run: () => lintEtcdConfig({ yaml }, { readFiles: false }) },
      ],
    }
  },
}
