/** What a configuration sets is read without being judged, and never with a private key. */
import { chmodSync } from 'node:fs'
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
