/** Evidence that no small peer can bring about: it is made up here, and told as the real one would be. */
import { describe, expect, it } from 'vitest'
import { prepare } from '../../../src/client/validated-credentials.js'
import type { DialFailure } from '../../../src/client/transport/dial.js'
import { alertNumber } from '../../../src/client/transport/dial.js'
import {
  explainFailure,
  hasAnswered,
  isVerificationError,
  NOTHING_FOUND,
} from '../../../src/client/diagnosis/explain.js'
import { resolveOptions } from '../../../src/client/options.js'
import type { Finding, FindingCode } from '../../../src/report/index.js'
import { validateServer } from '../../../src/client/transport/tls-socket.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'

const pki = mintPki()
const { endpoints, tls } = resolveOptions({ endpoints: 'https://etcd.example:2379', credentials: pki.client })
const [endpoint] = endpoints
const validated = prepare(pki.client, tls)

const foreign = pki.issueServer({ names: [dns('etcd-0.etcd')] })

function failureOf(evidence: Partial<DialFailure>): DialFailure {
  return {
    target: null,
    failedAddresses: [],
    stage: 'connect',
    error: null,
    alert: null,
    timedOut: false,
    protocol: null,
    alpn: null,
    validation: null,
    certificateSent: null,
    answer: null,
    answered: false,
    ...evidence,
  }
}

function explain(evidence: Partial<DialFailure>): Finding[] {
  const failure = failureOf(evidence)
  const diagnosis = NOTHING_FOUND
  return explainFailure({ endpoint, name: endpoint.host, validated, failure, diagnosis, timeout: 5000 })
}

function fault(code: string, message = code): Error {
  return Object.assign(new Error(message), { code })
}

describe('evidence and its finding', () => {
  it.each<[string, Partial<DialFailure>, FindingCode, boolean]>([
    ['a resolver that never answers', { stage: 'lookup', timedOut: true }, 'endpoint/unreachable', false],
    ['a resolver out of order', { stage: 'lookup', error: fault('EAI_AGAIN') }, 'endpoint/unreachable', false],
    ['packets that are dropped', { timedOut: true }, 'endpoint/unreachable', false],
    ['the kernel’s own time-out', { error: fault('ETIMEDOUT') }, 'endpoint/unreachable', false],
    ['no route', { error: fault('EHOSTUNREACH') }, 'endpoint/unreachable', false],
    ['an end that is read before the beginning', { error: fault('ECONNRESET') }, 'endpoint/closed', false],
    [
      'a first call that is ended without an answer',
      { stage: 'health-check', error: fault('ERR_HTTP2_STREAM_ERROR') },
      'endpoint/lost',
      true,
    ],
    [
      'the same, if no certificate was requested',
      { stage: 'health-check', error: fault('ERR_HTTP2_STREAM_ERROR'), certificateSent: false },
      'endpoint/closed',
      false,
    ],
    ['no file descriptor left', { error: fault('EMFILE') }, 'endpoint/unreachable', false],
    ['an error of OpenSSL on this side', { stage: 'handshake', error: fault('ERR_SSL_X') }, 'handshake/failed', true],
    [
      'a server that picks an old version',
      { stage: 'handshake', error: fault('ERR_SSL_UNSUPPORTED_PROTOCOL') },
      'handshake/no-common-parameters',
      true,
    ],
    [
      'a chain that OpenSSL refuses and that could not be looked at again',
      { stage: 'handshake', error: fault('CERT_HAS_EXPIRED') },
      'handshake/server-certificate-refused',
      true,
    ],
    [
      'an end after the handshake where HTTP/2 was agreed',
      { stage: 'settings', protocol: 'TLSv1.3', alpn: 'h2', error: fault('ECONNRESET') },
      'handshake/closed-without-alert',
      true,
    ],
    [
      'an end after the handshake where it was not',
      { stage: 'settings', protocol: 'TLSv1.3' },
      'endpoint/wrong-protocol',
      true,
    ],
    [
      'an end after a handshake in which no certificate was requested',
      { stage: 'settings', protocol: 'TLSv1.3', alpn: 'h2', certificateSent: false },
      'endpoint/closed',
      false,
    ],
    ['an end without a byte', { stage: 'handshake', error: fault('ECONNRESET') }, 'endpoint/closed', false],
    ['an end after some bytes', { stage: 'handshake', answered: true }, 'endpoint/closed', true],
  ])('%s', (_what, evidence, code, answered) => {
    const findings = explain(evidence)
    expect(findings.map((each) => each.code)).toEqual([code])
    expect(hasAnswered(findings)).toBe(answered)
    expect(findings[0]?.details).toMatchObject({ endpoint: 'https://etcd.example:2379' })
  })

  it.each<[number, FindingCode]>([
    [40, 'handshake/no-common-parameters'],
    [42, 'handshake/client-certificate-refused'],
    [43, 'handshake/client-certificate-refused'],
    [44, 'handshake/client-certificate-refused'],
    [45, 'handshake/client-certificate-refused'],
    [46, 'handshake/client-certificate-refused'],
    [47, 'handshake/no-common-parameters'],
    [48, 'handshake/client-ca-unknown'],
    [50, 'handshake/failed'],
    [70, 'handshake/no-common-parameters'],
    [71, 'handshake/no-common-parameters'],
    [80, 'handshake/failed'],
    [112, 'handshake/server-name'],
    [116, 'handshake/client-certificate-missing'],
    [120, 'endpoint/wrong-protocol'],
  ])('alert %d is %s', (alert, code) => {
    expect(explain({ stage: 'handshake', alert })).toMatchObject([{ code, severity: 'error', details: { alert } }])
  })

  it.each([116, 42, 40])('reads alert %i as a certificate that is missing, if OpenSSL did not send ours', (alert) => {
    const isNotSent = (certificateSent: boolean | null): boolean =>
      explain({ stage: 'handshake', alert, certificateSent }).some(
        (each) => each.code === 'handshake/client-certificate-missing' && each.details.keyAlgorithm !== null,
      )
    expect(isNotSent(false)).toBe(true)
    for (const sent of [true, null]) expect(isNotSent(sent)).toBe(false)
  })

  it('names the address that a name was resolved to', () => {
    const target = { address: '10.0.0.7', options: { port: 2379 } }
    for (const evidence of [
      { error: fault('ECONNREFUSED') },
      { timedOut: true },
      { stage: 'handshake' as const, timedOut: true },
    ]) {
      const [found] = explain({ target, ...evidence })
      expect(found?.message).toContain('https://etcd.example:2379 (10.0.0.7)')
    }
  })

  it('distinguishes a slow network from a silent server by whether a part of the answer came', () => {
    const remedy = (answered: boolean): string =>
      explain({ stage: 'handshake', timedOut: true, answered })[0]?.remedy ?? ''
    expect(remedy(true)).toMatch(/raise dialTimeout/)
    expect(remedy(false)).toMatch(/paused or overloaded/)
  })

  it('offers a server name for an address, and for a tunnel', () => {
    for (const [name, sent] of [
      ['127.0.0.1', false],
      ['localhost', true],
    ] as const) {
      const [local] = resolveOptions({ endpoints: `https://${name}:2379`, credentials: pki.client }).endpoints
      const validation = validateServer([foreign.chain[0].raw], { name: local.host, validated, endpoint: local.url })
      const failure = failureOf({ stage: 'handshake', validation })
      const found = explainFailure({
        endpoint: local,
        name: local.host,
        validated,
        failure,
        diagnosis: NOTHING_FOUND,
        timeout: 1,
      })
      expect(found.at(-1)).toMatchObject({
        code: 'handshake/server-name',
        details: { alert: null, name, sent, covered: ['etcd-0.etcd'] },
      })
    }
  })

  it('a young certificate that OpenSSL refuses may meet a slow clock', () => {
    const remedyOf = (credentials: typeof pki.client): string => {
      const failure = failureOf({ stage: 'handshake', alert: 42 })
      const young = prepare(credentials, tls)
      const attempt = { endpoint, name: endpoint.host, failure, diagnosis: NOTHING_FOUND, timeout: 1 }
      return explainFailure({ ...attempt, validated: young })[0]?.remedy ?? ''
    }
    const since = (hours: number): typeof pki.client =>
      pki.issueClient({ notBefore: new Date(Date.now() - hours * 3_600_000) })
    expect(remedyOf(since(1))).toMatch(/a clock that is slow by/)
    expect(remedyOf(since(48))).not.toMatch(/clock/)
  })
})

describe('reading errors', () => {
  it('an alert goes by its number, whatever the text', () => {
    expect(alertNumber(new Error('…:sslv3 alert bad certificate:…:SSL alert number 42\n'))).toBe(42)
    expect(alertNumber(new Error('…:ssl/tls alert bad certificate:…:SSL alert number 42\n'))).toBe(42)
    expect(alertNumber(new Error('bad certificate'))).toBeNull()
    expect(alertNumber(null)).toBeNull()
  })

  it.each([
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', true],
    ['CERT_HAS_EXPIRED', true],
    ['INVALID_PURPOSE', true],
    ['UNSPECIFIED', true],
    ['ERR_SSL_WRONG_VERSION_NUMBER', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false],
    ['ECONNRESET', false],
    ['EAI_AGAIN', false],
  ])('%s is a refused chain: %s', (code, expected) => {
    expect(isVerificationError(fault(code))).toBe(expected)
  })
})
