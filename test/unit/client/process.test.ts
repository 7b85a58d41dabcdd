/** What a client means to its process, and the process's environment to the client. Each runs in a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Compiled, compileSources, root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer, type Peer, serverTls, silentPeer } from '../../support/peers.js'

const pki = mintPki()
const stranger = mintPki('Stranger')
let compiled: Compiled
let folder: string
let peer: Peer

beforeAll(async () => {
  compiled = await compileSources()
  folder = mkdtempSync(join(tmpdir(), 'client-'))
  writeFileSync(join(folder, 'ca.crt'), pki.root.pem)
  writeFileSync(join(folder, 'client.crt'), pki.client.chain[0].toPem())
  writeFileSync(join(folder, 'client.key'), pki.client.key.exportPem())
  writeFileSync(join(folder, 'stranger.crt'), stranger.root.pem)
  peer = await grpcPeer(serverTls(pki.server), emptyAnswer)
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await peer[Symbol.asyncDispose]()
})

/** Runs code with a function `connect(endpoint, options)`; gives what it wrote, and ends it after a minute. */
async function run(code: string, env: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  const prelude = `
    import { createSecureClient } from ${JSON.stringify(compiled.url('client/index.js'))}
    import { fromFiles } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const file = (name) => ${JSON.stringify(folder)} + '/' + name
    const credentials = fromFiles({ ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') })
    const connect = (endpoints, options) => createSecureClient({ endpoints: [endpoints].flat(), credentials, ...options })
  `
  const args = ['--input-type=module', '--eval', prelude + code]
  return promisify(execFile)(process.execPath, args, { cwd: root, env: { ...process.env, ...env }, timeout: 60_000 })
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

  it('ends automatically while a client is open and idle, and no warning was given for an IP address as host', async () => {
    const code = `const client = await connect('${peer.endpoint}'); console.log(await client.get('a').string())`
    expect(await run(code)).toEqual({ stdout: 'null\n', stderr: '' })
  })

  it('ends automatically while a client is open that was never used', async () => {
    const code = `const client = await connect('${peer.endpoint}'); console.log(client.tls.endpoints[0].state)`
    expect(await run(code)).toEqual({ stdout: 'ready\n', stderr: '' })
  })

  it('ends automatically while an endpoint that is gone is dialled again and again', async () => {
    await using silent = await silentPeer()
    const code = `const client = await connect(['${peer.endpoint}', '${silent.endpoint}', 'https://127.0.0.1:1'], { dialTimeout: '1h' })
      console.log(await client.get('a').string())`
    expect(await run(code)).toEqual({ stdout: 'null\n', stderr: '' })
  })

  it('stays alive while the end of a client is waited for', async () => {
    const code = `
      for (let i = 0; i < 20; i += 1) {
        const client = await connect('${peer.endpoint}')
        await client.get('a').string()
        await client[Symbol.asyncDispose]()
      }
      console.log('closed')`
    expect(await run(code)).toEqual({ stdout: 'closed\n', stderr: '' })
  })

  it('stays alive while a call waits for its answer', async () => {
    await using slow = await grpcPeer(serverTls(pki.server), (stream) => {
      setTimeout(() => {
        emptyAnswer(stream)
      }, 500)
    })
    const code = `const client = await connect('${slow.endpoint}', { preflight: 'none' }); console.log(await client.get('a').string())`
    expect(await run(code)).toEqual({ stdout: 'null\n', stderr: '' })
  })
})

describe('the environment does not weaken the client', () => {
  const report = `.then(() => console.log('connected'), (error) => console.log(error.code))`

  it('NODE_EXTRA_CA_CERTS adds no trust', async () => {
    await using strange = await grpcPeer(serverTls(stranger.server, { ca: [pki.root.pem] }), emptyAnswer)
    const { stdout } = await run(`connect('${strange.endpoint}')${report}`, {
      NODE_EXTRA_CA_CERTS: join(folder, 'stranger.crt'),
    })
    expect(stdout).toBe('ERR_HANDSHAKE_FAILED\n')
  })

  it('NODE_TLS_REJECT_UNAUTHORIZED=0 takes no verification away', async () => {
    await using strange = await grpcPeer(serverTls(stranger.server, { ca: [pki.root.pem] }), emptyAnswer)
    const { stdout } = await run(`connect('${strange.endpoint}')${report}`, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })
    expect(stdout).toBe('ERR_HANDSHAKE_FAILED\n')
  })

  it('a proxy in the environment is not used', async () => {
    const nowhere = 'http://127.0.0.1:1'
    const { stdout } = await run(
      `connect('${peer.endpoint}', {}).then((client) => { client.close(); console.log('ok') })`,
      {
        grpc_proxy: nowhere,
        https_proxy: nowhere,
        HTTPS_PROXY: nowhere,
        http_proxy: nowhere,
      },
    )
    expect(stdout).toBe('ok\n')
  })
})
