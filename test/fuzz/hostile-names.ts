/** Names without end: subject alternative names, name constraints, subjects. */
import { oid, sequence, setOf, tlv, TAG } from '../support/der-writer.js'
import {
  directoryName,
  dns,
  email,
  encodeAttribute,
  EXTENSION,
  type Extension,
  type GeneralName,
  ip,
  ipRange,
  mintCa,
  type Minted,
  nameConstraints,
  subjectAltName,
  uri,
} from '../support/mint.js'
import {
  below,
  chainOf,
  distinctCertificates,
  healthy,
  HOST,
  type HostileInput,
  type HostileRow,
  many,
  withCa,
  withLeaf,
} from './hostile-chain.js'

const MALFORMED = 'certificate/malformed'
const EXHAUSTED = 'chain/limit-exceeded'
const NOT_COVERED = 'san/host-not-covered'

/** The most that are read of one list of names. */
const COUNT = 5000

function named(name: string, make: (i: number) => GeneralName, hosts: string[], code: string | null): HostileRow {
  return [`5,000 ${name}`, code, () => withLeaf({ names: many(COUNT, make) }, { hosts })]
}
const uncovered = (name: string, make: (i: number) => GeneralName, hosts = [HOST]): HostileRow =>
  named(name, make, hosts, NOT_COVERED)

const manyHosts = many(100, (i) => `b${String(i)}.svc`)
const noNames = sequence(Buffer.alloc(240_000, Buffer.from([0x82, 0])))

const alternativeNames: readonly HostileRow[] = [
  named('DNS names, the last one wanted', (i) => dns(i === COUNT - 1 ? HOST : `a${String(i)}.svc`), [HOST], null),
  uncovered('DNS names, none wanted', (i) => dns(`a${String(i)}.svc`), [HOST, '10.0.0.1', 'fd00::1']),
  uncovered('DNS names, 100 hosts wanted', (i) => dns(`a${String(i)}.svc`), manyHosts),
  uncovered('wildcards', (i) => dns(`*.a${String(i)}.svc`), ['x.y.a4999.svc']),
  uncovered('addresses', (i) => ip(`10.1.${String(i >> 8)}.${String(i & 255)}`), ['10.0.0.1', HOST]),
  uncovered('addresses of version 6', (i) => ip(`fd00::${i.toString(16)}`), ['fd01::1', HOST]),
  uncovered('URIs', (i) => uri(`spiffe://cluster/${String(i)}`), ['spiffe://cluster/x', HOST]),
  uncovered('mailboxes', (i) => email(`a${String(i)}@svc`)),
  uncovered('directory names', (i) => directoryName(`etcd ${String(i)}`)),
  [
    '120,000 empty names',
    'input/too-much',
    () => withLeaf({ extensions: [{ oid: EXTENSION.subjectAltName, value: noNames }] }),
  ],
  ['a DNS name of 250 kB', null, () => withLeaf({ names: [dns('a.'.repeat(125_000))] })],
  ['a URI of 250 kB', NOT_COVERED, () => withLeaf({ names: [uri('a'.repeat(250_000))] }, { hosts: ['a://b'] })],
]

const octets = (i: number): string => `${String(i >> 8)}.${String(i & 255)}`
const organization = (name: string): GeneralName => directoryName([['O', name]])
const KINDS: readonly [kind: string, subtree: (i: number) => GeneralName, name: (i: number) => GeneralName][] = [
  ['DNS names', (i) => dns(`zone-${String(i)}.Example`), (i) => dns(`Host-${String(i)}.zone.example`)],
  ['ranges', (i) => ipRange(`10.${octets(i)}.0/24`), (i) => ip(`11.0.${octets(i)}`)],
  ['mailboxes', (i) => email(`zone-${String(i)}.example`), (i) => email(`me@host-${String(i)}.example`)],
  ['URIs', (i) => uri(`.zone-${String(i)}.example`), (i) => uri(`https://host-${String(i)}.example/x`)],
  ['directory names', (i) => organization(`Org ${String(i)}`), (i) => organization(`Other ${String(i)}`)],
]

/** The most constraints that are read of one list. */
const SUBTREES = 500
/** The most names that are compared with so many. */
const COMPARED = 24

const constraints: readonly HostileRow[] = KINDS.flatMap(([kind, subtree, name]) =>
  [1, COMPARED, 4000].flatMap((count) =>
    (['permitted', 'excluded'] as const).map((list): HostileRow => {
      const withinLimit = list === 'permitted' ? 'name-constraints/name-refused' : null
      return [
        `${String(SUBTREES)} ${list} ${kind} times ${String(count)}`,
        count > COMPARED ? EXHAUSTED : withinLimit,
        () =>
          withCa({ extensions: [nameConstraints({ [list]: many(SUBTREES, subtree) })] }, { names: many(count, name) }),
      ]
    }),
  ),
)

const LARGEST = 250_000
/** Bytes: nearly all that one validation reads, and nearly all of which the extensions are read. */
const SIZES = [
  ['1 MiB', 1_040_000, EXHAUSTED],
  ['256 KiB', 257_000, null],
] as const
const SHORT: readonly [kind: string, name: GeneralName, subtree?: GeneralName][] = [
  ['DNS names', dns('a')],
  ['URIs', uri('a')],
  ['URIs with a host', uri('a://b/'), uri('b')],
  ['mailboxes', email('a@b')],
  ['addresses', ip('10.0.0.1'), ipRange('10.0.0.0/8')],
  ['directory names', directoryName('a')],
  ['directory names of 25 attributes', directoryName(many(25, () => ['CN', 'a'] as const))],
  ['empty directory names', tlv(0xa4, sequence())],
]

/** As many names as a certificate of the largest size can have in so many lists. */
const filled = (name: GeneralName, most: number, lists = 1): GeneralName[] =>
  many(Math.min(most, Math.floor(LARGEST / lists / name.length)), () => name)

/** Certificates that the path does not use, of so many bytes together. */
function unused(extension: Extension, bytes: number): HostileInput {
  const [{ length }] = distinctCertificates(1, { extensions: [extension] }) as [Buffer]
  const others = distinctCertificates(Math.floor(bytes / length), { extensions: [extension] })
  return { input: chainOf({ intermediates: [healthy().intermediate.der, ...others] }), options: { usage: 'peer' } }
}

/** The most names that a validation can be passed, in certificates that etcd would read: up to 330,000. */
const fullOfNames: readonly HostileRow[] = SHORT.flatMap(([kind, name, subtree = name]) =>
  SIZES.flatMap(([size, bytes, code]): HostileRow[] => {
    const subtrees = filled(tlv(0x30, subtree), SUBTREES, 2).map(() => subtree)
    const constraint = nameConstraints({ permitted: subtrees, excluded: subtrees })
    return [
      [`${size} of ${kind}`, code, () => unused(subjectAltName(filled(name, COUNT)), bytes)],
      [`${size} of constraints on ${kind}`, code, () => unused(constraint, bytes)],
    ]
  }),
)

/** A path of CAs that constrain names of all kinds, and a leaf with names of all of them. */
function constrainedInDepth(): HostileInput {
  const permitted = KINDS.flatMap(([, subtree]) => many(60, subtree))
  const extensions = [nameConstraints({ permitted, excluded: permitted })]
  const cas: Minted[] = []
  for (let i = 0; i < 10; i++)
    cas.push(mintCa({ subject: `Constrained ${String(i)}`, issuer: cas.at(-1) ?? healthy().root, extensions }))
  return below(cas, { subject: 'etcd-0', names: KINDS.flatMap(([, , name]) => many(200, name)) })
}

const units = (count: number, name = ''): Buffer[] => many(count, (i) => encodeAttribute(['OU', `${name}${String(i)}`]))
const parts = (attributes: readonly Buffer[]): Buffer =>
  sequence(Buffer.concat(attributes.map((attribute) => setOf(attribute))))

/** One string of at most so many bytes as a whole name. */
const text = (tag: number, unit: Buffer, bytes: number): Buffer => {
  const content = Buffer.alloc(Math.floor(bytes / unit.length) * unit.length, unit)
  return sequence(setOf(sequence(oid('2.5.4.3'), tlv(tag, content))))
}

/** A CA, and a leaf whose issuer is written otherwise, so that the names are compared by their meaning. */
function otherSpelling(subject: Buffer, issuerName: Buffer): HostileInput {
  const { root, leafKey } = healthy()
  const ca = mintCa({ subject, issuer: root, notAfter: new Date('2050-01-01') })
  return below([ca], { issuerName, key: leafKey })
}

const STRINGS: readonly [name: string, tag: number, unit: Buffer][] = [
  ['U+FDFA', TAG.utf8String, Buffer.from('\ufdfa')],
  ['combining marks out of order', TAG.utf8String, Buffer.from('\u0300\u0316')],
  ['marks of half width', TAG.utf8String, Buffer.from('\u0300\uff9e')],
  ['quotes', TAG.utf8String, Buffer.from('"')],
  ['bidi overrides', TAG.utf8String, Buffer.from('\u202e')],
  ['lone surrogates', TAG.bmpString, Buffer.from([0xd8, 0])],
  ['emoji in UCS-4', TAG.universalString, Buffer.from([0, 1, 0xf6, 0])],
]

/** CAs with names of many attributes, and a leaf of another issuer. */
function otherNames(count: number, attributesOfEach: number): HostileInput {
  const { root: issuer, leafKey: key } = healthy()
  const name = (last: string): Buffer => parts([...units(attributesOfEach), encodeAttribute(['CN', last])])
  const cas = many(count, (i) => mintCa({ subject: name(`a${String(i)}`), issuer, key }))
  return below(cas, { issuer: { key, subject: name('b') }, key })
}

function manyNamesEach(): HostileInput {
  const { root: issuer, leafKey: key, intermediate } = healthy()
  const extensions = [subjectAltName(many(100, (i) => dns(`a${String(i)}.svc`)))]
  const cas = many(190, (i) => mintCa({ subject: `CA ${String(i)}`, issuer, key, extensions }).der)
  return { input: chainOf({ intermediates: [intermediate.der, ...cas] }) }
}

const subjects: readonly HostileRow[] = [
  ['a subject of 10,000 attributes', MALFORMED, () => withLeaf({ subject: parts(units(10_000, 'Unit ')) })],
  [
    'a subject of 10,000 attributes in one set',
    MALFORMED,
    () => withLeaf({ subject: sequence(setOf(...units(10_000))) }),
  ],
  ['a subject of 25 attributes', null, () => withLeaf({ subject: parts(units(25, 'Unit ')) })],
  ...STRINGS.flatMap(([name, tag, unit]): HostileRow[] => [
    [`250 kB of ${name} as subject`, MALFORMED, () => withLeaf({ subject: text(tag, unit, 250_000) })],
    [
      `4,000 bytes of ${name} as issuer`,
      'chain/issuer-not-found',
      () => otherSpelling(text(tag, unit, 3990), text(tag, unit, 3000)),
    ],
  ]),
  ["100 CAs of 4,000 bytes each, none of the issuer's name", MALFORMED, () => otherNames(100, 250)],
  ["190 CAs of 25 attributes each, none of the issuer's name", EXHAUSTED, () => otherNames(190, 24)],
  ['190 CAs of 100 names each', null, manyNamesEach],
]

export const names: readonly HostileRow[] = [
  ...alternativeNames,
  ...constraints,
  ...fullOfNames,
  ['10 CAs with 120 constraints of each kind, one above the other', EXHAUSTED, constrainedInDepth],
  ...subjects,
]
