/** The private key comes out by `export` and by nothing else. */
import { createPrivateKey } from 'node:crypto'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { createAuthority, loadAuthority } from '../../../src/authority/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { mintCa } from '../../support/mint.js'

/** Every part of the key that could show up, in the encodings in which things are printed. */
function traces(pem: string): string[] {
  const { d, p, q } = createPrivateKey(pem).export({ format: 'jwk' })
  const secrets = [d, p, q].filter((each) => each !== undefined).map((each) => Buffer.from(each, 'base64url'))
  const body = pem.split('\n').slice(1, -2)
  return [
    ...body.slice(1),
    ...secrets.flatMap((each) => [
      each.toString('hex'),
      each.toString('hex').toUpperCase(),
      each.toString('base64'),
      each.toString('base64url'),
      // As util.inspect shows buffers and arrays.
      (each.toString('hex').match(/../g) ?? []).slice(0, 12).join(' '),
      [...each.subarray(0, 8)].join(', '),
      [...each.subarray(0, 8)].join(','),
    ]),
  ]
}

function printed(value: unknown): string {
  const everything = inspect(value, { depth: Infinity, showHidden: true, getters: true, maxArrayLength: null })
  return [
    everything,
    inspect(value),
    JSON.stringify(value),
    String(value),
    JSON.stringify(Object.entries(value ?? {})),
  ].join('\n')
}

it('an authority does not show its key', async () => {
  const ca = mintCa({ subject: 'CA' })
  const authority = await loadAuthority({ cert: ca.pem, key: ca.keyPem })
  const { key } = authority.export()
  for (const trace of traces(key)) expect(printed(authority)).not.toContain(trace)
  // What others hold of it: a clone of the object, its properties by name.
  for (const trace of traces(key)) expect(printed(Object.assign({}, authority))).not.toContain(trace)
  for (const name of Object.getOwnPropertyNames(authority)) expect(name).not.toMatch(/key|parts/i)
})

it('issued credentials show neither their key nor that of the issuer', async () => {
  const authority = await createAuthority({ name: 'CA' })
  const credentials = await authority.issue({ role: 'server', name: 'x', hosts: ['x'] })
  for (const pem of [authority.export().key, credentials.key.exportPem()]) {
    for (const trace of traces(pem)) expect(printed({ all: credentials, ...credentials })).not.toContain(trace)
  }
})

it('errors do not show the key', async () => {
  const authority = await createAuthority({ name: 'CA', validity: '1d' })
  for (const request of [
    { role: 'client', name: 'x', validity: '2d' },
    { role: 'server', name: 'x', hosts: ['10.0.0.300'] },
  ]) {
    const error: unknown = await authority.issue(request as never).catch((reason: unknown) => reason)
    expect(isEtcdMtlsError(error)).toBe(true)
    for (const trace of traces(authority.export().key)) expect(printed(error)).not.toContain(trace)
  }
})

it('exports the certificate, the chain and the key, encrypted under a passphrase', async () => {
  const authority = await createAuthority({ name: 'CA' })
  const { cert, key: plain, chain } = authority.export()
  expect([cert, chain]).toEqual([authority.certificate.toPem(), ''])
  expect(plain).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  const { key } = authority.export({ passphrase: 'correct horse' })
  expect(key).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
  expect(() => createPrivateKey(key)).toThrow()
  expect(createPrivateKey({ key, passphrase: 'correct horse' }).asymmetricKeyType).toBe('ec')
})
