/** Credentials from an issuer elsewhere: what it is asked, what is checked, and what happens when it fails. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Authority,
  cfssl,
  command,
  createAuthority,
  fromIssuer,
  type FromIssuerOptions,
  type Issuer,
  type IssuerRequest,
} from '../../../src/authority/index.js'
import { issuerSource } from '../../../src/authority/issuer/issuer.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { handClock } from '../../support/hand-clock.js'
import { temporaryFolder } from '../../support/openssl.js'

const HOUR = 3_600_000
const folder = temporaryFolder()

type Sign = (csr: string, request: IssuerRequest) => Promise<{ chain: string; key?: string }>

/** An authority as the issuer, whose answers a test replaces. */
async function bench(options: Partial<FromIssuerOptions> = {}, validity = '3h') {
  const clock = handClock()
  const authority = await createAuthority({ name: 'CA', clock: clock.now })
  const asked: IssuerRequest[] = []
  const state = { sign: signBy(authority, validity) }
  const issuer: Issuer = {
    origin: 'the test',
    sign: (csr, request) => {
      asked.push(request)
      return state.sign(csr, request)
    },
  }
  const ca = authority.certificate.toPem()
  const wanted = { name: 'app', ca, clientCa: ca, jitter: 0, ...options }
  const source = issuerSource(issuer, wanted, clock)
  return Object.assign(state, { clock, authority, asked, source })
}

function signBy(authority: Authority, validity: string, name?: string): Sign {
  return async (csr, { hosts, ...asked }) => {
    const { chain } = await authority.sign(csr, {
      role: 'client',
      name: name ?? asked.name,
      hosts: [...hosts],
      validity,
    })
    return { chain: chain.map((each) => each.toPem()).join('') }
  }
}

/** What a load rejects with. */
async function failureOf(load: Promise<unknown>): Promise<{ message: string; reason: string; since: Date }> {
  const error: unknown = await load.catch((reason: unknown) => reason)
  if (!isEtcdMtlsError(error, 'ERR_ISSUER_FAILED')) throw error
  expect(error.cause).toBeUndefined()
  return { message: error.message, ...error.details }
}

describe('fromIssuer', () => {
  it('asks with a request for the name and the hosts, and keeps the key', async () => {
    const { source, asked } = await bench({ hosts: ['app.example', '10.0.0.1'] })
    const { chain, key } = await source.load()
    expect(chain[0].subject.commonName).toBe('app')
    expect(chain[0].covers(['app.example', '10.0.0.1']).map((each) => each.name)).not.toContain(null)
    expect(asked).toMatchObject([{ name: 'app', hosts: ['app.example', '10.0.0.1'], current: null }])
    expect(key.exportPem()).toContain('PRIVATE KEY')
    expect(JSON.stringify(source)).toBe('{"origin":"the test"}')
  })

  it('asks again after two thirds of the lifetime that is left on arrival, with a new key and the credentials in use', async () => {
    const { source, asked, clock } = await bench()
    const first = await source.load()
    clock.advance(2 * HOUR - 60_000)
    expect((await source.load()).chain[0].serialNumber).toBe(first.chain[0].serialNumber)
    clock.advance(120_000)
    const second = await source.load()
    expect(second.chain[0].serialNumber).not.toBe(first.chain[0].serialNumber)
    expect(second.key.exportPem()).not.toBe(first.key.exportPem())
    expect(asked[1]?.current?.chain[0].serialNumber).toBe(first.chain[0].serialNumber)
  })

  it.each<[string, (given: { authority: Authority; stranger: Authority }) => Sign | Promise<Sign>, RegExp]>([
    [
      'a certificate with another key',
      async ({ authority }) => {
        const { chain } = await authority.issue({ role: 'client', name: 'app' })
        return () => Promise.resolve({ chain: chain[0].toPem() })
      },
      /key\/mismatch/,
    ],
    [
      'a certificate with another name',
      ({ authority }) => signBy(authority, '3h', 'root'),
      /^its certificate has the name "root" instead of "app"$/,
    ],
    [
      'a certificate without the host',
      ({ authority }) =>
        (csr, request) =>
          signBy(authority, '3h')(csr, { ...request, hosts: [] }),
      /san\/host-not-covered/,
    ],
    ['a certificate of another CA', ({ stranger }) => signBy(stranger, '3h'), /chain\/issuer-not-found/],
    ['a page', () => () => Promise.resolve({ chain: '<html>sign in</html>' }), /^its answer cannot be read: /],
    ['nothing', () => () => Promise.resolve(undefined as never), /^it returned no chain$/],
    [
      'an error with a secret',
      () => () => Promise.reject(new Error(`POST failed: -----BEGIN PRIVATE KEY-----\ncanary`)),
      /^its words are not shown/,
    ],
    ['an error', () => () => Promise.reject(new Error('503 from the CA\nAuthorization: canary')), /^503 from the CA$/],
  ])('refuses %s, and says so in words of its own', async (_what, make, reason) => {
    const made = await bench({ hosts: ['app.example'] })
    const stranger = await createAuthority({ name: 'Other', clock: made.clock.now })
    made.sign = await make({ authority: made.authority, stranger })
    const failure = await failureOf(made.source.load())
    expect(failure.reason).toMatch(reason)
    expect(failure.message).toBe(`the test failed: ${failure.reason}`)
    expect(JSON.stringify(failure)).not.toContain('canary')
  })

  it('keeps the credentials in use while the issuer fails, with pauses of at most a tenth of their rest, and 5 s after the end', async () => {
    const made = await bench()
    const first = await made.source.load()
    made.sign = () => Promise.reject(new Error('down'))
    const controller = new AbortController()
    const got: string[] = []
    const following = (async () => {
      for (;;) {
        try {
          for await (const { chain } of made.source.watch(controller.signal, first)) got.push(chain[0].serialNumber)
          return
        } catch {
          if (controller.signal.aborted) return
        }
      }
    })()
    let attempts = 0
    made.sign = () => {
      attempts += 1
      return Promise.reject(new Error('down'))
    }
    // The first moment after the lifetime.
    const end = first.chain[0].notAfter.getTime() + 1000
    await expect.poll(() => made.clock.waits.length).toBe(1)
    made.clock.advance(2 * HOUR + 10_000)
    for (let expired = 0; expired < 3;) {
      const before = attempts
      // Between two attempts only their pause is waited for; in one, the time-outs are.
      await expect
        .poll(() => [attempts > 0, made.clock.waits.length, Math.max(...made.clock.waits) <= 60_000])
        .toEqual([true, 1, true])
      const [pause = 0] = made.clock.waits
      const left = end - made.clock.now().getTime()
      expect(Math.floor(pause)).toBeLessThanOrEqual(left > 0 ? Math.max(500, left / 10) : 5000)
      if (left <= 0) expired += 1
      made.clock.advance(pause)
      await expect.poll(() => attempts).toBeGreaterThan(before)
    }
    made.sign = signBy(made.authority, '3h')
    await expect
      .poll(() => {
        made.clock.advance(5000)
        return got.length
      })
      .toBe(1)
    controller.abort()
    await following
  })

  it('holds a certificate back until it is valid, for at most a minute', async () => {
    const later = handClock(new Date('2026-06-01T00:05:30Z'))
    const made = await bench()
    const ahead = await createAuthority({ name: 'CA', clock: later.now })
    // A certificate of this package begins five minutes before it is issued.
    const issuer: Issuer = { origin: 'ahead', sign: signBy(ahead, '3h') }
    const options = { name: 'app', ca: ahead.certificate.toPem() }
    let isDone = false
    const loading = issuerSource(issuer, options, made.clock).load()
    void loading.then(() => (isDone = true))
    await expect.poll(() => made.clock.waits).toContain(30_000)
    expect(isDone).toBe(false)
    made.clock.advance(30_000)
    await expect(loading).resolves.toBeDefined()
    later.advance(5 * 60_000)
    const failure = await failureOf(issuerSource(issuer, options, made.clock).load())
    expect(failure.reason).toBe('its certificate is valid only from 2026-06-01T00:05:30.000Z on')
  })

  it('aborts a request that takes too long, and says since when the issuer fails', async () => {
    const made = await bench({ timeout: '10s' })
    made.sign = () => new Promise(() => undefined)
    const loading = failureOf(made.source.load())
    await expect.poll(() => made.clock.waits).toContain(10_000)
    const since = new Date(made.clock.now().getTime() + 10_000)
    made.clock.advance(10_000)
    expect(await loading).toMatchObject({ reason: 'it gave no answer within 10 s', since })
    expect(made.asked[0]?.signal.aborted).toBe(true)
    made.sign = () => Promise.reject(new Error('down'))
    made.clock.advance(60_000)
    expect(await failureOf(made.source.load())).toMatchObject({ reason: 'down', since })
  })

  it.each<[string, object, object]>([
    ['issuer', {}, {}],
    ['issuer.origin', { origin: '', sign: () => null }, {}],
    ['name', { origin: 'x', sign: () => null }, { name: '' }],
    ['ca', { origin: 'x', sign: () => null }, { ca: 5 }],
    ['timeout', { origin: 'x', sign: () => null }, { timeout: '0s' }],
    ['fraction', { origin: 'x', sign: () => null }, { fraction: 2 }],
  ])('refuses a wrong %s', (option, issuer, options) => {
    const call = (): unknown => fromIssuer(issuer as Issuer, { name: 'app', ca: 'x', ...options })
    expect(call).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) as object }),
    )
  })
})

describe('command', () => {
  const run = (script: string, input: 'csr' | 'none' = 'csr', signal = new AbortController().signal) =>
    command({ file: 'sh', args: ['-c', script], env: { CANARY: 'canary' }, input }).sign('the request\n', {
      ...{ name: 'app', hosts: [], current: null },
      signal,
    })

  it('writes the request to the standard input, and reads the chain', async () => {
    expect(await run('cat')).toEqual({ chain: 'the request\n' })
  })

  it('reads an ExecCredential, with a key only if the program makes it', async () => {
    const status = { clientCertificateData: 'CERT', clientKeyData: 'KEY' }
    const file = folder.file('credential.json', JSON.stringify({ kind: 'ExecCredential', status }))
    expect(await run(`cat ${file}`)).toEqual({ chain: 'CERT' })
    expect(await run(`cat ${file}`, 'none')).toEqual({ chain: 'CERT', key: 'KEY' })
  })

  it('takes the key out of PEM text', async () => {
    const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'
    const file = folder.file('both.pem', `CERT\n${key}\n`)
    expect(await run(`cat ${file}`, 'none')).toEqual({ chain: 'CERT\n\n', key })
    await expect(run('echo CERT', 'none')).rejects.toThrow('it wrote no private key')
  })

  it.each([
    ['echo first >&2; echo "the CA is down" >&2; exit 3', 'it ended with exit code 3: the CA is down'],
    [
      'echo "-----BEGIN PRIVATE KEY-----" >&2; exit 1',
      'it ended with exit code 1: its words are not shown, because they hold encoded data',
    ],
    ['kill -9 $$', 'it was ended by SIGKILL: '],
    ['head -c 2000000 /dev/zero', 'it wrote more than 1048576 bytes'],
    ["echo '{'", 'it wrote JSON that cannot be read'],
    ["echo '{}'", 'its JSON has no status.clientCertificateData'],
  ])('reports that %s', async (script, message) => {
    await expect(run(script)).rejects.toThrow(message)
  })

  it('reports a program that does not exist', async () => {
    const sign = command({ file: '/does/not/exist', input: 'csr' }).sign('', {
      name: 'a',
      hosts: [],
      current: null,
      signal: new AbortController().signal,
    })
    await expect(sign).rejects.toThrow('it cannot be run (ENOENT)')
  })

  it('ends the program and its children when the signal aborts, also if SIGTERM is ignored', async () => {
    const pids = folder.file('pids', '')
    const over = new AbortController()
    const running = run(
      `trap '' TERM; sh -c "trap '' TERM; echo \\$\\$ >> ${pids}; sleep 600" & echo $$ >> ${pids}; wait`,
      'csr',
      over.signal,
    )
    const known = (): number[] =>
      execFileSync('cat', [pids], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .filter((each) => each !== '')
        .map(Number)
    await expect.poll(() => known().length).toBe(2)
    over.abort()
    await expect(running).rejects.toThrow('it was ended by SIGKILL')
    const isAlive = (pid: number): boolean => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    }
    await expect.poll(() => known().filter(isAlive)).toEqual([])
  })
})

describe('cfssl', () => {
  type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

  async function server(handle: Handler): Promise<string> {
    const listening = createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        handle(request, response, Buffer.concat(pieces).toString())
      })
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => listening.once('listening', resolve))
    onTestFinished(() => {
      listening.closeAllConnections()
      listening.close()
    })
    return `http://127.0.0.1:${String((listening.address() as AddressInfo).port)}`
  }

  const ask = (issuer: Issuer, signal = AbortSignal.timeout(30_000)) =>
    issuer.sign('CSR', { name: 'app', hosts: ['a'], current: null, signal })

  it('sends the request, the hosts and the profile', async () => {
    let seen: unknown[] = []
    const url = await server((request, response, body) => {
      seen = [request.url, JSON.parse(body)]
      response.end(JSON.stringify({ success: true, result: { certificate: 'CERT' } }))
    })
    expect(await ask(cfssl({ url, profile: 'client' }))).toEqual({ chain: 'CERT' })
    expect(seen).toEqual(['/api/v1/cfssl/sign', { certificate_request: 'CSR', hosts: ['a'], profile: 'client' }])
  })

  it('authenticates by the key of the profile', async () => {
    const authKey = '0123456789abcdef0123456789abcdef'
    let isAuthentic = false
    const url = await server((request, response, body) => {
      const { token, request: inner } = JSON.parse(body) as { token: string; request: string }
      const text = Buffer.from(inner, 'base64')
      isAuthentic = createHmac('sha256', Buffer.from(authKey, 'hex')).update(text).digest('base64') === token
      response.end(JSON.stringify({ success: request.url?.endsWith('/authsign'), result: { certificate: 'CERT' } }))
    })
    await ask(cfssl({ url, authKey }))
    expect(isAuthentic).toBe(true)
  })

  it.each<[string, Handler, string]>([
    [
      'a redirect',
      (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'it answered with the HTTP status 302',
    ],
    ['a page', (_, response) => response.end('<html>'), 'its answer is not JSON'],
    ['2 MiB', (_, response) => response.end('x'.repeat(2 * 1024 * 1024)), 'its answer has more than 1048576 bytes'],
    [
      'half an answer',
      (_, response) => response.writeHead(200, { 'content-length': 100 }).write('{') && response.destroy(),
      'it cannot be reached (ECONNRESET)',
    ],
    [
      'a refusal',
      (_, response) => response.writeHead(400).end('{"success":false,"errors":[{"message":"unknown profile"}]}'),
      'it refused: unknown profile',
    ],
    [
      'a refusal with a token',
      (_, response) => response.writeHead(401).end(`{"success":false,"errors":[{"message":"${'k'.repeat(64)}"}]}`),
      'it refused: its words are not shown, because they hold encoded data',
    ],
    [
      'no certificate',
      (_, response) => response.end('{"success":true,"result":null}'),
      'its answer has no certificate',
    ],
    ['null', (_, response) => response.end('null'), 'its answer has no certificate'],
  ])('reports %s', async (_what, handle, message) => {
    await expect(ask(cfssl({ url: await server(handle) }))).rejects.toThrow(message)
  })

  it('ends when the signal aborts', async () => {
    const url = await server(() => undefined)
    await expect(ask(cfssl({ url }), AbortSignal.timeout(50))).rejects.toThrow('it cannot be reached')
  })

  it.each<[string, object]>([
    ['url', { url: 'ftp://a' }],
    ['url', { url: 'http://ca.example' }],
    ['url', { url: 'https://user:canary@ca.example' }],
    ['authKey', { url: 'https://ca.example', authKey: 'canary' }],
  ])('refuses a wrong %s: %o', (option, options) => {
    const call = (): Issuer => cfssl(options as never)
    expect(call).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as object,
        message: expect.not.stringContaining('canary') as string,
      }),
    )
  })
})
