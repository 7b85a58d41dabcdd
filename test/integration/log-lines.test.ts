/**
 * The lines of docs/log-lines.md, written by real programs. Each set-up is broken in one way, dialled by the programs that people use,
 * and diagnosed by this client. The first known line of each program is of the intended row, and that row has the code of the finding.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions } from '../../src/client/index.js'
import { type Credentials, fromPem } from '../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import type { Finding, FindingCode } from '../../src/report/index.js'
import type { ExplainDocument } from '../../src/cli/documents.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { startChild } from '../support/child.js'
import { mintedCredentials, mintPki, pemsOf, type Pems } from '../support/etcd.js'
import { type Dialled, linesOf, prepareJava, type WriterName, WRITERS, writeFiles } from '../support/line-writers.js'
import { documentComplaints, runCommand } from '../support/command.js'
import { findLogLine, logLines } from '../support/log-lines.js'
import { drawn, isLong } from '../support/long.js'
import { dns, ip, mintCa, mintCrl, type Minted, mintLeaf, type MintLeafOptions } from '../support/mint.js'
import { LOGGED_AS_LATER } from '../support/etcd-version.js'
import { temporaryFolder } from '../support/openssl.js'
import { gonePeer, silentPeer } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'

const { freePort } = heldPorts()
const pki = mintPki()
const folder = temporaryFolder()
const revoked = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root })
const list = mintCrl({ issuer: pki.root, revoked: [{ serial: revoked.serial }] }).der
const stranger = mintCa({ subject: 'Other root' })
const namesake = mintCa({ subject: 'Test root' })
const PAST = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
const FUTURE = { notBefore: new Date('2045-01-01'), notAfter: new Date('2046-01-01') }

type EtcdName = 'tls13' | 'tls12' | 'allowedHostname' | 'plaintext'
const etcds = new Map<EtcdName, TestEtcd>()
/** etcd's gateway dials etcd with the server certificate, when it is replaced by a faulty one too, and at a time of its own. */
const NO_GATEWAY = '--enable-grpc-gateway=false'

beforeAll(async () => {
  mkdirSync(folder.file('java'))
  const start = async (name: EtcdName, options: Partial<Parameters<typeof startEtcd>[0]> = {}): Promise<void> => {
    etcds.set(name, await startEtcd({ server: pki.server, via: 'binary', startTimeout: '100s', ...options }))
  }
  const files = { 'list.crl': list }
  await Promise.all([
    ...(isLong ? [prepareJava(folder.file('java'))] : []),
    start('tls13', { files, args: ({ directory }) => [NO_GATEWAY, `--client-crl-file=${directory}/list.crl`] }),
    start('tls12', { args: [NO_GATEWAY, '--tls-max-version=TLS1.2'] }),
    start('allowedHostname', {
      args: [NO_GATEWAY, '--client-cert-allowed-hostname=allowed.example', '--tls-max-version=TLS1.2'],
    }),
    start('plaintext', {
      args: ({ clientListenUrl }) => [`--listen-client-urls=${clientListenUrl.replace('https:', 'http:')}`],
      readyLine: /serving client traffic insecurely/,
    }),
  ])
}, 120_000)

afterAll(async () => {
  await Promise.all([...etcds.values()].map((etcd) => etcd.close()))
})

function running(name: EtcdName): TestEtcd {
  const etcd = etcds.get(name)
  if (etcd === undefined) throw new Error(`${name} does not run`)
  return etcd
}

/** The row of the first known line of each program. Several rows if it depends on the moment which line comes first. */
/** The long form alone has a client in Java, whose compiler takes as long to install as everything else together. */
const writers = WRITERS.filter((writer) => isLong || writer !== 'java')

type Rows = Readonly<Partial<Record<WriterName, string | readonly string[]>>>

interface SetUp {
  readonly etcd?: EtcdName
  /** What etcd presents. Default: a good certificate. */
  readonly server?: Credentials
  /** What the client presents, and its CA. Null: no certificate. */
  readonly client?: Partial<Pems> | null
  readonly host?: string
  readonly scheme?: 'http'
  /** What etcd's CRL file holds. */
  readonly crl?: string
  readonly rows: Rows
  /** The rows of etcd's lines about all of these programs. */
  readonly log: readonly string[]
  /** Rows of lines that etcd does not write each time. */
  readonly mayLog?: readonly string[]
  /** A code of the diagnosis, if this client cannot be set up like the others. */
  readonly finding?: FindingCode
}

const serverOf = (issuer: Minted, intermediates: readonly Minted[] = []): Credentials =>
  mintedCredentials({
    leaf: mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1'), dns('localhost')], issuer }),
    intermediates,
    trust: [issuer],
  })
const server = (options: Partial<MintLeafOptions>): Credentials => pki.issueServer(options)
const client = (options: Partial<MintLeafOptions>): Pems => pemsOf(pki.issueClient(options))
const clientOf = (issuer: Minted): Partial<Pems> => {
  const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer })
  return { ...pemsOf(mintedCredentials({ leaf, trust: [issuer] })), ca: pki.root.pem }
}

/** Rows that the client in Java alone makes etcd write. */
function byJava(row: string): string[] {
  return isLong ? [row] : []
}

/** etcd's log about the programs that refuse its certificate: Go, OpenSSL, Node, Java. */
const REFUSED = ['etcd/client-sent-bad-certificate', 'etcd/client-sent-unreadable-alert', 'etcd/client-closed']
const UNKNOWN = [...REFUSED, ...byJava('etcd/client-sent-certificate-unknown')]
/** Programs of OpenSSL, whose words are the same. */
const openssl = (row: string, node = row.replace('openssl/', 'node/')): Rows => ({
  openssl: row,
  curl: row,
  python: row,
  node,
})
/** Each program about the same alert of a server. */
const alert = (name: string): Rows => ({
  ...openssl(`openssl/server-sent-${name}`, `openssl/server-sent-${name}`),
  etcdctl: `go/server-sent-${name}`,
  // Java writes on, and may lose the alert.
  java: [`java/server-sent-${name}`, 'java/closed'],
})
const closed: Rows = {
  etcdctl: ['go/preface-eof', 'go/connection-closed'],
  curl: 'openssl/closed',
  python: 'python/disconnected',
  node: 'node/disconnected',
  java: 'java/closed',
}

const PLAINTEXT = ['openssl/wrong-version', 'openssl/closed']

const SET_UPS: Readonly<Record<string, SetUp>> = {
  'a server certificate of another CA': {
    server: serverOf(stranger),
    rows: {
      ...openssl('openssl/issuer-not-local', 'node/first-certificate'),
      etcdctl: 'go/unknown-authority',
      java: 'java/path-building',
    },
    log: UNKNOWN,
  },
  'a server certificate of a CA with the same name and another key': {
    server: serverOf(namesake),
    rows: {
      ...openssl('openssl/issuer-not-local', 'node/first-certificate'),
      etcdctl: 'go/candidate-authority',
      java: 'java/path-building',
    },
    log: UNKNOWN,
  },
  'a server that sends the root of another CA': {
    server: serverOf(stranger, [stranger]),
    rows: {
      ...openssl('openssl/self-signed-in-chain'),
      etcdctl: 'go/unknown-authority',
      java: 'java/path-building',
    },
    log: UNKNOWN,
  },
  'a self-signed server certificate': {
    server: mintedCredentials({
      leaf: mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1')] }),
      trust: [pki.root],
    }),
    rows: { ...openssl('openssl/self-signed'), etcdctl: 'go/unknown-authority', java: 'java/path-building' },
    log: UNKNOWN,
  },
  'an expired server certificate': {
    server: server(PAST),
    rows: { ...openssl('openssl/expired'), etcdctl: 'go/expired', java: 'java/path-validation' },
    log: [...REFUSED, ...byJava('etcd/client-sent-certificate-expired')],
  },
  'a server certificate that is not valid yet': {
    server: server(FUTURE),
    rows: { ...openssl('openssl/not-yet-valid'), etcdctl: 'go/not-yet-valid', java: 'java/path-validation' },
    log: REFUSED,
  },
  'a server certificate for another host': {
    server: server({ names: [dns('etcd-0.etcd')] }),
    host: 'localhost',
    rows: {
      ...openssl('openssl/host'),
      python: 'python/host',
      etcdctl: 'go/valid-for-others',
      java: 'java/name',
    },
    log: UNKNOWN,
  },
  'a server certificate without IP addresses': {
    server: server({ names: [dns('localhost')] }),
    rows: {
      ...openssl('openssl/address', 'node/host'),
      python: 'python/host',
      etcdctl: 'go/no-ip-sans',
      java: 'java/name',
    },
    log: UNKNOWN,
  },
  'a server certificate whose name is only the common name': {
    server: mintedCredentials({ leaf: mintLeaf({ subject: 'localhost', issuer: pki.root }), trust: [pki.root] }),
    host: 'localhost',
    // OpenSSL and Java accept it.
    rows: { etcdctl: 'go/common-name-only' },
    log: ['etcd/client-sent-bad-certificate'],
  },
  'a server certificate for clients only': {
    server: server({ usages: ['clientAuth'] }),
    rows: { ...openssl('openssl/purpose'), etcdctl: 'go/key-usage', java: 'java/usage' },
    log: UNKNOWN,
  },
  'a server certificate that is signed with SHA-1': {
    server: server({ signature: 'ecdsa-sha1' }),
    // Java accepts it with a CA of its own.
    rows: { ...openssl('openssl/digest', 'openssl/digest'), etcdctl: 'go/insecure-algorithm' },
    log: REFUSED,
  },
  'a server whose key is of another certificate': {
    server: mintedCredentials({
      leaf: mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1')], issuer: pki.root }),
      key: mintLeaf({ subject: 'x' }),
      trust: [pki.root],
    }),
    rows: alert('internal-error'),
    log: ['etcd/own-certificate'],
  },
  'a client without a certificate': {
    client: null,
    rows: { ...openssl('openssl/server-sent-certificate-required', 'openssl/server-sent-certificate-required') },
    log: ['etcd/no-client-certificate'],
    finding: 'handshake/client-certificate-missing',
  },
  'a client without a certificate, in TLS 1.2': {
    etcd: 'tls12',
    client: null,
    rows: alert('bad-certificate'),
    log: ['etcd/no-client-certificate'],
    finding: 'handshake/client-certificate-missing',
  },
  'a client certificate of another CA': {
    etcd: 'tls12',
    client: clientOf(stranger),
    // Java does not send it, because etcd lists another CA.
    rows: { ...alert('unknown-ca'), java: ['java/server-sent-bad-certificate', 'java/closed'] },
    log: ['etcd/unknown-authority', ...byJava('etcd/no-client-certificate')],
  },
  'a client certificate of a CA with the same name and another key': {
    etcd: 'tls12',
    client: clientOf(namesake),
    rows: alert('unknown-ca'),
    log: ['etcd/candidate-authority'],
  },
  'an expired client certificate': {
    etcd: 'tls12',
    client: client(PAST),
    rows: { ...alert('certificate-expired'), curl: 'openssl/curl-expired-alert' },
    log: ['etcd/expired'],
  },
  'a client certificate that is not valid yet': {
    etcd: 'tls12',
    client: client(FUTURE),
    rows: { ...alert('certificate-expired'), curl: 'openssl/curl-expired-alert' },
    log: ['etcd/not-yet-valid'],
  },
  'a client certificate for servers only': {
    etcd: 'tls12',
    client: client({ usages: ['serverAuth'] }),
    rows: alert('bad-certificate'),
    log: ['etcd/key-usage'],
  },
  'a client certificate whose host name is not allowed': {
    etcd: 'allowedHostname',
    rows: alert('bad-certificate'),
    log: ['etcd/name-not-allowed'],
    // Seen in some runs; which of the programs sends the alert was not found.
    mayLog: ['etcd/client-sent-bad-certificate'],
  },
  'a revoked client certificate': {
    client: pemsOf(mintedCredentials({ leaf: revoked, trust: [pki.root] })),
    rows: closed,
    log: ['etcd/revoked'],
  },
  'a CRL file that etcd cannot read': { crl: 'garbage', rows: closed, log: ['etcd/crl-unreadable'] },
  'a client without TLS at the TLS port': {
    scheme: 'http',
    rows: {
      etcdctl: ['go/connection-closed', 'go/preface-eof', 'go/deadline'],
      curl: ['go/client-plaintext', 'openssl/closed'],
    },
    log: ['etcd/plaintext-client'],
    finding: 'endpoint/wrong-protocol',
  },
  'an etcd without TLS': {
    etcd: 'plaintext',
    // etcd reads the handshake as HTTP: it answers so, or closes the connection.
    rows: {
      openssl: PLAINTEXT,
      curl: PLAINTEXT,
      python: PLAINTEXT,
      node: [...PLAINTEXT, 'node/disconnected', 'node/reset'],
      etcdctl: ['go/handshake-eof', 'go/server-plaintext'],
      java: ['java/not-tls', 'java/closed'],
    },
    log: [],
  },
}

describe('the lines of real programs', () => {
  it.each(drawn(Object.entries(SET_UPS), 5))(
    'real programs write known lines about %s',
    async (name, setUp) => {
      const { etcd: etcdName = 'tls13', server: shown, client: own, host = '127.0.0.1', crl, scheme } = setUp
      const etcd = running(etcdName)
      if (shown !== undefined) await etcd.replaceServer(shown)
      if (crl !== undefined) await etcd.writeFiles({ 'list.crl': crl })
      try {
        const before = etcd.logs().length
        const pems = { ...pemsOf(pki.client), ...own }
        const place = folder.file(name.replaceAll(/\W/g, '-'))
        mkdirSync(place)
        const files = writeFiles(place, pems)
        const certificate = own === null ? { cert: null, key: null } : { cert: files.cert, key: files.key }
        const dialled: Dialled = {
          host,
          port: etcd.port,
          ca: files.ca,
          ...certificate,
          folder: folder.file('java'),
          scheme,
        }
        const endpoints = `https://${host}:${String(etcd.port)}`
        const codes =
          setUp.finding === undefined
            ? await codesOf({ endpoints, credentials: fromPem(pems), dialTimeout: '2s' })
            : [setUp.finding]
        const asked = writers.filter((writer) => setUp.rows[writer] !== undefined)
        const written = await Promise.all(
          asked.map(async (writer) => [writer, firstRow(await linesOf(writer, dialled))] as const),
        )
        for (const [writer, { id, line, causes }] of written) {
          expect([setUp.rows[writer]].flat(), `${writer}: ${line}`).toContain(id)
          expect(causes, `${writer}: ${line}`).toEqual(expect.arrayContaining([expect.toBeOneOf(codes)]))
        }
        const found = (): Found[] =>
          etcd
            .logs()
            .slice(before)
            .filter((line) => line.includes('rejected connection'))
            .map((line) => firstRow([line]))
        await expect
          .poll(() => setUp.log.filter((id) => !found().some((each) => each.id === id)), { timeout: 10_000 })
          .toEqual([])
        for (const { id, line, causes } of found()) {
          // This client refuses a certificate as Node does, asks a server that refused it for its CAs without a certificate, and a client
          // whose time is over closes its connection.
          const own = ['etcd/client-closed', 'etcd/no-client-certificate']
          expect([...setUp.log, ...(setUp.mayLog ?? []), ...own], line).toContain(id)
          if (setUp.log.includes(id)) expect(causes, line).toEqual(expect.arrayContaining([expect.toBeOneOf(codes)]))
        }
      } finally {
        if (shown !== undefined) await etcd.replaceServer(pki.server)
        if (crl !== undefined) await etcd.writeFiles({ 'list.crl': list })
      }
    },
    60_000,
  )
})

interface Found {
  readonly id: string
  readonly line: string
  readonly causes: readonly FindingCode[]
}

/** All that {@link firstRow} was asked about. */
const written: string[] = []

/** The row of the first line that is known. */
function firstRow(lines: readonly string[]): Found {
  written.push(...lines)
  for (const line of lines) {
    const row = findLogLine(line)
    if (row !== undefined) return { id: row.id, line, causes: row.codes }
  }
  return { id: 'none', line: lines.join('\n'), causes: [] }
}

/** The codes of the errors that this client reports. */
async function codesOf(options: SecureClientOptions): Promise<FindingCode[]> {
  try {
    await using connected = await createSecureClient(options)
    throw new Error(`It connects: ${connected.tls.report.findings.map(({ code }) => code).join()}`)
  } catch (error) {
    if (!isEtcdMtlsError(error)) throw error
    const { details } = error
    const findings: readonly Finding[] =
      'report' in details ? details.report.findings : 'findings' in details ? details.findings : []
    return findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
  }
}

/** What a program writes. */
async function outputOf(command: readonly string[]): Promise<string[]> {
  await using child = startChild(command)
  await child.ended
  return child.written.all.split('\n')
}

describe('the lines of real programs without a working etcd', () => {
  const files = (): Pick<Dialled, 'ca' | 'cert' | 'key' | 'folder'> => {
    const place = folder.file(crypto.randomUUID())
    mkdirSync(place)
    return { ...writeFiles(place, pemsOf(pki.client)), folder: folder.file('java') }
  }

  it('real programs write known lines if nothing listens', async () => {
    await using gone = await gonePeer()
    const dialled = { host: '127.0.0.1', port: gone.port, ...files() }
    const written = await Promise.all(
      writers.map(async (writer) => [writer, firstRow(await linesOf(writer, dialled)).id] as const),
    )
    const ids = { etcdctl: 'go/refused', node: 'node/refused' }
    const others = writers.filter((writer) => !Object.hasOwn(ids, writer)).map((writer) => [writer, 'system/refused'])
    expect(Object.fromEntries(written)).toEqual({ ...ids, ...Object.fromEntries(others) })
    expect(causesOf('go/refused')).toContain(await codeAt(gone.endpoint))
  })

  it('real programs write known lines if the server says nothing', async () => {
    await using silent = await silentPeer()
    const { id, causes } = firstRow(await linesOf('etcdctl', { host: '127.0.0.1', port: silent.port, ...files() }))
    expect(['go/deadline', 'go/handshake-timeout']).toContain(id)
    expect(causes).toContain(await codeAt(silent.endpoint))
  })

  it('real programs write known lines about files that they cannot use', async () => {
    const { ca, cert, key } = files()
    const etcdctl = async (...args: string[]): Promise<string> =>
      firstRow(await outputOf(['etcdctl', `--endpoints=${running('tls13').endpoint}`, ...args, 'get', 'a'])).id
    expect(await etcdctl(`--cacert=${ca}.none`, `--cert=${cert ?? ''}`, `--key=${key ?? ''}`)).toBe('go/file-missing')
    const other = folder.file('other.key', mintLeaf({ subject: 'x' }).keyPem)
    expect(await etcdctl(`--cacert=${ca}`, `--cert=${cert ?? ''}`, `--key=${other}`)).toBe('go/key-mismatch')
    const der = folder.file('client.der', revoked.der)
    expect(await etcdctl(`--cacert=${ca}`, `--cert=${der}`, `--key=${key ?? ''}`)).toBe('go/no-pem-data')
    const proxy = ['etcd', 'grpc-proxy', 'start', `--endpoints=${running('tls13').endpoint}`, `--cacert=${ca}`]
    const said = await outputOf([...proxy, `--cert=${cert ?? ''}`, `--key=${key ?? ''}`, '--listen-addr=127.0.0.1:0'])
    expect(said.map((line) => firstRow([line]).id)).toContain('etcd/grpc-proxy-common-name')
  })

  it('real programs write known lines about TLS parameters that do not fit', async () => {
    const { ca, cert, key } = files()
    const etcd = running('tls13')
    const openssl = ['openssl', 's_client', '-connect', `127.0.0.1:${String(etcd.port)}`, '-CAfile', ca]
    const own = ['-cert', cert ?? '', '-key', key ?? '']
    const old = await outputOf([...openssl, ...own, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'])
    expect(firstRow(old)).toMatchObject({ id: 'openssl/server-sent-protocol-version' })
    expect(firstRow([await etcd.waitForLog(/unsupported versions/)]).id).toBe('etcd/tls-versions')
    const foo = await outputOf([...openssl, ...own, '-alpn', 'foo'])
    expect(firstRow(foo)).toMatchObject({ id: 'openssl/server-sent-no-application-protocol' })
    expect(firstRow([await etcd.waitForLog(/application protocols/)]).id).toBe('etcd/client-protocols')
  })
})

describe('users', () => {
  it('real programs write known lines about a user that may not', async () => {
    await using etcd = await startEtcd({ server: pki.server, via: 'binary' })
    const etcdctl = async (as: Credentials, ...args: string[]): Promise<string> => {
      const { stdout, stderr } = await etcd.etcdctl(args, as)
      return firstRow(`${stderr}\n${stdout}`.split('\n')).id
    }
    const get = ['get', 'a', '--command-timeout=2s']
    expect(await etcdctl(pki.client, ...get, '--user=root:secret')).toBe('etcd/login-not-enabled')
    for (const args of ['user add root:secret', 'user grant-role root root', 'auth enable'])
      await etcd.etcdctl(args.split(' '), pki.client)
    expect(await etcdctl(pki.issueClient({ subject: 'nobody' }), ...get)).toBe('etcd/permission-denied')
    expect(firstRow([await etcd.waitForLog(/permission check/)]).id).toBe('etcd/user-unknown')
    expect(await etcdctl(pki.client, ...get, '--user=root:wrong')).toBe('etcd/login-failed')
    // etcd does not see a user without --client-cert-auth.
    await using open = await startEtcd({ server: pki.server, via: 'binary', clientCertAuth: false })
    for (const args of ['user add root:secret', 'user grant-role root root', 'auth enable'])
      await open.etcdctl(args.split(' '), pki.client)
    const { stdout, stderr } = await open.etcdctl(get, pki.client)
    expect(firstRow(`${stderr}\n${stdout}`.split('\n')).id).toBe('etcd/user-not-found')
    expect(causesOf('etcd/user-unknown')).toContain('access/permission-denied')
  }, 60_000)
})

describe('members', () => {
  /** The rows of both logs of two members, of which the second one is broken. */
  async function pair(
    options: Partial<MintLeafOptions>,
    token = 'a',
  ): Promise<(ids: readonly string[][]) => Promise<void>> {
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
    const url = (index: number): string => `https://127.0.0.1:${String(ports[index] ?? 0)}`
    const names = ['one', 'two']
    const place = folder.file(crypto.randomUUID())
    mkdirSync(place)
    const children = names.map((name, index) => {
      const own = join(place, name)
      mkdirSync(own)
      const usual = { subject: name, issuer: pki.root, names: [ip('127.0.0.1')] }
      const leaf = mintLeaf(index === 0 ? usual : { ...usual, ...options })
      const { cert, key, ca } = writeFiles(own, { ca: pki.root.pem, cert: leaf.pem, key: leaf.keyPem })
      return startChild(
        [
          ...['etcd', `--name=${name}`, `--data-dir=${join(own, 'data')}`],
          ...[
            `--listen-client-urls=http://127.0.0.1:${String(ports[index] ?? 0)}`,
            `--advertise-client-urls=${url(index)}`,
          ],
          ...[`--listen-peer-urls=${url(index + 2)}`, `--initial-advertise-peer-urls=${url(index + 2)}`],
          ...[`--initial-cluster=one=${url(2)},two=${url(3)}`, `--initial-cluster-token=${index === 0 ? 'a' : token}`],
          ...[
            `--peer-cert-file=${cert}`,
            `--peer-key-file=${key}`,
            `--peer-trusted-ca-file=${ca}`,
            '--peer-client-cert-auth',
          ],
        ],
        { env: { PATH: process.env['PATH'], ...LOGGED_AS_LATER } },
      )
    })
    return async (ids) => {
      const rowsIn = (text: string): Set<string> => new Set(text.split('\n').map((line) => firstRow([line]).id))
      try {
        await Promise.all(
          children.map((child, index) =>
            child.says((all) => [...(ids[index] ?? [])].every((id) => rowsIn(all).has(id))),
          ),
        )
      } finally {
        await Promise.all(children.map((child) => child.stop()))
      }
    }
  }

  const PAIRS: readonly [string, Partial<MintLeafOptions>, string, string[], string[], FindingCode][] = [
    [
      'of another CA',
      { issuer: stranger },
      'a',
      ['etcd/unknown-authority', 'etcd/peer-unknown-authority'],
      ['etcd/client-sent-bad-certificate', 'etcd/peer-sent-certificate-alert', 'etcd/not-published'],
      'config/member-not-trusted',
    ],
    [
      'that has expired',
      PAST,
      'a',
      ['etcd/expired', 'etcd/peer-expired'],
      ['etcd/client-sent-bad-certificate', 'etcd/peer-sent-certificate-alert'],
      'validity/expired',
    ],
    [
      'for another address',
      { names: [ip('10.9.9.9')] },
      'a',
      ['etcd/valid-for-others', 'etcd/peer-refuses-member'],
      ['etcd/client-sent-bad-certificate', 'etcd/peer-eof'],
      'san/host-not-covered',
    ],
    [
      'for a name that is not in DNS',
      { names: [dns('no-such-host.invalid')] },
      'a',
      ['etcd/peer-address'],
      ['etcd/client-sent-bad-certificate'],
      'config/peer-address-unprovable',
    ],
    [
      'without clientAuth',
      { usages: ['serverAuth'] },
      'a',
      ['etcd/key-usage'],
      ['etcd/peer-sent-certificate-alert'],
      'usage/extended-key-usage-missing',
    ],
    [
      'of a cluster with another token',
      {},
      'b',
      ['etcd/cluster-id-mismatch'],
      ['etcd/cluster-id-mismatch'],
      'config/members-differ',
    ],
  ]

  it.each(drawn(PAIRS, 1))(
    'members write known lines about a member %s',
    async (_, options, token, one, two, code) => {
      const logged = await pair(options, token)
      await logged([one, two])
      expect(
        [...one, ...two].filter((id) => id !== 'etcd/not-published').some((id) => causesOf(id).includes(code)),
      ).toBe(true)
    },
    60_000,
  )
})

describe('etcd-mtls explain', () => {
  it('the command explain counts the known lines in the whole logs of these programs, with the address and the time of each client', async () => {
    const logs = [...etcds.values()].flatMap((etcd) => etcd.logs())
    const lines = [...new Set([...logs, ...written].join('\n').split('\n'))].filter((line) => line.trim() !== '')
    const { code, stdout } = await runCommand(['explain', '--json'], { input: lines.join('\n') })
    const document = JSON.parse(stdout) as ExplainDocument
    expect([code, documentComplaints('explain', document)]).toEqual([0, []])
    expect(document.total).toBe(lines.length)
    const linesOfRow = new Map<string | undefined, string[]>()
    for (const line of lines) {
      const id = findLogLine(line.trim())?.id
      linesOfRow.set(id, [...(linesOfRow.get(id) ?? []), line])
    }
    for (const { id, count, direction, addresses, first } of document.lines) {
      const own = linesOfRow.get(id) ?? []
      expect(count, id).toBe(own.length)
      const named = own.filter((line) => /"remote-addr"|rejected connection from|handshake error from/.test(line))
      if (!direction.startsWith('server-') || named.length === 0) continue
      expect(addresses, id).toEqual([expect.objectContaining({ address: '127.0.0.1', count: named.length })])
      expect(first, id).toMatch(/^\d{4}-/)
    }
    expect(document.recognized).toBe(lines.length - (linesOfRow.get(undefined) ?? []).length)
    const { stdout: text } = await runCommand(['explain'], { input: logs.join('\n') })
    expect(text).toMatch(/127\.0\.0\.1 refused the server \d+ × since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)
  })
})

describe('the commands that decide', () => {
  const commands = [...new Set(logLines.map(({ decide }) => decide))]

  it.each(
    drawn(
      commands.filter((command) => /^(?:openssl|etcdctl|curl|head|ls|ss|namei|getent) /.test(command)),
      10,
    ),
  )(
    '%s runs',
    async (command) => {
      const place = folder.file(crypto.randomUUID())
      mkdirSync(place)
      const { ca, cert, key } = writeFiles(place, pemsOf(pki.client))
      const crl = join(place, 'list.crl')
      writeFileSync(crl, list)
      const file = command.includes('crl') ? crl : ca
      const host = `127.0.0.1:${String(running('tls12').port)}`
      const filled = { host, name: '127.0.0.1', ca, cert, key, file }
      const script = command.replaceAll(/\{(\w+)\}/g, (_, name: keyof typeof filled) => filled[name])
      const said = (await outputOf(['sh', '-c', script])).join('\n')
      if (!script.endsWith('alarm list')) expect(said).not.toBe('')
      expect(said).not.toMatch(
        /unknown (?:flag|option|command)|Unknown option|^[Uu]sage:|not found|syntax error|is unknown/m,
      )
    },
    30_000,
  )
})

function causesOf(id: string): readonly FindingCode[] {
  return logLines.find((row) => row.id === id)?.codes ?? []
}

/** The first code of what this client reports about an endpoint. */
async function codeAt(endpoints: string): Promise<FindingCode | undefined> {
  const [code] = await codesOf({ endpoints, credentials: pki.client, dialTimeout: '1s' })
  return code
}
