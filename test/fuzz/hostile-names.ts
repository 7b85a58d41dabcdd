/** Names without end: subject alternative names, name constraints, subjects. */
import { oid, sequence, setOf, tlv, TAG } from '../support/der-writer.js'
import {
  directoryName,
  dns,
  email,
  encodeAttribute,
  EXTENSION,
  type GeneralName,
  ip,
  ipRange,
  mintCa,
  type Minted,
  mintLeaf,
  nameConstraints,
  subjectAltName,
  uri,
} from '../support/mint.js'
import { chainOf, healthy, HOST, type HostileCase, type HostileInput, many, withCa, withLeaf } from './hostile-chain.js'

/** The most that are read of one list. */
const COUNT = 5000

function named(name: string, code: string | null, make: (i: number) => GeneralName, hosts: string[]): HostileCase {
  return { name: `5,000 ${name}`, code, make: () => withLeaf({ names: many(COUNT, make) }, { hosts }) }
}

const NOT_COVERED = 'san/host-not-covered'

const alternativeNames: HostileCase[] = [
  named('DNS names, the last one wanted', null, (i) => dns(i === COUNT - 1 ? HOST : `a${String(i)}.svc`), [HOST]),
  named('DNS names, none wanted', NOT_COVERED, (i) => dns(`a${String(i)}.svc`), [HOST, '10.0.0.1', 'fd00::1']),
  named(
    'DNS names, 100 hosts wanted',
    NOT_COVERED,
    (i) => dns(`a${String(i)}.svc`),
    many(100, (i) => `b${String(i)}.svc`),
  ),
  named('wildcards', NOT_COVERED, (i) => dns(`*.a${String(i)}.svc`), ['x.y.a4999.svc']),
  named('addresses', NOT_COVERED, (i) => ip(`10.1.${String(i >> 8)}.${String(i & 255)}`), ['10.0.0.1', HOST]),
  named('addresses of version 6', NOT_COVERED, (i) => ip(`fd00::${i.toString(16)}`), ['fd01::1', HOST]),
  named('URIs', NOT_COVERED, (i) => uri(`spiffe://cluster/${String(i)}`), ['spiffe://cluster/x', HOST]),
  named('mailboxes', NOT_COVERED, (i) => email(`a${String(i)}@svc`), [HOST]),
  named('directory names', NOT_COVERED, (i) => directoryName(`etcd ${String(i)}`), [HOST]),
  {
    name: '120,000 empty names',
    code: 'certificate/extension-refused',
    make: () =>
      withLeaf({
        extensions: [{ oid: EXTENSION.subjectAltName, value: sequence(Buffer.alloc(240_000, Buffer.from([0x82, 0]))) }],
      }),
  },
  {
    name: 'a DNS name of 250 kB',
    code: null,
    make: () => withLeaf({ names: [dns('a.'.repeat(125_000))] }),
  },
  {
    name: 'a URI of 250 kB',
    code: NOT_COVERED,
    make: () => withLeaf({ names: [uri('a'.repeat(250_000))] }, { hosts: ['a://b'] }),
  },
]

const KINDS: readonly [kind: string, subtree: (i: number) => GeneralName, name: (i: number) => GeneralName][] = [
  ['DNS names', (i) => dns(`zone-${String(i)}.Example`), (i) => dns(`Host-${String(i)}.zone.example`)],
  [
    'ranges',
    (i) => ipRange(`10.${String(i >> 8)}.${String(i & 255)}.0/24`),
    (i) => ip(`11.0.${String(i >> 8)}.${String(i & 255)}`),
  ],
  ['mailboxes', (i) => email(`zone-${String(i)}.example`), (i) => email(`me@host-${String(i)}.example`)],
  ['URIs', (i) => uri(`.zone-${String(i)}.example`), (i) => uri(`https://host-${String(i)}.example/x`)],
  [
    'directory names',
    (i) => directoryName([['O', `Org ${String(i)}`]]),
    (i) => directoryName([['O', `Other ${String(i)}`]]),
  ],
]

function constrained(
  subtrees: Parameters<typeof nameConstraints>[0],
  names: GeneralName[],
  leaf: Partial<Parameters<typeof mintLeaf>[0]> = {},
): HostileInput {
  return withCa({ extensions: [nameConstraints(subtrees)] }, { names, ...leaf })
}

/** The most that are read of one list. */
const SUBTREES = 500

const constraints: HostileCase[] = KINDS.flatMap(([kind, subtree, name]) =>
  ([1, 24, 4000] as const).flatMap((count) => {
    const limit = 24
    const code = count > limit ? 'chain/limit-exceeded' : 'name-constraints/name-refused'
    return [
      {
        name: `${String(SUBTREES)} permitted ${kind} times ${String(count)}`,
        code,
        make: () => constrained({ permitted: many(SUBTREES, subtree) }, many(count, name)),
      },
      {
        name: `${String(SUBTREES)} excluded ${kind} times ${String(count)}`,
        code: count > limit ? code : null,
        make: () => constrained({ excluded: many(SUBTREES, subtree) }, many(count, name)),
      },
    ]
  }),
)

/** A path of CAs that constrain names of all kinds, and a leaf with names of all of them. */
const constrainedInDepth: HostileCase = {
  name: '10 CAs with 120 constraints of each kind, one above the other',
  code: 'chain/limit-exceeded',
  make: () => {
    const permitted = KINDS.flatMap(([, subtree]) => many(60, subtree))
    const extensions = [nameConstraints({ permitted, excluded: permitted })]
    const cas: Minted[] = []
    for (let i = 0; i < 10; i++)
      cas.push(mintCa({ subject: `Constrained ${String(i)}`, issuer: cas.at(-1) ?? healthy().root, extensions }))
    const issuer = cas.at(-1) ?? healthy().root
    const leaf = mintLeaf({ subject: 'etcd-0', issuer, names: KINDS.flatMap(([, , name]) => many(200, name)) })
    return { input: chainOf({ leaf: leaf.der, intermediates: cas.map(({ der }) => der) }) }
  },
}

const attributes = (count: number): Buffer => {
  const units = many(count, (i) => setOf(encodeAttribute(['OU', `Unit ${String(i)}`])))
  return sequence(Buffer.concat(units))
}

/** One string of so many bytes as a whole name. */
const text = (tag: number, unit: Buffer, octets: number): Buffer => {
  const content = Buffer.alloc(Math.floor(octets / unit.length) * unit.length, unit)
  return sequence(setOf(sequence(oid('2.5.4.3'), tlv(tag, content))))
}

/** A CA, and a leaf whose issuer is written otherwise, so that the names are compared by their meaning. */
function otherSpelling(ca: Buffer, issuerName: Buffer): HostileInput {
  const { root, leafKey } = healthy()
  const issuer = mintCa({ subject: ca, issuer: root, notAfter: new Date('2050-01-01') })
  const leaf = mintLeaf({ subject: 'x', issuer, issuerName, key: leafKey, names: [dns(HOST)] })
  return { input: chainOf({ leaf: leaf.der, intermediates: [issuer.der] }) }
}

const MALFORMED = 'certificate/malformed'
const EXHAUSTED = 'chain/limit-exceeded'
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
  const { root, leafKey } = healthy()
  const name = (last: string): Buffer =>
    sequence(
      Buffer.concat([
        ...many(attributesOfEach, (i) => setOf(encodeAttribute(['OU', String(i)]))),
        setOf(encodeAttribute(['CN', last])),
      ]),
    )
  const cas = many(count, (i) => mintCa({ subject: name(`a${String(i)}`), issuer: root, key: leafKey }))
  const issuer = { key: leafKey, subject: name('b') }
  const leaf = mintLeaf({ subject: 'x', issuer, key: leafKey, names: [dns(HOST)] })
  return { input: chainOf({ leaf: leaf.der, intermediates: cas.map(({ der }) => der) }) }
}

const subjects: HostileCase[] = [
  { name: 'a subject of 10,000 attributes', code: MALFORMED, make: () => withLeaf({ subject: attributes(10_000) }) },
  {
    name: 'a subject of 10,000 attributes in one set',
    code: MALFORMED,
    make: () => withLeaf({ subject: sequence(setOf(...many(10_000, (i) => encodeAttribute(['OU', String(i)])))) }),
  },
  { name: 'a subject of 25 attributes', code: null, make: () => withLeaf({ subject: attributes(25) }) },
  ...STRINGS.flatMap(([name, tag, unit]) => [
    {
      name: `250 kB of ${name} as subject`,
      code: MALFORMED,
      make: () => withLeaf({ subject: text(tag, unit, 250_000) }),
    },
    {
      name: `4,000 bytes of ${name} as issuer`,
      code: 'chain/issuer-not-found',
      make: () => otherSpelling(text(tag, unit, 3990), text(tag, unit, 3000)),
    },
  ]),
  {
    name: '100 CAs of 4,000 bytes each, none of the issuer’s name',
    code: MALFORMED,
    make: () => otherNames(100, 250),
  },
  {
    name: '190 CAs of 25 attributes each, none of the issuer’s name',
    code: EXHAUSTED,
    make: () => otherNames(190, 24),
  },
  {
    name: '190 CAs of 100 names each',
    code: null,
    make: () => {
      const { root, leafKey: key, intermediate } = healthy()
      const extensions = [subjectAltName(many(100, (i) => dns(`a${String(i)}.svc`)))]
      const cas = many(190, (i) => mintCa({ subject: `CA ${String(i)}`, issuer: root, key, extensions }).der)
      return { input: chainOf({ intermediates: [intermediate.der, ...cas] }) }
    },
  },
]

export const names: readonly HostileCase[] = [...alternativeNames, ...constraints, constrainedInDepth, ...subjects]
