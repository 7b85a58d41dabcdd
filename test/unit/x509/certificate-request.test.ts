import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CertificateRequest, MAX_REQUEST_OCTETS } from '../../../src/x509/request/certificate-request.js'
import { DerError } from '../../../src/x509/der.js'
import { context, integer, octetString, oid, sequence, setOf, tlv, utf8String } from '../../support/der-writer.js'
import {
  basicConstraints,
  csrAttribute,
  directoryName,
  dns,
  email,
  encodeExtension,
  encodeName,
  extendedKeyUsage,
  ip,
  keyUsage,
  type KeyKind,
  mintCsr,
  newKey,
  type SignatureName,
  spkiOf,
  subjectAltName,
  TAG,
  unknownExtension,
  uri,
} from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'

const key = newKey()
const rsa = newKey('rsa-2048')
const read = (options: Partial<Parameters<typeof mintCsr>[0]>): CertificateRequest =>
  CertificateRequest.parse(mintCsr({ subject: 'etcd-0', key, ...options }).der, 'a.csr')

describe('what a request holds', () => {
  it('subject, key and names', () => {
    const request = read({
      subject: [
        ['C', 'DE', TAG.printableString],
        ['O', 'Example'],
        ['CN', 'etcd-0'],
      ],
      names: [dns('etcd-0.etcd'), ip('10.0.0.1'), uri('spiffe://a/b'), email('a@b.example'), directoryName('x')],
    })
    expect(request.version).toBe(1)
    expect(request.subject.toString()).toBe('CN=etcd-0,O=Example,C=DE')
    expect(Buffer.from(request.spki)).toEqual(spkiOf(key))
    expect(request.publicKeyInfo).toMatchObject({ algorithm: 'ECDSA', curve: 'P-256' })
    expect(request.publicKey.equals(request.publicKey)).toBe(true)
    expect(request.subjectAltNames.map(({ kind, value }) => `${kind} ${value}`)).toEqual([
      'dns etcd-0.etcd',
      'ip 10.0.0.1',
      'uri spiffe://a/b',
      'email a@b.example',
      'dirName CN=x',
    ])
    expect(request.attributes.map((each) => each.oid)).toEqual(['1.2.840.113549.1.9.14'])
  })

  it('usages, CA rights, and extensions of any kind', () => {
    const extensions = [
      basicConstraints({ ca: true, pathLength: 1 }),
      keyUsage(['digitalSignature', 'keyCertSign']),
      extendedKeyUsage(['serverAuth', '1.2.3']),
      unknownExtension(true),
    ]
    const request = read({ extensions })
    expect([...(request.extensions.keyUsage ?? [])]).toEqual(['digitalSignature', 'keyCertSign'])
    expect(request.extensions.extendedKeyUsage).toEqual(['serverAuth', '1.2.3'])
    expect(request.extensions.basicConstraints).toEqual({ ca: true, pathLength: 1 })
    expect(request.asksForCa).toBe(true)
    expect(request.extensions.unknownCritical).toEqual(['1.3.6.1.4.1.99999.1'])
  })

  it('nothing: no attribute, or not even their field', () => {
    for (const attributesField of [true, false]) {
      const request = read({ attributesField })
      expect([request.attributes, request.subjectAltNames, request.extensions.all]).toEqual([[], [], []])
      expect([request.asksForCa, request.hasChallengePassword, request.unstructuredName]).toEqual([false, false, null])
    }
  })

  it('an empty subject', () => {
    expect(read({ subject: '' }).subject.isEmpty).toBe(true)
    expect(String(read({ subject: '' }))).toBe('(no subject) (ECDSA P-256, a.csr)')
  })

  it('extensions in the attribute of Microsoft', () => {
    const request = read({ names: [dns('a.example')], extensionsAttribute: '1.3.6.1.4.1.311.2.1.14' })
    expect(request.subjectAltNames.map(({ value }) => value)).toEqual(['a.example'])
  })

  it('extensions of several attributes: the same twice shows', () => {
    const again = csrAttribute('1.3.6.1.4.1.311.2.1.14', sequence(encodeExtension(subjectAltName([dns('b.example')]))))
    const request = read({ names: [dns('a.example')], attributes: [again] })
    expect(request.extensions.duplicates).toEqual(['2.5.29.17'])
  })

  it('a challenge password, which is not shown, and an unstructured name, which is', () => {
    const attributes = [
      csrAttribute('1.2.840.113549.1.9.7', utf8String('s3cret-challenge')),
      csrAttribute('1.2.840.113549.1.9.2', utf8String('etcd of the lab')),
      csrAttribute('1.2.3.4', integer(5), integer(6)),
    ]
    const request = read({ attributes })
    expect(request.hasChallengePassword).toBe(true)
    expect(request.unstructuredName).toBe('etcd of the lab')
    expect(request.attributes.at(-1)?.values).toHaveLength(2)
    const shown = [inspect(request, { depth: 10 }), JSON.stringify(request), String(request)].join('\n')
    expect(shown).not.toContain('s3cret')
    expect(shown).toContain('etcd-0')
  })

  it('another version', () => {
    expect(read({ version: 2 }).version).toBe(3)
  })

  it('PEM again', () => {
    const { der, pem } = mintCsr({ subject: 'a', key })
    expect(CertificateRequest.parse(der).toPem()).toBe(pem)
  })
})

describe('proof of possession', () => {
  it.each<[KeyKind, SignatureName | undefined]>([
    ['p256', undefined],
    ['p384', undefined],
    ['p521', 'ecdsa-sha512'],
    ['ed25519', undefined],
  ])('%s', (kind, signature) => {
    const request = read({ key: newKey(kind), signature })
    expect(request.isSignedByItself()).toBe(true)
    expect(read({ key: newKey(kind), signature, signWith: newKey(kind) }).isSignedByItself()).toBe(false)
  })

  it.each<[SignatureName]>([['rsa-sha256'], ['rsa-sha384'], ['rsa-sha512'], ['rsa-pss-sha256'], ['rsa-pss-sha512']])(
    'RSA with %s',
    (signature) => {
      expect(read({ key: rsa, signature }).isSignedByItself()).toBe(true)
    },
  )

  it('a signature that was changed, of another kind, or of no known one', () => {
    const changed = (bits: Buffer): Buffer => {
      bits[bits.length - 1] = (bits[bits.length - 1] ?? 0) ^ 1
      return bits
    }
    expect(read({ tamperSignature: changed }).isSignedByItself()).toBe(false)
    expect(read({ signWith: rsa }).isSignedByItself()).toBe(false)
    expect(read({ outerSignature: sequence(oid('1.2.3')) }).isSignedByItself()).toBe(false)
    expect(read({ tamperSignature: () => Buffer.alloc(0) }).isSignedByItself()).toBe(false)
  })
})

describe('what is no request', () => {
  const message = (der: Uint8Array): string => {
    try {
      CertificateRequest.parse(der)
    } catch (error) {
      if (error instanceof DerError) return error.reason
      throw error
    }
    return 'read'
  }

  it.each<[string, Partial<Parameters<typeof mintCsr>[0]>]>([
    ['more than 100 attributes', { attributes: Array.from({ length: 101 }, () => csrAttribute('1.2.3', integer(1))) }],
    [
      'an attribute of more than 100 values',
      { attributes: [csrAttribute('1.2.3', ...Array.from({ length: 101 }, () => integer(1)))] },
    ],
    ['the data ends where another element must follow', { attributes: [sequence(oid('1.2.3'), setOf())] }],
    [
      'an extension request of more than one value',
      { attributes: [csrAttribute('1.2.840.113549.1.9.14', sequence(), sequence())] },
    ],
    [
      'the requested extensions is missing or of another type',
      { attributes: [csrAttribute('1.2.840.113549.1.9.14', octetString(Buffer.alloc(1)))] },
    ],
    [
      'an attribute is followed by data that does not belong there',
      { attributes: [sequence(oid('1.2.3'), setOf(integer(1)), integer(1))] },
    ],
    ['a name of more than 4,096 octets (subject)', { subject: 'x'.repeat(5000) }],
  ])('%s', (reason, options) => {
    expect(message(mintCsr({ subject: 'a', key, ...options }).der)).toBe(reason)
  })

  it('one of more octets than are read', () => {
    expect(message(new Uint8Array(MAX_REQUEST_OCTETS + 1))).toBe(`more than ${String(MAX_REQUEST_OCTETS)} octets`)
  })

  it('other fields behind its own', () => {
    const info = sequence(integer(0), encodeName('a'), spkiOf(key), context(0), integer(1))
    const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
    expect(message(sequence(info, algorithm, tlv(TAG.bitString, Buffer.from([0, 1]))))).toBe(
      'the signed part is followed by data that does not belong there',
    )
    const good = sequence(integer(0), encodeName('a'), spkiOf(key), context(0))
    expect(message(sequence(good, algorithm, tlv(TAG.bitString, Buffer.from([1, 2]))))).toBe(
      'a signature that does not end at an octet',
    )
  })

  const whole = mintCsr({
    subject: 'etcd-0',
    key,
    names: [dns('a.example'), ip('::1')],
    extensions: [unknownExtension(false)],
  }).der

  it('one that was cut, at every octet', () => {
    for (let length = 0; length < whole.length; length++) expect(message(whole.subarray(0, length))).not.toBe('read')
  })

  it('one whose bits are flipped, one after the other, is unreadable, or not signed by its key', () => {
    const seen = { unreadable: 0, unsigned: 0, signed: 0 }
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const changed = Buffer.from(whole)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (message(changed) !== 'read') seen.unreadable++
      else if (CertificateRequest.parse(changed).isSignedByItself()) seen.signed++
      else seen.unsigned++
    }
    expect(seen.signed).toBe(0)
    expect(seen.unreadable).toBeGreaterThan(100)
    expect(seen.unsigned).toBeGreaterThan(100)
  })

  it('any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        expect(message(octets)).not.toBe('read')
      }),
    )
  })

  it('some of its octets replaced by others', () => {
    const change = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(whole)
        for (const [at, octets] of changes) changed.set(octets.subarray(0, changed.length - at), at)
        if (changed.equals(whole) || message(changed) !== 'read') return
        const request = CertificateRequest.parse(changed)
        expect(request.isSignedByItself()).toBe(false)
        expect(request.extensions.problems.length).toBeGreaterThanOrEqual(0)
        expect(String(request)).toContain('certificate request')
      }),
    )
  })
})

describe('openssl agrees', () => {
  it.each<[string, Partial<Parameters<typeof mintCsr>[0]>]>([
    ['P-256', {}],
    ['Ed25519', { key: newKey('ed25519') }],
    ['RSA', { key: rsa }],
    ['RSA-PSS signature', { key: rsa, signature: 'rsa-pss-sha256' }],
    ['without attributes', { attributesField: false }],
  ])('on the signature of %s', (_, options) => {
    const request = read({ names: [dns('a.example')], ...options })
    expect(request.isSignedByItself()).toBe(true)
    openssl(['req', '-verify', '-noout'], request.toPem())
  })
})
