/** What a configuration sets is read without being judged, and never with a private key. */
import { chmodSync, utimesSync } from 'node:fs'
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { readEtcdConfig } from '../../../src/config/index.js'
import { ip, mintCa, mintCrl } from '../../support/mint.js'
import { pkiFolder } from '../../support/member-flags.js'

const root = mintCa({ subject: 'Own CA' })
const pki = pkiFolder({ issuer: root, names: [ip('10.0.0.1')] })

it('A member has its name, its URLs, and the certificates, CRLs and modes of its files, and of a key the public half', async () => {
  const leaf = pki.issue('server')
  pki.write('ca.crt', root.pem)
  pki.write('list.crl', mintCrl({ issuer: root, revoked: [{ serial: 7n }] }).pem)
  chmodSync(pki.path('server.key'), 0o640)
  const args = [
    '--name=m1',
    '--listen-client-urls=https://10.0.0.1:2379',
    '--advertise-client-urls=https://10.0.0.1:2379',
    `--cert-file=${pki.path('server.crt')}`,
    `--key-file=${pki.path('server.key')}`,
    `--trusted-ca-file=${pki.path('ca.crt')}`,
    `--client-crl-file=${pki.path('list.crl')}`,
    '--peer-cert-file=/no/such.crt',
  ]
  const [member, ...others] = await readEtcdConfig({ args })
  expect(others).toEqual([])
  const { name, client, peer, unchecked } = member
  expect([name, client.listenUrls, client.requiresCertificates, unchecked]).toEqual([
    'm1',
    ['https://10.0.0.1:2379'],
    true,
    [],
  ])
  expect(client.cert?.certificates.map((each) => each.toPem().trim())).toEqual([leaf.pem.trim()])
  expect(client.ca?.certificates.map(({ subject }) => subject.commonName)).toEqual(['Own CA'])
  expect(client.crl?.crls).toHaveLength(1)
  expect([client.key?.mode, client.key?.publicKey?.type]).toEqual(['0640', 'public'])
  expect(peer.cert).toMatchObject({ path: '/no/such.crt', mode: null, problem: { code: 'file/missing' } })
  expect(peer.key).toBeNull()
  const secret = leaf.keyPem.replaceAll(/-----.*-----|\s/g, '').slice(20, 60)
  expect(inspect(member, { depth: 20, showHidden: true })).not.toContain(secret)
})

it('A value that is not known is null, or has its reference, and is in unchecked', async () => {
  const unit =
    '[Service]\nExecStart=/usr/bin/etcd --name=%H --listen-client-urls=https://${IP}:2379 --client-cert-auth=${AUTH}\n'
  const [member] = await readEtcdConfig({ unit })
  expect([member.name, member.client.listenUrls, member.client.requiresCertificates]).toEqual([
    null,
    ['https://${IP}:2379'],
    null,
  ])
  expect(member.unchecked.map(({ kind }) => kind)).toEqual(['variable', 'variable', 'variable'])
  const [known] = await readEtcdConfig({ unit }, { variables: { '%H': 'm1', IP: '10.0.0.1', AUTH: 'true' } })
  expect([known.name, known.client.listenUrls, known.client.requiresCertificates, known.unchecked]).toEqual([
    'm1',
    ['https://10.0.0.1:2379'],
    true,
    [],
  ])
})

it('returns the restrictions of names and addresses, and the list of the first start', async () => {
  const yaml = `name: m1
initial-cluster: m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380
client-transport-security: { allowed-cn: [app], trusted-ca-file: /ca.crt }
peer-transport-security: { allowed-hostname: [etcd.example], skip-client-san-verification: true }
`
  const [{ client, peer, initialCluster }] = await readEtcdConfig({ yaml })
  expect([client.allowedCommonNames, client.allowedHostnames, client.skipClientSanVerification]).toEqual([
    ['app'],
    [],
    false,
  ])
  expect([peer.allowedCommonNames, peer.allowedHostnames, peer.skipClientSanVerification]).toEqual([
    [],
    ['etcd.example'],
    true,
  ])
  expect(initialCluster).toEqual([
    { name: 'm1', url: 'https://10.0.0.1:2380' },
    { name: 'm2', url: 'https://10.0.0.2:2380' },
  ])
})

it('reads no file with readFiles: false, also no configuration file that is named', async () => {
  pki.issue('server')
  const args = [`--cert-file=${pki.path('server.crt')}`, '--config-file=/no/such.yml']
  const [member] = await readEtcdConfig({ args: args.slice(0, 1) }, { readFiles: false })
  expect(member.client.cert).toMatchObject({ hostPath: null, mode: null, certificates: [], problem: null })
  const [named] = await readEtcdConfig({ args: args.slice(1) }, { readFiles: false })
  expect([named.findings, named.unchecked.map(({ kind }) => kind)]).toEqual([[], ['file-absent']])
})

it('returns the times of a file, and reads a relative path from the given directory', async () => {
  pki.issue('server')
  utimesSync(pki.path('server.crt'), 1000, 1000)
  const directory = dirname(pki.path('server.crt'))
  const [{ client }] = await readEtcdConfig({ args: ['--cert-file=server.crt'] }, { directory })
  expect(client.cert).toMatchObject({ hostPath: pki.path('server.crt'), modifiedAt: new Date(1_000_000) })
  expect(client.cert?.changedAt?.getTime()).toBeGreaterThan(1_000_000)
})

it('rejects a directory that is not absolute, and a readFiles that is not a boolean', async () => {
  for (const options of [{ directory: 'pki' }, { readFiles: 'no' as unknown as boolean }])
    await expect(readEtcdConfig({ args: [] }, options)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
})

it('A text is read in the form that is detected, as a file is, and has the token of its cluster', async () => {
  const token = async (text: string): Promise<(string | null)[]> => {
    const [{ name, initialClusterToken }] = await readEtcdConfig({ text })
    return [name, initialClusterToken]
  }
  expect(await token('name: a\ninitial-cluster-token: one\n')).toEqual(['a', 'one'])
  expect(await token('ETCD_NAME=a\nETCD_INITIAL_CLUSTER_TOKEN=one\n')).toEqual(['a', 'one'])
  expect(await token('[Service]\nExecStart=/usr/bin/etcd --name=a\n')).toEqual(['a', 'etcd-cluster'])
  expect(await token('#!/bin/sh\netcd --name=a --initial-cluster-token=${TOKEN}\n')).toEqual(['a', null])
})
