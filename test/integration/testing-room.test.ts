import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { getContainerRuntimeClient } from 'testcontainers'
import { afterEach, beforeEach, describe, expect, it as every, vi } from 'vitest'
import { startEtcd, startEtcdCluster, type Runtime, type TestEtcd } from '../../src/testing/index.js'
import { mintedCredentials, mintPki } from '../support/etcd.js'
import { gateway } from '../support/https.js'
import { ALERTS_SAY_WHY } from '../support/etcd-version.js'
import { oneIn } from '../support/long.js'
import { dns, ip, mintLeaf } from '../support/mint.js'
import { refused } from '../support/refused.js'

const it = oneIn(2, every)

const RUN = `testing-room-${String(process.pid)}`
const pki = mintPki()
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'testing-room-'))
  vi.stubEnv('ETCD_MTLS_TEST_RUN', RUN)
  vi.stubEnv('TMPDIR', folder)
})

afterEach(async () => {
  // Whatever a test did, nothing of it may be left.
  const { dockerode } = (await getContainerRuntimeClient()).container
  const filters = { label: [`etcd-mtls.run=${RUN}`] }
  const left = {
    containers: await dockerode.listContainers({ all: true, filters }),
    networks: await dockerode.listNetworks({ filters }),
    files: readdirSync(folder),
  }
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
  expect(left).toEqual({ containers: [], networks: [], files: [] })
})

/** What a TLS client sees: the TCP connection, then an answer or silence. */
async function firstEvent(port: number): Promise<string[]> {
  const seen: string[] = []
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, timeout: 500 })
  await new Promise<void>((resolve) => {
    socket.once('connect', () => seen.push('connect'))
    for (const event of ['secureConnect', 'error', 'timeout']) {
      socket.once(event, () => {
        seen.push(event)
        resolve()
      })
    }
  })
  socket.destroy()
  return seen
}

describe.each<Runtime>(['container', 'binary'])('an etcd via %s', (via) => {
  it('serves clients with a certificate, pauses, stops and starts with its data on the same port, shows another certificate', async () => {
    const etcd = await startEtcd({ server: pki.server, via })
    const serves = async (): Promise<void> => {
      expect((await gateway(etcd.endpoint, '/health', pki.client)).status).toBe(200)
    }
    expect(etcd.endpoints).toEqual([`https://127.0.0.1:${String(etcd.port)}`])
    expect(await etcd.etcdctl(['put', 'key', 'value'], pki.client)).toMatchObject({ exitCode: 0, stdout: 'OK\n' })
    if (via === 'container') await isPrivate(etcd)

    await etcd.pause()
    expect(await firstEvent(etcd.port)).toEqual(['connect', 'timeout'])
    await etcd.resume()
    await serves()

    await etcd.stop()
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(/ECONN|hang up/)
    await etcd.start()
    expect(await etcd.etcdctl(['get', 'key'], pki.client)).toMatchObject({ exitCode: 0, stdout: 'key\nvalue\n' })

    await etcd.replaceServer(pki.issueServer({ names: [dns('elsewhere')] }))
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(/altnames/)
    await etcd.replaceServer(pki.server)
    await serves()

    await etcd.close()
    await etcd.close()
    await expect(etcd.start()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('an etcd that cannot use its key is reported with its own words, and removed', async () => {
    const [leaf, other] = ['a', 'b'].map((subject) => mintLeaf({ subject, issuer: pki.root })) as [
      ReturnType<typeof mintLeaf>,
      ReturnType<typeof mintLeaf>,
    ]
    const server = mintedCredentials({ leaf, key: other, trust: [pki.root] })
    const { message, details } = await refused(startEtcd({ server, via }), 'ERR_ETCD_NOT_STARTED')
    expect(message).toContain('private key does not match public key')
    expect(details.logs.join('\n')).toContain('listener failed')
  })

  it.each([0, 200])('an etcd is removed when its start is aborted after %i ms', async (delay) => {
    const stop = new AbortController()
    const start = startEtcd({ server: pki.server, via, readyLine: /never written/, signal: stop.signal })
    const timer = setTimeout(() => {
      stop.abort(new Error('enough'))
    }, delay)
    await expect(start).rejects.toThrow('enough')
    clearTimeout(timer)
  })

  it('forms a cluster with others over mutual TLS', async () => {
    const member = (name: string) => ({
      name,
      server: pki.server,
      peer: pki.issueServer({ subject: name, names: via === 'binary' ? [ip('127.0.0.1')] : [dns(name)] }),
    })
    await using cluster = await startEtcdCluster({ members: [member('etcd-0'), member('etcd-1')], via })
    expect(await cluster.member('etcd-0').etcdctl(['put', 'a', 'b'], pki.client)).toMatchObject({ exitCode: 0 })
    expect(await cluster.member('etcd-1').etcdctl(['get', 'a'], pki.client)).toMatchObject({ stdout: 'a\nb\n' })
    expect(() => cluster.member('etcd-9')).toThrow('must be one of etcd-0, etcd-1')
  })
})

/** The container publishes its port on 127.0.0.1 alone, and its key can be read by etcd alone. */
async function isPrivate(etcd: TestEtcd): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container
  const [found] = await dockerode.listContainers({ filters: { label: [`etcd-mtls.run=${RUN}`] } })
  const container = dockerode.getContainer(found?.Id ?? '')
  const { HostConfig: host, NetworkSettings: network } = await container.inspect()
  expect(network.Ports['2379/tcp']).toEqual([{ HostIp: '127.0.0.1', HostPort: String(etcd.port) }])
  expect(Object.keys(host.PortBindings as object)).toEqual(['2379/tcp'])
  const response = (await container.infoArchive({ path: '/etcd-mtls/tls/server.key' })) as IncomingMessage
  const stat = Buffer.from(String(response.headers['x-docker-container-path-stat']), 'base64').toString()
  expect(JSON.parse(stat)).toMatchObject({ name: 'server.key', mode: 0o600 })
  expect(etcd.logs().join()).not.toContain('PRIVATE KEY')
}

describe('an etcd as a process', () => {
  it('an etcd process has its key in a folder and a file that only its user can read, and leaves no listener when it is closed', async () => {
    const before = process.listenerCount('exit')
    const etcd = await startEtcd({ server: pki.server, via: 'binary' })
    const [home = ''] = readdirSync(folder)
    expect(etcd.logs().length).toBeGreaterThan(0)
    expect(statSync(join(folder, home)).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, home, 'tls', 'server.key')).mode & 0o777).toBe(0o600)
    expect(process.listenerCount('exit')).toBe(before + 1)
    await etcd.close()
    expect(process.listenerCount('exit')).toBe(before)
  })

  it('asks for a certificate of the given CA, and reads further files and flags', async () => {
    const other = mintPki('Other root')
    await using etcd = await startEtcd({
      server: pki.server,
      clientCa: other.server.trustAnchors,
      files: { 'empty.crl': '' },
      args: ({ directory }) => [`--client-crl-file=${directory}/empty.crl`],
      via: 'binary',
    })
    const alert = `alert number ${ALERTS_SAY_WHY ? '48' : '42'}`
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(alert)
    expect(await etcd.waitForLog(/rejected connection/)).toMatch(/unknown authority/)
    // An empty CRL file makes etcd close every connection after the handshake.
    const known = mintedCredentials({ leaf: mintLeaf({ subject: 'root', issuer: other.root }), trust: [pki.root] })
    await expect(gateway(etcd.endpoint, '/version', known)).rejects.toThrow(/hang up|ECONNRESET/)
  })

  it('an etcd that does not start to serve in time is removed', async () => {
    const never = startEtcd({ server: pki.server, via: 'binary', readyLine: /never written/, startTimeout: '1500ms' })
    const { details } = await refused(never, 'ERR_ETCD_NOT_STARTED')
    expect(details.reason).toBe('etcd did not serve within 1.5 s.')
  })

  it('an etcd is not started twice, and refuses wrong calls by name', async () => {
    await using etcd = await startEtcd({ server: pki.server, via: 'binary' })
    expect((await refused(etcd.start(), 'ERR_ETCD_NOT_STARTED')).message).toContain('runs already')
    const option = async (work: Promise<unknown>): Promise<string> =>
      (await refused(work, 'ERR_OPTION_INVALID')).details.option
    expect(await option(etcd.writeFiles({ '../key': '' }))).toBe('files.../key')
    expect(await option(etcd.waitForLog('ready' as never))).toBe('pattern')
    expect(await option(etcd.replaceServer({} as never))).toBe('server')
    expect(await option(etcd.etcdctl('version' as never, pki.client))).toBe('args')
  })

  it('an etcd is one of many without a warning of Node', async () => {
    const warnings: string[] = []
    const warn = ({ name }: Error): unknown => warnings.push(name)
    process.on('warning', warn)
    const etcds = await Promise.all(Array.from({ length: 12 }, () => startEtcd({ server: pki.server, via: 'binary' })))
    await Promise.all(etcds.map((etcd) => etcd.close()))
    process.off('warning', warn)
    expect(warnings).toEqual([])
  })

  it('forms no cluster with peers that may only be servers', async () => {
    const peer = pki.issueServer({ names: [ip('127.0.0.1')], usages: ['serverAuth'] })
    const members = [
      { name: 'etcd-0', server: pki.server, peer },
      { name: 'etcd-1', server: pki.server, peer },
    ] as const
    const readyLine = /incompatible key usage|bad certificate/
    await using cluster = await startEtcdCluster({ members, via: 'binary', readyLine })
    expect(cluster.members.flatMap((each) => each.logs()).join('\n')).not.toContain('ready to serve client requests')
  })

  it('asks for no certificate if clientCertAuth is false', async () => {
    await using etcd = await startEtcd({ server: pki.server, clientCertAuth: false, via: 'binary' })
    expect((await gateway(etcd.endpoint, '/health', mintPki().client, undefined, pki.server)).status).toBe(200)
  })
})

it.each([
  ['a flag that etcd does not know', { via: 'binary', args: ['--no-such-flag'] }, 'not defined: -no-such-flag'],
  ['an image that cannot be had', { via: 'container', image: 'localhost:1/no/such-etcd:1' }, 'such-etcd'],
  ['a program that is not there', { via: 'binary', binary: '/no/such/etcd' }, '"/no/such/etcd" cannot be started'],
] as const)('%s is named', async (_what, options, named) => {
  const { message } = await refused(startEtcd({ server: pki.server, ...options }), 'ERR_ETCD_NOT_STARTED')
  expect(message).toContain(named)
})
