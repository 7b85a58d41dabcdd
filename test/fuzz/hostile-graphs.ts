/** Certificates that can be combined in too many ways, and CRLs without end. */
import { integer, sequence } from '../support/der-writer.js'
import {
  authorityKeyIdentifier,
  dns,
  EXTENSION,
  flipBit,
  type KeyKind,
  mint,
  mintCa,
  mintCrl,
  mintLeaf,
  type Minted,
  nameConstraints,
  newKey,
  type RevokedEntry,
  subjectKeyIdentifier,
} from '../support/mint.js'
import {
  below,
  chainOf,
  ders,
  healthy,
  HOST,
  type HostileInput,
  type HostileRow,
  type LeafOptions,
  many,
} from './hostile-chain.js'

const EXHAUSTED = 'chain/limit-exceeded'

/** CAs of one subject and key each, with a certificate by every other one. */
function everyoneSignsEveryone(n: number): HostileInput {
  const cas = many(n, (i) => mint({ subject: `CA ${String(i)}` }))
  const all = cas.flatMap(({ subject, key }) =>
    cas.flatMap((issuer) => (issuer.subject.equals(subject) ? [] : [mintCa({ subject, key, issuer })])),
  )
  return below(all, all[0] === undefined ? {} : { issuer: all[0] })
}

/** Layers of certificates of one subject and key each: paths by the power of the depth, none of which is valid. */
function layers(depth: number, width: number, crls: Buffer[] = []): HostileInput {
  const anchor = mintCa({ subject: 'Layer root', extensions: [nameConstraints({ permitted: [dns('nothing.test')] })] })
  let issuer = anchor
  const all: Minted[] = []
  for (let level = 0; level < depth; level++) {
    const options = { subject: `Layer ${String(level)}`, key: newKey(), issuer }
    const layer = many(width, () => mintCa(options))
    issuer = layer[0] ?? anchor
    all.push(...layer)
  }
  const { input } = below(all, { issuer, names: many(200, (i) => dns(`n${String(i)}.test`)) })
  return { input: { ...input, trustAnchors: [anchor.der], crls } }
}

/** 3 CAs in each of 12 layers, each certified by all of the layer above and of its own. */
function crossCertified(): HostileInput {
  let above = [healthy().root]
  const all: Minted[] = []
  for (let level = 0; level < 12; level++) {
    const cas = many(3, (i) => mint({ subject: `Layer ${String(level)} CA ${String(i)}` }))
    const layer = cas.flatMap(({ subject, key }) =>
      [...above, ...cas.filter((each) => each.key !== key)].map((issuer) => mintCa({ subject, key, issuer })),
    )
    all.push(...layer)
    above = cas.map(({ subject, key }) => layer.find((each) => each.key === key) ?? mint({ subject, key }))
  }
  return below(all, above[0] === undefined ? {} : { issuer: above[0] })
}

/** A valid path, and next to each of its CAs others of the same name: with another key, expired, with another path length. */
function twins(ofEachKind: number): HostileInput {
  let issuer = healthy().root
  const all: Minted[] = []
  for (let level = 0; level < 5; level++) {
    const subject = `Twin ${String(level)}`
    const ca = mintCa({ subject, issuer, notAfter: new Date('2050-01-01') })
    const { key } = ca
    const others = many(ofEachKind, () => [
      mintCa({ subject, issuer }),
      mintCa({ subject, key, issuer, notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }),
      mintCa({ subject, key, issuer, pathLength: 0 }),
    ]).flat()
    all.push(...others, ca)
    issuer = ca
  }
  return { ...below(all), options: { usage: 'client' } }
}

/** 190 CAs of one name, of which none signed the leaf. */
function sameName(
  part: 'intermediates' | 'trustAnchors',
  kind: KeyKind,
  isNamed: boolean,
  names: LeafOptions['names'] = [dns(HOST)],
): HostileInput {
  const { root, leafKey } = healthy()
  const identifier = Buffer.from('one for all')
  // Keys and signatures take a while to make. More keys than the budget can reach need not differ; nobody looks at the rest.
  const serial = Buffer.alloc(16, 0x41)
  const extensions = isNamed ? [subjectKeyIdentifier(identifier)] : []
  const options = { subject: 'Same', key: kind, issuer: root, serial, extensions }
  const cas = many(120, () => mintCa({ ...options, without: [EXTENSION.subjectKeyIdentifier] }).der)
  const copies = many(190, (i) => {
    const copy = Buffer.from(cas[i % cas.length] ?? Buffer.alloc(0))
    copy.writeUInt32BE(i, copy.indexOf(serial) + 4)
    return copy
  })
  const leaf = mintLeaf({
    subject: 'x',
    issuer: mint({ subject: 'Same', key: newKey(kind) }),
    key: leafKey,
    names,
    extensions: isNamed ? [authorityKeyIdentifier(identifier)] : [],
    without: [EXTENSION.authorityKeyIdentifier],
  })
  return { input: chainOf({ leaf: leaf.der, [part]: copies }) }
}

/** A leaf below 190 CAs, each below the one before. */
function chain(subject: (i: number) => string): HostileInput {
  const cas: Minted[] = []
  for (let i = 0; i < 190; i++) cas.push(mintCa({ subject: subject(i), issuer: cas.at(-1) ?? healthy().root }))
  return below(cas)
}

/** 190 anchors of other names than the chain's. */
function strangers(...more: Minted[]): HostileInput {
  const { leafKey: key } = healthy()
  const others = many(190, (i) => mintCa({ subject: `Other root ${String(i)}`, key }))
  return { input: chainOf({ trustAnchors: ders([...others, ...more]) }) }
}

export const graphs: readonly HostileRow[] = [
  ['10 CAs that all sign each other', EXHAUSTED, () => everyoneSignsEveryone(10)],
  ['14 CAs that all sign each other', EXHAUSTED, () => everyoneSignsEveryone(14)],
  ['40 CAs that all sign each other', 'input/too-much', () => everyoneSignsEveryone(40)],
  [
    '12 CAs that all sign each other, with signatures without end',
    EXHAUSTED,
    () => ({ ...everyoneSignsEveryone(12), options: { budget: { signatures: 1000 } } }),
  ],
  ...(['p256', 'p384', 'p521', 'ed25519'] as const).map((kind): HostileRow => [
    `190 intermediates of one name and key identifier (${kind})`,
    EXHAUSTED,
    () => sameName('intermediates', kind, true),
  ]),
  ['190 anchors of one name', EXHAUSTED, () => sameName('trustAnchors', 'p256', false)],
  [
    '190 anchors of one name, and a leaf of 250 kB',
    EXHAUSTED,
    () => sameName('trustAnchors', 'p256', false, [dns('a'.repeat(250_000))]),
  ],
  ['a chain of 190 self-issued certificates', EXHAUSTED, () => chain(() => 'Self')],
  [
    'a chain of 190 certificates',
    EXHAUSTED,
    () => ({ ...chain((i) => `CA ${String(i)}`), options: { maxIntermediates: 255 } }),
  ],
  ['190 anchors of other names next to the right one', null, () => strangers(healthy().root)],
  ['190 anchors of other names alone', 'chain/issuer-not-found', () => strangers()],
  ['4 ways through each of 10 layers', EXHAUSTED, () => layers(10, 4)],
  ['16 ways through each of 12 layers', EXHAUSTED, () => layers(12, 16)],
  ['12 layers of CAs that certify each other', EXHAUSTED, crossCertified],
  ['5 layers, with 36 twins of each CA', EXHAUSTED, () => twins(12)],
  ['5 layers, with 3 twins of each CA', null, () => twins(1)],
]

const BEGUN = new Date('2026-01-01')
const revoked = (): RevokedEntry[] => many(100_000, (i) => ({ serial: 0x10_0000_0000n + BigInt(i), date: BEGUN }))
const ofIntermediate = (more: Partial<Parameters<typeof mintCrl>[0]> = {}): Buffer =>
  mintCrl({ issuer: healthy().intermediate, ...more }).der
/** Node refuses the server if a CA of its path has no CRL and others have one. */
const ofRoot = (more: Partial<Parameters<typeof mintCrl>[0]> = {}): Buffer =>
  mintCrl({ issuer: healthy().root, ...more }).der
const withLists = (...crls: (Buffer | string)[]): HostileInput => ({ input: chainOf({ crls }) })
const copies = (count: number, list: Buffer): Buffer[] => many(count, () => Buffer.from(list))

function ofOthers(): Buffer[] {
  const { leafKey: key } = healthy()
  return many(98, (i) => mintCrl({ issuer: mint({ subject: `CA ${String(i)}`, key }) }).der)
}

export const lists: readonly HostileRow[] = [
  ['a CRL of 100,000 entries', null, () => withLists(ofIntermediate({ revoked: revoked() }), ofRoot())],
  [
    'a CRL of 100,000 entries in PEM',
    null,
    () => withLists(mintCrl({ issuer: healthy().intermediate, revoked: revoked() }).pem, ofRoot()),
  ],
  [
    'a CRL of 100,000 entries, the last one ours',
    'revocation/revoked',
    () => withLists(ofIntermediate({ revoked: [...revoked(), { serial: healthy().leaf.serial }] })),
  ],
  [
    'two CRLs of 100,000 entries',
    null,
    () => withLists(ofIntermediate({ revoked: revoked() }), ofRoot({ revoked: revoked() })),
  ],
  ['100,000 CRLs', 'input/too-much', () => withLists(...Array<Buffer>(100_000).fill(ofIntermediate()))],
  ['100,000 scraps as CRLs', 'input/too-much', () => withLists(...copies(100_000, Buffer.from([0x30, 0])))],
  ['99 CRLs of one issuer', null, () => withLists(...copies(99, ofIntermediate()), ofRoot())],
  [
    '100 CRLs that are forged',
    'revocation/crl-signer-differs',
    () => withLists(...copies(100, ofIntermediate({ tamperSignature: (bits) => flipBit(bits, -1) }))),
  ],
  ['98 CRLs of other issuers', null, () => withLists(...ofOthers(), ofIntermediate(), ofRoot())],
  [
    'a CRL whose number has 3 MB',
    null,
    () => {
      const value = integer(Buffer.alloc(3_000_000, 0x41))
      return withLists(ofIntermediate({ extensions: [{ oid: EXTENSION.crlNumber, value }] }), ofRoot())
    },
  ],
  [
    'a CRL of 1,900,000 empty entries',
    'revocation/crl-malformed',
    () => withLists(ofIntermediate({ nextUpdate: sequence(Buffer.alloc(3_800_000, Buffer.from([0x30, 0]))) })),
  ],
  ['4 ways through each of 10 layers, and 100 CRLs', EXHAUSTED, () => layers(10, 4, copies(100, ofIntermediate()))],
]
