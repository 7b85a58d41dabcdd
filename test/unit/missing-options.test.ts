/** The error for a required option that is left out: that it is missing, not what it must look like. */
import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import * as root from '../../src/index.js'
import { memoryLedger } from '../../src/authority/ledger.js'
import * as testing from '../../src/testing/index.js'
import { root as repository } from '../support/compiled.js'
import { readSources } from '../support/imports.js'

const { createAuthority, isEtcdMtlsError, issueCluster } = root

async function refusalOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'accepted'
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
    return error.message
  }
}

/** These require no argument. */
const COMPLETE = ['fromEnv', 'isEtcdMtlsError', 'isRetryable']
/** What it does without an argument depends on the machine: whether an etcd runs there. */
const OF_MACHINE = ['examineCluster', 'examineClusters', 'examineMachine']

const subpaths = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [[subpath, target.default.replace('./dist/', '../../src/')] as const],
)
/** Each function once: the root exports those of nearly all subpaths again. */
const functions = new Map<string, () => unknown>()
for (const [, file] of subpaths) {
  for (const [name, value] of Object.entries((await import(file)) as Record<string, unknown>)) {
    if (isFunction(value) && !OF_MACHINE.includes(name)) functions.set(name, value)
  }
}

function isFunction(value: unknown): value is () => unknown {
  return typeof value === 'function' && !Function.prototype.toString.call(value).startsWith('class')
}

it('finds the functions of every subpath', () => {
  expect(subpaths.map(([subpath]) => subpath)).toContain('./testing')
  expect([...functions.keys()]).toEqual(expect.arrayContaining(['lock', 'startEtcd', 'writeTrust', ...COMPLETE]))
})

it.each([...functions])('%s without arguments reports that one is missing, or requires none', async (name, call) => {
  const expected = COMPLETE.includes(name) ? /^accepted$/ : /^Option "\w+" is missing: pass /
  expect(await refusalOf(call)).toMatch(expected)
})

const authority = await createAuthority({ name: 'Missing CA', ledger: memoryLedger() })
const credentials = await authority.issue({ role: 'client', name: 'app' })
const cluster = await issueCluster(authority, { members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }] })
const [leaf] = credentials.chain
const files = { ca: '/pki/ca.crt', cert: '/pki/tls.crt', key: '/pki/tls.key' }
const endpoints = ['https://10.0.0.1:2379']
const urls = { listenUrls: endpoints, advertiseUrls: endpoints }

/** Every option of these calls is required. */
const CALLS: Record<string, [call: (options: never) => unknown, options: object]> = {
  createAuthority: [createAuthority, { name: 'CA' }],
  'authority.issue': [(request) => authority.issue(request), { role: 'server', name: 'etcd-0', hosts: ['10.0.0.1'] }],
  'authority.sign': [(request) => authority.sign('', request), { role: 'client', name: 'app' }],
  'authority.createIntermediate': [(options) => authority.createIntermediate(options), { name: 'CA 2' }],
  loadAuthority: [root.loadAuthority, { cert: leaf.toPem(), key: credentials.key.exportPem() }],
  createRequest: [root.createRequest, { name: 'app' }],
  issueCluster: [(plan) => issueCluster(authority, plan), { members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }] }],
  'a member of issueCluster': [
    (member) => issueCluster(authority, { members: [member] }),
    { name: 'etcd-0', hosts: ['10.0.0.1'] },
  ],
  writeCluster: [(options) => root.writeCluster('/proc/pki', cluster, options), { layout: 'etcd' }],
  writeTrust: [(options) => root.writeTrust('/proc/pki', authority.trustAnchors, options), { layout: 'etcd' }],
  fromPem: [root.fromPem, { ca: '', cert: '', key: '' }],
  fromFiles: [root.fromFiles, files],
  validateCredentials: [(options) => root.validateCredentials(credentials, options), { usage: 'client' }],
  inspectCredentials: [(options) => root.inspectCredentials(root.fromPem(files), options), { usage: 'client' }],
  validateChain: [(input) => root.validateChain(input, { usage: 'client' }), { leaf, trustAnchors: [leaf] }],
  createSecureClient: [root.createSecureClient, { endpoints, credentials }],
  'an endpoint': [
    (endpoint) => root.createSecureClient({ endpoints: [endpoint], credentials }),
    { url: 'https://10.0.0.1' },
  ],
  'a user': [
    (auth) => root.createSecureClient({ endpoints, credentials, auth }),
    { username: 'root', password: 'secret' },
  ],
  'SRV records': [(srv) => root.createSecureClient({ endpoints: srv, credentials }), { srv: 'example.com' }],
  renderEtcdctl: [(paths) => root.renderEtcdctl(paths, endpoints, 'flags'), files],
  renderEtcdConfig: [
    (config) => root.renderEtcdConfig(config, 'yaml'),
    { name: 'etcd-0', initialCluster: { 'etcd-0': endpoints }, client: urls, peer: urls },
  ],
  kubeApiserverFlags: [root.kubeApiserverFlags, { endpoints, ...files }],
  kubeadmExternalEtcd: [root.kubeadmExternalEtcd, { endpoints, ...files }],
  secretManifest: [(options) => root.secretManifest(credentials, options), { name: 'etcd-client' }],
  startEtcd: [testing.startEtcd, { server: credentials }],
  startEtcdCluster: [testing.startEtcdCluster, { members: [] }],
}

describe.each(Object.entries(CALLS))('%s', (_, [call, options]) => {
  it.each(Object.keys(options))('reports that %s is missing', async (option) => {
    const rest = Object.fromEntries(Object.entries(options).filter(([key]) => key !== option))
    const refusal = await refusalOf(() => Reflect.apply(call, undefined, [rest]))
    expect(refusal).toMatch(new RegExp(`^Option "(?!options\\.)(?:[\\w[\\].]+\\.)?${option}" is missing`))
  })

  it('names an unknown option as it names a known one', async () => {
    const [first = ''] = Object.keys(options)
    const rest = Object.fromEntries(Object.entries(options).filter(([key]) => key !== first))
    const messages = [
      await refusalOf(() => Reflect.apply(call, undefined, [rest])),
      await refusalOf(() => Reflect.apply(call, undefined, [{ ...options, unknown: 1 }])),
    ]
    const [known, unknown] = messages.map((message) => /^Option "(.*?)\w+" /.exec(String(message))?.[1])
    expect(unknown).toBe(known)
  })
})

it('no string of the sources puts the name of the argument before an option', () => {
  const found = readSources(repository, 'src').filter(({ text }) => /['"`]options\./.test(text))
  expect(found.map(({ path }) => path)).toEqual([])
})

describe('a value that is not accepted', () => {
  it('an error describes the value that is not accepted, and the values that are', async () => {
    const bad = { endpoints, credentials, dialTimeout: 5000 } as never
    expect(await refusalOf(() => root.createSecureClient(bad))).toMatch(
      /^Option "dialTimeout" must be a duration string such as .*"5s".*; received 5000/,
    )
  })

  it.each([
    [null, 'null'],
    [true, 'true'],
    ['', '""'],
    [['a'], 'an array'],
    [[], 'an empty array'],
    [{}, 'an object'],
    [Symbol('s'), 'Symbol(s)'],
    [() => 1, 'a function'],
  ])('%o is named by its kind', async (crl, received) => {
    expect(await refusalOf(() => root.writeCrl('/proc/ca.crl', crl as never))).toMatch(
      new RegExp(`; received ${received.replace(/[()]/g, '\\$&')}$`),
    )
  })

  it('an error does not show a value that may be a key or a password', async () => {
    const secret = 'hunter2'
    const calls = [
      () => root.createSecureClient({ endpoints, credentials: secret as never }),
      () => root.createSecureClient({ endpoints, credentials, auth: secret as never }),
      () => root.renewCredentials(secret as never, credentials),
      () => createAuthority({ name: 'CA', algorithm: credentials.key.exportPem() as never }),
    ]
    for (const call of calls) expect(await refusalOf(call)).toMatch(/; received a (longer )?string$/)
  })
})
