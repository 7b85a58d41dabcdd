/**
 * etcd itself: it checks clients as Go does, and etcdctl checks servers so. Every mutation of what a client sends is
 * shown to one real etcd; a few servers are shown to etcdctl, since each refusal of its takes a time-out.
 */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { Certificate } from '../../src/x509/certificate.js'
import { mintedCredentials } from '../support/etcd.js'
import { GO_MINOR } from '../support/etcd-version.js'
import { dns, ip, mintCa, mintLeaf } from '../support/mint.js'
import { sample, scaled } from '../support/long.js'
import { type Applied, keyFor, mintCase, type MintedCase, nameOf } from '../support/mutation.js'
import { SINGLES } from '../support/mutations.js'
import { mintRefused, UNREADABLE_ANCHORS } from '../support/refused-by-go.js'
import { askEtcd, type EtcdResult } from '../support/oracle-etcd.js'
import { GoOracle } from '../support/oracle-go.js'
import type { OracleResult } from '../support/oracles.js'

/** The roots of all chains: a root is minted again for each, but with the same name and one of two keys. */
const root = mintCa({ subject: 'Root', key: keyFor('root') })
const roots = [root, mintCa({ subject: 'Root', key: keyFor('root', 'rsa-2048') })]
/** What etcd serves. */
const serverLeaf = mintLeaf({ subject: 'etcd', issuer: root, names: [dns('localhost'), ip('127.0.0.1')] })
const server = mintedCredentials({ leaf: serverLeaf, trust: [root] })

/** What Node's OpenSSL does not send, because no signature of such a key would fit; etcd then knows of no certificate. */
const NOT_SENT = [
  'key of RSA 512',
  'key of RSA with exponent 1',
  'key of RSA with an even exponent',
  'key of RSA with an exponent of 40 bits',
  'key of RSA 16384',
  'key of RSA with a modulus below zero',
  'key of RSA without its NULL',
  'key of P-224',
  'key of secp256k1',
  'key of Ed448',
  'key of RSA-PSS',
]

/**
 * What OpenSSL does not send either to a Go of 1.25 or later, which lists the signatures that it accepts in certificates
 * (RFC 8446 section 4.2.3, signature_algorithms_cert).
 */
const NOT_SENT_SINCE_GO_1_25 = /^signed by |^signature algorithm unknown$|^key of Ed448$/

/** Where etcd and Go differ all the same, by mutation. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'bytes after the certificate': "Node's OpenSSL sends the certificate without them",
  'serial number negative': 'Debian builds etcd with the settings of an older Go: x509negativeserial=1',
  'a stranger with a negative serial number is sent':
    'Debian builds etcd with the settings of an older Go: x509negativeserial=1',
  'key of RSA 512': 'Debian builds etcd with the settings of an older Go: rsa1024min=0',
  'policy constraints': 'the words differ between Go 1.24.0 and later ones',
  'critical policy constraints': 'the words differ between Go 1.24.0 and later ones',
}

/** What Go before 1.24 takes, or ignores in what a client sends. */
const OLDER = [
  'a critical authority key identifier',
  'the same policy twice',
  'critical policy mappings',
  'critical inhibitAnyPolicy',
  'policy mappings that cannot be read',
  'inhibitAnyPolicy that cannot be read',
]

/** Whether etcd was built with the Go that is installed here. Another Go has other words for some refusals. */
const HAS_OUR_GO = execFileSync('go', ['version'], { encoding: 'utf8' }).includes(`go1.${String(GO_MINOR)}.`)

let etcd: TestEtcd
let go: GoOracle

beforeAll(async () => {
  go = await GoOracle.start()
  const clientCa = roots.map(({ der }) => Certificate.parse(der, 'root'))
  etcd = await startEtcd({ server, clientCa, via: 'binary' })
})

afterAll(async () => {
  await etcd.close()
  await go.close()
})

interface Compared {
  readonly single: Applied
  readonly etcd: EtcdResult
  readonly go: OracleResult
}

/** What a client sends: not the root, not whom one trusts, not revocation lists. */
function isOfTheClient(minted: MintedCase): boolean {
  return minted.crls.length === 0 && minted.trust.every(({ subject }) => subject.equals(root.subject))
}

/** The words without the time of day, and without the number of chains, which only some patch versions of Go 1.24 name. */
function comparable(words: string): string {
  return words
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '…')
    .replace(/(?:\d+ chains with|all candidate chains have) invalid policies/, '… invalid policies')
}

it('etcd validates clients as Go does', async () => {
  const compared: Compared[] = []
  const ofClients = SINGLES.filter(({ role }) => role !== 'root')
  const tried = sample(ofClients, 50)
  for (const single of tried) {
    const minted = mintCase([single])
    const said = isOfTheClient(minted) ? await askEtcd(etcd, minted) : null
    if (said !== null)
      compared.push({ single, etcd: said, go: await go.ask({ ...minted, usage: 'client', trust: roots }) })
  }
  const unsent = compared.filter(({ etcd: said }) => said.log === "tls: client didn't provide a certificate")
  const isOfNewGo = ({ role, mutation: { name } }: Applied): boolean =>
    GO_MINOR >= 25 && NOT_SENT_SINCE_GO_1_25.test(name) && !(role === 'leaf' && NOT_SENT.includes(name))
  expect(unsent.flatMap(({ single }) => (isOfNewGo(single) ? [] : [single.mutation.name]))).toEqual(
    NOT_SENT.filter((name) => tried.some(({ mutation, role }) => mutation.name === name && role === 'leaf')),
  )
  const sent = compared.filter((each) => !unsent.includes(each))
  const differ = sent.filter(({ etcd: said, go: expected }) =>
    HAS_OUR_GO ? comparable(said.log) !== comparable(expected?.words ?? '') : said.accepts !== expected?.accepts,
  )
  const unlisted = differ.filter(
    ({ single: { mutation } }) =>
      !Object.hasOwn(DIFFERENT, mutation.name) && !(GO_MINOR < 24 && OLDER.includes(mutation.name)),
  )
  expect(unlisted.map(({ single, etcd: said, go: expected }) => [nameOf(single), said, expected])).toEqual([])
  expect(sent.length).toBeGreaterThan(scaled({ short: 25, long: 250 }))
})

/** Refused ones are few: etcdctl tries on until its time is over. */
const SERVERS = [
  'leaf: extended key usage: serverAuth',
  'leaf: extended key usage: any',
  'leaf: extended key usage: clientAuth',
  'intermediate: not sent',
]

it('etcdctl validates servers as Go does', async () => {
  const client = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: root })
  const results: Record<string, boolean> = {}
  for (const name of SERVERS) {
    const single = SINGLES.find((each) => nameOf(each) === name)
    if (single === undefined) throw new Error(`there is no mutation ${name}`)
    const { leaf, sent, trust } = mintCase([single])
    await etcd.replaceServer(mintedCredentials({ leaf, intermediates: sent, trust }))
    const expected = await go.ask({ usage: 'server', host: '127.0.0.1', leaf, sent, trust, crls: [] })
    // A refusal lasts as long as it may, an answer as long as it must.
    const timeout = expected?.accepts === true ? '20s' : '1500ms'
    const flags = [`--dial-timeout=${timeout}`, `--command-timeout=${timeout}`, 'get', 'a']
    const { exitCode, stderr } = await etcd.etcdctl(flags, mintedCredentials({ leaf: client, trust }))
    results[name] = exitCode === 0
    expect([name, exitCode === 0]).toEqual([name, expected?.accepts])
    // The words stand in a line of JSON.
    if (HAS_OUR_GO) expect(comparable(stderr.replaceAll('\\"', '"'))).toContain(comparable(expected?.words ?? ''))
  }
  expect(Object.values(results).filter((accepts) => accepts).length).toBe(2)
})

it('etcd does not start with a CA file that holds a certificate which Go cannot read', async () => {
  // Debian builds etcd with the settings of an older Go, which reads negative serial numbers.
  for (const [name, options] of UNREADABLE_ANCHORS.filter(([each]) => each !== 'a negative serial number')) {
    const { trust } = mintRefused({ trusted: options })
    const clientCa = trust.map(({ der }) => Certificate.parse(der, name))
    const words =
      (await go.ask({ usage: 'client', host: '', leaf: serverLeaf, sent: [], trust, crls: [] }))?.words ?? ''
    expect(words).not.toBe('')
    await expect(startEtcd({ server, clientCa, via: 'binary' }), name).rejects.toThrow(
      expect.objectContaining({ message: expect.stringContaining(words) as string }),
    )
  }
})
