/** Certificate requests (RFC 2986): what they hold, what is refused, and the signature of their own key. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CertificateRequest, MAX_REQUEST_BYTES } from '../../../src/x509/certificate-request.js'
import { DerError } from '../../../src/x509/der.js'
import { context, integer, octetString, oid, sequence, setOf, tlv, utf8String } from '../../support/der-writer.js'
import { refusal } from '../../support/der-refusal.js'
import { sample } from '../../support/long.js'
import {
  basicConstraints,
  csrAttribute,
  directoryName,
  dns,
  encodeExtension,
  encodeName,
  extendedKeyUsage,
  ip,
  mintCsr,
  newKey,
  spkiOf,
  subjectAltName,
  TAG,
  unknownExtension,
  uri,
} from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'

type Options = Partial<Parameters<typeof mintCsr>[0]>

const key = newKey()
const rsa = newKey('rsa-2048')
const derOf = (options: Options): Buffer => mintCsr({ subject: 'etcd-0', key, ...options }).der
const read = (options: Options): CertificateRequest => CertificateRequest.parse(derOf(options), 'a.csr')

describe('a request', () => {
  it('holds a subject, a key, names and other extensions', () => {
    const names = [dns('etcd-0.etcd'), ip('10.0.0.1'), uri('spiffe://a/b'), directoryName('x')]
    const usages = extendedKeyUsage(['serverAuth', '1.2.3'])
    const request = read({ names, extensions: [basicConstraints({ ca: true, pathLength: 1 }), usages] })
    expect([request.version, request.asksForCa, request.subject.toString()]).toEqual([1, true, 'CN=etcd-0'])
    expect(Buffer.from(request.spki)).toEqual(spkiOf(key))
    expect(request.publicKeyInfo).toMatchObject({ algorithm: 'ECDSA', curve: 'P-256' })
    expect(request.publicKey).toBe(request.publicKey)
    expect(request.hasReadableKey).toBe(true)
    expect(request.subjectAltNames.map(({ kind, value }) => `${kind} ${value}`)).toEqual([
      'dns etcd-0.etcd',
      'ip 10.0.0.1',
      'uri spiffe://a/b',
      'dirName CN=x',
    ])
    expect(request.extensions.extendedKeyUsage).toEqual(['serverAuth', '1.2.3'])
    expect(read({ version: 2 }).version).toBe(3)
  })

  it('a request may have no attribute, not even their field, and an empty subject', () => {
    for (const attributesField of [true, false]) {
      const request = read({ attributesField, subject: '' })
      expect([request.attributes, request.subjectAltNames, request.extensions.all]).toEqual([[], [], []])
      expect([request.asksForCa, request.hasChallengePassword, request.unstructuredName]).toEqual([false, false, null])
      expect(String(request)).toBe('(no subject) (ECDSA P-256, a.csr)')
    }
  })

  it('a request may have extensions in the attribute of Microsoft, where a second extension is a duplicate', () => {
    const microsoft = '1.3.6.1.4.1.311.2.1.14'
    const names = [dns('a.example')]
    expect(read({ names, extensionsAttribute: microsoft }).subjectAltNames).toMatchObject([{ value: 'a.example' }])
    const again = csrAttribute(microsoft, sequence(encodeExtension(subjectAltName([dns('b.example')]))))
    expect(read({ names, attributes: [again] }).extensions.duplicates).toEqual(['2.5.29.17'])
  })

  it('prints its unstructured name and PEM, and never its challenge password', () => {
    const attributes = [
      csrAttribute('1.2.840.113549.1.9.7', utf8String('s3cret-challenge')),
      csrAttribute('1.2.840.113549.1.9.2', utf8String('etcd of the lab')),
      csrAttribute('1.2.3.4', integer(5), integer(6)),
    ]
    const request = read({ attributes })
    expect([request.hasChallengePassword, request.unstructuredName]).toEqual([true, 'etcd of the lab'])
    expect(request.attributes.map(({ values }) => values.length)).toEqual([1, 1, 2])
    const shown = [inspect(request, { depth: 10 }), JSON.stringify(request), String(request)].join('\n')
    expect(shown).not.toContain('s3cret')
    expect(shown).toContain('CertificateRequest { CN=etcd-0 (ECDSA P-256, a.csr) }')
    const { der, pem } = mintCsr({ subject: 'a', key })
    expect(CertificateRequest.parse(der).toPem()).toBe(pem)
  })
})

describe('the signature of a request', () => {
  it.each<[string, Options]>([
    ['P-256', {}],
    ['P-384', { key: newKey('p384') }],
    ['Ed25519', { key: newKey('ed25519') }],
    ['RSA', { key: rsa }],
    ['RSA-PSS', { key: rsa, signature: 'rsa-pss-sha256' }],
    ['no attributes', { attributesField: false }],
  ])('the signature of a request with %s is verified, as openssl does', (_, options) => {
    const request = read({ names: [dns('a.example')], ...options })
    expect(request.isSignedByItself()).toBe(true)
    openssl(['req', '-verify', '-noout'], request.toPem())
  })

  it.each<[string, Options]>([
    ['that was changed', { tamperSignature: (bits) => Buffer.from(bits.with(-1, (bits.at(-1) ?? 0) ^ 1)) }],
    ['of another key', { signWith: newKey() }],
    ['of another kind of key', { signWith: rsa }],
    ['of an unknown algorithm', { outerSignature: sequence(oid('1.2.3')) }],
    ['without bytes', { tamperSignature: () => Buffer.alloc(0) }],
  ])('the signature of a request %s is not verified', (_, options) => {
    expect(read(options).isSignedByItself()).toBe(false)
  })
})

describe('what is not a request', () => {
  const isRead = (der: Uint8Array): boolean => {
    try {
      CertificateRequest.parse(der)
      return true
    } catch (error) {
      if (error instanceof DerError) return false
      throw error
    }
  }
  const many = Array.from({ length: 101 }, () => integer(1))
  const requesting = (...values: Buffer[]) => ({ attributes: [csrAttribute('1.2.840.113549.1.9.14', ...values)] })
  const FOLLOWED = 'is followed by data that does not belong there'

  it.each<[string, Options]>([
    ['more than 100 attributes', { attributes: many.map((value) => csrAttribute('1.2.3', value)) }],
    ['more than 100 values of an attribute', { attributes: [csrAttribute('1.2.3', ...many)] }],
    ['an empty list of values of an attribute', { attributes: [sequence(oid('1.2.3'), setOf())] }],
    ['an extension request of more than one value', requesting(sequence(), sequence())],
    ['the requested extensions is missing or of another type', requesting(octetString(Buffer.alloc(1)))],
    [`an attribute ${FOLLOWED}`, { attributes: [sequence(oid('1.2.3'), setOf(integer(1)), integer(1))] }],
  ])('a malformed request is refused: %s', (reason, options) => {
    expect(refusal(() => read(options))).toBe(reason)
  })

  it('a request is refused for its size, for data after its fields, and for a signature that ends inside a byte', () => {
    expect(refusal(() => CertificateRequest.parse(new Uint8Array(MAX_REQUEST_BYTES + 1)))).toContain('more than')
    const of = (signature: number[], ...more: Buffer[]): Buffer =>
      sequence(
        sequence(integer(0), encodeName('a'), spkiOf(key), context(0), ...more),
        sequence(oid('1.2.840.10045.4.3.2')),
        tlv(TAG.bitString, Buffer.from(signature)),
      )
    const reasons = [of([0, 1], integer(1)), of([1, 2])].map((der) => refusal(() => CertificateRequest.parse(der)))
    expect(reasons).toEqual([`the signed part ${FOLLOWED}`, 'a signature that does not end at a byte'])
  })

  const whole = derOf({ names: [dns('a.example'), ip('::1')], extensions: [unknownExtension(false)] })

  it('a request is refused if it was cut anywhere', () => {
    for (let length = 0; length < whole.length; length++) expect(isRead(whole.subarray(0, length))).toBe(false)
  })

  it('a request is refused, or not signed by its key, if a bit was flipped', () => {
    const seen = { unreadable: 0, unsigned: 0, signed: 0 }
    for (const bit of sample(Array(whole.length * 8).keys(), 400)) {
      const changed = Buffer.from(whole)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (!isRead(changed)) seen.unreadable++
      else if (CertificateRequest.parse(changed).isSignedByItself()) seen.signed++
      else seen.unsigned++
    }
    expect(seen.signed).toBe(0)
    expect(Math.min(seen.unreadable, seen.unsigned)).toBeGreaterThan(10)
  })

  it('a damaged request is never read with another error than a DerError', () => {
    const change = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(whole)
        for (const [at, octets] of changes) changed.set(octets.subarray(0, changed.length - at), at)
        if (changed.equals(whole) || !isRead(changed)) return
        const request = CertificateRequest.parse(changed)
        expect(request.isSignedByItself()).toBe(false)
        expect(String(request)).toContain('certificate request')
      }),
    )
  })
})
