/** What clients with the same credentials share. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { parseEndpoints } from '../../../src/client/base/endpoints.js'
import { resolveOptions } from '../../../src/client/base/options.js'
import { openTls, type ServerValidation, validateServer } from '../../../src/client/transport/tls-socket.js'
import {
  prepare,
  succeed,
  type ValidatedCredentials,
  withSingleAnchor,
} from '../../../src/client/base/validated-credentials.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { mintPki } from '../../support/etcd.js'
import { mintCa } from '../../support/mint.js'

const pki = mintPki()
const [endpoint] = parseEndpoints('https://127.0.0.1:2379')
const { tls } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client })
const other = Certificate.parse(mintCa({ subject: 'Other CA' }).der)

it('clients with the same key, chain, trust anchors and TLS parameters share one TLS context', () => {
  const { secureContext } = prepare(pki.client, tls)
  const contextOf = (changes: Partial<Credentials>, minVersion = tls.minVersion): unknown =>
    prepare({ ...pki.client, ...changes }, { ...tls, minVersion }).secureContext
  const { trustAnchors, key } = pki.client
  expect(contextOf({ trustAnchors: [...trustAnchors], origin: 'elsewhere' })).toBe(secureContext)
  expect(contextOf({ trustAnchors: [...trustAnchors, other] })).not.toBe(secureContext)
  expect(contextOf({ key: PrivateKey.fromKeyObject(key.toKeyObject()) })).not.toBe(secureContext)
  expect(contextOf({}, 'TLSv1.3')).not.toBe(secureContext)
})

it('a change of the list of trust anchors by its owner makes a new TLS context', () => {
  const credentials = { ...pki.issueClient(), trustAnchors: [...pki.client.trustAnchors, other] }
  const before = prepare(credentials, tls)
  const single = withSingleAnchor(before, pki.client.trustAnchors[0]?.fingerprint256 ?? '')
  expect(single?.secureContext).not.toBe(before.secureContext)
  credentials.trustAnchors.pop()
  expect(prepare(credentials, tls).secureContext).toBe(single?.secureContext)
})

it('certificates of a verified server are read once for all connections and rotations, and certificates of a refused server each time', async () => {
  const validated = prepare(pki.client, tls)
  const check = (server: Credentials, by: ValidatedCredentials, url = endpoint.url): ServerValidation =>
    validateServer(
      server.chain.map(({ raw }) => raw),
      { name: endpoint.host, validated: by, endpoint: url },
    )
  const [first] = check(pki.server, validated).chain
  expect(check(pki.server, prepare(pki.client, tls)).chain[0]).toBe(first)
  const renewed = await succeed(validated, pki.issueClient())
  expect(renewed.secureContext).not.toBe(validated.secureContext)
  expect(check(pki.server, renewed).chain[0]).toBe(first)
  expect(check(pki.server, validated, 'https://127.0.0.1:1').chain[0]?.origin).toBe('https://127.0.0.1:1')
  const foreign = mintPki('Foreign CA').server
  const refused = check(foreign, validated)
  expect(refused.report.ok).toBe(false)
  expect(check(foreign, validated).chain[0]).not.toBe(refused.chain[0])
})

it('The hello of a client offers TLS 1.3 and 1.2, and nothing older', async () => {
  await using server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const raw = connect(port, '127.0.0.1')
  const accepted = once(server, 'connection')
  const { secureContext } = prepare(pki.client, tls)
  const client = openTls({ raw, name: endpoint.host }, { secureContext }).on('error', () => undefined)
  const [socket] = (await accepted) as [ReturnType<typeof connect>]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  for (const each of [client, raw, socket]) each.destroy()
  expect(versionsOffered(hello)).toEqual(['304', '303'])
})

/** The extension supported_versions of a ClientHello (RFC 8446 section 4.2.1), without GREASE. */
function versionsOffered(hello: Buffer): string[] {
  let at = 5 + 4 + 2 + 32
  at += 1 + hello.readUInt8(at)
  at += 2 + hello.readUInt16BE(at)
  at += 1 + hello.readUInt8(at)
  for (at += 2; at < hello.length; at += 4 + hello.readUInt16BE(at + 2)) {
    if (hello.readUInt16BE(at) !== 43) continue
    const count = hello.readUInt8(at + 4) / 2
    return Array.from({ length: count }, (_, i) => hello.readUInt16BE(at + 5 + 2 * i).toString(16))
  }
  return []
}
