/** Healthy clusters of several kinds: the examination finds nothing that somebody must do. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueCluster } from '../../../src/authority/index.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { examineCluster } from '../../../src/doctor/index.js'
import { formatReport } from '../../../src/report/index.js'
import { PLAN, startWrittenCluster } from '../../support/written-cluster.js'

it('reports nothing about a healthy cluster', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
  await using written = await startWrittenCluster(folder, await issueCluster(PLAN))
  const { files, cluster } = written
  const { clients } = files
  const report = await examineCluster({
    endpoints: cluster.endpoints,
    credentials: fromFiles(clients.app),
    configs: [],
  })
  process.stderr.write(JSON.stringify(report, null, 1) + formatReport(report))
})
