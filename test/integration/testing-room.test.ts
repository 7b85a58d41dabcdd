import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { getContainerRuntimeClient } from 'testcontainers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import { startEtcd, startEtcdCluster, type Runtime } from '../../src/testing/index.js'
import { gateway, mintedCredentials, mintPki } from '../support/etcd.js'
import { ALERTS_SAY_WHY } from '../support/etcd-version.js'
import { dns, ip, mintLeaf } from '../support/mint.js'

const RUN = `testing-room-${String(process.pid)}`
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'testing-room-'))
  vi.stubEnv('ETCD_MTLS_TEST_RUN', RUN)
  vi.stubEnv('TMPDIR', folder)
})

afterEach(async () => {
  // Whatever a test did, nothing of it may be left.
  const left = { containers: await containers(), networks: await networks(), files: readdirSync(folder) }
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
  expect(left).toEqual({ containers: [], networks: [], files: [] })
})

async function engine(): Promise<Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode']> {
  return (await getContainerRuntimeClient()).container.dockerode
}

const mine = { label: [`etcd-mtls.run=${RUN}`] }

async function containers(): Promise<string[]> {
  const found = await (await engine()).listContainers({ all: true, filters: mine })
  return found.map((each) => each.Id)
}

async function networks(): Promise<string[]> {
  const found = await (await engine()).listNetworks({ filters: mine })
  return found.map((each) => each.Name)
}

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
    const pki = mintPki()
    const etcd = await startEtcd({ server: pki.server, via })
    const serves = async (): Promise<void> => {
      expect((await gateway(etcd.endpoint, '/health', pki.client)).status).toBe(200)
    }
    expect(etcd.endpoints).toEqual([`https://127.0.0.1:${String(etcd.port)}`])
    expect(await etcd.etcdctl(['put', 'key', 'value'], pki.client)).toMatchObject({ exitCode: 0, stdout: 'OK\n' })

    await etcd.pause()
    expect(await firstEvent(etcd.port)).toEqual(['connect', 'timeout'])
    await etcd.resume()
    await serves()

    await etcd.stop()
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(/ECONN|hang up/)
    await etcd.start()
    expect(await etcd.etcdctl(['get', 'key'], pki.client)).toMatchObject({ exitCode: 0, stdout: 'key\nvalue\n' })
    await serves()

    await etcd.replaceServer(pki.issueServer({ names: [dns('elsewhere')] }))
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(/altnames/)
    await etcd.replaceServer(pki.issueServer())
    await serves()

    await etcd.close()
    await etcd.close()
    await expect(etcd.start()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('asks for a certificate of the given CA', async () => {
    const pki = mintPki()
    const other = mintPki('Other root')
    await using etcd = await startEtcd({
      server: pki.server,
      clientCa: other.server.trustAnchors,
      via,
    })
    const known = mintedCredentials({ leaf: mintLeaf({ subject: 'root', issuer: other.root }), trust: [pki.root] })
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(
      `alert number ${ALERTS_SAY_WHY ? '48' : '42'}`,
    )
    expect(await etcd.waitForLog(/rejected connection/)).toMatch(/unknown authority/)
    expect((await gateway(etcd.endpoint, '/version', known)).status).toBe(200)
  })

  it('asks for none if clientCertAuth is false', async () => {
    const pki = mintPki()
    await using etcd = await startEtcd({ server: pki.server, clientCertAuth: false, via })
    expect((await gateway(etcd.endpoint, '/health', mintPki().client, undefined, pki.server)).status).toBe(200)
  })

  it('reads further files and flags', async () => {
    const pki = mintPki()
    await using etcd = await startEtcd({
      server: pki.server,
      files: { 'empty.crl': '' },
      args: ({ directory }) => [`--client-crl-file=${directory}/empty.crl`],
      via,
    })
    // An empty CRL file makes etcd close every connection after the handshake.
    await expect(gateway(etcd.endpoint, '/health', pki.client)).rejects.toThrow(/hang up|ECONNRESET/)
  })

  it('that cannot use its key is reported with its own words, and removed', async () => {
    const { root } = mintPki()
    const [leaf, other] = [mintLeaf({ subject: 'a', issuer: root }), mintLeaf({ subject: 'b', issuer: root })]
    const server = mintedCredentials({ leaf, key: other, trust: [root] })
    const error = await startEtcd({ server, via }).catch((caught: unknown) => caught)
    if (!isEtcdMtlsError(error, 'ERR_ETCD_NOT_STARTED')) throw error
    expect(error.message).toContain('private key does not match public key')
    expect(error.details.logs.join('\n')).toContain('listener failed')
  })

  it('that does not know a flag is reported with its own words', async () => {
    const error = await startEtcd({ server: mintPki().server, args: ['--no-such-flag'], via }).catch((e: unknown) => e)
    if (!isEtcdMtlsError(error, 'ERR_ETCD_NOT_STARTED')) throw error
    expect(error.message).toContain('flag provided but not defined: -no-such-flag')
  })

  it('that does not come to serve in time is removed', async () => {
    const never = startEtcd({ server: mintPki().server, via, readyLine: /never written/, startTimeout: '1500ms' })
    await expect(never).rejects.toMatchObject({
      code: 'ERR_ETCD_NOT_STARTED',
      details: { reason: 'etcd did not serve within 1.5 s.' },
    })
  })

  it.each([0, 200])('is removed when its start is aborted after %i ms', async (delay) => {
    const stop = new AbortController()
    const start = startEtcd({ server: mintPki().server, via, readyLine: /never written/, signal: stop.signal })
    const timer = setTimeout(() => {
      stop.abort(new Error('enough'))
    }, delay)
    await expect(start).rejects.toThrow('enough')
    clearTimeout(timer)
  })

  it('forms a cluster with others over mutual TLS', async () => {
    const pki = mintPki()
    const member = (name: string): { name: string; server: typeof pki.server; peer: typeof pki.server } => ({
      name,
      server: pki.issueServer(),
      peer: pki.issueServer({ subject: name, names: via === 'binary' ? [ip('127.0.0.1')] : [dns(name)] }),
    })
    await using cluster = await startEtcdCluster({ members: [member('etcd-0'), member('etcd-1')], via })
    expect(await cluster.member('etcd-0').etcdctl(['put', 'a', 'b'], pki.client)).toMatchObject({ exitCode: 0 })
    expect(await cluster.member('etcd-1').etcdctl(['get', 'a'], pki.client)).toMatchObject({ stdout: 'a\nb\n' })
    expect(() => cluster.member('etcd-9')).toThrow('must be one of etcd-0, etcd-1')
  })

  it('forms no cluster with peers that may only be servers', async () => {
    const pki = mintPki()
    const names = via === 'binary' ? [ip('127.0.0.1')] : [dns('etcd-0'), dns('etcd-1')]
    const peer = pki.issueServer({ names, usages: ['serverAuth'] })
    const members = [
      { name: 'etcd-0', server: pki.server, peer },
      { name: 'etcd-1', server: pki.server, peer },
    ] as const
    const readyLine = /incompatible key usage|bad certificate/
    await using cluster = await startEtcdCluster({ members, via, readyLine })
    expect(cluster.members.flatMap((each) => each.logs()).join('\n')).not.toContain('ready to serve client requests')
  })
})

it('a container publishes its port on 127.0.0.1 alone, and its key can be read by etcd alone', async () => {
  await using etcd = await startEtcd({ server: mintPki().server, via: 'container' })
  const [id] = await containers()
  const container = (await engine()).getContainer(id ?? '')
  const { HostConfig: host, NetworkSettings: network } = await container.inspect()
  expect(network.Ports['2379/tcp']).toEqual([{ HostIp: '127.0.0.1', HostPort: String(etcd.port) }])
  expect(Object.keys(host.PortBindings as object)).toEqual(['2379/tcp'])
  const response = (await container.infoArchive({ path: '/etcd-mtls/tls/server.key' })) as IncomingMessage
  const stat = Buffer.from(String(response.headers['x-docker-container-path-stat']), 'base64').toString()
  expect(JSON.parse(stat)).toMatchObject({ name: 'server.key', mode: 0o600 })
  expect(etcd.logs().join()).not.toContain('PRIVATE KEY')
})

it('a process has its key in a folder and a file that only its user can read, and leaves no listener when it is closed', async () => {
  const before = process.listenerCount('exit')
  const etcd = await startEtcd({ server: mintPki().server, via: 'binary' })
  const [home] = readdirSync(folder)
  expect(etcd.logs().length).toBeGreaterThan(0)
  expect(statSync(join(folder, home ?? '')).mode & 0o777).toBe(0o700)
  expect(statSync(join(folder, home ?? '', 'tls', 'server.key')).mode & 0o777).toBe(0o600)
  expect(process.listenerCount('exit')).toBe(before + 1)
  await etcd.close()
  expect(process.listenerCount('exit')).toBe(before)
})

it('an image that cannot be had is named', async () => {
  const image = 'localhost:1/no/such-etcd:1'
  const error = await startEtcd({ server: mintPki().server, via: 'container', image }).catch((e: unknown) => e)
  if (!isEtcdMtlsError(error, 'ERR_ETCD_NOT_STARTED')) throw error
  expect(error.message).toContain('such-etcd')
})

it('a program that is not there is named', async () => {
  const start = startEtcd({ server: mintPki().server, via: 'binary', binary: '/no/such/etcd' })
  await expect(start).rejects.toMatchObject({
    code: 'ERR_ETCD_NOT_STARTED',
    message: expect.stringContaining('"/no/such/etcd" cannot be started') as string,
  })
})
