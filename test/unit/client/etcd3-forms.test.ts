/** docs/migrating.md: each row is tested, by its first cell. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientClosedError, Etcd3 } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { createSecureClient, SecureEtcd3, type SecureClientOptions } from '../../../src/client/index.js'
import { fromFiles, fromPem } from '../../../src/credentials/index.js'
import { root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer, serverTls, silentPeer } from '../../support/peers.js'
import { OwnTime } from '../../support/own-time.js'
import { refused } from '../../support/refused.js'

const endpoints = 'https://127.0.0.1:1'
const certificate = { rootCertificate: Buffer.from(''), privateKey: Buffer.from(''), certChain: Buffer.from('') }

describe("options in etcd3's form", () => {
  it('include that of its older versions', async () => {
    const options = { endpoints, backoffStrategy: {} } as unknown as SecureClientOptions
    const { message } = await refused(createSecureClient(options), 'ERR_OPTION_INVALID')
    expect(message).toContain('use "etcd3: { faultHandling: { watchBackoff } }"')
  })
})

const page = readFileSync(join(root, 'docs/migrating.md'), 'utf8')

/** The rows of a table: what is in backticks in the first cell, and the second cell. */
function rowsOf(heading: string): { old: string; here: string }[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? ''
  return [...section.matchAll(/^\| (.+?) +\| (.+?) +\|$/gm)]
    .map(([, old = '', here = '']) => ({ old, here }))
    .filter(({ old }) => !/^etcd3|^-/.test(old))
}

const pki = mintPki()

describe('docs/migrating.md', () => {
  it.each(rowsOf('Options'))('has the form of the error: $old', async ({ old, here }) => {
    const [first = ''] = /`[^`]+`/.exec(old) ?? []
    const call = OPTIONS[first.replaceAll('`', '')]
    if (call === undefined) throw new Error(`no test for ${old}`)
    if (here === 'the same') {
      await expect(createSecureClient(call as SecureClientOptions)).rejects.not.toMatchObject({
        code: 'ERR_OPTION_INVALID',
      })
      return
    }
    const { details, message } = await refused(createSecureClient(call as SecureClientOptions), 'ERR_OPTION_INVALID')
    const forms = [...here.matchAll(/`([^`]+)`/g)].map(([, form = '']) => /[a-zA-Z]\w+/.exec(form)?.[0] ?? '')
    expect(
      forms.some((form) => message.includes(form)),
      message,
    ).toBe(true)
    expect(first).toContain(details.option.split('.').at(-1))
  })

  it('names calls that exist', () => {
    const quoted = rowsOf('Calls').flatMap(({ old }) => old.match(/`[^`]+`/g) ?? [])
    expect(quoted).toContain('`new Etcd3(options)`')
    const names = quoted.map((each) => /^(?:new )?\w+/.exec(each.slice(1))?.[0] ?? '')
    expect(SecureEtcd3.prototype).toBeInstanceOf(Etcd3)
    for (const name of names.filter((each) => each !== 'new Etcd3')) {
      expect(Reflect.get(SecureEtcd3.prototype, name), name).toBeTypeOf('function')
    }
  })
})

const OPTIONS: Record<string, object> = {
  hosts: { hosts: 'https://a:2379' },
  'credentials: { rootCertificate, certChain, privateKey }': { endpoints, credentials: certificate },
  'auth: { username, password }': {
    endpoints,
    credentials: pki.client,
    auth: { username: 'a', password: 'b' },
    dialTimeout: '1s',
  },
  'auth.callOptions': { endpoints, auth: { username: 'a', password: 'b', callOptions: {} } },
  'dialTimeout: 5000': { endpoints, credentials: pki.client, dialTimeout: 5000 },
  defaultCallOptions: { endpoints, defaultCallOptions: {} },
  faultHandling: { endpoints, faultHandling: {} },
  retry: { endpoints, retry: false },
  grpcOptions: { endpoints, grpcOptions: {} },
  "'grpc.ssl_target_name_override'": {
    endpoints,
    credentials: pki.client,
    etcd3: { grpcOptions: { 'grpc.ssl_target_name_override': 'a' } },
  },
}

/** The rows on errors. */
describe('the errors of docs/migrating.md', () => {
  const ERRORS: Record<string, () => Promise<void>> = {
    'a call that never returns': async () => {
      await using silent = await silentPeer()
      using clock = new OwnTime()
      const call = createSecureClient({ endpoints: silent.endpoint, credentials: pki.client, dialTimeout: '1s' })
      await refused(call, 'ERR_UNREACHABLE')
      expect(clock.elapsed).toBeLessThan(3000)
    },
    '`ERR_OSSL_…` from a file that cannot be read': async () => {
      const pem = pki.client.key.exportPem()
      const broken = fromPem({ ca: pki.root.pem, cert: 'x', key: pem })
      await refused(createSecureClient({ endpoints, credentials: broken }), 'ERR_CREDENTIALS_UNREADABLE')
      const absent = fromFiles({ ca: '/nowhere/ca.crt', cert: '/nowhere/tls.crt', key: '/nowhere/tls.key' })
      const error = await refused(createSecureClient({ endpoints, credentials: absent }), 'ERR_CREDENTIALS_UNREADABLE')
      expect(error.message).toContain('/nowhere/tls.key')
    },
    '`ClientClosedError`': async () => {
      await using peer = await grpcPeer(serverTls(pki.server), emptyAnswer)
      const client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
      client.close()
      await expect(client.get('a').string()).rejects.toThrow(ClientClosedError)
    },
    '`BrokenCircuitError`': async () => {
      const peer = await grpcPeer(serverTls(pki.server), emptyAnswer)
      await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
      await peer[Symbol.asyncDispose]()
      for (let i = 0; i < 8; i += 1) {
        const error: unknown = await client
          .get('a')
          .string()
          .catch((reason: unknown) => reason)
        expect(String(error)).not.toContain('BrokenCircuit')
      }
    },
  }
  /** Rows that another test has: the file, and what it expects. */
  const ELSEWHERE: Record<string, [file: string, expected: string]> = {
    '`GRPCUnavailableError` with a text of OpenSSL': ['integration/diagnosis/why-tls-fails.test.ts', 'cause.codes'],
    '`permission denied`': ['integration/access.test.ts', 'access/permission-denied'],
    '`EtcdAuthenticationFailedError`': ['unit/client/lifecycle.test.ts', 'login/failed'],
  }

  it('have all of its rows', () => {
    const rows = rowsOf('Errors').map(({ old }) => old)
    expect(rows.toSorted()).toEqual([...Object.keys(ERRORS), ...Object.keys(ELSEWHERE)].toSorted())
    for (const [file, expected] of Object.values(ELSEWHERE)) {
      expect(readFileSync(join(root, 'test', file), 'utf8')).toContain(expected)
    }
  })

  it.each(Object.entries(ERRORS))('hold: %s', async (_, check) => {
    await check()
  })
})
