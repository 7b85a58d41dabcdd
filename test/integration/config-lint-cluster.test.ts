/**
 * What the lint says of members that do not go together is what they say of each other: real members, each with one
 * fault, that try to form one cluster.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCluster } from '../../src/config/lint/lint-cluster.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { type EtcdProcess, saying, serving, startEtcdProcess } from '../support/etcd-process.js'
import { INSTALLED, missingFlags } from '../support/etcd-version.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions } from '../support/mint.js'
import { drawn } from '../support/long.js'
import { heldPorts } from '../support/ports.js'
import { isSaid } from '../support/refusal-words.js'
import { ask } from '../support/rendered-etcd.js'

const { freePort } = heldPorts()

let folder: string
const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-cluster-'))
  await write('ca.crt', root.pem)
  await write('both.crt', root.pem + other.pem)
  await issue('member')
  await issue('stranger', { issuer: other })
  await issue('named', { subject: 'somebody' })
  await issue('revoked', { serial: 4711n })
  await write('peer.crl', mintCrl({ issuer: root, revoked: [{ serial: 4711n }] }).pem)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text, { mode: 0o600 })
}

async function issue(name: string, options: Partial<MintLeafOptions> = {}): Promise<void> {
  const names = [...Array.from({ length: 12 }, (_, i) => ip(`127.0.0.${String(i + 1)}`)), dns('localhost')]
  const leaf = mintLeaf({ subject: 'member', names, issuer: root, ...options })
  await write(`${name}.crt`, leaf.pem)
  await write(`${name}.key`, leaf.keyPem)
}

type Changes = Readonly<Record<string, string>>

interface Planned {
  readonly name: string
  readonly peer: string
  readonly changes: Changes
}

/** Members with ports of their own; what a member is like may follow from the addresses of all. */
async function plan(
  faults: Readonly<Record<string, Changes | ((at: (name: string) => string) => Changes)>>,
): Promise<Planned[]> {
  const addresses = new Map<string, string>()
  // Each member has an address of its own: those who call, from 127.0.0.1, take ports there that nobody reserves.
  for (const [i, name] of Object.keys(faults).entries()) {
    addresses.set(name, `127.0.0.${String(i + 2)}:${String(await freePort())}`)
  }
  const at = (name: string): string => addresses.get(name) ?? ''
  return Object.entries(faults).map(([name, fault]) => {
    return { name, peer: at(name), changes: typeof fault === 'function' ? fault(at) : fault }
  })
}

async function flagsOf({ name, peer, changes }: Planned, all: readonly Planned[]): Promise<string[]> {
  const client = `https://${peer.replace(/:.*/, '')}:${String(await freePort())}`
  const { pair = 'member', ...more } = changes
  const file = (each: string): string => join(folder, each)
  const flags: Changes = {
    name,
    'data-dir': file(`data-${peer.replace(':', '-')}`),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': `https://${peer}`,
    'initial-advertise-peer-urls': `https://${peer}`,
    'initial-cluster': all.map((each) => `${each.name}=https://${each.peer}`).join(','),
    'cert-file': file('member.crt'),
    'key-file': file('member.key'),
    'trusted-ca-file': file('ca.crt'),
    'client-cert-auth': 'true',
    'peer-cert-file': file(`${pair}.crt`),
    'peer-key-file': file(`${pair}.key`),
    'peer-trusted-ca-file': file('ca.crt'),
    'peer-client-cert-auth': 'true',
    ...more,
  }
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value.replace(/^[\w-]+\.(?:crt|key|crl)$/, file)}`)
}

interface Running {
  readonly flags: Readonly<Record<string, readonly string[]>>
  readonly etcd: Readonly<Record<string, EtcdProcess>>
  stop(): Promise<void>
}

async function startAll(planned: readonly Planned[]): Promise<Running> {
  const flags = Object.fromEntries(
    await Promise.all(planned.map(async (each) => [each.name, await flagsOf(each, planned)] as const)),
  )
  const etcd = Object.fromEntries(
    Object.entries(flags).map(([name, each]) => [name, startEtcdProcess(each, { cwd: folder })]),
  )
  return {
    flags,
    etcd,
    async stop() {
      await Promise.all(Object.values(etcd).map((each) => each.stop()))
    },
  }
}

/** What the lint says of two members; errors alone. */
async function foundIn(running: Running, names: readonly [string, string]): Promise<readonly Finding[]> {
  const { findings } = await lintCluster(names.map((name) => ({ flags: running.flags[name] ?? [] })))
  return findings.filter(({ severity }) => severity === 'error')
}

/** The lint finds a fault between two members, and a member says what the row says that it will. */
async function proved(
  running: Running,
  code: FindingCode,
  names: readonly [string, string],
  speaker: string,
): Promise<void> {
  const all = (await foundIn(running, names)).flatMap((each) => [each, ...each.consequences])
  const found = all.find((each) => each.code === code)
  expect(found, `${code} of ${names.join(' and ')}`).toBeDefined()
  const words = found?.refusals.map((each) => each.words) ?? []
  expect(words).not.toEqual([])
  const etcd = running.etcd[speaker]
  if (etcd === undefined) throw new Error(`No member is called ${speaker}`)
  await saying(etcd, (log) => words.some((each) => isSaid(each, log)))
}

describe('members that all list each other, each with one fault of its own', () => {
  const all: Readonly<Record<string, Changes>> = {
    good: { 'peer-cert-allowed-cn': 'member', 'peer-crl-file': 'peer.crl' },
    stranger: { pair: 'stranger', 'peer-trusted-ca-file': 'both.crt' },
    // Calls by a certificate that all trust, and is called by one that none does.
    twofold: {
      pair: 'stranger',
      'peer-trusted-ca-file': 'both.crt',
      'peer-client-cert-file': 'member.crt',
      'peer-client-key-file': 'member.key',
    },
    named: { pair: 'named' },
    picky: { 'peer-cert-allowed-hostname': 'elsewhere.test' },
    revoked: { pair: 'revoked' },
    token: { 'initial-cluster-token': 'another' },
    old: { 'tls-max-version': 'TLS1.2' },
    young: { 'tls-min-version': 'TLS1.3' },
  }
  /** The flags of a member that this etcd does not have. */
  const missing = (name: string): string[] => missingFlags(Object.keys(all[name] ?? {}).map((flag) => `--${flag}`))
  const pairs: readonly [code: FindingCode, names: [string, string], speaker: string][] = [
    ['config/member-not-trusted', ['good', 'stranger'], 'good'],
    ['config/member-not-trusted', ['good', 'twofold'], 'twofold'],
    ['config/member-not-allowed', ['good', 'named'], 'good'],
    ['config/member-not-allowed', ['good', 'picky'], 'picky'],
    ['config/member-revoked', ['good', 'revoked'], 'good'],
    ['config/members-differ', ['good', 'token'], 'good'],
    ['config/tls-versions-disjoint', ['old', 'young'], 'old'],
  ]
  const possible = pairs.filter(([, names]) => names.every((name) => missing(name).length === 0))
  const started = drawn(possible, 3)

  let running: Running
  beforeAll(async () => {
    const members = new Set(started.flatMap(([, names]) => names))
    running = await startAll(await plan(Object.fromEntries([...members].map((name) => [name, all[name] ?? {}]))))
  })
  afterAll(() => running.stop())

  // At once: while they run, members that refuse each other call each other all the time.
  it.concurrent.each(started)('%s %j', async (code, names, speaker) => {
    // That "good" alone is restricted is an error of its own.
    const isExpected = (found: FindingCode): boolean => found === code || found !== 'config/members-differ'
    const codes = (await foundIn(running, names)).map((each) => each.code).filter(isExpected)
    expect([...new Set(codes)]).toEqual([code])
    await proved(running, code, names, speaker)
  })

  const absent = pairs.flatMap(([code, names]) =>
    names
      .flatMap(missing)
      .slice(0, 1)
      .map((flag) => [code, flag] as const),
  )
  if (absent.length > 0) {
    it.each(absent)(`not %s: etcd ${INSTALLED} does not have --%s`, async (_, flag) => {
      await using etcd = startEtcdProcess([`--${flag}=x`], { cwd: folder })
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain(`flag provided but not defined: -${flag}`)
    })
  }
})

describe('members whose lists are not one', () => {
  const pairs = drawn<[code: FindingCode, names: [string, string], speaker: string]>(
    [
      ['config/members-differ', ['good', 'late'], 'good'],
      ['config/member-not-listed', ['good', 'late'], 'good'],
      ['config/members-name-repeated', ['good', 'twin'], 'twin'],
      ['config/plaintext-url', ['good', 'secure'], 'secure'],
      ['config/members-differ', ['plain', 'joining'], 'joining'],
    ],
    2,
  )
  let running: Running
  beforeAll(async () => {
    const planned = await plan({
      good: (at) => ({
        'initial-cluster': `good=https://${at('good')},plain=https://${at('plain')},secure=http://${at('secure')}`,
      }),
      plain: (at) => ({
        'listen-peer-urls': `http://${at('plain')}`,
        'initial-cluster': `good=https://${at('good')},plain=https://${at('plain')}`,
      }),
      secure: (at) => ({ 'initial-cluster': `good=https://${at('good')},secure=https://${at('secure')}` }),
      late: (at) => ({ 'initial-cluster': `good=https://${at('good')},late=https://${at('late')}` }),
      twin: (at) => ({ name: 'good', 'initial-cluster': `good=https://${at('good')},good=https://${at('twin')}` }),
      joining: (at) => ({
        'initial-cluster': `plain=https://${at('plain')},joining=https://${at('joining')}`,
        'initial-cluster-state': 'existing',
      }),
    })
    const members = new Set(pairs.flatMap(([, names]) => names))
    running = await startAll(planned.filter(({ name }) => members.has(name)))
  })
  afterAll(() => running.stop())

  it.concurrent.each(pairs)('%s %j', async (code, names, speaker) => {
    await proved(running, code, names, speaker)
  })
})

it('members that came earlier have shorter lists; one that joins must list all: config/member-not-listed', async () => {
  const planned = await plan({
    first: (at) => ({
      'initial-cluster': `first=https://${at('first')},second=https://${at('second')}`,
      'strict-reconfig-check': 'false',
    }),
    second: (at) => ({ 'initial-cluster': `first=https://${at('first')},second=https://${at('second')}` }),
  })
  const running = await startAll(planned)
  try {
    const { first, second } = running.etcd
    if (first === undefined || second === undefined) throw new Error('Unreachable: both are planned above')
    await Promise.all([serving(first), serving(second)])
    const [joining] = await plan({ third: { 'initial-cluster-state': 'existing' } })
    if (joining === undefined) throw new Error('Unreachable: it is planned above')
    const [client = ''] = (running.flags['first'] ?? []).flatMap((flag) => flag.split('--listen-client-urls=').slice(1))
    const [cert, key] = [await readFile(join(folder, 'member.crt')), await readFile(join(folder, 'member.key'))]
    const json = { peerURLs: [`https://${joining.peer}`] }
    expect((await ask(`${client}/v3/cluster/member/add`, null, { cert, key, json })).status).toBe(200)

    const whole = await flagsOf(joining, [...planned, joining])
    const short = await flagsOf(joining, [...planned.slice(1), joining])
    const earlier = [running.flags['first'] ?? [], running.flags['second'] ?? []].map((flags) => ({ flags }))
    const errors = async (flags: readonly string[]): Promise<Finding[]> =>
      (await lintCluster([...earlier, { flags }])).findings.filter(({ severity }) => severity === 'error')
    expect(await errors(whole)).toEqual([])
    const [told, ...more] = await errors(short)
    expect(more).toEqual([])
    expect(told?.details).toMatchObject({ members: ['first'], kind: 'joining' })
    await using refused = startEtcdProcess(short, { cwd: folder })
    expect(await refused.code).not.toBe(0)
    expect(told?.refusals.filter(({ words }) => isSaid(words, refused.log()))).toHaveLength(1)
  } finally {
    await running.stop()
  }
})
