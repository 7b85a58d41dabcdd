import { X509Certificate } from 'node:crypto'
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { secretManifest } from '../../../../src/config/index.js'
import { fromKubernetesSecret } from '../../../../src/credentials/index.js'
import { mintedCredentials, mintPki } from '../../../support/etcd.js'
import { mintCa, mintLeaf } from '../../../support/mint.js'
import { openssl, temporaryFolder } from '../../../support/openssl.js'

const folder = temporaryFolder()
const pki = mintPki()

/** Writes the values as the kubelet does. */
function mount(data: Readonly<Record<string, string>>): string {
  const paths = Object.entries(data).map(([name, value]) => folder.file(name, Buffer.from(value, 'base64').toString()))
  return dirname(paths[0] ?? '')
}

it('fromKubernetesSecret reads the manifest of a Secret', async () => {
  const root = mintCa({ subject: 'Root' })
  const intermediate = mintCa({ subject: 'Intermediate', issuer: root })
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: intermediate })
  const credentials = mintedCredentials({ leaf, intermediates: [intermediate], trust: [root] })
  const read = await fromKubernetesSecret(mount(secretManifest(credentials, { name: 'app' }).data)).load()
  expect(read.chain.map((each) => each.toPem())).toEqual(credentials.chain.map((each) => each.toPem()))
  expect(read.trustAnchors.map((each) => each.toPem())).toEqual(
    [root].map((each) => new X509Certificate(each.der).toString()),
  )
  expect(read.key.matches(credentials.chain[0])).toBe(true)
})

it('openssl reads the contents of its base64', () => {
  const { data, type } = secretManifest(pki.client, { name: 'app' })
  expect(type).toBe('kubernetes.io/tls')
  const directory = mount(data)
  expect(openssl(['x509', '-in', `${directory}/tls.crt`, '-noout', '-subject', '-nameopt', 'RFC2253'])).toContain(
    'CN=root',
  )
  expect(openssl(['verify', '-CAfile', `${directory}/ca.crt`, `${directory}/tls.crt`])).toContain('OK')
  const ofKey = openssl(['pkey', '-in', `${directory}/tls.key`, '-pubout'])
  expect(openssl(['x509', '-in', `${directory}/tls.crt`, '-noout', '-pubkey'])).toBe(ofKey)
})

describe('the key', () => {
  const { key } = pki.client
  const pem = key.exportPem()

  it('stands in the data alone', () => {
    const manifest = secretManifest(pki.client, { name: 'app', labels: { a: 'b' }, annotations: { a: 'b' } })
    const { 'tls.key': value } = manifest.data
    const rest = JSON.stringify(manifest).replace(value, '')
    expect(rest).not.toContain(value.slice(40, 60))
    expect(JSON.stringify(manifest)).toContain(value)
  })

  it('the key is not printed', () => {
    const manifest = secretManifest(pki.client, { name: 'app' })
    const printed = inspect(manifest, { depth: null, showHidden: false })
    expect(printed).toContain("'tls.key'")
    expect(printed).not.toContain(manifest.data['tls.key'].slice(0, 30))
  })

  it.each([
    ['as it is', pem],
    ['in base64', Buffer.from(pem).toString('base64')],
    ['in base64 of more', Buffer.from(`a${pem}`).toString('base64')],
    ['in base64 of still more', Buffer.from(`ab${pem}`).toString('base64')],
  ])('the key is refused in an annotation, %s', (_, note) => {
    expect(() => secretManifest(pki.client, { name: 'app', annotations: { note } })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
    )
  })

  it('the key is refused if kubectl would write it', () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}' }
    expect(() => secretManifest(pki.client, { name: 'app', annotations })).toThrow('is written by kubectl')
  })
})

it('names and options are checked', () => {
  for (const options of [
    { name: 'App' },
    { name: 'a', namespace: 'a.b' },
    { name: 'a', crl: 'tls.key' },
    { name: 'a', crl: '../a' },
    { name: 'a', immutable: 'yes' as never },
    { name: 'a', more: 1 } as never,
  ]) {
    expect(() => secretManifest(pki.client, options)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }))
  }
})

it('more than a Secret holds is refused', () => {
  const { trustAnchors } = pki.client
  const many = Array.from({ length: 3000 }, () => trustAnchors).flat()
  expect(() => secretManifest({ ...pki.client, trustAnchors: many }, { name: 'a' })).toThrow('1 MiB')
})
