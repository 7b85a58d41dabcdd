/** Which configuration is whose, and what the lint reports about several of them together. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { configOf, lintPlan, plannedMembers, uncheckedMembers } from '../../../src/doctor/plan.js'
import type { ListedMember } from '../../../src/doctor/evidence.js'
import { findLocalEvidence } from '../../../src/doctor/sources.js'
import { memberFlags, pkiFolder } from '../../support/member-flags.js'
import { ip, mintCa, mintLeaf } from '../../support/mint.js'

const ca = mintCa({ subject: 'Own CA' })
const other = mintCa({ subject: 'Other CA' })
const pki = pkiFolder({ issuer: ca, names: [ip('127.0.0.1')] })

const urls = (host: string) => ({ client: `https://${host}:2379`, peer: `https://${host}:2380` })
const listed = (name: string, host: string): ListedMember => ({
  ...{ name, id: '', isLearner: false },
  clientURLs: [urls(host).client],
  peerURLs: [urls(host).peer],
})

async function planOf(...members: readonly (readonly [name: string, host: string])[]) {
  const configs = members.map(([name, host]) => ({
    args: [
      `--name=${name}`,
      `--advertise-client-urls=${urls(host).client}`,
      `--initial-advertise-peer-urls=${urls(host).peer}`,
    ],
  }))
  return plannedMembers((await findLocalEvidence({ configs }))?.configs ?? [])
}

it('gives a configuration to the member with its name and URL, then by one of both', async () => {
  const planned = await planOf(['m1', '127.0.0.1'], ['renamed', '127.0.0.2'], ['m3', '127.0.0.33'])
  const list = [
    listed('m1', '127.0.0.1'),
    listed('m2', '127.0.0.2'),
    listed('m3', '127.0.0.3'),
    listed('m4', '127.0.0.4'),
  ]
  const found = configOf(list, planned)
  expect(list.map((member) => found.get(member)?.config.name)).toEqual(['m1', 'renamed', 'm3', undefined])
})

it('does not give a configuration of another cluster to a member because both have the default name', async () => {
  const planned = await planOf(['default', '127.0.0.9'], ['default', '127.0.0.1'])
  const list = [listed('default', '127.0.0.1')]
  expect(list.map((member) => configOf(list, planned).get(member))).toEqual([planned[1]])
  const apart = [listed('default', '127.0.0.5')]
  expect(configOf(apart, planned).size).toBe(0)
})

it('says on which machine the configuration of a member is to be examined', () => {
  const unchecked = uncheckedMembers([listed('m2', '10.0.0.2'), { ...listed('', ''), clientURLs: [], peerURLs: [] }])
  expect(unchecked.map(({ kind, message }) => [kind, message])).toEqual([
    [
      'other-machine',
      'The files that the configuration of "m2" names are on 10.0.0.2 and were not checked. Run `etcd-mtls doctor` on 10.0.0.2.',
    ],
  ])
})

it('lints the members of a cluster together, each with the files of its own disk', async () => {
  const cluster = 'm1=https://127.0.0.1:2380,m2=https://127.0.0.2:2380'
  const disks = await Promise.all(
    (['m1', 'm2'] as const).map(async (name, i) => {
      const disk = mkdtempSync(pki.path(name))
      const issuer = i === 0 ? ca : other
      const leaf = mintLeaf({ subject: name, issuer, names: [ip(`127.0.0.${String(i + 1)}`)] })
      mkdirSync(join(disk, 'pki'))
      for (const side of ['server', 'peer']) {
        writeFileSync(join(disk, `pki/${side}.crt`), leaf.pem)
        writeFileSync(join(disk, `pki/${side}.key`), leaf.keyPem, { mode: 0o600 })
      }
      writeFileSync(join(disk, 'pki/ca.crt'), issuer.pem)
      const args = memberFlags('', { name, ...urls(`127.0.0.${String(i + 1)}`), cluster })
      return plannedMembers((await findLocalEvidence({ configs: [{ args }], root: disk }))?.configs ?? [])
    }),
  )
  const report = await lintPlan(disks.flat(), {})
  expect(report?.findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([
    'config/member-not-trusted',
  ])
})

it('does not report the files of another machine as missing', async () => {
  const cluster = 'm1=https://192.0.2.1:2380'
  const configs = [{ args: pki.flags('cert-file=/no/such.crt', { name: 'm1', ...urls('192.0.2.1'), cluster }) }]
  const planned = await plannedMembers((await findLocalEvidence({ configs }))?.configs ?? [])
  const report = await lintPlan(planned, {})
  expect(report?.findings.map(({ code }) => code)).not.toContain('file/missing')
})

it('lints nothing without a configuration', async () => {
  await expect(lintPlan([], {})).resolves.toBeNull()
})
