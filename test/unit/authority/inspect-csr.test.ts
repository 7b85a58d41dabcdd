/** What a request asks for, and every finding about it. */
import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inspectRequest } from '../../../src/authority/index.js'
import type { FindingCode } from '../../../src/report/finding.js'
import { CertificateRequest } from '../../../src/x509/certificate-request.js'
import { anyCharacter } from '../../support/any-character.js'
import { bitString, integer, nullValue, oid, sequence, utf8String } from '../../support/der-writer.js'
import { sample } from '../../support/long.js'
import {
  basicConstraints,
  certificatePolicies,
  csrAttribute,
  directoryName,
  dns,
  email,
  extendedKeyUsage,
  type Extension,
  ip,
  keyUsage,
  mintCa,
  mintCrl,
  mintCsr,
  newKey,
  pem,
  spkiOf,
  subjectKeyIdentifier,
  TAG,
  unknownExtension,
  uri,
} from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'
import { requestedOf } from '../../support/requested.js'

const key = newKey()
const rsa = newKey('rsa-2048')
type CsrOptions = Partial<Parameters<typeof mintCsr>[0]>
const csr = (options: CsrOptions = {}): string => mintCsr({ subject: 'etcd-0', key, ...options }).pem
type RequestReport = ReturnType<typeof inspectRequest>
const codes = ({ findings }: RequestReport): string[] => findings.map((each) => `${each.severity} ${each.code}`)
const ofCode = ({ findings }: RequestReport, code: FindingCode): RequestReport['findings'][number] => {
  const found = findings.find((each) => each.code === code)
  if (found === undefined) throw new Error(`no ${code}`)
  return found
}

describe('the requested fields', () => {
  it('accepts a request with everything that is supported', () => {
    const report = inspectRequest(
      csr({
        subject: [
          ['O', 'Example'],
          ['CN', 'etcd-0'],
        ],
        names: [dns('ETCD-0.etcd'), dns('*.etcd.svc'), ip('10.0.0.1'), ip('2001:db8::1'), uri('spiffe://a/b')],
        extensions: [
          keyUsage(['digitalSignature', 'keyEncipherment']),
          extendedKeyUsage(['serverAuth', 'clientAuth']),
          basicConstraints({ ca: false }),
          subjectKeyIdentifier(createPublicKey(key)),
        ],
      }),
    )
    expect(codes(report)).toEqual([])
    expect(report.ok).toBe(true)
    expect(requestedOf(report.request)).toEqual({
      subject: 'CN=etcd-0,O=Example',
      commonName: 'etcd-0',
      hosts: ['etcd-0.etcd', '*.etcd.svc', '10.0.0.1', '2001:db8::1', 'spiffe://a/b'],
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      ca: false,
      publicKey: 'ECDSA P-256',
      signatureAlgorithm: 'ECDSA with SHA-256',
    })
    expect(report.request).toBeInstanceOf(CertificateRequest)
  })

  it('reports ignored parts of a request as information', () => {
    const report = inspectRequest(
      csr({
        names: [email('a@b.example'), directoryName('x')],
        extensions: [certificatePolicies(['1.2.3']), unknownExtension(false)],
        attributes: [
          csrAttribute('1.2.840.113549.1.9.7', utf8String('s3cret')),
          csrAttribute('1.2.840.113549.1.9.2', utf8String('a\u202eb')),
          csrAttribute('1.3.6.1.4.1.311.13.2.3', utf8String('10.0')),
          csrAttribute('1.2.3.4', integer(1)),
        ],
      }),
    )
    expect(codes(report)).toEqual(['info request/ignored'])
    expect(ofCode(report, 'request/ignored').details).toMatchObject({
      version: 1,
      extensions: ['certificatePolicies', '1.3.6.1.4.1.99999.1'],
      attributes: ['Microsoft osVersion', '1.2.3.4'],
      names: ['email:a@b.example', 'dirName:CN=x'],
      challengePassword: true,
    })
    expect(JSON.stringify(report)).not.toContain('s3cret')
  })
})

describe('forms in which a request is given', () => {
  const { der, pem: text } = mintCsr({ subject: 'etcd-0', key })

  it.each<[string, string | Uint8Array | CertificateRequest, string[]]>([
    ['PEM', text, []],
    ['DER', der, []],
    ['a CertificateRequest', CertificateRequest.parse(der), []],
    ['PEM with the label of old tools', text.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'), []],
    ['PEM with Windows line ends', text.replaceAll('\n', '\r\n'), ['info pem/layout-unusual']],
    ['PEM after the text of "openssl req -text"', openssl(['req', '-text'], text), ['info pem/layout-unusual']],
    ['PEM next to its key', text + openssl(['pkey'], keyText()), ['warning input/other-block']],
    ['PEM next to a certificate', mintCa({ subject: 'x' }).pem + text, ['info input/other-block']],
  ])('reads a request given as %s', (_, given, expected) => {
    const report = inspectRequest(given)
    expect(codes(report)).toEqual(expected)
    expect(requestedOf(report.request)?.commonName).toBe('etcd-0')
  })

  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'error input/unexpected-content'],
    ['a certificate in DER', mintCa({ subject: 'x' }).der, 'error input/unexpected-content'],
    ['a CRL', mintCrl({ issuer: mintCa({ subject: 'x' }) }).pem, 'error input/unexpected-content'],
    ['two requests', text + text, 'error input/several'],
    ['a request that was cut', text.slice(0, 200), 'error pem/damaged'],
    ['other data under the label', pem('CERTIFICATE REQUEST', mintCa({ subject: 'x' }).der), 'error request/malformed'],
    ['the output of cfssl', JSON.stringify({ csr: text, key: 'x' }), 'error input/unexpected-content'],
    ['base64 alone', der.toString('base64'), 'error input/unexpected-content'],
    ['more bytes than are read', 'x'.repeat(5_000_000), 'error input/too-much'],
    [
      'a request of more bytes than are read',
      csr({ subject: 'a', attributes: [csrAttribute('1.2.3', utf8String('x'.repeat(300_000)))] }),
      'error request/malformed',
    ],
  ])('refuses %s', (_, given, code) => {
    const report = inspectRequest(given)
    expect(report.findings.filter(({ severity }) => severity === 'error').map((each) => `error ${each.code}`)).toEqual([
      code,
    ])
    expect(report).toMatchObject({ ok: false, request: null })
  })

  it('warns about a private key alone', () => {
    expect(codes(inspectRequest(keyText()))).toEqual(['error input/unexpected-content', 'warning input/other-block'])
  })

  it('names the file in the message and in the command of the remedy', () => {
    const report = inspectRequest(der.subarray(0, 90), { file: 'my files/etcd-0.csr' })
    const { message, remedy } = ofCode(report, 'request/malformed')
    expect(message).toMatch(/^The file my files\/etcd-0\.csr holds a damaged certificate request: .+\(byte \d+\)\.$/)
    expect(remedy).toContain("'my files/etcd-0.csr'")
  })

  it.each<[string, unknown, object]>([
    ['csr', 5, {}],
    ['csr', null, {}],
    ['origin', text, { origin: 'x' }],
    ['file', text, { file: 5 }],
  ])('throws for a wrong option: %s', (option, given, options) => {
    expect(() => inspectRequest(given as never, options)).toThrow(`"${option}"`)
  })
})

function keyText(): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

describe('refused requests', () => {
  const unused = bitString(Buffer.alloc(65, 4))
  const rsaSpki = (parameters: Buffer[]): Buffer => {
    const bits = spkiOf(rsa).subarray(19) // behind SEQUENCE and AlgorithmIdentifier
    return sequence(sequence(oid('1.2.840.113549.1.1.1'), ...parameters), bits)
  }

  it.each<[FindingCode, string, CsrOptions]>([
    ['request/signature-refused', 'a signature of another key', { signWith: newKey() }],
    ['request/signature-refused', 'SHA-1', { signature: 'ecdsa-sha1' }],
    ['request/signature-refused', 'MD5', { key: rsa, signature: 'rsa-md5' }],
    ['request/signature-refused', 'an unknown signature algorithm', { outerSignature: sequence(oid('1.2.3')) }],
    ['request/key-refused', 'RSA 1024', { key: newKey('rsa-1024') }],
    ['request/key-refused', 'secp256k1', { key: newKey('secp256k1') }],
    ['request/key-refused', 'P-192', { spki: ecSpki('1.2.840.10045.3.1.1') }],
    ['request/key-refused', 'DSA', { spki: sequence(sequence(oid('1.2.840.10040.4.1')), unused) }],
    ['request/key-refused', 'a point that is not on the curve', { spki: ecSpki('1.2.840.10045.3.1.7') }],
    [
      'request/key-refused',
      'a compressed point',
      { spki: ecSpki('1.2.840.10045.3.1.7', Buffer.concat([Buffer.from([2]), Buffer.alloc(32, 1)])) },
    ],
    ['request/key-refused', 'RSA beyond 8192 bits', { spki: rsaOf(8200n, 65537n) }],
    ['request/key-refused', 'RSA with an even exponent', { spki: rsaOf(2048n, 65538n) }],
    ['request/key-refused', 'RSA without its NULL', { key: rsa, spki: rsaSpki([]) }],
    ['request/key-refused', 'a key of an unknown kind', { spki: sequence(sequence(oid('1.2.3')), unused) }],
    ['request/ca-requested', 'CA:TRUE', { extensions: [basicConstraints({ ca: true })] }],
    ['request/ca-requested', 'keyCertSign', { extensions: [keyUsage(['digitalSignature', 'keyCertSign'])] }],
    ['request/ca-requested', 'cRLSign', { extensions: [keyUsage(['cRLSign'])] }],
    ['request/extension-refused', 'a critical extension that is unknown', { extensions: [unknownExtension(true)] }],
    ['request/extension-refused', 'a malformed key usage', { extensions: [broken('2.5.29.15')] }],
    [
      'request/extension-refused',
      'two key usages',
      { extensions: [keyUsage(['digitalSignature']), keyUsage(['keyAgreement'])] },
    ],
  ])('reports %s for a request: %s', (code, _, options) => {
    const report = inspectRequest(csr(options))
    expect(codes(report)).toEqual([`error ${code}`])
    expect(report.ok).toBe(false)
    expect(report.request).not.toBeNull()
    const { message, remedy } = ofCode(report, code)
    expect(message).toMatch(/^The option "csr" .+\.$/)
    expect(remedy).toMatch(/^[A-Z].+\.$/)
  })

  it('accepts a correct RSA key that is made like the wrong ones', () => {
    expect(codes(inspectRequest(csr({ key: rsa, spki: rsaSpki([nullValue()]) })))).toEqual([])
  })

  it('reports everything at once', () => {
    const report = inspectRequest(
      csr({
        subject: [
          ['CN', 'a'],
          ['CN', 'b'],
        ],
        version: 1,
        signWith: newKey(),
        names: [dns('10.0.0.1')],
        extensions: [basicConstraints({ ca: true }), unknownExtension(true), broken('2.5.29.37')],
      }),
    )
    expect(codes(report)).toEqual([
      'error request/signature-refused',
      'error request/ca-requested',
      'error request/extension-refused',
      'error request/extension-refused',
      'warning request/ignored',
      'warning request/name-unusable',
    ])
  })
})

function broken(id: string): Extension {
  return { oid: id, value: Buffer.from([0x30]) }
}

/** An RSA key of which nobody has the private half. */
function rsaOf(bits: bigint, exponent: bigint): Buffer {
  const modulus = (1n << (bits - 1n)) | 1n
  return sequence(
    sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
    bitString(sequence(integer(modulus), integer(exponent))),
  )
}

function ecSpki(curve: string, point = Buffer.alloc(65, 4)): Buffer {
  return sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve)), bitString(point))
}

describe('names that are not hosts', () => {
  it.each([
    [dns('10.0.0.1'), 'must be requested as an IP name'],
    [dns('etcd-0:2379'), 'must be the host alone, without a port'],
    [dns('spiffe://a/b'), 'must be requested as a URI name'],
    [uri('etcd-0'), 'must be requested as a DNS name'],
    [dns('a\u0000b'), 'must not contain white space or control characters'],
  ])('reports the name %j as unusable, and ignores it', (name, reason) => {
    const report = inspectRequest(csr({ names: [name, dns('good.example')] }))
    expect(codes(report)).toEqual(['warning request/name-unusable'])
    expect(requestedOf(report.request)?.hosts).toEqual(['good.example'])
    expect(ofCode(report, 'request/name-unusable').details).toMatchObject({ count: 1, names: [{ reason }] })
  })

  it('counts all unusable names, and shows some', () => {
    const report = inspectRequest(csr({ names: Array.from({ length: 3000 }, (_, i) => dns(`a b${String(i)}`)) }))
    const { details, message } = ofCode(report, 'request/name-unusable')
    expect(details).toMatchObject({ count: 3000 })
    expect(message).toMatch(/ and 2995 more\.$/)
    expect(message.length).toBeLessThan(2000)
  })
})

it.each<[string, NonNullable<CsrOptions['subject']>]>([
  [
    'is there 2 times',
    [
      ['CN', 'a'],
      ['CN', 'b'],
    ],
  ],
  ['must have at most 64 characters (RFC 5280, ub-common-name)', 'x'.repeat(65)],
  ['must not be empty', [['CN', '']]],
  ['is not a string of its type', [['CN', 'ä', TAG.printableString]]],
])('never accepts a common name that %s', (reason, subject) => {
  const report = inspectRequest(csr({ subject }))
  expect(codes(report)).toEqual(['warning request/name-unusable'])
  expect(requestedOf(report.request)?.commonName).toBeNull()
  const names = [{ reason: `the common name ${reason}` }]
  expect(ofCode(report, 'request/name-unusable').details).toMatchObject({ count: 1, names })
})

describe('hostile input', () => {
  const whole = mintCsr({ subject: 'etcd-0', key, names: [dns('a.example')] })

  it('reports a request with any flipped bit', () => {
    for (const bit of sample(Array(whole.der.length * 8).keys(), 300)) {
      const changed = Buffer.from(whole.der)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(inspectRequest(changed).ok, String(bit)).toBe(false)
    }
  })

  it('reports any string and any bytes, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: anyCharacter }), fc.uint8Array({ maxLength: 500 })), (given) => {
        expect(inspectRequest(given).ok).toBe(false)
      }),
    )
  })
})
