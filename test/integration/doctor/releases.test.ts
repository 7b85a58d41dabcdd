/** What the doctor reports about the release of a real etcd, and how it knows that authentication is enabled. */
import { expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { advisoriesOf } from '../../../src/config/tables/advisories.js'
import type { ClusterReport } from '../../../src/doctor/index.js'
import type { Finding } from '../../../src/report/index.js'
import { faultsOf, memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { INSTALLED } from '../../support/etcd-version.js'

const rows = advisoriesOf(INSTALLED)
const ofAuth = rows.filter(({ condition }) => condition === 'auth')

function releasesOf({ findings }: ClusterReport): Finding[] {
  return findings.filter(({ code }) => code === 'cluster/release-outdated')
}

it('reports one info about a healthy cluster of a release with advisories, and a warning once authentication is enabled', async () => {
  const pki = onePki()
  await using cluster = await startDoctorCluster(pki)
  const healthy = await cluster.examine()
  expect(faultsOf(healthy)).toEqual([])
  expect(healthy).toMatchObject({ ok: true, complete: true })
  expect(releasesOf(healthy).map(({ severity }) => severity)).toEqual(rows.length > 0 ? ['info'] : [])

  await using admin = await createSecureClient({
    endpoints: cluster.members.map(({ clientUrl }) => clientUrl),
    credentials: pki.client,
    rotation: 'off',
  })
  await admin.role('root').create()
  for (const name of ['root', 'app']) await admin.user(name).create('secret')
  await admin.user('root').addRole('root')
  await admin.auth.authEnable()

  const expected = ofAuth.length > 0 ? ['cluster/release-outdated'] : []
  const [warning] = releasesOf(await cluster.examine())
  expect(faultsOf(await cluster.examine())).toEqual(expected)
  if (ofAuth.length > 0) expect(warning?.details).toMatchObject({ advisories: ofAuth.map(({ id }) => id) })
  // Only root may ask for the status, so a refusal shows it to others.
  const credentials = memberOf(pki.ca, 'app', { usages: ['clientAuth'] })
  expect(faultsOf(await cluster.examine({ credentials }))).toEqual(expected)
})
