/**
 * What the lint says of members that do not go together is what they say of each other: real members, each with one
 * fault, that try to form one cluster.
 */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCluster } from '../../src/config/lint/lint.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../support/etcd-process.js'
import { INSTALLED, missingFlags } from '../support/etcd-version.js'
import { ask } from '../support/https.js'
import { refusing } from '../support/linted-member.js'
import { drawn } from '../support/long.js'
import { pair, pkiFolder } from '../support/member-flags.js'
import { dns, ip, mintCa, mintCrl } from '../support/mint.js'
import { heldPorts } from '../support/ports.js'
import { findingOf } from '../support/refused.js'
import { isSaid } from '../support/refusal-words.js'

const { freePort } = heldPorts()
const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const addresses = Array.from({ length: 12 }, (_, i) => ip(`127.0.0.${String(i + 1)}`))
const pki = pkiFolder({ issuer: root, names: [...addresses, dns('localhost')] })

beforeAll(() => {
  pki.write('ca.crt', root.pem)
  pki.write('both.crt', root.pem + other.pem)
  for (const name of ['server', 'peer']) pki.issue(name, { subject: 'member' })
  pki.issue('stranger', { subject: 'member', issuer: other })
  pki.issue('named', { subject: 'somebody' })
  pki.issue('revoked', { subject: 'member', serial: 4711n })
  pki.write('peer.crl', mintCrl({ issuer: root, revoked: [{ serial: 4711n }] }).pem)
})

const startIn = (flags: readonly string[]): EtcdProcess => startEtcdProcess(flags, { cwd: pki.path('.') })

/** Changes by the names of members; `{NAME}` stands for the address of one. */
type Plan = Readonly<Record<string, string>>

/** The flags of members with addresses of their own. Without an `initial-cluster` of its own, a member lists all. */
async function flagsOf(plan: Plan, known: Readonly<Record<string, string>> = {}) {
  const at: Record<string, string> = { ...known }
  // Those who call, from 127.0.0.1, take ports there that nobody reserves.
  for (const name of Object.keys(plan))
    at[name] ??= `127.0.0.${String(Object.keys(at).length + 2)}:${String(await freePort())}`
  const cluster = Object.entries(at).map(([name, address]) => `${name}=https://${address}`)
  const flags = await Promise.all(
    Object.entries(plan).map(async ([name, changes]) => {
      const peer = `https://${at[name] ?? ''}`
      const client = `${peer.replace(/:\d+$/, '')}:${String(await freePort())}`
      const filled = changes.replaceAll(/\{(\w+)\}/g, (_, of: string) => at[of] ?? '')
      const urls = { name, client, peer, cluster: cluster.join() }
      return [
        name,
        pki.flags(`data-dir=${pki.path(`data-${name}-${client.replace(/\D/g, '')}`)} ${filled}`, urls),
      ] as const
    }),
  )
  return { at, flags: Object.fromEntries(flags) }
}

type Flags = Readonly<Record<string, readonly string[]>>
type Row = readonly [code: FindingCode, names: readonly [string, string], speaker: string]

async function errorsOf(members: readonly (readonly string[] | undefined)[]): Promise<Finding[]> {
  const { findings } = await lintCluster(members.map((flags) => ({ flags: flags ?? [] })))
  return findings.filter(({ severity }) => severity === 'error')
}

/** The members of these rows, which all run; `proved`: the lint finds the fault, and a member says the words of its row. */
function runningTogether(plan: Plan, rows: readonly Row[]) {
  let flags: Flags = {}
  let etcds: Readonly<Record<string, EtcdProcess>> = {}
  beforeAll(async () => {
    flags = (await flagsOf(plan)).flags
    const started = new Set(rows.flatMap(([, names]) => names))
    const start = (names: readonly string[]): void => {
      etcds = { ...etcds, ...Object.fromEntries(names.map((name) => [name, startIn(flags[name] ?? [])])) }
    }
    const joins = (name: string): boolean => plan[name]?.includes('initial-cluster-state=existing') === true
    const joining = [...started].filter(joins)
    start([...started].filter((name) => !joins(name)))
    if (joining.length === 0) return
    // It ends with other words if the members that it asks do not listen yet.
    await Promise.all(Object.values(etcds).map((each) => each.says((log) => log.includes('starting an etcd server'))))
    start(joining)
  })
  afterAll(() => Promise.all(Object.values(etcds).map((each) => each.stop())))
  return async ([code, names, speaker]: Row): Promise<Finding[]> => {
    const errors = await errorsOf(names.map((name) => flags[name]))
    const etcd = etcds[speaker]
    if (etcd === undefined) throw new Error(`No member is called ${speaker}`)
    const all = errors.flatMap((each) => [each, ...each.consequences])
    await refusing(etcd, findingOf(all, code))
    return errors
  }
}

describe('members that all list each other, each with one fault of its own', () => {
  const stranger = `${pair('stranger', 'peer-')} peer-trusted-ca-file=both.crt`
  const plan: Plan = {
    good: 'peer-cert-allowed-cn=member peer-crl-file=peer.crl',
    stranger,
    // Calls by a certificate that all trust, and is called by one that none does.
    twofold: `${stranger} peer-client-cert-file=peer.crt peer-client-key-file=peer.key`,
    named: pair('named', 'peer-'),
    picky: 'peer-cert-allowed-hostname=elsewhere.test',
    revoked: pair('revoked', 'peer-'),
    token: 'initial-cluster-token=another',
    old: 'tls-max-version=TLS1.2',
    young: 'tls-min-version=TLS1.3',
  }
  const rows: readonly Row[] = [
    ['config/member-not-trusted', ['good', 'stranger'], 'good'],
    ['config/member-not-trusted', ['good', 'twofold'], 'twofold'],
    ['config/member-not-allowed', ['good', 'named'], 'good'],
    ['config/member-not-allowed', ['good', 'picky'], 'picky'],
    ['config/member-revoked', ['good', 'revoked'], 'good'],
    ['config/members-differ', ['good', 'token'], 'good'],
    ['config/tls-versions-disjoint', ['old', 'young'], 'old'],
  ]
  /** The flags of members that this etcd does not have. */
  const missing = (names: readonly string[]): string[] =>
    missingFlags(names.flatMap((name) => (plan[name] ?? '').split(' ')).map((each) => `--${each}`))
  const started = drawn(
    rows.filter(([, names]) => missing(names).length === 0),
    3,
  )
  const proved = runningTogether(plan, started)

  // At once: while they run, members that refuse each other call each other all the time.
  it.concurrent.each(started)('the lint and etcd report %s for members that refuse each other: %j', async (...row) => {
    const [code] = row
    const codes = (await proved(row)).map((each) => each.code)
    // That "good" alone is restricted is an error of its own.
    expect(new Set(codes.filter((found) => found === code || found !== 'config/members-differ'))).toEqual(
      new Set([code]),
    )
  })

  const absent = rows.map(([code, names]) => [code, missing(names)[0] ?? ''] as const).filter(([, flag]) => flag !== '')
  if (absent.length > 0) {
    it.each(absent)(`%s cannot happen in etcd ${INSTALLED}, which does not have --%s`, async (_, flag) => {
      await using etcd = startIn([`--${flag}=x`])
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain(`flag provided but not defined: -${flag}`)
    })
  }
})

describe('members whose lists are not one', () => {
  const rows = drawn<Row>(
    [
      ['config/members-differ', ['good', 'late'], 'good'],
      ['config/member-not-listed', ['good', 'late'], 'good'],
      ['config/members-name-repeated', ['good', 'twin'], 'twin'],
      ['config/plaintext-url', ['good', 'secure'], 'secure'],
      ['config/members-differ', ['plain', 'joining'], 'joining'],
    ],
    2,
  )
  const both = 'initial-cluster=good=https://{good},plain=https://{plain}'
  const plan: Plan = {
    good: `${both},secure=http://{secure}`,
    plain: `listen-peer-urls=http://{plain} ${both}`,
    secure: 'initial-cluster=good=https://{good},secure=https://{secure}',
    late: 'initial-cluster=good=https://{good},late=https://{late}',
    twin: 'name=good initial-cluster=good=https://{good},good=https://{twin}',
    joining: 'initial-cluster=plain=https://{plain},joining=https://{joining} initial-cluster-state=existing',
  }
  const proved = runningTogether(plan, rows)

  it.concurrent.each(rows)('the lint and etcd report %s for members that refuse each other: %j', async (...row) => {
    await proved(row)
  })
})

it('earlier members have shorter lists, and a member that joins must list all: config/member-not-listed', async () => {
  const { at, flags } = await flagsOf({ first: 'strict-reconfig-check=false', second: '' })
  const earlier = Object.values(flags)
  await using first = startIn(flags['first'] ?? [])
  await using second = startIn(flags['second'] ?? [])
  await Promise.all([serving(first), serving(second)])
  const joining = 'initial-cluster-state=existing'
  const whole = await flagsOf({ third: joining }, at)
  const third = whole.at['third'] ?? ''
  const [client = ''] = (flags['first'] ?? []).flatMap((flag) => flag.split('--listen-client-urls=').slice(1))
  const [cert, key] = [await readFile(pki.path('peer.crt')), await readFile(pki.path('peer.key'))]
  const json = { peerURLs: [`https://${third}`] }
  expect((await ask(`${client}/v3/cluster/member/add`, null, { cert, key, json })).status).toBe(200)

  expect(await errorsOf([...earlier, whole.flags['third']])).toEqual([])
  const short = await flagsOf({ third: joining }, { second: at['second'] ?? '', third })
  const [found, ...more] = await errorsOf([...earlier, short.flags['third']])
  expect(more).toEqual([])
  expect(found?.details).toMatchObject({ members: ['first'], kind: 'joining' })
  await using refused = startIn(short.flags['third'] ?? [])
  expect(await refused.code).not.toBe(0)
  expect(found?.refusals.filter(({ words }) => isSaid(words, refused.log()))).toHaveLength(1)
})
