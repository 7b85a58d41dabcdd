/**
 * For every code of the validator: certificates that give it, and the same with that one thing fixed, which do not.
 * A new code needs its case. (Codes of revocation have theirs in
 * the tests of revocation.)
 */
import { describe, expect, it } from 'vitest'
import { revocation } from '../../../src/report/catalogue/revocation.js'
import { type ChainCode, rows } from '../../../src/validate/finding.js'
import {
  Certificate,
  validateChain,
  validateCredentials,
  type ChainInput,
  type Finding,
} from '../../../src/validate/index.js'
import type { ValidateChainOptions } from '../../../src/validate/validate-chain.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { mintedCredentials } from '../../support/etcd.js'
import { HOST, inputOf, mintChain } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  crlDistributionPoints,
  directoryName,
  dns,
  email,
  EXTENSION,
  extendedKeyUsage,
  flipBit,
  ip,
  mintCa,
  mintLeaf,
  nameConstraints,
  newKey,
  otherName,
  relativeDistributionPoint,
  subjectAltName,
  subjectKeyIdentifier,
  TAG,
  unknownExtension,
  uri,
  type Extension,
  type Minted,
} from '../../support/mint.js'

type Parts = NonNullable<Parameters<typeof mintChain>[0]>
type Options = Partial<ValidateChainOptions>
type Code = Exclude<ChainCode, keyof typeof revocation>

interface Case {
  /** What is wrong with the healthy chain, or findings of something else. */
  faulty: Parts | (() => readonly Finding[])
  /** The same, fixed. Default: the healthy chain. */
  mended?: Parts | (() => readonly Finding[])
  options?: Options
  /** Other codes that the same fault gives, in the list or folded under it. */
  also?: readonly ChainCode[]
}

const DAY = 86_400_000
const past = (days: number): Date => new Date(Date.now() - days * DAY)
const future = (days: number): Date => new Date(Date.now() + days * DAY)
const garbled = (oid: string, critical = false): Extension => ({ oid, critical, value: Buffer.from('3003', 'hex') })
const inhibitAnyPolicy = (critical: boolean): Extension => ({
  oid: EXTENSION.inhibitAnyPolicy,
  critical,
  value: Buffer.from('020100', 'hex'),
})
const LAST = new Date(Math.floor(future(1).getTime() / 1000) * 1000)
const rsa1024 = newKey('rsa-1024')
const rsa2048 = newKey('rsa-2048')
const rsaOdd = newKey('rsa-2047')

/** Checks certificates that are not the usual three. */
function chainOf(
  leaf: Minted,
  between: readonly Minted[],
  anchors: readonly Minted[],
  options: Options = {},
): Finding[] {
  const input: ChainInput = {
    leaf: leaf.der,
    intermediates: between.map(({ der }) => der),
    trustAnchors: anchors.map(({ der }) => der),
  }
  return validateChain(input, { usage: 'server', hosts: [HOST], ...options }).findings
}

/** Checks credentials of the usual chain: what is sent, and with which key. */
function credentialsOf(
  pick: (chain: ReturnType<typeof mintChain>) => { cert: readonly Minted[]; key?: Minted },
): readonly Finding[] {
  const chain = mintChain()
  const { cert, key = chain.leaf } = pick(chain)
  const [leaf = chain.leaf, ...intermediates] = cert
  const read = ({ der }: Minted): Certificate => Certificate.parse(der)
  const credentials = {
    trustAnchors: [read(chain.root)],
    chain: [read(leaf), ...intermediates.map(read)] as const,
    key: PrivateKey.fromKeyObject(key.key),
    crls: [],
    origin: 'test',
  }
  return validateCredentials({ ...credentials, chain: [...credentials.chain] }, { usage: 'server' }).findings
}

/** Checks a client certificate by the CA that verifies servers, the one that issued it by default. */
function asClient(ca?: Minted): readonly Finding[] {
  const issuer = mintCa({ subject: 'Client CA' })
  const leaf = mintLeaf({ subject: 'x', usages: ['clientAuth'], issuer })
  return validateCredentials(mintedCredentials({ leaf, trust: [ca ?? issuer] }), { usage: 'client' }).findings
}

const VERSION_1: Parts = { leaf: { version: null, rawExtensions: undefined, without: Object.values(EXTENSION) } }

/** The healthy chain with other trust anchors next to its own. */
const withAnchors = (...more: readonly (string | Uint8Array)[]): readonly Finding[] => {
  const chain = mintChain()
  return validateChain({ ...inputOf(chain), trustAnchors: [chain.root.der, ...more] }, { usage: 'any' }).findings
}
/** The healthy chain with another certificate that is sent. */
const sentWith = (other: Minted): readonly Finding[] => {
  const { leaf, intermediate, root } = mintChain()
  return chainOf(leaf, [intermediate, other], [root])
}
const scrap = Buffer.from('3000', 'hex')

/** By code; of a code that says several things, one for each. */
const CASES = {
  'input/unexpected-content': {
    faulty: () => withAnchors(mintChain().leaf.keyPem),
    mended: () => withAnchors(mintChain().leaf.pem),
  },
  'input/too-much, certificates': {
    faulty: () => withAnchors(...Array<Buffer>(198).fill(mintChain().root.der)),
    mended: () => withAnchors(...Array<Buffer>(197).fill(mintChain().root.der)),
  },
  'input/too-much, bytes': {
    faulty: () => withAnchors(mintChain().root.pem.padEnd(1024 * 1024)),
    mended: () => withAnchors(mintChain().root.pem.padEnd(1024 * 1024 - 2000)),
  },
  'input/too-much, faults': {
    faulty: () => withAnchors(...Array<Buffer>(21).fill(scrap)),
    mended: () => withAnchors(...Array<Buffer>(20).fill(scrap)),
  },
  'certificate/malformed': {
    faulty: () =>
      validateChain({ ...inputOf(mintChain()), leaf: Buffer.from('3000', 'hex') }, { usage: 'any' }).findings,
  },
  'certificate/name-malformed': {
    faulty: { leaf: { subject: [['CN', 'etcd_0', TAG.printableString]] } },
    mended: { leaf: { subject: [['CN', 'etcd_0', TAG.utf8String]] } },
  },
  'certificate/version-unsupported': {
    faulty: VERSION_1,
    options: { hosts: [] },
    also: ['usage/extension-absent', 'certificate/key-identifier-unusual'],
  },
  'certificate/version-unsupported, anchor-version-1': {
    faulty: { root: { version: null, without: Object.values(EXTENSION) } },
    also: ['usage/extension-absent'],
  },
  'certificate/serial-unusual, serial-negative': {
    faulty: { leaf: { serial: -5n } },
    mended: { leaf: { serial: 5n } },
  },
  'certificate/serial-unusual': { faulty: { leaf: { serial: 1n << 160n } }, mended: { leaf: { serial: 1n << 158n } } },
  'certificate/name-malformed, issuer-empty': {
    faulty: { root: { subject: '' } },
  },
  'certificate/name-malformed, ca-subject-empty': {
    faulty: { intermediate: { subject: '' } },
  },
  'signature/algorithm-refused, algorithms-disagree': {
    faulty: { leaf: { innerSignature: 'ecdsa-sha384', outerSignature: 'ecdsa-sha256' } },
    mended: { leaf: { innerSignature: 'ecdsa-sha256', outerSignature: 'ecdsa-sha256' } },
  },
  'certificate/extension-refused, extension-malformed': {
    faulty: { intermediate: { extensions: [garbled(EXTENSION.subjectKeyIdentifier)] } },
    also: ['certificate/key-identifier-unusual'],
  },
  'certificate/extension-refused, extension-duplicate': {
    faulty: { leaf: { extensions: [unknownExtension(false), unknownExtension(false)] } },
    mended: { leaf: { extensions: [unknownExtension(false)] } },
  },
  'certificate/extension-refused, distribution-point-relative': {
    faulty: { leaf: { extensions: [relativeDistributionPoint()] } },
    mended: { leaf: { extensions: [crlDistributionPoints(['http://crl.example/a.crl'])] } },
  },
  'certificate/extension-refused, extension-unknown-critical': {
    faulty: { leaf: { extensions: [unknownExtension(true)] } },
    mended: { leaf: { extensions: [unknownExtension(false)] } },
  },
  'certificate/extension-refused, extension-wrongly-critical': {
    faulty: {
      intermediate: { extensions: [subjectKeyIdentifier(Buffer.alloc(20, 7), true)] },
      leaf: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 7))] },
    },
    mended: {
      intermediate: { extensions: [subjectKeyIdentifier(Buffer.alloc(20, 7))] },
      leaf: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 7))] },
    },
  },
  'certificate/key-identifier-unusual, authority-key-identifier-missing': {
    faulty: { leaf: { without: [EXTENSION.authorityKeyIdentifier] } },
  },
  'certificate/key-identifier-unusual, subject-key-identifier-missing': {
    faulty: { intermediate: { without: [EXTENSION.subjectKeyIdentifier] } },
  },
  'certificate/key-identifier-unusual, authority-key-identifier-unusual': {
    faulty: { root: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9))] } },
    also: ['chain/anchor-not-self-signed'],
  },
  'certificate/policy-extension, policy-extension-critical': {
    faulty: { intermediate: { extensions: [inhibitAnyPolicy(true)] } },
    mended: { intermediate: { extensions: [inhibitAnyPolicy(false)] } },
  },
  'certificate/policy-extension, policy-constraints-not-critical': {
    faulty: { intermediate: { extensions: [{ oid: '2.5.29.36', value: Buffer.from('3003800100', 'hex') }] } },
  },
  'key/weak': { faulty: { leaf: { key: rsa1024 } }, mended: { leaf: { key: rsa2048 } } },
  'key/unsupported': { faulty: { leaf: { key: 'ed448' } }, mended: { leaf: { key: 'ed25519' } } },
  'key/size-unusual': { faulty: { leaf: { key: rsaOdd } }, mended: { leaf: { key: rsa2048 } }, also: ['key/weak'] },
  'key/size-unusual, small-beyond-2030': {
    faulty: { leaf: { key: rsa2048, notAfter: new Date('2031-01-01T00:00:00Z') } },
    mended: { leaf: { key: rsa2048, notAfter: new Date('2030-12-31T23:59:59Z') } },
    options: { ignore: ['validity/lifetime-long'] },
  },
  'signature/invalid': { faulty: { leaf: { tamperSignature: (bits) => flipBit(bits, -1) } } },
  'signature/algorithm-refused, algorithm-weak': {
    faulty: { leaf: { signature: 'ecdsa-sha1' } },
    mended: { leaf: { signature: 'ecdsa-sha256' } },
  },
  'signature/algorithm-refused, anchor-algorithm-weak': {
    faulty: { root: { signature: 'ecdsa-sha1' } },
    mended: { root: { signature: 'ecdsa-sha256' } },
  },
  'signature/key-mismatch, anchor-algorithm-unsuited': {
    faulty: { root: { innerSignature: 'rsa-sha256', outerSignature: 'rsa-sha256' } },
    mended: { root: { innerSignature: 'ecdsa-sha512', outerSignature: 'ecdsa-sha512' } },
    also: ['chain/anchor-not-self-signed'],
  },
  'signature/algorithm-refused, algorithm-unsupported': {
    faulty: {
      leaf: {
        innerSignature: Buffer.from('30060604550406' + '01', 'hex').subarray(0, 8),
        outerSignature: Buffer.from('30060604550406' + '01', 'hex').subarray(0, 8),
      },
    },
  },
  'signature/algorithm-refused, salt-length-unusual': {
    faulty: { intermediate: { key: rsa2048 }, leaf: { signature: 'rsa-pss-sha256-salt-20' } },
    mended: { intermediate: { key: rsa2048 }, leaf: { signature: 'rsa-pss-sha256' } },
  },
  'signature/key-mismatch': {
    faulty: { leaf: { innerSignature: 'rsa-sha256', outerSignature: 'rsa-sha256' } },
  },
  'chain/issuer-not-found': {
    faulty: () => {
      const { leaf, root } = mintChain()
      return chainOf(leaf, [], [root])
    },
  },
  'chain/client-ca-not-given': {
    faulty: () => asClient(mintCa({ subject: 'Other' })),
    mended: () => asClient(),
  },
  'chain/issuer-key-differs': {
    faulty: () => {
      const { leaf, intermediate } = mintChain()
      return chainOf(leaf, [intermediate], [mintCa({ subject: 'Test Root' })])
    },
  },
  'chain/root-not-trusted, self-signed': {
    faulty: () => chainOf(mintLeaf({ subject: 'x', names: [dns(HOST)] }), [], [mintCa({ subject: 'Other' })]),
  },
  'chain/root-not-trusted': {
    faulty: () => {
      const { leaf, intermediate, root } = mintChain()
      return chainOf(leaf, [intermediate, root], [mintCa({ subject: 'Other' })])
    },
  },
  'chain/issuer-not-found, circle': {
    faulty: () => {
      const [one, other] = [mintCa({ subject: 'One' }), mintCa({ subject: 'Other' })]
      const crossed = [
        mintCa({ subject: 'One', key: one.key, issuer: other }),
        mintCa({ subject: 'Other', key: other.key, issuer: one }),
      ]
      return chainOf(mintLeaf({ subject: 'x', issuer: one, names: [dns(HOST)] }), crossed, [
        mintCa({ subject: 'Third' }),
      ])
    },
  },
  'chain/unused-unread-by-go, anchor-unreadable-to-go': {
    faulty: () => withAnchors(mintCa({ subject: 'Other', key: 'brainpool' }).der),
    mended: () => withAnchors(mintCa({ subject: 'Other', key: 'p224' }).der),
  },
  'chain/unused-unread-by-go, certificate-unreadable-to-go': {
    faulty: () => sentWith(mintCa({ subject: 'Other', key: 'brainpool' })),
    mended: () => sentWith(mintCa({ subject: 'Other', key: 'p224' })),
  },
  'chain/no-trust-anchors': {
    faulty: () => {
      const { leaf, intermediate } = mintChain()
      return chainOf(leaf, [intermediate], [])
    },
  },
  'chain/limit-exceeded, budget-exhausted': {
    faulty: () => {
      const { leaf, intermediate, root } = mintChain()
      return chainOf(leaf, [intermediate], [root], { budget: { signatures: 1 } })
    },
    mended: () => {
      const { leaf, intermediate, root } = mintChain()
      return chainOf(leaf, [intermediate], [root], { budget: { signatures: 2 } })
    },
  },
  'chain/others-tried': {
    faulty: () => {
      const { leaf, intermediate, root } = mintChain({ intermediate: { keyUsages: ['cRLSign'] } })
      const renewed = mintCa({ subject: 'Test Root', key: root.key })
      return chainOf(leaf, [intermediate], [root, renewed])
    },
    mended: () => {
      const { leaf, intermediate, root } = mintChain({ intermediate: { keyUsages: ['cRLSign'] } })
      return chainOf(leaf, [intermediate], [root])
    },
  },
  'chain/anchor-not-self-signed': {
    faulty: () => {
      const { leaf, intermediate } = mintChain()
      return chainOf(leaf, [], [intermediate])
    },
  },
  'chain/authority-differs, key-identifier-differs': {
    faulty: { leaf: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9))] } },
  },
  'chain/openssl-picks-other-path': {
    faulty: () => {
      const { leaf, intermediate, root } = mintChain()
      const crossed = mintCa({
        subject: 'Test Intermediate',
        key: intermediate.key,
        issuer: mintCa({ subject: 'Other' }),
      })
      return chainOf(leaf, [crossed, intermediate], [root])
    },
    mended: () => {
      const { leaf, intermediate, root } = mintChain()
      const crossed = mintCa({
        subject: 'Test Intermediate',
        key: intermediate.key,
        issuer: mintCa({ subject: 'Other' }),
      })
      return chainOf(leaf, [intermediate, crossed], [root])
    },
  },
  'chain/authority-differs': {
    faulty: { leaf: { extensions: [authorityKeyIdentifier(null, { serial: 4711n })] } },
    mended: { leaf: { extensions: [authorityKeyIdentifier(null)] } },
  },
  'chain/issuer-name-respelled': {
    faulty: { leaf: { issuerName: 'TEST intermediate' } },
    mended: { leaf: { issuerName: 'Test Intermediate' } },
  },
  'validity/expired': { faulty: { leaf: { notBefore: past(9), notAfter: past(1) } } },
  'validity/not-yet-valid': { faulty: { leaf: { notBefore: future(1) } } },
  'validity/clock-suspect': { faulty: {}, options: { at: new Date(0) }, also: ['validity/not-yet-valid'] },
  'validity/inverted': {
    faulty: { leaf: { notBefore: past(1), notAfter: past(2) } },
    also: ['validity/expired'],
  },
  'validity/expires-soon': {
    faulty: { leaf: { notBefore: past(10), notAfter: future(4) } },
    mended: { leaf: { notBefore: past(10), notAfter: future(6) } },
  },
  'validity/expires-soon, last-second': {
    faulty: { leaf: { notAfter: LAST } },
    mended: { leaf: { notAfter: new Date(LAST.getTime() + 1000) } },
    options: { at: LAST, expiryWarning: '0s' },
  },
  'validity/outlives-issuer': {
    faulty: { intermediate: { notAfter: future(29) } },
    mended: { intermediate: { notAfter: future(31) } },
    options: { expiryWarning: '1d' },
  },
  'validity/lifetime-long': {
    faulty: { leaf: { notBefore: past(1), notAfter: future(825) } },
    mended: { leaf: { notBefore: past(1), notAfter: future(824) } },
  },
  'constraints/not-a-ca': { faulty: { intermediate: { without: [EXTENSION.basicConstraints] } } },
  'constraints/path-too-long': { faulty: { root: { pathLength: 0 } }, mended: { root: { pathLength: 1 } } },
  'constraints/path-too-long, path-too-long-for-go': {
    faulty: { root: { pathLength: 0 }, intermediate: { subject: 'Test Root' } },
    mended: { root: { pathLength: 1 }, intermediate: { subject: 'Test Root' } },
  },
  'chain/limit-exceeded, too-many-intermediates': {
    faulty: () => {
      const { leaf, intermediate, root } = mintChain()
      return chainOf(leaf, [intermediate], [root], { maxIntermediates: 0 })
    },
    mended: () => {
      const { leaf, intermediate, root } = mintChain()
      return chainOf(leaf, [intermediate], [root], { maxIntermediates: 1 })
    },
  },
  'certificate/criticality-unusual, not-critical': {
    faulty: { intermediate: { extensions: [basicConstraints({ ca: true, pathLength: 0 }, false)] } },
  },
  'constraints/leaf-is-ca': {
    faulty: { leaf: { extensions: [basicConstraints({ ca: true })] } },
  },
  'constraints/only-for-cas, path-length-without-ca': {
    faulty: { leaf: { extensions: [basicConstraints({ ca: false, pathLength: 0 })] } },
  },
  'usage/extended-key-usage-missing': { faulty: { leaf: { usages: ['clientAuth'] } } },
  'usage/extended-key-usage-missing, extended-key-usage-nested': {
    faulty: { intermediate: { extensions: [extendedKeyUsage(['clientAuth'])] } },
    mended: { intermediate: { extensions: [extendedKeyUsage(['clientAuth', 'serverAuth'])] } },
  },
  'usage/gateway-client-auth-missing': { faulty: { leaf: { usages: ['serverAuth'] } } },
  'usage/gateway-client-auth-missing, gateway-client-auth-nested': {
    faulty: { intermediate: { extensions: [extendedKeyUsage(['serverAuth'])] } },
    mended: { intermediate: { extensions: [extendedKeyUsage(['serverAuth', 'clientAuth'])] } },
  },
  'usage/any-extended-key-usage': { faulty: { leaf: { usages: ['any'] } } },
  'usage/any-extended-key-usage, any-extended-key-usage-broad': { faulty: { leaf: { usages: ['any', 'serverAuth'] } } },
  'usage/extension-absent, extended-key-usage-absent': { faulty: { leaf: { usages: [] } } },
  'certificate/criticality-unusual, extended-key-usage-critical': {
    faulty: { leaf: { extensions: [extendedKeyUsage(['serverAuth', 'clientAuth'], true)] } },
    mended: { leaf: { extensions: [extendedKeyUsage(['serverAuth', 'clientAuth'])] } },
  },
  'usage/anchor-extended-key-usage': {
    faulty: { root: { extensions: [extendedKeyUsage(['serverAuth', 'clientAuth'])] } },
  },
  'usage/key-usage-missing, cert-sign-missing': { faulty: { intermediate: { keyUsages: ['cRLSign'] } } },
  'constraints/only-for-cas, cert-sign-without-ca': {
    faulty: { leaf: { keyUsages: ['digitalSignature', 'keyCertSign'] } },
  },
  'usage/key-usage-missing, digital-signature-missing': {
    faulty: { leaf: { keyUsages: ['nonRepudiation'] } },
    mended: { leaf: { keyUsages: ['digitalSignature', 'nonRepudiation'] } },
  },
  'usage/netscape-type-unsuited': {
    faulty: { leaf: { extensions: [{ oid: '2.16.840.1.113730.1.1', value: Buffer.from('03020780', 'hex') }] } },
    mended: { leaf: { extensions: [{ oid: '2.16.840.1.113730.1.1', value: Buffer.from('03020640', 'hex') }] } },
  },
  'usage/key-usage-missing, key-usage-unsuited': { faulty: { leaf: { keyUsages: ['keyAgreement'] } } },
  'usage/extension-absent, key-usage-absent': { faulty: { intermediate: { without: [EXTENSION.keyUsage] } } },
  'san/host-not-covered': { faulty: { leaf: { names: [dns('other.etcd.svc')] } } },
  'san/name-unusable, ip-written-as-dns': { faulty: { leaf: { names: [dns(HOST), dns('10.0.0.1')] } } },
  'san/name-unusable': { faulty: { leaf: { names: [dns(HOST), dns('etcd-*.svc.local')] } } },
  'san/name-unusable, uri-malformed': {
    faulty: { leaf: { names: [dns(HOST), uri('spiffe://cluster/%zz')] } },
    mended: { leaf: { names: [dns(HOST), uri('spiffe://cluster/%20')] } },
  },
  'certificate/extension-refused, kinds-unknown-to-go': {
    faulty: { intermediate: { extensions: [subjectAltName([directoryName('x')], true)] } },
    mended: { intermediate: { extensions: [subjectAltName([directoryName('x')])] } },
  },
  'san/name-unusable, underscore': { faulty: { leaf: { names: [dns(HOST), dns('etcd_0.svc.local')] } } },
  'san/name-unusable, wildcard-wide': { faulty: { leaf: { names: [dns(HOST), dns('*.svc')] } } },
  'san/wildcard': { faulty: { leaf: { names: [dns(HOST), dns('*.etcd.svc')] } } },
  'certificate/criticality-unusual, critical-with-subject': {
    faulty: { leaf: { extensions: [subjectAltName([dns(HOST)], true)] } },
  },
  'certificate/criticality-unusual, not-critical-without-subject': {
    faulty: { leaf: { subject: '', extensions: [subjectAltName([dns(HOST)], false)] } },
    mended: { leaf: { subject: '', extensions: [subjectAltName([dns(HOST)], true)] } },
  },
  'san/common-name-not-listed': { faulty: { leaf: { subject: 'etcd-9.etcd.svc' } } },
  'identity/common-name, common-name-missing': {
    faulty: { leaf: { subject: [['O', 'Example']] } },
    options: { usage: 'client' },
  },
  'identity/common-name, server-is-user': { faulty: { leaf: { subject: 'root' } } },
  'name-constraints/name-refused, not-permitted': {
    faulty: { root: { extensions: [nameConstraints({ permitted: [dns('other.svc')] })] } },
    mended: { root: { extensions: [nameConstraints({ permitted: [dns('etcd.svc')] })] } },
  },
  'name-constraints/name-refused, excluded': {
    faulty: { root: { extensions: [nameConstraints({ excluded: [dns('etcd.svc')] })] } },
    mended: { root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] } },
  },
  'name-constraints/common-name-refused': {
    faulty: {
      root: { extensions: [nameConstraints({ permitted: [dns('etcd.svc')] })] },
      leaf: { subject: 'etcd-0.other.svc', names: [ip('10.0.0.1')] },
    },
    mended: {
      root: { extensions: [nameConstraints({ permitted: [dns('etcd.svc')] })] },
      leaf: { subject: 'etcd-0.etcd.svc', names: [ip('10.0.0.1')] },
    },
    options: { hosts: ['10.0.0.1'] },
  },
  'name-constraints/common-name-refused, common-name-outside': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] },
      leaf: { subject: 'app.other.svc', names: [ip('10.0.0.1')] },
    },
    mended: {
      root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] },
      leaf: { subject: 'app', names: [ip('10.0.0.1')] },
    },
    options: { usage: 'client', hosts: [] },
  },
  'name-constraints/name-unreadable, unprocessed': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [otherName('1.2.3', Buffer.from('0500', 'hex'))] })] },
      leaf: { names: [dns(HOST), otherName('1.2.3', Buffer.from('0500', 'hex'))] },
    },
    mended: { root: { extensions: [nameConstraints({ excluded: [otherName('1.2.3', Buffer.from('0500', 'hex'))] })] } },
  },
  'certificate/extension-refused, kind-unknown-to-go': {
    faulty: { root: { extensions: [nameConstraints({ excluded: [directoryName('Other')] })] } },
    mended: { root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] } },
  },
  'name-constraints/malformed, leading-dot': {
    faulty: { root: { extensions: [nameConstraints({ excluded: [dns('.other.svc')] })] } },
    mended: { root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] } },
  },
  'name-constraints/malformed': {
    faulty: { root: { extensions: [nameConstraints({ excluded: [dns('*.other.svc')] })] } },
    mended: { root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] } },
  },
  'name-constraints/name-unreadable': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [email('other.svc')] })] },
      leaf: { names: [dns(HOST), email('no mailbox')] },
    },
    mended: {
      root: { extensions: [nameConstraints({ excluded: [email('other.svc')] })] },
      leaf: { names: [dns(HOST), email('etcd@example.com')] },
    },
  },
  'name-constraints/name-unreadable, name-unreadable-to-go': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] },
      leaf: { names: [dns(HOST), email('.etcd@example.com')] },
    },
    mended: {
      root: { extensions: [nameConstraints({ excluded: [dns('other.svc')] })] },
      leaf: { names: [dns(HOST), email('etcd@example.com')] },
    },
  },
  'name-constraints/name-refused, excluded-by-go': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [uri('example.com')] })] },
      leaf: { names: [dns(HOST), uri('https://a.example.com/')] },
    },
    mended: {
      root: { extensions: [nameConstraints({ excluded: [uri('example.com')] })] },
      leaf: { names: [dns(HOST), uri('https://example.org/')] },
    },
  },
  'name-constraints/name-refused, self-issued-refused-by-go': {
    faulty: {
      root: { extensions: [nameConstraints({ excluded: [dns('example.com')] })] },
      intermediate: { subject: 'Test Root', extensions: [subjectAltName([dns('ca.example.com')])] },
    },
    mended: {
      root: { extensions: [nameConstraints({ excluded: [dns('example.com')] })] },
      intermediate: { subject: 'Test Root', extensions: [subjectAltName([dns('ca.example.org')])] },
    },
  },
  'constraints/only-for-cas, on-leaf': {
    faulty: { leaf: { extensions: [nameConstraints({ permitted: [dns('svc')] })] } },
  },
  'chain/limit-exceeded, too-many': {
    faulty: manyNames(490),
    mended: manyNames(400),
  },
} satisfies Partial<Record<Code | `${Code}, ${string}`, Case>>

/** Names times constraints: more than 250,000 comparisons from 453 on, of which each constraint is 100. */
function manyNames(count: number): Parts {
  const zone = (i: number): string => `zone-${String(i)}.test`
  return {
    root: {
      extensions: [
        nameConstraints({ permitted: [dns(HOST), ...Array.from({ length: count }, (_, i) => dns(zone(i)))] }),
      ],
    },
    leaf: { names: [dns(HOST), ...Array.from({ length: count }, (_, i) => dns(`host.${zone(i)}`))] },
  }
}

/** Codes that only credentials have: a key next to the certificate, and an order in which certificates are sent. */
const CREDENTIALS = {
  'key/mismatch': () =>
    credentialsOf(({ leaf, intermediate }) => ({ cert: [leaf, intermediate], key: mintChain().leaf })),
  'chain/order-wrong': () =>
    credentialsOf(({ leaf, intermediate }) => {
      const lower = mintCa({ subject: 'Lower', issuer: intermediate })
      return { cert: [leaf, lower, intermediate] }
    }),
  'chain/certificate-unneeded': () =>
    credentialsOf(({ leaf, intermediate }) => ({ cert: [leaf, intermediate, mintCa({ subject: 'Other' })] })),
  'chain/certificate-unneeded, root-sent': () =>
    credentialsOf(({ leaf, intermediate, root }) => ({ cert: [leaf, intermediate, root] })),
} satisfies Partial<Record<ChainCode | `${ChainCode}, ${string}`, () => readonly Finding[]>>

function codesIn(findings: readonly Finding[]): Set<string> {
  return new Set(findings.flatMap((each) => [each.code, ...codesIn(each.consequences)]))
}

function run(what: Case['faulty'], options: Options): Set<string> {
  const findings =
    typeof what === 'function'
      ? what()
      : validateChain(inputOf(mintChain(what)), { usage: 'server', hosts: [HOST], ...options }).findings
  return codesIn(findings)
}

describe('every code', () => {
  it('has a case', () => {
    const tried = [...Object.keys(CASES), ...Object.keys(CREDENTIALS)].map((name) => name.replace(/,.*/, ''))
    expect(new Set(tried)).toEqual(new Set(Object.keys(rows).filter((code) => !(code in revocation))))
  })

  for (const [name, each] of Object.entries<Case>(CASES)) {
    it(`${name}: given by the fault, gone when that one thing is mended`, () => {
      const code = name.replace(/,.*/, '')
      const { options = {}, also = [] } = each
      const faulty = run(each.faulty, options)
      const mended = run(each.mended ?? {}, each.mended === undefined ? {} : options)
      expect([...faulty].filter((found) => !mended.has(found)).sort()).toEqual([code, ...also].sort())
    })
  }

  for (const [name, faulty] of Object.entries(CREDENTIALS)) {
    it(`${name}: given by credentials`, () => {
      expect([...codesIn(faulty())]).toContain(name.replace(/,.*/, ''))
      const mended = credentialsOf(({ leaf, intermediate }) => ({ cert: [leaf, intermediate] }))
      expect([...codesIn(mended)]).toEqual([])
    })
  }
})
