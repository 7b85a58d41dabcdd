/** What files mean together, and next to options: what the lint says of them, a real etcd does. */
import { dirname } from 'node:path'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import { mintedCredentials } from '../support/etcd.js'
import { isServed, serving, startEtcdProcess } from '../support/etcd-process.js'
import { found, refusing, shown } from '../support/linted-member.js'
import { NO_TLS, pair, pkiFolder } from '../support/member-flags.js'
import { dns, ip, mintCa, mintCrl, type Minted, type MintLeafOptions } from '../support/mint.js'
import { heldPorts } from '../support/ports.js'
import { ask } from '../support/rendered-etcd.js'

const { freePort } = heldPorts()

const YEAR = 365 * 86_400_000

let folder = ''
let ports: { client: number; peer: number; third: number }
const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const old = mintCa({
  subject: 'Old root',
  notBefore: new Date(Date.now() - 2 * YEAR),
  notAfter: new Date(Date.now() - YEAR),
})

const pki = pkiFolder({ issuer: root, names: [ip('127.0.0.1'), dns('localhost')] })

beforeAll(() => {
  folder = dirname(pki.path('ca.crt'))
  pki.write('ca.crt', root.pem)
  pki.write('other.crt', other.pem)
  pki.write('both.crt', root.pem + old.pem)
  for (const name of ['server', 'peer']) pki.issue(name, { subject: 'server', serial: 11n })
})
beforeEach(async () => {
  ports = { client: await freePort(), peer: await freePort(), third: await freePort() }
})

function issue(name: string, issuer: Minted, options: Partial<MintLeafOptions> = {}): Credentials {
  return mintedCredentials({ leaf: pki.issue(name, { issuer, ...options }), trust: [issuer] })
}

function flagsOf(changes = ''): string[] {
  const urls = { name: 'a', client: url(ports.client), peer: url(ports.peer) }
  return pki.flags(`data-dir=${pki.path(`data-${String(ports.client)}`)} ${changes}`, urls)
}

function url(port: number): string {
  return `https://127.0.0.1:${String(port)}`
}

it('lists of another CA and of last year are in force, also against etcd itself; one CA ended; own names', async () => {
  // A list of another CA that ended a year ago, in which alice has the number of somebody else.
  const revoked = [{ serial: 11n }, { serial: 12n }]
  const dates = { thisUpdate: new Date(Date.now() - 2 * YEAR), nextUpdate: new Date(Date.now() - YEAR) }
  pki.write('client.crl', mintCrl({ issuer: other, revoked, ...dates }).der)
  const flags = flagsOf('client-crl-file=client.crl trusted-ca-file=both.crt peer-cert-allowed-cn=CN=server')
  await found({ flags }, 'config/crl-doubtful')
  await found({ flags }, 'config/crl-doubtful')
  const own = await found({ flags }, 'config/member-revoked')
  const ended = await found({ flags }, 'config/ca-expired')
  const named = await found({ flags }, 'config/allowed-cn-as-subject')
  expect(named.consequences.map(({ code }) => code)).toEqual(['config/member-not-allowed'])

  const alice = issue('alice', root, { serial: 12n })
  const bob = issue('bob', root, { subject: '' })
  const server = issue('member', root, { subject: 'server' })
  await using etcd = startEtcdProcess(flags, { cwd: folder })
  await serving(etcd)
  expect(await isServed(ports.client, shown(alice))).toBe(false)
  expect(await isServed(ports.client, shown(bob))).toBe(true)
  expect((await ask(`${url(ports.client)}/v3/kv/range`, bob, { json: { key: 'YQ==' } })).status).toBe(503)
  await refusing(etcd, own)
  expect(await isServed(ports.client, shown(issue('late', old)))).toBe(false)
  await refusing(etcd, ended)
  expect((await ask(`${url(ports.peer)}/version`, server)).status).toBeNull()
  await refusing(etcd, named)
})

it('files of the two sides that are exchanged let nobody in: config/client-and-peer-swapped', async () => {
  const member = issue('for-peers', other)
  const flags = flagsOf(`${pair('for-peers')} ${pair('server', 'peer-')} peer-trusted-ca-file=other.crt`)
  const exchanged = await found({ flags }, 'config/client-and-peer-swapped')
  await using etcd = startEtcdProcess(flags, { cwd: folder })
  await serving(etcd)
  const server = issue('dialling', root)
  expect((await ask(`${url(ports.peer)}/version`, server, { trust: null })).status).toBeNull()
  await refusing(etcd, exchanged)
  // Who has what this side should have shown is let in.
  expect((await ask(`${url(ports.peer)}/version`, member, { trust: null })).status).toBe(200)
})

it('etcd does not start: config/option-needs, config/option-needs', async () => {
  const plain = `http://127.0.0.1:${String(ports.client)}`
  const urls = `listen-client-urls=${plain} advertise-client-urls=${plain} listen-metrics-urls=${url(ports.third)}`
  const metrics = flagsOf(`${NO_TLS} ${urls}`)
  const tls = ['cert-file: server.crt', 'key-file: server.key', 'trusted-ca-file: ca.crt', 'client-cert-auth: true']
  const yaml = `data-dir: ${pki.path('data-yaml')}
listen-client-urls: ${plain}
advertise-client-urls: ${plain}
listen-peer-urls: ${url(ports.peer)}
initial-advertise-peer-urls: ${url(ports.peer)}
peer-transport-security: {${tls.join(', ')}}
`
  pki.write('etcd.yml', yaml)
  const cases = [
    ['config/option-needs', { flags: metrics }, metrics],
    ['config/option-needs', { yaml }, [`--config-file=${pki.path('etcd.yml')}`]],
  ] as const
  for (const [code, config, args] of cases) {
    const finding = await found(config, code)
    expect(finding.severity).toBe('error')
    await using etcd = startEtcdProcess(args, { cwd: folder })
    expect(await etcd.code).not.toBe(0)
    await refusing(etcd, finding)
  }
})
