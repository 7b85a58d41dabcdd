/** From evidence to findings: what no small peer can bring about is made up here; the rest is next to docs/why-tls-fails.md. */
import { describe, expect, it } from 'vitest'
import { EMPTY_DIAGNOSIS } from '../../../src/client/diagnosis/evidence.js'
import { explainFailure, hasAnswered } from '../../../src/client/diagnosis/explain.js'
import { environmentFindings, mayExplain } from '../../../src/client/diagnosis/failure.js'
import { endpointsOf } from '../../../src/client/discovery.js'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../src/client/index.js'
import { type Endpoint, parseEndpoints } from '../../../src/client/base/endpoints.js'
import { resolveOptions } from '../../../src/client/base/options.js'
import type { DialFailure } from '../../../src/client/transport/address-attempt.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { type ServerValidation, validateServer } from '../../../src/client/transport/tls-socket.js'
import { prepare } from '../../../src/client/base/validated-credentials.js'
import { type Finding, type FindingCode, formatReport } from '../../../src/report/index.js'
import { Certificate, certificateRef } from '../../../src/x509/certificate.js'
import { finding } from '../../support/finding.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { dns, ip, mintCa, mintLeaf, type MintLeafOptions, uri } from '../../support/mint.js'
import { alertingPeer, grpcPeer, type Peer, refusingPeer, serverTls, silentPeer } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()

/** The findings that the evidence gives, at an endpoint. */
function explain(
  evidence: Partial<DialFailure>,
  {
    host = 'etcd.example',
    socket = '',
    credentials = pki.client,
    endpoint: given,
    wasReady = false,
  }: {
    host?: string
    socket?: string
    credentials?: Credentials
    endpoint?: Endpoint | undefined
    wasReady?: boolean
  } = {},
): Finding[] {
  const [parsed] = parseEndpoints(socket || `https://${host}:2379`)
  const endpoint = given ?? parsed
  const { tls } = resolveOptions({ endpoints: parsed.url, credentials })
  const nothing = { target: null, failedAddresses: [], error: null, alert: null, timedOut: false, protocol: null }
  const silence = { alpn: null, validation: null, certificateSent: null, answer: null, answered: false }
  const failure: DialFailure = { stage: 'connect', ...nothing, ...silence, ...evidence }
  const validated = prepare(credentials, tls)
  const attempt = { endpoint, name: endpoint.host, validated, failure, diagnosis: EMPTY_DIAGNOSIS, timeout: 5000 }
  return explainFailure({ ...attempt, wasReady })
}

function fault(code: string): Error {
  return Object.assign(new Error(code), { code })
}

describe('a name or a socket that is not there', () => {
  it('names the resolver for EAI_AGAIN, and the name for ENOTFOUND', () => {
    const [resolver] = explain({ stage: 'lookup', error: fault('EAI_AGAIN') })
    expect(resolver?.message).toBe(
      'The resolver could not look up the host name etcd.example of https://etcd.example:2379: no name server gave an answer (EAI_AGAIN).',
    )
    expect(resolver?.remedy).toMatch(/^Check the name servers in \/etc\/resolv\.conf/)
    const [name] = explain({ stage: 'lookup', error: fault('ENOTFOUND') })
    expect(name?.message).toBe('The host name etcd.example of https://etcd.example:2379 does not exist (ENOTFOUND).')
    expect(name?.remedy).toMatch(/^Check the spelling/)
    expect(name?.remedy).not.toContain('Compose')
    const [short] = explain({ stage: 'lookup', error: fault('ENOTFOUND') }, { host: 'etcd' })
    expect(short?.remedy).toMatch(/Docker Compose exists only in containers/)
  })

  it('says that the port 2379 was assumed for a URL without a port', () => {
    const remedies = ['https://10.0.0.1', 'https://10.0.0.1:2379'].map((url) => {
      const [endpoint] = parseEndpoints(url)
      return explain({ error: fault('ECONNREFUSED') }, { endpoint })[0]?.remedy
    })
    expect(remedies[0]).toMatch(/^Add the port to the URL if it is not 2379/)
    expect(remedies[1]).toMatch(/^Check that etcd runs/)
  })

  it('names the path of a unix socket that does not exist, or on which nothing listens', () => {
    const at = (code: string): Finding | undefined => {
      const target = { address: '/run/etcd.sock', options: { path: '/run/etcd.sock' } }
      return explain({ error: fault(code), target }, { socket: 'unixs:///run/etcd.sock' })[0]
    }
    expect(at('ENOENT')?.message).toBe(
      'The unix socket /run/etcd.sock of unixs:///run/etcd.sock does not exist (ENOENT).',
    )
    expect(at('ENOENT')?.remedy).toMatch(/--listen-client-urls.*mount/)
    expect(at('ECONNREFUSED')?.message).toContain('nothing listens there')
  })
})

it('names the file of a client certificate in commands, and says that it is self-signed', () => {
  const other = mintCa({ subject: 'other-ca' })
  const alone = mintLeaf({ subject: 'app' })
  const refusedBy48 = (credentials: Credentials): Finding | undefined =>
    explain({ stage: 'handshake', error: fault('EPROTO'), alert: 48, certificateSent: true }, { credentials })[0]
  const fromFile = (minted: ReturnType<typeof mintLeaf>): Credentials => {
    const credentials = mintedCredentials({ leaf: minted, trust: [pki.root] })
    return { ...credentials, chain: [Certificate.parse(minted.der, 's/tls.crt (from X_CERT)')] }
  }
  const issued = refusedBy48(fromFile(mintLeaf({ issuer: other, subject: 'app' })))
  expect(issued?.remedy).toMatch(/^If "CN=other-ca" is an intermediate, append its certificate to s\/tls\.crt/)
  expect(issued?.remedy).toContain('authorityKeyIdentifier -in s/tls.crt"')
  const own = refusedBy48(fromFile(alone))
  expect(own?.message).toMatch(/does not trust .*, which is self-signed/)
  expect(own?.remedy).toMatch(/^Issue the client's certificate from a CA/)
})

describe('a server that is not etcd by its certificate', () => {
  const foreign = mintCa({ subject: 'Another CA' })
  const at = (names: MintLeafOptions['names'], issuer = foreign): Finding[] => {
    const leaf = mintLeaf({ issuer, subject: 'web', usages: ['serverAuth'], names })
    const [{ host }] = parseEndpoints('https://10.0.0.5:2379')
    const { tls } = resolveOptions({ endpoints: 'https://10.0.0.5:2379', credentials: pki.client })
    const validated = prepare(pki.client, tls)
    const validation = validateServer([leaf.der], { name: host, validated, endpoint: 'https://10.0.0.5:2379' })
    return explain({ stage: 'handshake', validation }, { host: '10.0.0.5' })
  }

  it('names a sidecar of a service mesh by its SPIFFE identity, unless a trusted CA issued the certificate', () => {
    const identity = 'spiffe://cluster.local/ns/default/sa/etcd'
    const [found, ...others] = at([uri(identity)])
    expect(found).toMatchObject({ code: 'endpoint/mesh-certificate', details: { identity, port: '2379' } })
    expect(found?.consequences.map(({ code }) => code)).toContain('san/host-not-covered')
    expect(errorCodes(others)).toEqual([])
    expect(at([uri(identity)], pki.root)[0]?.code).toBe('san/host-not-covered')
  })

  it('names another server that answered because no server name was sent, if its certificate has only names of other hosts', () => {
    const [found] = at([dns('web.example')])
    expect(found).toMatchObject({ code: 'handshake/server-name', severity: 'error' })
    expect(found?.remedy).not.toContain('web.example')
    expect(at([dns('web.example')], pki.root)[0]?.code).toBe('san/host-not-covered')
    expect(at([dns('localhost'), ip('10.0.0.6')])[0]?.code).toBe('chain/issuer-not-found')
  })

  it('does not suggest an IP address as the server name', () => {
    const found = at([dns('10.0.0.5')], pki.root)
    expect(found.map(({ code }) => code)).not.toContain('handshake/server-name')
  })
})

it('reports next to a silent endpoint that it did not request a certificate, as a proxy that ends TLS does', () => {
  const [leaf] = pki.server.chain
  const validation: ServerValidation = {
    chain: [leaf],
    report: { ok: true, checkedAt: new Date(), path: [], findings: [] },
  }
  const evidence = { stage: 'health-check', timedOut: true, protocol: 'TLSv1.3', validation } as const
  const codes = (certificateSent: boolean): FindingCode[] =>
    explain({ ...evidence, certificateSent }).map(({ code }) => code)
  expect(codes(false)).toEqual(['endpoint/silent', 'handshake/client-certificate-not-asked'])
  expect(codes(true)).toEqual(['endpoint/silent'])
})

it('does not suspect that etcd starts at an endpoint that was ready before', () => {
  const silence = { stage: 'handshake', timedOut: true } as const
  expect(explain(silence)[0]?.remedy).toContain('it needs a leader')
  expect(explain(silence, { wasReady: true })[0]?.remedy).toMatch(
    /^It answered before: check that etcd there is not paused/,
  )
})

it('explains an address that a member advertises and no client can use by the member alone', () => {
  const url = 'https://0.0.0.0:2379'
  const [endpoint] = endpointsOf([{ name: 'etcd-0', ID: '1', clientURLs: [url], isLearner: false }])
  const found = explain({ error: fault('ECONNREFUSED') }, { endpoint })
  expect(found).toMatchObject([{ code: 'discovery/advertised', severity: 'error', details: { member: 'etcd-0' } }])
  expect(found[0]?.message).toContain(
    'The member "etcd-0" advertises https://0.0.0.0:2379, which stands for all addresses of a machine',
  )
  expect(found[0]?.remedy).toMatch(/^Set --advertise-client-urls of "etcd-0"/)
  expect(hasAnswered(found)).toBe(false)
  const [local] = endpointsOf([{ name: 'etcd-0', ID: '1', clientURLs: ['https://127.0.0.1:2379'], isLearner: false }])
  const [, hint] = explain({ error: fault('ECONNREFUSED') }, { endpoint: local })
  expect(hint).toMatchObject({ code: 'discovery/advertised', severity: 'info' })
  expect(hint?.message).toContain('leads to this machine')
})

const SETTINGS = { stage: 'settings', protocol: 'TLSv1.3' } as const

describe('evidence and its finding', () => {
  it.each<[string, Partial<DialFailure>, FindingCode, boolean]>([
    ['a resolver out of order', { stage: 'lookup', error: fault('EAI_AGAIN') }, 'endpoint/unreachable', false],
    ["the kernel's own time-out", { error: fault('ETIMEDOUT') }, 'endpoint/unreachable', false],
    ['an end that is read before the beginning', { error: fault('ECONNRESET') }, 'endpoint/closed', false],
    ['an error of OpenSSL on this side', { stage: 'handshake', error: fault('ERR_SSL_X') }, 'handshake/failed', true],
    [
      'a server that picks an old version',
      { stage: 'handshake', error: fault('ERR_SSL_UNSUPPORTED_PROTOCOL') },
      'handshake/no-common-parameters',
      true,
    ],
    [
      'a chain that OpenSSL refuses and that could not be read again',
      { stage: 'handshake', error: fault('CERT_HAS_EXPIRED') },
      'handshake/server-certificate-refused',
      true,
    ],
    [
      'a chain that OpenSSL refuses without a reason',
      { stage: 'handshake', error: fault('UNSPECIFIED') },
      'handshake/server-certificate-refused',
      true,
    ],
    ['an end after the handshake where HTTP/2 was not agreed', SETTINGS, 'endpoint/wrong-protocol', true],
    [
      'an end after a handshake in which no certificate was requested',
      { ...SETTINGS, alpn: 'h2', certificateSent: false },
      'endpoint/closed',
      false,
    ],
    [
      'an end after our certificate',
      { stage: 'handshake', certificateSent: true },
      'handshake/closed-without-alert',
      true,
    ],
    [
      'an end after a handshake with our certificate',
      { ...SETTINGS, alpn: 'h2', certificateSent: true },
      'handshake/closed-without-alert',
      true,
    ],
    ['an end after some bytes', { stage: 'handshake', answered: true }, 'endpoint/closed', true],
  ])('explains %s by its own code', (_what, evidence, code, answered) => {
    const findings = explain(evidence)
    expect(findings).toMatchObject([{ code, details: { endpoint: 'https://etcd.example:2379' } }])
    expect(hasAnswered(findings)).toBe(answered)
  })

  it.each<[number, FindingCode]>([
    ...([42, 43, 44, 45, 46] as const).map((alert) => [alert, 'handshake/client-certificate-refused'] as const),
    [40, 'handshake/failed'],
    [47, 'handshake/failed'],
    [48, 'handshake/client-ca-unknown'],
    [50, 'handshake/failed'],
    [70, 'handshake/no-common-parameters'],
    [71, 'handshake/no-common-parameters'],
    [80, 'handshake/failed'],
    [112, 'handshake/server-name'],
    [116, 'handshake/client-certificate-missing'],
    [120, 'endpoint/wrong-protocol'],
  ] as [number, FindingCode][])('explains alert %d after our certificate by %s', (alert, code) => {
    const found = explain({ stage: 'handshake', alert, certificateSent: true })
    expect(found).toMatchObject([{ code, severity: 'error', details: { alert } }])
  })

  it.each([42, 43, 44, 45, 46, 48, 116])('knows that alert %d before our certificate is not about it', (alert) => {
    const [found, ...more] = explain({ stage: 'handshake', alert, certificateSent: null })
    expect(found).toMatchObject({
      code: 'handshake/failed',
      certificate: null,
      details: { alert, certificateSent: null },
    })
    expect(found?.message).toContain('had not sent its certificate yet')
    expect(more).toEqual([])
  })

  it.each([
    [40, 'handshake/no-common-parameters'],
    [70, 'handshake/no-common-parameters'],
    [71, 'handshake/no-common-parameters'],
    [80, 'handshake/failed'],
    [112, 'handshake/server-name'],
    [120, 'endpoint/wrong-protocol'],
  ])('explains alert %d before our certificate by %s', (alert, code) => {
    expect(explain({ stage: 'handshake', alert, certificateSent: null })).toMatchObject([{ code, details: { alert } }])
  })

  const ALERTS = {
    ...{ 0: 'close_notify', 10: 'unexpected_message', 20: 'bad_record_mac', 21: 'decryption_failed' },
    ...{ 22: 'record_overflow', 30: 'decompression_failure', 40: 'handshake_failure', 41: 'no_certificate' },
    ...{ 42: 'bad_certificate', 43: 'unsupported_certificate', 44: 'certificate_revoked' },
    ...{ 45: 'certificate_expired', 46: 'certificate_unknown', 47: 'illegal_parameter', 48: 'unknown_ca' },
    ...{ 49: 'access_denied', 50: 'decode_error', 51: 'decrypt_error', 60: 'export_restriction' },
    ...{ 70: 'protocol_version', 71: 'insufficient_security', 80: 'internal_error', 86: 'inappropriate_fallback' },
    ...{ 90: 'user_canceled', 100: 'no_renegotiation', 109: 'missing_extension', 110: 'unsupported_extension' },
    ...{ 111: 'certificate_unobtainable', 112: 'unrecognized_name', 113: 'bad_certificate_status_response' },
    ...{ 114: 'bad_certificate_hash_value', 115: 'unknown_psk_identity', 116: 'certificate_required' },
    ...{ 120: 'no_application_protocol', 121: 'ech_required' },
  }
  it.each(Object.entries(ALERTS))('names alert %s, %s, with a remedy that is more than its RFC', (alert, name) => {
    for (const certificateSent of [true, false, null]) {
      const [found] = explain({ stage: 'handshake', alert: Number(alert), certificateSent })
      expect(`${found?.message ?? ''} ${found?.code ?? ''}`).toMatch(
        new RegExp(`${name}|wrong-protocol|no-common-parameters`),
      )
      expect(found?.remedy).toMatch(/^\S.{40,}\.$/)
      expect(found?.remedy).not.toContain('RFC')
    }
  })

  it.each([
    [undefined, /etcd's --trusted-ca-file, or in the CA file of a proxy there.*restart etcd or reload the proxy/],
    ['nginx/1.26.3', /the CA file of the proxy "nginx\/1\.26\.3" \(ssl_client_certificate\).*"nginx -s reload"/],
    ['envoy', /the CA file of the proxy "envoy", and.* and reload the proxy\.$/],
  ])('names the server that must read its CA file again if the header "server" is %j', (server, remedy) => {
    const [issuer, alert, accepts, listed, held] = ['CN=A', null, ['CN=B'], false, null]
    const details = { endpoint: 'https://a:2379', alert, chain: [], issuer, accepts, listed, held, server }
    expect(finding('handshake/client-ca-unknown', details).remedy).toMatch(remedy)
  })

  it('names "http2 on" and "alpn h2" if a server does not support HTTP/2', () => {
    const [found] = explain({ stage: 'handshake', alert: 120, certificateSent: null })
    expect(found?.remedy).toContain('(nginx needs "http2 on", and haproxy "alpn h2" on its bind line)')
  })

  it('names the start of the other members before other causes if an etcd accepts connections and is silent', () => {
    const [found] = explain({ stage: 'handshake', timedOut: true })
    expect(found?.remedy).toMatch(/^[^.]+\. If etcd starts there, start the other members:/)
  })

  it('reports an alert that no RFC defines by its number', () => {
    expect(explain({ stage: 'handshake', alert: 99, certificateSent: true })[0]?.message).toContain('TLS alert 99')
  })

  it('names both reasons for which etcd sends alert 80', () => {
    const [found] = explain({ stage: 'handshake', alert: 80 })
    expect(found?.remedy).toMatch(/--cert-file and --key-file.*too many open files/)
  })

  it.each(['EE certificate key too weak', 'CA certificate key too weak', 'CA signature digest algorithm too weak'])(
    'reports the words of OpenSSL for which Node has no code: %s',
    (words) => {
      const error = Object.assign(new Error(words), { code: 'UNSPECIFIED' })
      const [found] = explain({ stage: 'handshake', error })
      expect(found).toMatchObject({ code: 'handshake/server-certificate-refused', details: { reason: words } })
      expect(found?.message).toContain(words)
      expect(found?.remedy).toMatch(/^(?:Reissue|Issue) the.*@SECLEVEL/)
    },
  )

  it.each([116, 42, 40])('explains alert %i by a missing certificate if OpenSSL did not send ours', (alert) => {
    const isMissing = (certificateSent: boolean | null): boolean => {
      const [found] = explain({ stage: 'handshake', alert, certificateSent })
      return found?.code === 'handshake/client-certificate-missing' && found.details.keyAlgorithm !== null
    }
    expect([false, true, null].map(isMissing)).toEqual([true, false, false])
  })

  it.each<Partial<DialFailure>>([
    { error: fault('ECONNREFUSED') },
    { timedOut: true },
    { stage: 'handshake', timedOut: true },
  ])('names the address that a name was resolved to: %o', (evidence) => {
    const target = { address: '10.0.0.7', options: { port: 2379 } }
    expect(explain({ target, ...evidence })[0]?.message).toContain('https://etcd.example:2379 (10.0.0.7)')
  })

  it('distinguishes a slow network from a silent server by whether a part of the answer came', () => {
    const remedy = (answered: boolean) => explain({ stage: 'handshake', timedOut: true, answered })[0]?.remedy
    expect(remedy(true)).toMatch(/raise dialTimeout/)
    expect(remedy(false)).toMatch(/host and port are etcd's.*leader.*paused.*load balancer/)
  })

  it.each([
    ['127.0.0.1', false],
    ['localhost', true],
  ])('offers a server name for %s', (host, sent) => {
    const [endpoint] = parseEndpoints(`https://${host}:2379`)
    const { tls } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client })
    const server = pki.issueServer({ names: [dns('etcd-0.etcd')] })
    const validated = prepare(pki.client, tls)
    const at = { name: endpoint.host, validated, endpoint: endpoint.url }
    const validation = validateServer([server.chain[0].raw], at)
    expect(explain({ stage: 'handshake', validation }, { host }).at(-1)).toMatchObject({
      code: 'handshake/server-name',
      details: { alert: null, name: host, sent, covered: ['etcd-0.etcd'] },
    })
  })

  it('names a slow clock as a possible cause if OpenSSL refuses a new certificate', () => {
    const remedyOf = (hours: number) => {
      const credentials = pki.issueClient({ notBefore: new Date(Date.now() - hours * 3_600_000) })
      return explain({ stage: 'handshake', alert: 42, certificateSent: true }, { credentials })[0]?.remedy
    }
    expect(remedyOf(1)).toMatch(/a clock that is slow by/)
    expect(remedyOf(48)).not.toMatch(/clock/)
  })
})

function connect(peer: Peer, options: Partial<SecureClientOptions> = {}): Promise<unknown> {
  return createSecureClient({ endpoints: peer.endpoint, credentials: pki.client, dialTimeout: '5s', ...options })
}

/** A server that would serve every call, if only the handshake succeeded. */
function goodPeer(options: Parameters<typeof serverTls>[1] = {}, server = pki.server): Promise<Peer> {
  return grpcPeer(serverTls(server, options))
}

const foreign = mintPki('Other root').server

/** How many connections the client makes until it knows why: one more if the first did not show it. */
it.each<[string, () => Promise<Peer>, FindingCode, number]>([
  ['the alert 45', () => refusingPeer(pki.server, 45), 'handshake/client-certificate-refused', 1],
  ['the alert 45 before our certificate', () => alertingPeer(45), 'handshake/failed', 1],
  ['the alert 48', () => refusingPeer(pki.server, 48), 'handshake/client-ca-unknown', 2],
  ['another CA', () => goodPeer({ ca: [pki.root.pem] }, foreign), 'chain/issuer-not-found', 2],
  ['another name', () => goodPeer({}, pki.issueServer({ names: [ip('10.0.0.1')] })), 'san/host-not-covered', 1],
])('explains %s over as few connections as possible', async (_what, start, code, connections) => {
  await using peer = await start()
  const { details } = await refused(connect(peer, { dialTimeout: '1s' }), 'ERR_HANDSHAKE_FAILED')
  expect(JSON.stringify(findingOf(details.report.findings, code))).toMatch(/"127\.0\.0\.1"|https:/)
  expect(peer.accepted).toBe(connections)
})

it('reports every fault of a server certificate for another name, expired and of another CA', async () => {
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
  const issuer = mintCa({ subject: 'Rogue root' })
  const leaf = mintLeaf({ subject: 'etcd', issuer, names: [ip('10.0.0.1')], ...validity })
  await using peer = await goodPeer({}, mintedCredentials({ leaf, trust: [pki.root] }))
  const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
  const codes = errorCodes(details.report.findings)
  expect(codes).toEqual(expect.arrayContaining(['validity/expired', 'san/host-not-covered']))
  expect(codes.some((code) => code.startsWith('chain/'))).toBe(true)
})

it('notices that OpenSSL does not send our certificate, because its key fits nothing that the server accepts', async () => {
  const credentials = pki.issueClient({ key: 'p384' })
  await using peer = await goodPeer({ sigalgs: 'ECDSA+SHA256', maxVersion: 'TLSv1.3', minVersion: 'TLSv1.3' })
  const { details } = await refused(connect(peer, { credentials }), 'ERR_HANDSHAKE_FAILED')
  expect(findingOf(details.report.findings, 'handshake/client-certificate-missing')).toMatchObject({
    certificate: { role: 'leaf' },
    details: { alert: 116, keyAlgorithm: 'ECDSA P-384' },
  })
})

it('dials nothing with a certificate that our own validation refuses', async () => {
  await using peer = await silentPeer()
  const credentials = pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
  const { details } = await refused(connect(peer, { credentials }), 'ERR_VALIDATION_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['validity/expired'])
  expect(peer.accepted).toBe(0)
})

it("says that a variable is ignored next to a fault of the server's certificate, and not next to one of the client's", () => {
  const [note] = environmentFindings({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })
  const isShown = (origin: string): boolean => {
    const [leaf] = pki.client.chain
    const details = { notAfter: new Date(), at: new Date(), ago: '1 day' }
    const expired = finding('validity/expired', details, { ...certificateRef(leaf, 'leaf', 0), origin })
    return note !== undefined && mayExplain(note, [expired])
  }
  expect([isShown('https://etcd-0:2379'), isShown('unixs:///run/etcd.sock'), isShown('client.crt')]).toEqual([
    true,
    true,
    false,
  ])
})

describe('the report of refused endpoints', () => {
  it("A report has the path of the server's certificate at fault, and the number of endpoints that failed", async () => {
    await using good = await goodPeer()
    await using other = await goodPeer({}, pki.issueServer({ names: [ip('10.0.0.1')] }))
    const options = { endpoints: [good.endpoint, other.endpoint], preflight: 'all' } as const
    const { details, message } = await refused(connect(good, options), 'ERR_HANDSHAKE_FAILED')
    expect(details.report.endpoints).toEqual({ total: 2, failed: 1 })
    expect(details.report.path?.map(({ role, origin }) => [role, origin === other.endpoint])).toEqual([
      ['leaf', true],
      ['anchor', false],
    ])
    expect(formatReport(details.report)).toContain(`(leaf, from ${other.endpoint}): 1 error`)
    expect(message).toMatch(/^\[san\/host-not-covered\] https:\/\/[^ ]+: its certificate "CN=etcd" does not cover/)
  })

  it("A report has the path of the client's certificate if no server is at fault, and prints it if it is refused", async () => {
    await using peer = await refusingPeer(pki.server, 45)
    const refusal = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    expect(refusal.details.report.path).toMatchObject([{ role: 'leaf', subject: 'CN=root' }, { role: 'anchor' }])
    expect(formatReport(refusal)).toContain('CN=root (leaf, ')
    const nobody = { endpoints: 'https://127.0.0.1:1' }
    const unreachable = await refused(connect(peer, nobody), 'ERR_UNREACHABLE')
    expect(unreachable.details.report.path).not.toBeNull()
    expect(formatReport(unreachable)).not.toContain('Path')
  })

  it("A report of a connected endpoint has the path of the client's certificate, and no endpoint that failed", async () => {
    await using peer = await goodPeer()
    await using client = (await connect(peer)) as SecureEtcd3
    const report = await client.tls.probe()
    expect([report.endpoints, report.path?.[0]?.subject]).toEqual([{ total: 1, failed: 0 }, 'CN=root'])
  })
})
