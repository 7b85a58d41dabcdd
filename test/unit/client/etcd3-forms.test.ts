/** docs/migrating.md: each row is tested, by its first cell. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { SecureEtcd3 } from '../../../src/client/etcd3/secure-etcd3.js'
import { createSecureClient, type SecureClientOptions } from '../../../src/client/index.js'
import { root } from '../../support/compiled.js'
import { mintPki } from '../../support/etcd.js'
import { refused } from '../../support/refused.js'

const endpoints = 'https://127.0.0.1:1'
const certificate = { rootCertificate: Buffer.from(''), privateKey: Buffer.from(''), certChain: Buffer.from('') }

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
  it.each(rowsOf('Options'))('docs/migrating.md has the form of the error for $old', async ({ old, here }) => {
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

it('other tests expect the errors of docs/migrating.md', () => {
  const expected: Record<string, [file: string, text: string]> = {
    "`GRPCUnavailableError` with OpenSSL's message": ['integration/diagnosis/why-tls-fails.test.ts', 'cause.codes'],
    '`BrokenCircuitError`': ['unit/client/causes.test.ts', 'ERR_HANDSHAKE_FAILED'],
    'a call that never returns': ['integration/diagnosis/why-tls-fails.test.ts', "plain === 'hangs'"],
    '`permission denied`': ['integration/access.test.ts', 'access/permission-denied'],
    '`EtcdAuthenticationFailedError`': ['unit/client/lifecycle.test.ts', 'login/failed'],
    '`ERR_OSSL_…` from a file that cannot be read': ['unit/credentials/sources.test.ts', 'ERR_CREDENTIALS_UNREADABLE'],
    '`ClientClosedError`': ['unit/client/handles.isolated.test.ts', 'ClientClosedError'],
  }
  const rows = rowsOf('Errors').map(({ old }) => old)
  expect(rows.toSorted()).toEqual(Object.keys(expected).toSorted())
  for (const [file, text] of Object.values(expected)) {
    expect(readFileSync(join(root, 'test', file), 'utf8')).toContain(text)
  }
})
