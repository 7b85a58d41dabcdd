/** Which step of the replacement of a CA is safe, on real clusters: the plan is written in the directory that the members read. */
import { describe, expect, it } from 'vitest'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
import {
  type Authority,
  createAuthority,
  issueCluster,
  withTrustAnchors,
  writeCluster,
  writeTrust,
} from '../../../src/authority/index.js'
import { type RollState, rollState } from '../../../src/doctor/index.js'
import { temporaryFolder } from '../../support/openssl.js'
import { PLAN, startWrittenCluster, type WrittenCluster } from '../../support/written-cluster.js'

const folder = temporaryFolder()

it('explore', async () => {
  const from = await createAuthority({ name: 'etcd CA' })
  const to = await createAuthority({ name: 'etcd CA' })
  const directory = folder.file('pki')
  await using rolling = await startWrittenCluster(directory, await issueCluster(from, PLAN))
  const check = () => rollState({ from, to, directory, endpoints: rolling.cluster.endpoints })
  const t = Date.now()
  require('node:fs').appendFileSync('/tmp/roll.out', JSON.stringify(await check(), null, 1) + '\n')
  require('node:fs').appendFileSync('/tmp/roll.out', String(Date.now() - t))
  await writeTrust(directory, [...from.trustAnchors, ...to.trustAnchors], { layout: 'etcd' })
  require('node:fs').appendFileSync('/tmp/roll.out', JSON.stringify((await check()).step, null, 1) + '\n')
})
