/** Mutations of the chain as a whole, what is sent and what is trusted, and of the CRLs of its CAs. */
import { boolean, contextPrimitive, integer, nullValue, oid, sequence, setOf } from './der-writer.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  dns,
  EXTENSION,
  extendedKeyUsage,
  type Extension,
  flipBit,
  issuingDistributionPoint,
  mintCa,
  type MintCaOptions,
  mintCrl,
  type MintCrlOptions,
  mintLeaf,
  type Minted,
  nameConstraints,
  pem,
  publicHalf,
  relativeDistributionPoint,
  type ScopeOptions,
  subjectAltName,
  unknownExtension,
  uri,
} from './mint.js'
import {
  type Arranged,
  arranged,
  HOST,
  inDays,
  keyFor,
  LEAF,
  type Mutation,
  type Options,
  OWN_NAMES,
  type Plan,
  plans,
  type Role,
  set,
  SHOWN,
} from './mutation.js'

const own = (oid: string, value: Buffer, critical = false): Partial<MintCaOptions> => ({
  extensions: [{ oid, critical, value }],
})
/** 10.0.0.0 with the mask 255.0.255.0, as a constraint. */
const GAPS = contextPrimitive(7, Buffer.from('0a000000ff00ff00', 'hex'))
const SERVER_AND_MORE = Buffer.concat([extendedKeyUsage(['serverAuth', 'clientAuth']).value, nullValue()])
/** What OpenSSL chooses by names and keys, although it may not read it, or refuse it. */
const TWINS: readonly (readonly [string, Partial<MintCaOptions>])[] = [
  ['with an empty extended key usage', own(EXTENSION.extendedKeyUsage, sequence())],
  ['with another extended key usage', own(EXTENSION.extendedKeyUsage, sequence(oid('1.3.6.1.5.5.7.3.3')))],
  ['with basic constraints that cannot be read', own(EXTENSION.basicConstraints, nullValue(), true)],
  ['with policy mappings that cannot be read', own(EXTENSION.policyMappings, nullValue())],
  ['with a critical authority key identifier', own(EXTENSION.authorityKeyIdentifier, sequence(), true)],
  [
    'with critical policy constraints',
    own(EXTENSION.policyConstraints, sequence(contextPrimitive(0, Buffer.from([0]))), true),
  ],
  ['with a mask with gaps in its constraints', { extensions: [nameConstraints({ excluded: [GAPS] })] }],
  ['with bytes after its usages', own(EXTENSION.extendedKeyUsage, SERVER_AND_MORE)],
  ['for proxies', own(EXTENSION.proxyCertInfo, sequence(sequence(oid('1.3.6.1.5.5.7.21.1'))))],
  ['with an unknown critical extension', { extensions: [unknownExtension(true)] }],
]

type Arrange = (chain: Arranged, plan: Plan) => void

/** A CA that has nothing to do with the chain. */
const stranger = (options: Partial<MintCaOptions> = {}): Minted =>
  mintCa({ subject: 'Stranger', key: keyFor('stranger'), ...options })

const NEGATIVE_PATH_LENGTH: Extension = {
  oid: EXTENSION.basicConstraints,
  critical: true,
  value: sequence(boolean(true), integer(-1)),
}

/** What Go does not read of a certificate that the path does not use. */
const UNREADABLE: readonly (readonly [string, Partial<MintCaOptions>])[] = [
  ['on a curve that Go does not read', { key: 'brainpool' }],
  ['with a relative distribution point', { extensions: [relativeDistributionPoint()] }],
  ['with a malformed URI', { extensions: [subjectAltName([uri('http://[bad/%zz')])] }],
  ['with a negative serial number', { serial: -5n }],
  ['with a path length of -1', { extensions: [NEGATIVE_PATH_LENGTH] }],
]

/** Issues the leaf again, under another issuer. */
function reissue(chain: Arranged, plan: Plan, issuer: Minted): void {
  chain.leaf = mintLeaf({ subject: '', ...plan.leaf, issuer })
}

/** One more CA, between the intermediate and the leaf. */
function lower(chain: Arranged, plan: Plan): Minted {
  const low = mintCa({ subject: 'Low', key: keyFor('low'), issuer: chain.intermediate })
  reissue(chain, plan, low)
  return low
}

const trusts = (name: string, role: Role, trust: (chain: Arranged) => Minted[], fault?: Role | null): Mutation =>
  arranged(name, role, (chain) => (chain.trust = trust(chain)), fault)
const sends = (name: string, role: Role, sent: (chain: Arranged) => Minted[], fault?: Role | null): Mutation =>
  arranged(name, role, (chain) => (chain.sent = sent(chain)), fault)

/** A leaf of other options, self-signed or not, that is trusted itself. */
function trustedLeaf(name: string, options: Options): Mutation {
  return plans(name, LEAF, (plan) => {
    set(plan, 'leaf', options)
    plan.arrangements.push((chain) => (chain.trust = [chain.leaf]))
  })
}

const selfSigned: Options = { issuer: undefined }

function signedByLeaf(chain: Arranged, plan: Plan): void {
  const half = mintLeaf({ subject: 'Half', key: keyFor('half'), issuer: chain.intermediate, names: [dns(HOST)] })
  reissue(chain, plan, half)
  chain.sent = [half, chain.intermediate]
  chain.atFault = half
}

function circle({ intermediate }: Arranged): Minted[] {
  const other = stranger()
  return [
    mintCa({ subject: 'Intermediate', key: intermediate.key, issuer: other }),
    mintCa({ subject: 'Stranger', key: other.key, issuer: intermediate }),
  ]
}

/** The intermediate once more, with other options. */
const twin = ({ intermediate, root }: Arranged, options: Partial<MintCaOptions>): Minted =>
  mintCa({ subject: 'Intermediate', key: intermediate.key, issuer: root, ...options })

function unreadable(): Minted {
  const other = stranger()
  const der = other.der.subarray(0, -7)
  return { ...other, der, pem: pem('CERTIFICATE', der) }
}

const chains: readonly Mutation[] = [
  sends('not sent', 'intermediate', () => [], 'leaf'),
  sends('sent twice', 'intermediate', ({ intermediate }) => [intermediate, intermediate]),
  sends('sent too', 'root', ({ root, sent }) => [...sent, root]),
  sends('sent before the intermediate', 'root', ({ root, sent }) => [root, ...sent]),
  sends('a stranger is sent', 'intermediate', ({ sent }) => [stranger(), ...sent]),
  sends('something unreadable is sent', 'intermediate', ({ sent }) => [...sent, unreadable()], null),
  ...UNREADABLE.flatMap(([what, options]) => [
    sends(`a stranger ${what} is sent`, 'intermediate', ({ sent }) => [...sent, stranger(options)], null),
    trusts(`trusted next to a stranger ${what}`, 'root', ({ trust }) => [...trust, stranger(options)], null),
  ]),
  trusts('not trusted', 'root', () => [stranger()], 'intermediate'),
  arranged('not trusted, but sent', 'root', (chain) => {
    chain.sent.push(chain.root)
    chain.trust = [stranger()]
  }),
  trusts('made anew with another key', 'root', () => [stranger({ subject: 'Root' })], 'intermediate'),
  plans(
    'made anew with another key, without key identifiers',
    ['root'],
    (plan) => {
      set(plan, 'intermediate', { without: [EXTENSION.authorityKeyIdentifier] })
      plan.arrangements.push((chain) => {
        chain.trust = [stranger({ subject: 'Root', without: [EXTENSION.subjectKeyIdentifier] })]
      })
    },
    'intermediate',
  ),
  trusts('trusted beside a stranger', 'root', ({ trust }) => [stranger(), ...trust]),
  trusts('trusted beside a namesake with another key', 'root', ({ trust }) => [
    stranger({ subject: 'Root' }),
    ...trust,
  ]),
  trusts('trusted twice', 'root', ({ trust, root }) => [...trust, root]),
  trusts('nobody is trusted', 'root', () => [], null),
  arranged('nobody is trusted, nothing is sent', 'root', (chain) => (chain.trust = chain.sent = []), null),
  trusts('trusted itself, without its root', 'intermediate', ({ intermediate }) => [intermediate]),
  trustedLeaf('trusted itself', {}),
  trustedLeaf('trusted itself, signed by ecdsa-sha1', { signature: 'ecdsa-sha1' }),
  plans('self-signed', LEAF, (plan) => {
    set(plan, 'leaf', selfSigned)
  }),
  trustedLeaf('self-signed and trusted, without a subject', { ...selfSigned, subject: '' }),
  trustedLeaf('self-signed and trusted', selfSigned),
  arranged('issued by the root', 'leaf', (chain, plan) => {
    reissue(chain, plan, chain.root)
  }),
  arranged('a second one below, against its path length', 'intermediate', (chain, plan) => {
    chain.sent = [lower(chain, plan), chain.intermediate]
  }),
  plans('a second one below, sent in the wrong order', ['intermediate'], (plan) => {
    set(plan, 'intermediate', { pathLength: 1 })
    plan.arrangements.push((chain) => (chain.sent = [chain.intermediate, lower(chain, plan)]))
  }),
  arranged('signed by a leaf', 'leaf', signedByLeaf, 'intermediate'),
  sends('an expired twin is sent first', 'intermediate', (chain) => [
    twin(chain, { notBefore: inDays(-9), notAfter: inDays(-1) }),
    ...chain.sent,
  ]),
  ...TWINS.map(([what, options]) =>
    sends(`a twin ${what} is sent first`, 'intermediate', (chain) => [twin(chain, options), ...chain.sent], null),
  ),
  plans(
    'a trusted twin below a constraint of the root, and a name that ends with a dot',
    ['intermediate'],
    (plan) => {
      set(plan, 'root', { extensions: [nameConstraints({ permitted: [dns('svc')] })] })
      set(plan, 'leaf', { names: [...OWN_NAMES, dns('*.')] })
      plan.arrangements.push((chain) => chain.trust.unshift(twin(chain, {})))
    },
    null,
  ),
  sends('certified in a circle', 'intermediate', circle, null),
  sends('cross-signed by a stranger, that one first', 'intermediate', (chain) => [
    twin(chain, { issuer: stranger() }),
    ...chain.sent,
  ]),
]

type CrlOptions = Partial<MintCrlOptions> | ((chain: Arranged) => Partial<MintCrlOptions>)

const crls =
  (options: CrlOptions, role?: Role): Arrange =>
  (chain) => {
    const changed = role === 'leaf' ? chain.intermediate : role === undefined ? null : chain.root
    const own = typeof options === 'function' ? options(chain) : options
    chain.crls = [chain.intermediate, chain.root].map((issuer) =>
      mintCrl({ issuer, ...(issuer === changed ? own : {}) }),
    )
  }

/** The CRL of the CA that issued `role`, changed; the other CA's CRL is in order. */
function list(name: string, options: CrlOptions, on: readonly Role[] = SHOWN, fault?: Role | null): Mutation {
  const apply: Mutation['apply'] = (plan, role) => plan.arrangements.push(crls(options, role))
  return plans(`revocation list: ${name}`, on, apply, fault)
}

/** A fault of the CRL is no certificate's. */
const faulty = (name: string, options: CrlOptions): Mutation => list(name, options, LEAF, null)

const SHA1: CrlOptions = { signature: 'ecdsa-sha1' }

/** Two CRLs of the leaf's CA. Node takes the first, and ignores the other. */
function next(name: string, ...both: readonly [CrlOptions, CrlOptions]): Mutation {
  const arrange: Arrange = (chain) => {
    const of = (options: CrlOptions): Partial<MintCrlOptions> =>
      typeof options === 'function' ? options(chain) : options
    chain.crls = both.map((options) => mintCrl({ issuer: chain.intermediate, ...of(options) }))
    chain.crls.push(mintCrl({ issuer: chain.root }))
  }
  return arranged(`two revocation lists: ${name}`, 'leaf', arrange, null)
}

const extended = (name: string, extension: Extension): Mutation =>
  faulty(name, () => ({
    extensions: [authorityKeyIdentifier(publicHalf(keyFor('intermediate'))), crlNumber(1), extension],
  }))
const scoped = (name: string, scope: ScopeOptions): Mutation => extended(name, issuingDistributionPoint(scope))

const UNKNOWN = sequence(oid('1.3.6.1.4.1.99999.7'))
const GARBLED: Extension = {
  oid: EXTENSION.issuingDistributionPoint,
  critical: true,
  value: sequence(nullValue()),
}

const revocation: readonly Mutation[] = [
  list('in order', {}),
  list('names the certificate', ({ leaf: { serial } }) => ({ revoked: [{ serial, reason: 1 }] }), LEAF),
  list('names the certificate', ({ intermediate: { serial } }) => ({ revoked: [{ serial }] }), ['intermediate']),
  list('holds the certificate', ({ leaf: { serial } }) => ({ revoked: [{ serial, reason: 6 }] }), LEAF),
  list('names another certificate', { revoked: [{ serial: 4711, reason: 1 }] }),
  faulty('out of date', { thisUpdate: inDays(-9), nextUpdate: inDays(-1) }),
  faulty('of the future', { thisUpdate: inDays(1), nextUpdate: inDays(2) }),
  faulty('without a next update', { nextUpdate: null }),
  faulty('signature altered', { tamperSignature: (bits) => flipBit(bits, -1) }),
  faulty('signed with another key', ({ intermediate: { subject } }) => ({
    issuer: { key: keyFor('stranger'), subject },
  })),
  faulty('signed by ecdsa-sha1', { signature: 'ecdsa-sha1' }),
  faulty('without a number', { extensions: [] }),
  next('in order and names the certificate', {}, ({ leaf: { serial } }) => ({ revoked: [{ serial }] })),
  next('signed by ecdsa-sha1 and of the future', SHA1, { thisUpdate: inDays(1), nextUpdate: inDays(2) }),
  next('signed by ecdsa-sha1 and out of date', SHA1, ({ intermediate: { key } }) => ({
    ...{ thisUpdate: inDays(-9), nextUpdate: inDays(-1) },
    extensions: [authorityKeyIdentifier(publicHalf(key)), crlNumber(9)],
  })),
  next('in order and signature altered', {}, { tamperSignature: (bits) => flipBit(bits, -1), thisUpdate: inDays(-2) }),
  next('signed by ecdsa-sha1 and of another authority key identifier', SHA1, {
    extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9)), crlNumber(1)],
  }),
  extended('an unknown critical extension', unknownExtension(true)),
  extended('a delta list', deltaCrlIndicator(1)),
  scoped('of leaves only', { onlyUserCerts: true }),
  scoped('of CAs only', { onlyCaCerts: true }),
  scoped('indirect', { indirect: true }),
  scoped('of attribute certificates only', { onlyAttributeCerts: true }),
  scoped('of some reasons only', { onlySomeReasons: [1] }),
  scoped('of a distribution point', { name: [uri('http://lists.test/a.crl')] }),
  faulty('of another authority key identifier', {
    extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9)), crlNumber(1)],
  }),
  faulty('algorithms disagree', { innerSignature: 'ecdsa-sha384' }),
  faulty('an unknown signature algorithm', { innerSignature: UNKNOWN, outerSignature: UNKNOWN }),
  faulty('ends before it begins', { thisUpdate: inDays(-1), nextUpdate: inDays(-2) }),
  extended('an unreadable distribution point', GARBLED),
  arranged(
    'revocation list: one more, of an issuer whose name has an empty part',
    'leaf',
    (chain, plan) => {
      crls({})(chain, plan)
      chain.crls.push(mintCrl({ issuer: { key: keyFor('stranger'), subject: sequence(setOf()) } }))
    },
    null,
  ),
  faulty('unreadable', { tamper: (der) => der.subarray(0, -7) }),
  plans(
    'revocation list: none of its issuer',
    SHOWN,
    (plan, role) =>
      plan.arrangements.push((chain) => {
        chain.crls = [mintCrl({ issuer: role === 'leaf' ? chain.root : chain.intermediate })]
      }),
    null,
  ),
  plans(
    'revocation list: algorithms disagree, of a self-issued CA',
    LEAF,
    (plan) => {
      set(plan, 'intermediate', { subject: 'Root' })
      plan.arrangements.push(crls({ innerSignature: 'ecdsa-sha384' }, 'leaf'))
    },
    null,
  ),
  plans('revocation list: its CA may not sign lists', ['intermediate'], (plan) => {
    set(plan, 'intermediate', { keyUsages: ['keyCertSign'] })
    plan.arrangements.push(crls({}))
  }),
]

export const chainMutations: readonly Mutation[] = [...chains, ...revocation]
