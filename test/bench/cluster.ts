/** What a whole cluster takes: every certificate from one plan, and every file on the disk. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority, issueCluster, writeCluster } from '../../src/authority/index.js'
import type { Bench } from './harness.js'

const SEVEN = 'issued and written'
const MOST_MS = 150
const PLAN = {
  members: Array.from({ length: 7 }, (_, i) => ({
    name: `etcd-${String(i)}`,
    hosts: [`etcd-${String(i)}.etcd.svc`, 'localhost', '127.0.0.1'] as const,
  })),
  clients: ['root', 'backup', 'app'],
}

export const bench: Bench = {
  title: 'A cluster of seven',
  about:
    'Seven members and three clients: 17 P-256 certificates with their keys, and 45 files in 10 directories, each ' +
    'flushed to the disk.',
  unit: 'cluster',
  base: SEVEN,
  clock: 'wall',
  promises: [{ says: `at most ${String(MOST_MS)} ms`, holds: (measured) => measured(SEVEN).time <= MOST_MS }],
  async prepare() {
    const authority = await createAuthority({ name: 'Bench CA' })
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    let count = 0
    const issued = await issueCluster(authority, PLAN)
    return {
      contenders: [
        {
          name: SEVEN,
          run: async () => {
            const cluster = await issueCluster(authority, PLAN)
            await writeCluster(join(folder, String(++count)), cluster, { layout: 'etcd', caKey: false })
          },
        },
        { name: 'issued alone', run: () => issueCluster(authority, PLAN) },
        {
          name: 'written again over the same files',
          run: () => writeCluster(join(folder, 'again'), issued, { layout: 'etcd', caKey: false }),
        },
      ],
      dispose() {
        rmSync(folder, { recursive: true })
      },
    }
  },
}
