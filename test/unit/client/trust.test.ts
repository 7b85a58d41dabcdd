/** Several CAs: one for clients and one for servers, and namesakes of which OpenSSL takes another than the valid one. */
import type { PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createSecureClient, isEtcdMtlsError } from '../../../src/client/index.js'
import { parseEndpoints } from '../../../src/client/base/endpoints.js'
import { resolveOptions } from '../../../src/client/base/options.js'
import {
  peerChain,
  serverIdentityCheck,
  type ServerValidation,
  validateServer,
} from '../../../src/client/transport/tls-socket.js'
import { prepare } from '../../../src/client/base/validated-credentials.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { validateChain } from '../../../src/validate/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { dns, EXTENSION, ip, mintCa, type Minted, mintLeaf } from '../../support/mint.js'
import { grpcPeer, type Peer, proxyTo, refuseCall, refusingPeer, serverTls } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { askNode } from '../../support/oracle-node.js'

const servers = mintPki('Server CA')
const clientCa = mintCa({ subject: 'Client CA' })

function clientOf(issuer: Minted): Credentials {
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer })
  return mintedCredentials({ leaf, trust: [servers.root] })
}

function startServer(): Promise<Peer> {
  return grpcPeer(serverTls(servers.server, { ca: clientCa.pem }))
}

describe('two CAs', () => {
  it('validates the chain by clientCa, after a rotation as well, and servers only by ca', async () => {
    await using server = await startServer()
    const given = { ...clientOf(clientCa), clientAnchors: [Certificate.parse(clientCa.der, 'client CA')] }
    await using client = await createSecureClient({ endpoints: server.endpoint, credentials: given })
    expect(client.tls.report.path.map(({ subject }) => subject)).toEqual(['CN=app', 'CN=Client CA'])
    const foreign = await client.tls.rotate({
      ...clientOf(mintCa({ subject: 'x' })),
      clientAnchors: given.clientAnchors,
    })
    expect(foreign.findings.map(({ code }) => code)).toEqual(['chain/issuer-not-found'])
    const swapped = { ...given, trustAnchors: given.clientAnchors }
    expect((await client.tls.rotate(swapped)).findings.map(({ code }) => code)).toContain('chain/issuer-not-found')
    expect((await client.tls.rotate(given)).ok).toBe(true)
  })

  it('names an intermediate that only the CA file contains', async () => {
    await using server = await refusingPeer(servers.server, 48)
    const intermediate = mintCa({ subject: 'Intermediate', issuer: servers.root })
    const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: intermediate })
    const credentials = mintedCredentials({ leaf, trust: [intermediate, servers.root] })
    const connecting = createSecureClient({ endpoints: server.endpoint, credentials })
    const { report } = (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details
    const found = findingOf(report.findings, 'handshake/client-ca-unknown')
    expect(found.details).toMatchObject({ issuer: 'CN=Intermediate', held: 'intermediate' })
    expect(found.remedy).toMatch(
      /^Append the certificate of the intermediate "CN=Intermediate" to the certificate file/,
    )
  })

  it('reports an unknown CA as the probable cause of alert 42 if the server names no CA', async () => {
    await using server = await refusingPeer(serverTls(servers.server, { ca: [] }), 42)
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const connecting = createSecureClient({ endpoints: server.endpoint, credentials: clientOf(clientCa) })
      const { report } = (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details
      expect(report.findings.map(({ code }) => code)).toEqual([
        'handshake/client-ca-unknown',
        'handshake/client-certificate-refused',
      ])
      expect(report.findings[0].message).toContain('CN=Client CA')
      expect(report.path?.map(({ subject }) => subject)).toEqual(['CN=app'])
    }
  })
})

/** The middle of a CA roll: the new CA has the name of the old one, and nothing in the leaf tells them apart. */
const old = mintPki('etcd CA')
const renewed = mintPki('etcd CA')
const leaf = mintLeaf({
  subject: 'etcd',
  names: [ip('127.0.0.1'), dns('localhost')],
  issuer: renewed.root,
  without: [EXTENSION.authorityKeyIdentifier],
})
const server = mintedCredentials({ leaf, trust: [old.root, renewed.root] })
const CODE = 'chain/openssl-picks-other-path'

function trusting(...trust: Minted[]): Credentials {
  return { ...old.client, trustAnchors: mintedCredentials({ leaf, trust }).trustAnchors }
}

function peer(credentials: Credentials): Promise<Peer> {
  return grpcPeer(credentials, (stream) => {
    refuseCall(stream, 2, 'reached')
  })
}

it.each([
  ['before', [renewed.root, old.root], true],
  ['after', [old.root, renewed.root], false],
] as const)(
  'connects where the CA of the server stands %s its namesake in the bundle',
  async (_, trust, nodeConnects) => {
    const question = { usage: 'server', host: 'localhost', leaf, sent: [], trust, crls: [] } as const
    expect(await askNode(question)).toEqual(
      nodeConnects
        ? { accepts: true, words: '' }
        : { accepts: false, words: expect.stringContaining('CERT_SIGNATURE_FAILURE') as string },
    )
    const report = validateChain({ leaf: leaf.der, trustAnchors: trust.map(({ der }) => der) }, { usage: 'server' })
    expect(report.ok).toBe(nodeConnects)

    await using etcd = await peer(server)
    await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials: trusting(...trust) })
    const [endpoint] = client.tls.endpoints
    expect(endpoint?.state).toBe('ready')
    const found = endpoint?.findings.filter(({ code }) => code === CODE) ?? []
    expect(found.map(({ severity }) => severity)).toEqual(nodeConnects ? [] : ['warning'])
    for (const each of [...found, ...report.findings.filter(({ code }) => code === CODE)]) {
      expect(each.details).toMatchObject({ from: 'trusted', change: 'order', picked: old.root.x509().fingerprint256 })
      expect(each.remedy).toContain(renewed.root.x509().fingerprint256)
    }
  },
)

it('connects again after the connection is lost, and after the server changes to the other CA', async () => {
  const credentials = trusting(old.root, renewed.root)
  await using first = await peer(server)
  await using second = await peer(old.server)
  let port = first.port
  await using proxy = await proxyTo(() => port)
  await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials })
  const anchor = (): string | undefined => {
    const [endpoint] = client.tls.endpoints
    return endpoint?.state === 'ready' ? endpoint.path?.at(-1)?.fingerprint256 : undefined
  }
  expect(anchor()).toBe(renewed.root.x509().fingerprint256)
  const before = first.accepted
  proxy.cut()
  await expect.poll(() => first.accepted > before && anchor()).toBe(renewed.root.x509().fingerprint256)
  port = second.port
  proxy.cut()
  await expect.poll(anchor).toBe(old.root.x509().fingerprint256)
})

it('refuses a server of a third CA of that name, by each anchor', async () => {
  const foreign = mintPki('etcd CA')
  const leafOfForeign = mintLeaf({
    subject: 'etcd',
    names: [ip('127.0.0.1')],
    issuer: foreign.root,
    without: [EXTENSION.authorityKeyIdentifier],
  })
  await using etcd = await peer(mintedCredentials({ leaf: leafOfForeign, trust: [old.root] }))
  const refused: unknown = await createSecureClient({
    endpoints: etcd.endpoint,
    credentials: trusting(old.root, renewed.root),
  }).catch((error: unknown) => error)
  expect(isEtcdMtlsError(refused, 'ERR_HANDSHAKE_FAILED')).toBe(true)
  expect(JSON.stringify(refused)).toContain('chain/issuer-key-differs')
})

it('does not narrow the trust to a path that another rule forbids', async () => {
  const expired = mintCa({ subject: 'etcd CA', key: renewed.root.key, notBefore: past(9), notAfter: past(1) })
  await using etcd = await peer(server)
  const refused: unknown = await createSecureClient({
    endpoints: etcd.endpoint,
    credentials: trusting(old.root, expired),
  }).catch((error: unknown) => error)
  expect(isEtcdMtlsError(refused, 'ERR_HANDSHAKE_FAILED')).toBe(true)
})

function past(days: number): Date {
  return new Date(Date.now() - days * 86_400_000)
}

const pki = mintPki()
const [endpoint] = parseEndpoints('https://127.0.0.1:2379')
const { tls } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client })
const validated = prepare(pki.client, tls)

const noSocket = (): never => {
  throw new Error('Nothing of the socket is read while no issuer is missing')
}

function check(certificate: unknown): { error: Error | undefined; validations: ServerValidation[] } {
  const validations: ServerValidation[] = []
  const expected = { name: endpoint.host, validated, endpoint: endpoint.url }
  const identity = serverIdentityCheck(expected, noSocket, (seen) => validations.push(seen))
  return { error: identity('127.0.0.1', certificate as PeerCertificate), validations }
}

describe("the check of the server's chain never throws", () => {
  it.each<[string, unknown]>([
    ['no certificate', {}],
    ['nothing', undefined],
    ['garbage', { raw: Buffer.from('garbage') }],
    ['a cut certificate', { raw: Buffer.from(pki.server.chain[0].raw).subarray(0, 100) }],
    [
      'a good leaf with a garbage issuer',
      { raw: Buffer.from(pki.server.chain[0].raw), issuerCertificate: { raw: Buffer.from([1]) } },
    ],
    [
      'an object that throws',
      {
        get raw() {
          throw new Error('no')
        },
      },
    ],
  ])('refuses %s without an exception', (_what, certificate) => {
    const { error } = check(certificate)
    expect(error).toBeInstanceOf(Error)
  })

  it('ends on a chain that links to itself', () => {
    const a: Record<string, unknown> = { raw: Buffer.from(pki.server.chain[0].raw) }
    const b = { raw: Buffer.from(pki.root.der), issuerCertificate: a }
    a['issuerCertificate'] = b
    expect(peerChain(a as unknown as PeerCertificate)).toHaveLength(2)
  })

  it('passes the result of the check on', () => {
    const { validations } = check({ raw: Buffer.from('garbage') })
    expect(errorCodes(validations[0]?.report.findings ?? [])).toEqual(['handshake/server-certificate-refused'])
  })
})

it('refuses a server certificate without a CRL only if the caller requires one', () => {
  const validate = (revocation: 'if-listed' | 'require'): ServerValidation => {
    const { tls: required } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client, tls: { revocation } })
    return validateServer(
      pki.server.chain.map(({ raw }) => raw),
      { name: endpoint.host, validated: prepare(pki.client, required), endpoint: endpoint.url },
    )
  }
  expect(validate('if-listed').report.ok).toBe(true)
  expect(new Set(errorCodes(validate('require').report.findings))).toEqual(new Set(['revocation/no-crl']))
})

it('refuses a client certificate in the place of that of a server, without the help of OpenSSL', () => {
  const { chain } = pki.issueClient({ names: [ip('127.0.0.1')] })
  const expected = { name: endpoint.host, validated, endpoint: endpoint.url }
  const { report } = validateServer([chain[0].raw], expected)
  expect(errorCodes(report.findings)).toEqual(['usage/extended-key-usage-missing'])
})

describe("each of the two checks of a server's name", () => {
  const named = { raw: Buffer.from(pki.server.chain[0].raw), issuerCertificate: { raw: Buffer.from(pki.root.der) } }

  it('Both checks accept the certificate of the endpoint', () => {
    expect(check({ ...named, subject: {}, subjectaltname: 'IP Address:127.0.0.1' }).error).toBeUndefined()
  })

  it('Node alone refuses a certificate by the names that it has read, if our rules find no fault', () => {
    const { error, validations } = check({ ...named, subject: {}, subjectaltname: 'DNS:other.test' })
    expect(validations.map(({ report }) => report.ok)).toEqual([true])
    expect(error).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  it('Our rules alone refuse a name that is only in the subject, which Node accepts', async () => {
    const leaf = mintLeaf({ subject: 'localhost', issuer: pki.root })
    await using peer = await grpcPeer(serverTls(mintedCredentials({ leaf, trust: [pki.root] })))
    const endpoints = [{ url: peer.endpoint, serverName: 'localhost' }]
    const { details } = await refused(
      createSecureClient({ endpoints, credentials: pki.client }),
      'ERR_HANDSHAKE_FAILED',
    )
    expect(errorCodes(details.report.findings)).toContain('san/host-not-covered')
  })
})
