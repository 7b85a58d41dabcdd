/** Calls that are wrong in themselves are refused with the name of the option, before a key is made or anything is written. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import crypto, { generateKeyPairSync } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import {
  type Authority,
  createAuthority,
  createRequest,
  type Credentials,
  type Crl,
  fileLedger,
  fromAuthority,
  issueCluster,
  loadAuthority,
  openAuthority,
  PrivateKey,
  renewCredentials,
  renewalDue,
  renewDirectory,
  withTrustAnchors,
  writeCluster,
  writeCrl,
  writeTrust,
} from '../../../src/authority/index.js'
import { mintCa, mintCsr, newKey } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { cluster, issue as minted } from './cluster/fixture.js'

/** `words`: what the reason must say, where two rules have one option. */
type Row = [option: string, call: () => unknown, words?: string]

/** Makes the keys of the default kind. */
const createECDH = vi.spyOn(crypto, 'createECDH')
syncBuiltinESMExports()
const folder = temporaryFolder()
/** No call that is refused writes anything there. */
const PLACE = join(tmpdir(), 'etcd-mtls-nothing')
let authority: Authority
let held: Credentials
let crl: Crl
beforeAll(async () => {
  authority = await createAuthority({ name: 'Unit CA' })
  held = await authority.issue({ role: 'client', name: 'held' })
  expect(createECDH).toHaveBeenCalledTimes(2)
  crl = await authority.issueCrl()
  await openAuthority(folder.file('existing'), { name: 'Existing CA' })
})
beforeEach(() => {
  createECDH.mockClear()
})
afterAll(() => {
  createECDH.mockRestore()
  syncBuiltinESMExports()
  expect(existsSync(PLACE)).toBe(false)
})

/** As JavaScript calls it, where no type checker looks. */
const wrong = (value: unknown): never => value as never
const rows = <T>(option: string, values: readonly T[], call: (value: T) => unknown): Row[] =>
  values.map((value) => [option, () => call(value)])

const ca = mintCa({ subject: 'CA' })
const csr = mintCsr({ subject: 'etcd-0', key: ca.key }).pem
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sign = (): Uint8Array => new Uint8Array()
const NOTE = { oid: '1.3.6.1.4.1.99999.1', value: Buffer.from('0c0568656c6c6f', 'hex') }
const BYTES = (size: number): Buffer =>
  Buffer.concat([Buffer.from([0x04, 0x82, size >> 8, size & 0xff]), Buffer.alloc(size)])
const LONG = Array.from({ length: 16 }, (_, i) => `${'\u{1f511}'.repeat(62)}${String(10 + i)}`)
const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index))

const CLIENT = { role: 'client', name: 'app' } as const
const SERVER = { role: 'server', name: 'etcd-0' } as const
const ETCD = { layout: 'etcd' } as const
const MEMBER = { name: 'a', hosts: ['x'] }

const make = (options: object): Promise<unknown> => createAuthority(wrong(options))
const issue = (request: object): Promise<unknown> => authority.issue(wrong({ ...CLIENT, ...request }))
const serve = (hosts: unknown, role = 'server'): Promise<unknown> => authority.issue(wrong({ ...SERVER, role, hosts }))
const signCsr = (options: object): Promise<unknown> => authority.sign(csr, wrong({ ...CLIENT, ...options }))
const load = (options: object): Promise<unknown> => loadAuthority(wrong({ cert: ca.pem, key: ca.keyPem, ...options }))
const request = (options: object): Promise<unknown> => createRequest(wrong({ name: 'a', ...options }))
const plan = (options: unknown, by: unknown = authority): Promise<unknown> => issueCluster(wrong(by), wrong(options))
const planWith = (options: object): Promise<unknown> => issueCluster(authority, { members: [MEMBER] }, wrong(options))
const again = (options: object): Promise<unknown> => renewCredentials(authority, held, wrong(options))
const directory = (options: unknown, place = PLACE, by: unknown = authority): Promise<unknown> =>
  renewDirectory(wrong(by), place, wrong(options))
const source = (asked: object, options: object = {}): unknown => fromAuthority(authority, wrong(asked), wrong(options))
const write = (given: unknown, options: unknown = ETCD): Promise<unknown> =>
  writeCluster(PLACE, wrong(given), wrong(options))
const open = (options: unknown, name: string): Promise<unknown> => openAuthority(folder.file(name), wrong(options))
const trust = (options: object, anchors: unknown = [authority.certificate]): Promise<unknown> =>
  writeTrust(PLACE, wrong(anchors), wrong({ ...ETCD, ...options }))

const BAD_NAMES = [
  ...['', 'a'.repeat(65), '\u{1f600}'.repeat(65), 'a\nb', 'root\u200b', '\ud800', '\u202eroot', ' root', '\u2028'],
  ...[7, undefined, null],
]
const BAD_FILES = ['', '..', '../x', 'a\\b', 'a\u0000b', '\u009b', '.hidden', 'ä'.repeat(101)]

// All kinds of hosts are in test/unit/x509.
const REQUESTS: Row[] = [
  ...rows(
    'request.hosts[1]',
    ['10.0.0.300', 'https://etcd-0:2379', '10.0.0.0/8', '*', '', 7, null, undefined],
    (host) => serve(['localhost', host]),
  ),
  ...rows('request.hosts', [[], undefined, 'localhost'], (hosts) => serve(hosts)),
  ...rows('request.hosts', [[], undefined], (hosts) => serve(hosts, 'peer')),
  ['request.hosts', () => serve(many(10_000, (i) => `h${String(i)}`)), 'at most 1000'],
  ['request.hosts', () => serve(many(1000, (i) => `${'a'.repeat(60)}.h${String(i)}`)), 'bytes in total'],
  ...rows('request.name', BAD_NAMES, (name) => issue({ name })),
  ...rows('request.role', ['admin', undefined], (role) => issue({ role })),
  ['request.algorithm', () => issue({ algorithm: 'constructor' })],
  ...rows('request.validity', ['999ms', 86400, '3000000d', null], (validity) => issue({ validity })),
  ['request.sans', () => issue({ sans: ['y'] })],
  ['request.skipEtcdChecks', () => issue({ skipEtcdChecks: 'yes' })],
  ['request.key', () => issue({ key: newKey('ed25519') })],
  ['request.algorithm', () => issue({ key: PrivateKey.fromKeyObject(newKey('ed25519')), algorithm: 'ed25519' })],
  ['request.subject', () => issue({ subject: null })],
  ['request.subject.country', () => issue({ subject: { country: 'Germany' } })],
  ['request.subject.state', () => issue({ subject: { state: 7 } })],
  ['request.subject.locality', () => issue({ subject: { locality: '\u{1f511}'.repeat(65) } })],
  ['request.subject.commonName', () => issue({ subject: { commonName: 'root' } })],
  ...rows('request.subject.organization', ['', ['a', 'b\u0000'], many(17, String)], (organization) =>
    issue({ subject: { organization } }),
  ),
  ['request.subject', () => issue({ subject: { organization: LONG } }), 'bytes in total'],
  ...rows('request.extendedKeyUsage', [[], many(17, () => 'clientAuth')], (usage) =>
    issue({ extendedKeyUsage: usage }),
  ),
  ['request.extendedKeyUsage[1]', () => issue({ extendedKeyUsage: ['clientAuth', 'everything'] })],
  ...rows('request.extendedKeyUsage[0]', ['3.1.2', 7], (usage) => issue({ extendedKeyUsage: [usage] })),
  ['request.extensions', () => issue({ extensions: NOTE })],
  ['request.extensions', () => issue({ extensions: many(21, (i) => ({ ...NOTE, oid: `1.2.3.${String(i)}` })) })],
  [
    'request.extensions',
    () => issue({ extensions: many(2, (i) => ({ oid: `1.2.${String(i)}`, value: BYTES(8188) })) }),
  ],
  ['request.extensions[0]', () => issue({ extensions: [null] })],
  ['request.extensions[0].name', () => issue({ extensions: [{ ...NOTE, name: 'x' }] })],
  ['request.extensions[1].oid', () => issue({ extensions: [NOTE, NOTE] })],
  ...rows('request.extensions[0].oid', ['2.5.29.19', '2.5.29.17', 'subjectAltName', '1.2.3.4294967296'], (oid) =>
    issue({ extensions: [{ ...NOTE, oid }] }),
  ),
  ['request.extensions[0].critical', () => issue({ extensions: [{ ...NOTE, critical: 'yes' }] })],
  ...rows(
    'request.extensions[0].value',
    [Buffer.from('0c05', 'hex'), Buffer.from('05000500', 'hex'), BYTES(8189)],
    (value) => issue({ extensions: [{ ...NOTE, value }] }),
  ),
]

const AUTHORITIES: Row[] = [
  ['options', () => make(wrong(null))],
  ...rows('name', BAD_NAMES, (name) => make({ name })),
  ...rows('maxIntermediates', [-1, 101], (maxIntermediates) => make({ name: 'x', maxIntermediates })),
  ['validity', () => make({ name: 'x', validity: '0d' })],
  ['algorithm', () => make({ name: 'x', algorithm: 'p256' })],
  ['algorithm', () => make({ name: 'x', algorithm: 'rsa-2048', signer: { publicKey: 'x', sign: null } })],
  ...rows('permittedNames', [[], many(101, (i) => `a${String(i)}.svc`)], (names) =>
    make({ name: 'x', permittedNames: names }),
  ),
  ...rows(
    'permittedNames[1]',
    [
      ...['spiffe://*.svc/x', 'spiffe://10.0.0.1', 'https://a.svc', '10.0.0.0/08x', '10.0.0.1/8', 'svc/8', '::/129'],
      ...['*', '', 'a\u0000b'],
    ],
    (entry) => make({ name: 'CA', permittedNames: ['svc', entry] }),
  ),
  ['subject.organisation', () => make({ name: 'x', subject: { organisation: 'y' } })],
  ['subject', () => make({ name: 'x', subject: { organization: LONG } })],
  ['ledger', () => make({ name: 'x', ledger: {} })],
  ['clock', () => make({ name: 'x', clock: 7 })],
  ...rows('clock', ['1949-12-31T23:59:59Z', '9999-01-01T00:00:00Z', 'no date'], (time) =>
    make({ name: 'CA', clock: () => new Date(time) }),
  ),
  ['clock', () => make({ name: 'CA', clock: () => null })],
  ...rows('signer', [null, { publicKey: pair.publicKey }], (signer) => make({ name: 'CA', signer })),
  ...rows(
    'signer.publicKey',
    [
      ...[pair.privateKey, pair.privateKey.export({ type: 'pkcs8', format: 'pem' })],
      ...[new Uint8Array(10), '-----BEGIN PUBLIC KEY-----'],
    ],
    (publicKey) => make({ name: 'CA', signer: { publicKey, sign } }),
  ),
  // A mistake does not depend on what the directory holds.
  ...['existing', 'nothing'].flatMap((place): Row[] => [
    ['options', () => open(null, place)],
    ['name', () => open({ name: '' }, place)],
    ['validity', () => open({ name: 'x', validity: null }, place)],
    ['permittedNames', () => open({ name: 'x', permittedNames: [] }, place)],
    ['signer', () => open({ name: 'x', signer: { publicKey: pair.publicKey, sign } }, place)],
  ]),
  ['key', () => load({ key: undefined })],
  ['cert', () => load({ cert: undefined })],
  ['chain', () => load({ chain: 7 })],
  ['passphrase', () => load({ passphrase: 7 })],
  ['ca', () => load({ ca: ca.pem })],
]

const SIGNING: Row[] = [
  ...rows('request.name', [{ name: undefined }, { allow: { name: true } }], signCsr),
  ['request.role', () => signCsr({ role: 'ca' })],
  ['request.hosts', () => signCsr({ hosts: 'a' })],
  ['request.algorithm', () => signCsr({ algorithm: 'ecdsa-p256' })],
  ['request.allow.usages', () => signCsr({ allow: { usages: true } })],
  ['request.allow.name', () => signCsr({ name: undefined, allow: { name: [] } })],
  ['request.allow.name[0]', () => signCsr({ name: undefined, allow: { name: [''] } })],
  ['request.allow.hosts', () => signCsr({ allow: { hosts: many(1001, () => 'a.b') } })],
  ['request.allow.hosts[1]', () => signCsr({ allow: { hosts: ['a.b', 'a.*.b'] } })],
  ...rows('request.allow.hosts[0]', [5, '10.0.0.1/8', 'https://a/*', 'spiffe://*'], (host) =>
    signCsr({ allow: { hosts: [host] } }),
  ),
  // Before the request is read.
  ['request.hosts[0]', () => authority.sign('no request', { ...CLIENT, hosts: [''] })],
  ['csr', () => authority.sign(wrong(undefined), CLIENT)],
  ['name', () => request({ name: undefined })],
  ['hosts', () => request({ hosts: 'etcd-0' })],
  ['hosts[1]', () => request({ hosts: ['etcd-0', '10.0.0.300'] })],
  ['algorithm', () => request({ algorithm: 'rsa-1024' })],
  ['subject.country', () => request({ subject: { country: 'Germany' } })],
  ['role', () => request({ role: 'client' })],
]

const RENEWAL: Row[] = [
  ['validity', () => again({ validity: '1ms' })],
  ['foreign', () => again({ foreign: 'yes' })],
  ['days', () => again({ days: 5 })],
  ...rows('credentials', [null, {}, { chain: [] }, { chain: ['x'] }], (given) =>
    renewCredentials(authority, wrong(given)),
  ),
  ['authority', () => renewCredentials(wrong({}), held)],
  ['credentials', () => renewalDue(wrong({ chain: [1] }))],
  ['at', () => renewalDue(held, { at: new Date(Number.NaN) })],
  ['fraction', () => renewalDue(held, { fraction: 2 })],
  ['now', () => renewalDue(held, wrong({ now: 1 }))],
  ['request.name', () => source({ role: 'client' })],
  ['fraction', () => source(CLIENT, { fraction: 1 })],
  ['jitter', () => source(CLIENT, { jitter: 0.51 })],
  ['random', () => source(CLIENT, { random: 1 })],
  ['speed', () => source(CLIENT, { speed: 1 })],
  ['signal', () => fromAuthority(authority, CLIENT).load(wrong(5))],
  ...rows('authority', [null, {}, 'x'], (by) => fromAuthority(wrong(by), CLIENT)),
  ['layout', () => directory({ layout: 'cfssl' })],
  ['fraction', () => directory({ ...ETCD, fraction: 0 })],
  ['at', () => directory({ ...ETCD, at: '2026-01-01' })],
  ['key', () => directory({ ...ETCD, key: 'old' })],
  ['force', () => directory({ ...ETCD, force: 1 })],
  ['signal', () => directory({ ...ETCD, signal: {} })],
  ['overwrite', () => directory({ ...ETCD, overwrite: true })],
  ['options', () => directory(null)],
  ['directory', () => directory(ETCD, 'a\0b')],
  ['authorities.client', () => directory(ETCD, PLACE, {})],
]

const REVOCATION: Row[] = [
  ...rows('reason', ['certificateHold', 'KeyCompromise', '', null, '__proto__'], (reason) =>
    authority.revoke(held.chain[0], { reason: wrong(reason) }),
  ),
  ...rows('at', [new Date(Date.now() + 86_400_000), new Date(NaN), new Date('1949-12-31'), '2026', null], (at) =>
    authority.revoke(held.chain[0], { at: wrong(at) }),
  ),
  ...rows('certificate', ['', 'xyz', '123', '0'.repeat(42), null], (serial) => authority.revoke(wrong(serial))),
  ...rows('nextUpdate', ['0s', 7, '99999999d', null], (nextUpdate) =>
    authority.issueCrl({ nextUpdate: wrong(nextUpdate) }),
  ),
  ['allowWithoutCrlSign', () => authority.issueCrl({ allowWithoutCrlSign: wrong(1) })],
  ['path', () => writeCrl('', crl)],
  ['crl', () => writeCrl(PLACE, wrong('x'))],
  ...rows('form', ['text', null], (form) => writeCrl(PLACE, crl, { form: wrong(form) })),
  ...rows('path', ['', 7, 'a\u0000b', '-----BEGIN PRIVATE KEY-----'], (path) => fileLedger(wrong(path))),
]

const { authorities: _, ...unknown } = cluster(['a'])
const CLUSTERS: Row[] = [
  ['plan', () => plan(null)],
  ...rows('plan.members', [[], many(101, (i) => ({ ...MEMBER, name: String(i) })), [MEMBER, MEMBER]], (members) =>
    plan({ members }),
  ),
  ...rows('plan.clients', ['root', many(10_001, String), ['x', { name: 'x' }]], (clients) =>
    plan({ members: [MEMBER], clients }),
  ),
  ['plan.members[0].role', () => plan({ members: [{ ...MEMBER, role: 'server' }] })],
  ['plan.members[1].hosts', () => plan({ members: [MEMBER, { name: 'b' }] })],
  ['plan.members[0].hosts', () => plan({ members: [{ name: 'a', hosts: [] }] })],
  ['plan.members[0].peerHosts[0]', () => plan({ members: [{ ...MEMBER, peerHosts: ['https://x'] }] })],
  ['plan.clients[0].role', () => plan({ members: [MEMBER], clients: [{ name: 'x', role: 'server' }] })],
  ['plan.clients[0].validity', () => plan({ members: [MEMBER], clients: [{ name: 'x', validity: 'long' }] })],
  ['plan.validity', () => plan({ members: [MEMBER], validity: '0s' })],
  ['plan.algorithm', () => plan({ members: [MEMBER], algorithm: 'dsa' })],
  ['plan.kubeadm', () => plan({ members: [MEMBER], kubeadm: 'yes' })],
  ['plan.layout', () => plan({ members: [MEMBER], layout: 'etcd' })],
  ['signal', () => planWith({ signal: {} })],
  ['onProgress', () => planWith({ onProgress: 5 })],
  ['layout', () => planWith(ETCD)],
  ['authorities', () => plan({ members: [MEMBER] }, null)],
  ['authorities.peer', () => plan({ members: [MEMBER] }, { client: authority })],
  ['authorities.client', () => plan({ members: [MEMBER] }, { client: {}, peer: authority })],
  ['authorities.server', () => plan({ members: [MEMBER] }, { client: authority, peer: authority, server: authority })],
  ...rows('layout', [{ layout: 'cfssl' }, {}], (options) => write(cluster(['a']), options)),
  ['mode', () => write(cluster(['a']), { ...ETCD, mode: 0o644 })],
  ['options', () => write(cluster(['a']), null)],
  ['directory', () => writeCluster('a\u0000b', cluster(['a']), ETCD)],
  ...rows('cluster.members', BAD_FILES, (name) => write(cluster([name]))),
  ...rows('cluster.clients', BAD_FILES, (name) => write(cluster([], [name]))),
  // Equal on some file systems.
  ['cluster.members', () => write(cluster(['etcd', 'ETCD']))],
  ['cluster.clients', () => write(cluster([], ['\u00e9', 'e\u0301']))],
  ['cluster', () => write(null)],
  ['cluster.clients', () => write({ members: {} })],
  ['cluster.members', () => write({ members: [], clients: {} })],
  ['cluster.members.a', () => write({ members: { a: null }, clients: {} })],
  [
    'cluster.members.a.server.chain',
    () => write({ members: { a: { server: { ...minted('a'), chain: [] } } }, clients: {} }),
  ],
  ['cluster.members.a.peer', () => write({ members: { a: { server: minted('a') } }, clients: {} })],
  ['cluster.clients.a', () => write({ members: {}, clients: { a: { ...minted('a'), key: minted('b').key } } })],
  ['caKey', () => write(unknown, { ...ETCD, caKey: true })],
  ['caKey', () => write(cluster(['a']), { ...ETCD, caKey: 'yes' })],
  ['overwrite', () => write(cluster(['a']), { ...ETCD, overwrite: null })],
  ['overwrite', () => trust({ overwrite: 1 })],
  ...rows('signal', [null, {}, 5], (signal) => write(cluster(['a']), { ...ETCD, signal })),
  ...rows('signal', [null, {}], (signal) => trust({ signal })),
  ['directory', () => writeTrust('', [authority.certificate], ETCD)],
  ['trustAnchors', () => trust({}, [])],
  ['traffic', () => trust({ layout: 'kubeadm', traffic: 'peer' })],
  ...rows('members', ['', 5, null, ['../x']], (members) => trust({ members })),
  ['clients', () => trust({ clients: new Map() })],
  ['trustAnchors', () => withTrustAnchors(cluster(['m1']), [])],
  ['cluster', () => withTrustAnchors(wrong(null), [authority.certificate])],
]

it.each([...REQUESTS, ...AUTHORITIES, ...SIGNING, ...RENEWAL, ...REVOCATION, ...CLUSTERS])(
  'refuses a wrong call with the option %s (%#)',
  async (option, call, words = '') => {
    const error: unknown = await Promise.resolve()
      .then(call)
      .then(
        () => null,
        (reason: unknown) => reason,
      )
    expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option } })
    expect(String(error)).toContain(words)
    expect(createECDH).not.toHaveBeenCalled()
  },
)
