/**
 * Mutations with random values, for the differential test: names against name constraints of every kind, path lengths,
 * usages, policies, anchors that the path does not use. A seed repeats them.
 */
import type { Random } from '../fuzz/random.js'
import { contextPrimitive, integer, nullValue, oid, sequence, tlv } from './der-writer.js'
import {
  authorityKeyIdentifier,
  certificatePolicies,
  crlNumber,
  type Extension,
  EXTENSION,
  directoryName,
  dns,
  email,
  extendedKeyUsage,
  flipBit,
  type GeneralName,
  ip,
  ipRange,
  keyUsage,
  KEY_USAGE_BIT,
  type KeyUsageName,
  mintCa,
  type MintCaOptions,
  mintCrl,
  type MintCrlOptions,
  type Minted,
  mintLeaf,
  nameConstraints,
  otherName,
  publicHalf,
  registeredId,
  relativeDistributionPoint,
  subjectAltName,
  unknownExtension,
  uri,
} from './mint.js'
import {
  type Applied,
  type Arranged,
  HOST,
  inDays,
  keyFor,
  type Mutation,
  OWN_NAMES,
  type Role,
  set,
} from './mutation.js'

type Some<T> = readonly [T, ...T[]]

const POLICY = '1.3.6.1.4.1.99999.2'
const ROLES = ['leaf', 'intermediate', 'root'] as const

const HOSTS = [
  'svc',
  '.svc',
  HOST,
  ...'example.com .example.com a.example.com b .b'.split(' '),
  '',
  'EXAMPLE.com',
  'a..b',
]
const RANGES = ['127.0.0.0/8', '10.0.0.0/8', '0.0.0.0/0', '::/0', 'fd00::/8'] as const
const LOCALS = ['etcd', '.etcd', 'et.cd', 'et..cd', 'etcd.', '"et cd"', 'et\\@cd', '{etcd}', ''] as const
const URIS = (
  'spiffe://example.com/etcd https://a.example.com:2379/x https://b/ https://10.0.0.1/ https://[::1]/ urn:etcd:0 ' +
  'https://user@example.com/ https://example.com./ relative/path'
).split(' ')

/** A name of any kind; `form` says whether it is a name or a constraint on names. */
function anyName(random: Random, form: 'name' | 'constraint'): readonly [GeneralName, string] {
  const host = random.pick(HOSTS) ?? ''
  const isName = form === 'name'
  switch (random.pick(['dns', 'dns', 'email', 'uri', 'ip', 'other'] as const)) {
    case 'dns': {
      const text = isName && random.once(4) ? `*.${host}` : host
      return [dns(text), `DNS:${text}`]
    }
    case 'email': {
      const text = !isName && random.once(2) ? host : `${random.pick(LOCALS)}@${host}`
      return [email(text), `email:${text}`]
    }
    case 'uri': {
      const text = isName ? (random.pick(URIS) ?? '') : host
      return [uri(text), `URI:${text}`]
    }
    case 'ip': {
      const range = random.pick(RANGES)
      const [address = ''] = range.split('/')
      return isName ? [ip(address), `IP:${address}`] : [ipRange(range), `IP:${range}`]
    }
    case 'other': {
      const name = random.pick(['directory', 'registered', 'other'] as const)
      if (name === 'directory') return [directoryName(random.pick(['etcd-0', 'Intermediate', 'Other'])), 'dirName']
      return name === 'registered' ? [registeredId('1.2.3'), 'RID'] : [otherName('1.2.3', nullValue()), 'otherName']
    }
  }
}

function someNames(random: Random, form: 'name' | 'constraint'): readonly [GeneralName[], string] {
  const drawn = Array.from({ length: 1 + random.below(3) }, () => anyName(random, form))
  return [drawn.map(([name]) => name), drawn.map(([, text]) => text).join(',')]
}

function mutation(name: string, role: Role, apply: Mutation['apply']): Applied {
  return { mutation: { name: `drawn: ${name}`, on: [role], apply, fault: null }, role }
}

function carries(name: string, role: Role, extension: Extension): Applied {
  const mark = extension.critical === true ? 'critical ' : ''
  return mutation(`${mark}${name}`, role, (plan) => {
    set(plan, role, { extensions: [extension] })
  })
}

function constraints(random: Random): Applied {
  const role = random.pick(['intermediate', 'root'] as const)
  const [first, firstText] = someNames(random, 'constraint')
  const [second, secondText] = someNames(random, 'constraint')
  const sides = random.below(3)
  const critical = !random.once(6)
  const subtrees = [{ permitted: first }, { excluded: first }, { permitted: first, excluded: second }][sides] ?? {}
  const text = ['permits', 'excludes', `excludes ${secondText}, permits`][sides] ?? ''
  return carries(`${text} ${firstText}`, role, nameConstraints(subtrees, critical))
}

function names(random: Random): Applied {
  const role = random.pick(['leaf', 'leaf', 'leaf', 'intermediate', 'root'] as const)
  const [more, text] = someNames(random, 'name')
  const critical = random.once(4)
  const list = role === 'leaf' && !random.once(5) ? [...OWN_NAMES, ...more] : more
  return carries(`names ${text}`, role, subjectAltName(list, critical))
}

/** A name within or beyond a constraint on its kind, so that the two meet. */
function constrainedNames(random: Random): Applied {
  const { mutation: first, role } = constraints(random)
  const [more, text] = someNames(random, 'name')
  return mutation(`${first.name.slice(7)}, names ${text}`, 'leaf', (plan) => {
    first.apply(plan, role)
    set(plan, 'leaf', { extensions: [subjectAltName([...OWN_NAMES, ...more])] })
  })
}

function pathLength(random: Random): Applied {
  const role = random.pick(['intermediate', 'root'] as const)
  const length = random.below(3)
  return mutation(`path length ${String(length)}`, role, (plan) => {
    set(plan, role, { pathLength: length })
  })
}

/** CAs between the intermediate and the leaf, some of them self-issued. */
function longer(random: Random): Applied {
  const count = 1 + random.below(3)
  const kinds = Array.from({ length: count }, () => random.pick(['named', 'self-issued', 'with a name'] as const))
  return mutation(`below it ${kinds.join(', ')}`, 'intermediate', (plan) => {
    if (!('pathLength' in plan.intermediate) || plan.intermediate.pathLength === 0) {
      set(plan, 'intermediate', { pathLength: undefined })
    }
    // OpenSSL takes the first of several that fit by name and key: each has its own, for that choice is not compared here.
    const run = String(plan.arrangements.length)
    plan.arrangements.push((chain) => {
      let issuer = chain.intermediate
      const added: Minted[] = []
      for (const [i, kind] of kinds.entries()) {
        const label = `low ${run} ${String(i)}`
        const name = dns(kind === 'with a name' ? 'a.example.com' : HOST)
        const extensions = kind === 'named' ? [] : [subjectAltName([name])]
        const subject = kind === 'self-issued' ? issuer.subject : label.replace('l', 'L')
        issuer = mintCa({ subject, issuer, key: keyFor(label), extensions })
        added.unshift(issuer)
      }
      chain.leaf = mintLeaf({ subject: '', ...plan.leaf, issuer })
      chain.sent.unshift(...added)
    })
  })
}

const USAGES = Object.keys(KEY_USAGE_BIT) as KeyUsageName[]

function usages(random: Random): Applied {
  const role = random.pick(['leaf', 'leaf', 'intermediate', 'root'] as const)
  const chosen = USAGES.filter((usage) => random.once(usage === 'keyCertSign' && role !== 'leaf' ? 1 : 3))
  const kind = random.pick(['p256', 'rsa-2048', 'ed25519'] as const)
  return mutation(`${kind}, key usage ${chosen.join(' ')}`, role, (plan) => {
    set(plan, role, { key: keyFor(role, kind), extensions: [keyUsage(chosen, random.once(2))] })
  })
}

const PURPOSES = [
  ...(['serverAuth', 'clientAuth', 'any', 'codeSigning', '1.3.6.1.4.1.99999.3'] as const),
  // Server Gated Cryptography of Microsoft and Netscape.
  ...(['1.3.6.1.4.1.311.10.3.3', '2.16.840.1.113730.4.1'] as const),
]

function purposes(random: Random): Applied {
  const role = random.pick(ROLES)
  const chosen = PURPOSES.filter(() => random.once(3))
  return carries(`extended key usage ${chosen.join(' ')}`, role, extendedKeyUsage(chosen, random.once(4)))
}

function policies(random: Random): Applied {
  const role = random.pick(ROLES)
  const critical = random.once(2)
  const value = random.below(3)
  const tag = random.below(2)
  const what = random.pick(['policy', 'constraints', 'inhibit', 'mapping'] as const)
  const raw = (oid: string, value: Buffer): Extension => ({ oid, critical, value })
  const extension = {
    policy: () => certificatePolicies([random.pick([POLICY, '2.5.29.32.0'])], critical),
    constraints: () => raw(EXTENSION.policyConstraints, sequence(contextPrimitive(tag, Buffer.from([value])))),
    inhibit: () => raw(EXTENSION.inhibitAnyPolicy, integer(value)),
    mapping: () => raw(EXTENSION.policyMappings, sequence(sequence(oid(POLICY), oid(`${POLICY}.1`)))),
  }[what]()
  return carries(`${what} ${String(tag)} ${String(value)}`, role, extension)
}

const CRL_URI = tlv(0xa0, tlv(0xa0, uri('http://crl.example/a.crl')))
const POINTS: Some<readonly [string, Buffer]> = [
  ['a URI', CRL_URI],
  ['a directory name', tlv(0xa0, tlv(0xa0, directoryName('x')))],
  ['a CRL issuer alone', tlv(0xa2, directoryName('x'))],
  ['reasons', Buffer.concat([CRL_URI, tlv(0x81, Buffer.from([1, 0x40]))])],
]

/** Distribution points of every form. */
function distributionPoints(random: Random): Applied {
  const role = random.pick(ROLES)
  if (random.once(3)) return carries('distribution point with a relative name', role, relativeDistributionPoint())
  const [form, point] = random.pick(POINTS)
  const extension = { oid: EXTENSION.crlDistributionPoints, critical: random.once(3), value: sequence(sequence(point)) }
  return carries(`distribution point with ${form}`, role, extension)
}

const FAULTS: Some<readonly [string, Partial<MintCaOptions>]> = [
  ['in order', {}],
  ['expired', { notBefore: inDays(-9), notAfter: inDays(-1) }],
  ['of a curve that Go does not read', { key: 'brainpool' }],
  ['with a malformed name', { extensions: [subjectAltName([uri('http://[bad/%zz')])] }],
  ['with a negative serial number', { serial: -5n }],
  ['with a relative distribution point', { extensions: [relativeDistributionPoint()] }],
  ['with an unknown critical extension', { extensions: [unknownExtension(true)] }],
  ['signed by SHA-1', { signature: 'ecdsa-sha1' }],
  ['of P-224', { key: 'p224' }],
]

/** A CA that is trusted or sent next to the chain's own, and that a reader may not be able to read. */
function stranger(random: Random): Applied {
  const [fault, options] = random.pick(FAULTS)
  const list = random.pick(['trust', 'sent'] as const)
  return mutation(`${list} next to a CA ${fault}`, list === 'trust' ? 'root' : 'intermediate', (plan) => {
    plan.arrangements.push((chain) =>
      chain[list].push(mintCa({ subject: 'Stranger', key: keyFor('stranger'), ...options })),
    )
  })
}

const ALTERATIONS: Some<readonly [what: string, options: Partial<MintCaOptions>]> = [
  ...FAULTS,
  ['with another key', { key: 'p256' }],
  ['of later end', { notAfter: inDays(3000) }],
  ['with an empty extended key usage', { extensions: [extendedKeyUsage([])] }],
  ['for clients', { extensions: [extendedKeyUsage(['clientAuth'])] }],
  ['for gated servers', { extensions: [extendedKeyUsage(['1.3.6.1.4.1.311.10.3.3'])] }],
  ['that may not issue', { keyUsages: ['cRLSign'] }],
  ['of other names', { extensions: [nameConstraints({ permitted: [dns('other.test')] })] }],
  [
    'for proxies',
    { extensions: [{ oid: EXTENSION.proxyCertInfo, value: sequence(sequence(oid('1.3.6.1.5.5.7.21.1'))) }] },
  ],
  ['of no issuer', { issuer: undefined }],
]

/** A twin of the intermediate, among the trusted or the sent, before or after it. */
function twin(random: Random): Applied {
  const [fault, options] = random.pick(ALTERATIONS)
  const list = random.pick(['trust', 'sent'] as const)
  const isFirst = random.once(2)
  return mutation(`${list} ${isFirst ? 'before' : 'after'} a twin ${fault}`, 'intermediate', (plan) => {
    plan.arrangements.push(({ intermediate, root, ...chain }) => {
      const key = 'key' in options ? keyFor('twin', options.key as 'p256') : intermediate.key
      const made = mintCa({ subject: 'Intermediate', issuer: root, ...options, key })
      if (isFirst) chain[list].unshift(made)
      else chain[list].push(made)
    })
  })
}

type CrlDraw = (chain: Arranged) => Partial<MintCrlOptions>
const extended = (...extensions: Extension[]): Partial<MintCrlOptions> => ({ extensions })
const CRLS: Some<readonly [what: string, options: CrlDraw]> = [
  ['in order', () => ({})],
  ['in order', () => ({})],
  ['newer', () => ({ thisUpdate: inDays(-0.01) })],
  ['older', () => ({ thisUpdate: inDays(-3) })],
  ['out of date', () => ({ thisUpdate: inDays(-9), nextUpdate: inDays(-1) })],
  ['of the future', () => ({ thisUpdate: inDays(1), nextUpdate: inDays(2) })],
  ['that names the leaf', ({ leaf: { serial } }) => ({ revoked: [{ serial }] })],
  ['that names the leaf, older', ({ leaf: { serial } }) => ({ revoked: [{ serial }], thisUpdate: inDays(-3) })],
  ['that names another', () => ({ revoked: [{ serial: 4711 }] })],
  ['without a number', () => extended()],
  [
    'of a higher number',
    ({ intermediate: { key } }) => extended(authorityKeyIdentifier(publicHalf(key)), crlNumber(7)),
  ],
  ['of no key identifier', () => extended(crlNumber(2))],
  ['of another key identifier', () => extended(authorityKeyIdentifier(Buffer.alloc(20, 9)), crlNumber(2))],
  ['of another key', ({ intermediate: { subject } }) => ({ issuer: { key: keyFor('stranger'), subject } })],
  ['with an altered signature', () => ({ tamperSignature: (bits) => flipBit(bits, -1) })],
  ['with an unknown critical extension', () => extended(crlNumber(1), unknownExtension(true))],
  ['signed by SHA-1', () => ({ signature: 'ecdsa-sha1' })],
]

/** One to three CRLs of the CA of the leaf, in any order, and a sound one of the root. */
function crls(random: Random): Applied {
  const drawn = Array.from({ length: 1 + random.below(3) }, () => random.pick(CRLS))
  return mutation(`CRLs ${drawn.map(([what]) => what).join(', ')}`, 'intermediate', (plan) => {
    plan.arrangements.push((chain) => {
      const own = drawn.map(([, options]) => mintCrl({ issuer: chain.intermediate, ...options(chain) }))
      chain.crls = [...own, mintCrl({ issuer: chain.root })]
    })
  })
}

/** A mutation with random values. */
export function drawMutation(random: Random): Applied {
  const draw = random.pick([
    ...([constraints, constrainedNames, constrainedNames, names, pathLength, longer] as const),
    ...[usages, purposes, policies, distributionPoints, stranger, twin, crls],
  ])
  return draw(random)
}
