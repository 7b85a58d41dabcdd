/** What a client means to its process, and the process's environment to the client. Each runs in a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it as every } from 'vitest'
import { Flag, FrameType } from '../../../src/client/http2/protocol.js'
import { type Compiled, compileSources, root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { frame, framePeer, GRPC_HEADERS, literal } from '../../support/http2-frames.js'
import { oneIn, scaled } from '../../support/long.js'
import { emptyAnswer, grpcPeer, type Peer, serverTls, silentPeer } from '../../support/peers.js'

const it = oneIn(2, every)

const pki = mintPki()
const stranger = mintPki('Stranger')
let compiled: Compiled
let folder: string
let peer: Peer

beforeAll(async () => {
  compiled = await compileSources()
  folder = mkdtempSync(join(tmpdir(), 'client-'))
  writeFileSync(join(folder, 'ca.crt'), pki.root.pem)
  writeFileSync(join(folder, 'stranger.crt'), stranger.root.pem)
  for (const name of ['alice', 'bob']) {
    const { chain, key } = pki.issueClient({ subject: name })
    writeFileSync(join(folder, `${name}.crt`), chain[0].toPem())
    writeFileSync(join(folder, `${name}.key`), key.exportPem())
  }
  peer = await grpcPeer(pki.server)
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await peer[Symbol.asyncDispose]()
})

/** Runs code with functions `of(name)` and `connect(endpoints, options)`, after a command of the shell; ends it before the test times out. */
async function run(
  code: string,
  env: Record<string, string> = {},
  before = 'true',
): Promise<{ stdout: string; stderr: string }> {
  const prelude = `
    import { createSecureClient } from ${JSON.stringify(compiled.url('client/index.js'))}
    import { fromFiles } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const file = (name) => ${JSON.stringify(folder)} + '/' + name
    const of = (name) => fromFiles({ ca: file('ca.crt'), cert: file(name + '.crt'), key: file(name + '.key') })
    const connect = (endpoints, options) =>
      createSecureClient({ endpoints: [endpoints].flat(), credentials: of('alice'), ...options })
  `
  const args = ['--input-type=module', '--eval', prelude + code]
  const command = ['-c', `${before} && exec "$0" "$@"`, process.execPath, ...args]
  return promisify(execFile)('sh', command, { cwd: root, env: { ...process.env, ...env }, timeout: 280_000 })
}

describe('the process', () => {
  it('survives a host name whose first address refuses connections', async () => {
    // Node 20 to 24 end with SIGSEGV if TLS starts on a socket that is still choosing between addresses.
    const { stdout } = await run(`
      import dns from 'node:dns'
      const addresses = [{ address: '::1', family: 6 }, { address: '127.0.0.2', family: 4 }, { address: '127.0.0.1', family: 4 }]
      dns.lookup = (name, options, done) => process.nextTick(done, null, addresses)
      const client = await connect({ url: 'https://etcd.test:${String(peer.port)}', serverName: 'localhost' })
      await client.put('a').value('b')
      console.log(client.tls.endpoints[0].state)
      client.close()
    `)
    expect(stdout).toBe('ready\n')
  })

  it('uses no freed memory if a server is not etcd, by the checks of libc_malloc_debug (a missing library is an error)', async () => {
    const notFound = Buffer.concat([GRPC_HEADERS, literal('grpc-status', '12')])
    await using other = await framePeer(serverTls(pki.server), (stream, send) => {
      send(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, notFound))
    })
    const code = `
      const codes = new Set()
      const dial = () => connect('${other.endpoint}').catch((error) => codes.add(error.details.report.findings[0].code))
      for (let i = 0; i < ${String(scaled({ short: 10, long: 100 }))}; i += 1) await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(dial))
      console.log(...codes)`
    // mallopt(3): an error of the heap ends the process, and freed memory is overwritten.
    const checks = { LD_PRELOAD: 'libc_malloc_debug.so.0', MALLOC_CHECK_: '3', MALLOC_PERTURB_: '165' }
    expect(await run(code, checks)).toEqual({ stdout: 'endpoint/not-etcd\n', stderr: '' })
  })

  it('stays alive while it awaits a call, a probe, a rotation or the end of a client', async () => {
    await using slow = await grpcPeer(pki.server, (stream) => {
      setTimeout(() => {
        emptyAnswer(stream)
      }, 500)
    })
    // No warning for an IP address as host, nor after many rotations.
    const code = `
      const client = await connect('${slow.endpoint}', { preflight: 'none' })
      console.log(await client.get('a').string())
      console.log((await client.tls.probe()).ok)
      for (let i = 0; i < ${String(scaled({ short: 12, long: 100 }))}; i += 1) await client.tls.rotate(of(i % 2 ? 'alice' : 'bob'))
      console.log(client.tls.report.path[0].subject)
      await client[Symbol.asyncDispose]()
      console.log('closed')`
    expect(await run(code)).toEqual({ stdout: 'null\ntrue\nCN=alice\nclosed\n', stderr: '' })
  })

  it('runs `finally` and ends by itself if a watch is created while the client closes', async () => {
    const code = `
      const client = await connect('${peer.endpoint}')
      const name = (error) => error.constructor.name
      try {
        const pending = client.watch().key('a').create()
        client.close()
        console.log(await pending.catch(name), await client.namespace('n/').watch().key('a').create().catch(name))
      } finally {
        console.log('finally')
      }`
    expect((await run(code)).stdout).toBe('ClientClosedError ClientClosedError\nfinally\n')
  })

  it('gets ERR_LOAD_FAILED from calls whose code loads without a free file descriptor', async () => {
    const { stdout } = await run(
      `
      import { createAuthority, fileLedger } from ${JSON.stringify(compiled.url('authority/index.js'))}
      import { fromKubeadmConfig, lintEtcdConfig } from ${JSON.stringify(compiled.url('config/index.js'))}
      import { closeSync, openSync } from 'node:fs'
      const ledger = fileLedger(file('ledger'))
      const doors = [
        () => connect([]),
        () => createAuthority({}),
        () => ledger.append([]),
        () => lintEtcdConfig({}),
        () => fromKubeadmConfig({}),
      ]
      const all = async () => {
        for (const door of doors) {
          const error = await door().catch((error) => error)
          console.log(error?.code, error?.details?.errorCode, error?.cause?.code)
        }
      }
      const opened = []
      try {
        for (;;) opened.push(openSync(process.execPath))
      } catch {}
      await all()
      opened.forEach((each) => closeSync(each))
      await all()`,
      {},
      'ulimit -n 60',
    )
    const lines = stdout.trim().split('\n')
    expect(new Set(lines.slice(0, 5))).toEqual(new Set(['ERR_LOAD_FAILED EMFILE EMFILE']))
    // Node 20 remembers a load that failed.
    const again = process.version.startsWith('v20.')
      ? 'ERR_LOAD_FAILED EMFILE EMFILE'
      : 'ERR_OPTION_INVALID undefined undefined'
    expect([lines[5], lines[6], lines[8]]).toEqual([again, again, again])
  })

  it('ends while clients are open: one is idle, one was never used, and one dials an endpoint that is gone', async () => {
    await using silent = await silentPeer()
    const code = `
      const used = await connect('${peer.endpoint}')
      const unused = await connect('${peer.endpoint}')
      const dialling = await connect(['${peer.endpoint}', '${silent.endpoint}', 'https://127.0.0.1:1'], { dialTimeout: '1h' })
      for (const each of [used, dialling]) await each.get('a').string()
      used.tls.events().next().then(console.log)
      await used.tls.rotate(of('bob'))
      console.log(unused.tls.endpoints[0].state)`
    const { stdout, stderr } = await run(code)
    expect(stdout).toMatch(/ready\n$/)
    expect(stderr).toBe('')
  })
})

it('does not use CAs, verification settings or proxies of the environment', async () => {
  await using strange = await grpcPeer(serverTls(stranger.server, { ca: [pki.root.pem] }))
  const nowhere = 'http://127.0.0.1:1'
  const { stdout } = await run(
    `await connect('${strange.endpoint}').then(() => console.log('connected'), (error) => console.log(error.code))
     const client = await connect('${peer.endpoint}')
     console.log(client.tls.endpoints[0].state)`,
    {
      NODE_EXTRA_CA_CERTS: join(folder, 'stranger.crt'),
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      grpc_proxy: nowhere,
      https_proxy: nowhere,
      HTTPS_PROXY: nowhere,
      http_proxy: nowhere,
    },
  )
  expect(stdout).toBe('ERR_HANDSHAKE_FAILED\nready\n')
})
