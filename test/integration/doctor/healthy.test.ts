/** Healthy clusters of several kinds: the examination finds nothing that somebody must do. */
import { expect, it } from 'vitest'
import { faultsOf, memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { mintCa } from '../../support/mint.js'
import { mintedCredentials } from '../../support/etcd.js'

it('finds nothing above info in a healthy cluster of three members', async () => {
  await using cluster = await startDoctorCluster(onePki())
  const report = await cluster.examine()
  expect(faultsOf(report)).toEqual([])
  expect(report).toMatchObject({ ok: true, complete: true, unchecked: [], path: null })
  expect(report.members.map(({ name, isReached }) => [name, isReached]).sort()).toEqual([
    ['m1', true],
    ['m2', true],
    ['m3', true],
  ])
  expect(report.forecast).toMatchObject({ hasQuorum: true, assumed: [] })
})
