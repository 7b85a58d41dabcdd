/** What we issue in use, hierarchies as Go and a real etcd check them, and CAs that openssl, cfssl, kubeadm and step have made. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  type Crl,
  type KeyAlgorithm,
  loadAuthority,
  type LoadAuthorityOptions,
  writeCrl,
} from '../../src/authority/index.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { startEtcd } from '../../src/testing/index.js'
import { pemOf } from '../support/etcd.js'
import { gateway } from '../support/https.js'
import { drawn } from '../support/long.js'
import { openssl, runTool, temporaryFolder } from '../support/openssl.js'
import { refused } from '../support/refused.js'
import { GoOracle } from '../support/oracle-go.js'

const folder = temporaryFolder()
const HOSTS = ['localhost', '127.0.0.1', '::1'] as const
const CLIENT = { role: 'client', name: 'root' } as const
const listIn = ({ directory }: { directory: string }): string[] => [`--client-crl-file=${directory}/ca.crl`]

let go: GoOracle
beforeAll(async () => {
  go = await GoOracle.start()
})
afterAll(() => go.close())

it('a server, its clients, etcdctl and the gateway accept each other with the certificates of one authority', async () => {
  const pairs: readonly [KeyAlgorithm, KeyAlgorithm][] = [
    ['ecdsa-p256', 'ecdsa-p256'],
    ['ecdsa-p384', 'rsa-2048'],
    ['rsa-3072', 'ecdsa-p384'],
  ]
  for (const [ofCa, algorithm] of drawn(pairs, 1)) {
    const authority = await createAuthority({ name: 'etcd CA', algorithm: ofCa })
    const client = await authority.issue({ ...CLIENT, algorithm })
    await using etcd = await startEtcd({
      server: await authority.issue({ role: 'server', name: 'etcd', hosts: HOSTS, algorithm }),
    })
    expect(await etcd.etcdctl(['put', 'key', 'value'], client)).toMatchObject({ exitCode: 0, stdout: 'OK\n' })
    expect(await gateway(etcd.endpoint, '/health', client)).toMatchObject({ status: 200 })
    // The gateway dials etcd with the certificate of the server.
    const range = await gateway(etcd.endpoint, '/v3/kv/range', client, { key: Buffer.from('key').toString('base64') })
    expect(range).toMatchObject({ status: 200, body: expect.stringContaining('cluster_id') as string })
  }
})

it('an etcd that trusts the old CA alone takes clients of the new one, with the cross-certificate and not without', async () => {
  const old = await createAuthority({ name: 'Old CA' })
  const next = await createAuthority({ name: 'New CA' })
  const rolled = next.withCrossCertificate(await old.crossSign(next))
  await using etcd = await startEtcd({ server: await old.issue({ role: 'server', name: 'etcd', hosts: HOSTS }) })
  const trusting = async (by: Authority): Promise<Credentials> => ({
    ...(await by.issue({ role: 'client', name: 'root' })),
    trustAnchors: [...old.trustAnchors],
  })
  expect(await etcd.etcdctl(['put', 'a', 'b'], await trusting(rolled))).toMatchObject({ exitCode: 0, stdout: 'OK\n' })
  expect(await gateway(etcd.endpoint, '/health', await trusting(rolled))).toMatchObject({ status: 200 })
  const without = await etcd.etcdctl(['--dial-timeout=2s', 'get', 'a'], await trusting(next))
  expect(without.exitCode).not.toBe(0)
  // The other way round: the server is of the new CA, and the client trusts the old one alone.
  await using rolledEtcd = await startEtcd({
    server: {
      ...(await rolled.issue({ role: 'server', name: 'etcd', hosts: HOSTS })),
      trustAnchors: [...old.trustAnchors],
    },
  })
  const oldClient = await old.issue({ role: 'client', name: 'root' })
  expect(await rolledEtcd.etcdctl(['put', 'a', 'b'], oldClient)).toMatchObject({ exitCode: 0 })
  expect(await gateway(rolledEtcd.endpoint, '/health', oldClient)).toMatchObject({ status: 200 })
})

it('an etcd refuses the client that was revoked, and only it, by a list in either form', async () => {
  const authority = await createAuthority({ name: 'etcd CA' })
  const below = await authority.createIntermediate({ name: 'Issuing' })
  const [good, bad, other] = [
    await authority.issue({ role: 'client', name: 'root' }),
    await authority.issue({ role: 'client', name: 'root' }),
    await below.issue({ role: 'client', name: 'root' }),
  ]
  const file = folder.file('ca.crl')
  const written = async (crl: Crl, form: 'der' | 'pem' = 'der'): Promise<{ 'ca.crl': Buffer }> => {
    await writeCrl(file, crl, { form })
    return { 'ca.crl': readFileSync(file) }
  }
  const server = await authority.issue({ role: 'server', name: 'etcd', hosts: HOSTS })
  await using etcd = await startEtcd({ server, files: await written(await authority.issueCrl()), args: listIn })
  const served = async (as: Credentials): Promise<boolean> =>
    gateway(etcd.endpoint, '/health', as).then(
      ({ status }) => status === 200,
      () => false,
    )
  const all = async (): Promise<boolean[]> => [await served(good), await served(bad), await served(other)]
  expect(await all()).toEqual([true, true, true])
  await authority.revoke(bad.chain[0], { reason: 'keyCompromise' })
  const crl = await authority.issueCrl()
  for (const form of ['der', 'pem'] as const) {
    await etcd.writeFiles(await written(crl, form))
    expect(await all()).toEqual([true, false, true])
    await etcd.waitForLog(new RegExp(`certificate serial ${bad.chain[0].serialNumber.toLowerCase()} revoked`))
  }
  // An intermediate that is revoked takes what it issued along.
  await authority.revoke(below.certificate)
  await etcd.writeFiles(await written(await authority.issueCrl()))
  expect(await all()).toEqual([true, false, false])
})

describe('a CA of others, with its chain', () => {
  /** What it issues is accepted by openssl and by Go. */
  async function proves(options: LoadAuthorityOptions): Promise<Authority> {
    const authority = await loadAuthority(options)
    const below = authority.certificate.extensions.basicConstraints?.pathLength === 0 ? [] : [authority]
    const issuers = [authority, ...(await Promise.all(below.map((each) => each.createIntermediate({ name: 'Below' }))))]
    for (const issuer of issuers) {
      const given = await issuer.issue({ role: 'peer', name: 'etcd-0', hosts: ['etcd-0.etcd.svc', '10.0.0.1'] })
      expect(await go.verify(given, 'server', { host: '10.0.0.1' })).toBe('')
      const [leaf, ...between] = given.chain
      const untrusted = between.length === 0 ? [] : ['-untrusted', folder.file('between.pem', pemOf(between))]
      const ca = folder.file('ca.pem', pemOf(given.trustAnchors))
      openssl(['verify', '-purpose', 'sslserver', '-CAfile', ca, ...untrusted], leaf.toPem())
    }
    return authority
  }

  let root = { key: '', cert: '' }
  beforeAll(() => {
    const key = folder.file('root.key', openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']))
    root = {
      key,
      cert: folder.file('root.pem', openssl(['req', '-x509', '-new', '-key', key, '-subj', '/O=Acme/CN=R'])),
    }
  })

  it('an intermediate that "openssl x509 -req" signed issues certificates', async () => {
    const key = openssl(['genpkey', '-algorithm', 'ED25519'])
    const keyFile = folder.file('middle.key', key)
    const csr = folder.file('middle.csr', openssl(['req', '-new', '-key', keyFile, '-subj', '/O=Acme/CN=Middle']))
    const extensions = folder.file(
      'middle.cnf',
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n' +
        'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer:always\nnameConstraints=permitted;DNS:svc,permitted;IP:10.0.0.0/255.0.0.0\n',
    )
    const by = ['-CA', root.cert, '-CAkey', root.key]
    const cert = openssl(['x509', '-req', '-in', csr, ...by, '-days', '30', '-extfile', extensions])
    const chain = openssl(['x509', '-in', root.cert])
    const authority = await proves({ cert, key, chain })
    const error = await refused(
      authority.issue({ role: 'server', name: 'x', hosts: ['x.example'] }),
      'ERR_ISSUE_REFUSED',
    )
    expect(error.details.findings.map((each) => each.code)).toContain('name-constraints/name-refused')
    await refused(authority.createIntermediate({ name: 'Below' }), 'ERR_ISSUE_REFUSED')
    // A bundle in one file, the root first or last, is a chain, too.
    await loadAuthority({ cert: cert + chain, key })
  })

  it('a root and an intermediate of "cfssl gencert" issue certificates', async () => {
    const request = (CN: string): string =>
      folder.file(`${CN}.json`, JSON.stringify({ CN, key: { algo: 'ecdsa', size: 256 }, names: [{ O: 'Acme' }] }))
    const cfssl = (parameters: string[]): { cert: string; key: string } => {
      const output = runTool('cfssl', ['gencert', '-loglevel=5', ...parameters])
      const { cert, key } = JSON.parse(output) as { cert: string; key: string }
      return { cert, key }
    }
    const top = cfssl(['-initca', request('cfssl-root')])
    await proves(top)
    const profile = {
      usages: ['cert sign', 'crl sign'],
      expiry: '720h',
      ca_constraint: { is_ca: true, max_path_len: 1 },
    }
    const config = folder.file('config.json', JSON.stringify({ signing: { default: profile } }))
    const [ca, caKey] = [folder.file('cf.pem', top.cert), folder.file('cf.key', top.key)]
    const low = cfssl(['-ca', ca, '-ca-key', caKey, '-config', config, request('cfssl-middle')])
    const authority = await proves({ ...low, chain: top.cert })
    expect(authority.certificate.extensions.basicConstraints?.pathLength).toBe(1)
    expect((await authority.issueCrl()).isSignedBy(authority.certificate)).toBe(true)
  })

  it('the etcd-ca of kubeadm, in PKCS #1, issues certificates, and may sign no CRL', async () => {
    // client-go cert.NewSelfSignedCACert: RSA 2048, its own name as a DNS name, no cRLSign.
    const key = openssl(['genrsa', '-traditional', '2048'])
    expect(key).toContain('BEGIN RSA PRIVATE KEY')
    const extensions = [
      ...['-addext', 'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign'],
      ...['-addext', 'subjectAltName=DNS:etcd-ca'],
    ]
    const parameters = ['req', '-x509', '-new', '-key', folder.file('kubeadm.key', key), '-subj', '/CN=etcd-ca']
    const cert = openssl([...parameters, '-days', '3650', ...extensions])
    const authority = await proves({ cert, key })
    const { details } = await refused(authority.issueCrl(), 'ERR_ISSUE_REFUSED')
    expect(details.reason).toContain('lacks cRLSign')
    // etcd does not look who signed.
    const [good, bad] = [await authority.issue(CLIENT), await authority.issue(CLIENT)]
    await authority.revoke(bad.chain[0])
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts: HOSTS })
    const files = { 'ca.crl': Buffer.from((await authority.issueCrl({ allowWithoutCrlSign: true })).raw) }
    await using etcd = await startEtcd({ server, files, args: listIn })
    expect(await gateway(etcd.endpoint, '/health', good)).toMatchObject({ status: 200 })
    await expect(gateway(etcd.endpoint, '/health', bad)).rejects.toThrow(/hang up|ECONNRESET/)
  })

  it('a root and an intermediate of step, with an encrypted key in SEC1, issue certificates', async () => {
    // step ca init: "<name> Root CA" with a path length of 1, "<name> Intermediate CA" with 0, EC keys under a password.
    const make = (name: string): string =>
      folder.file(name, openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout']))
    const [rootKey, key] = [make('step-root.key'), make('step.key')]
    const subject = (name: string): string[] => ['-subj', `/O=Smallstep/CN=Smallstep ${name} CA`]
    const usage = ['basicConstraints=critical,CA:TRUE,pathlen:1', 'keyUsage=critical,keyCertSign,cRLSign']
    const add = usage.flatMap((each) => ['-addext', each])
    const top = openssl(['req', '-x509', '-new', '-key', rootKey, ...subject('Root'), ...add])
    const csr = folder.file('step.csr', openssl(['req', '-new', '-key', key, ...subject('Intermediate')]))
    const extensions = folder.file(
      'step.cnf',
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
    )
    const by = ['-CA', folder.file('step-root.pem', top), '-CAkey', rootKey]
    const cert = openssl(['x509', '-req', '-in', csr, ...by, '-days', '30', '-extfile', extensions])
    const encrypted = openssl(['ec', '-in', key, '-aes256', '-passout', 'pass:secret'])
    expect(encrypted).toContain('DEK-Info')
    await proves({ cert, key: encrypted, passphrase: 'secret', chain: top })
    // The bundle that "step ca" returns holds the intermediate before the root.
    await proves({ cert: cert + top, key: encrypted, passphrase: 'secret' })
  })
})
