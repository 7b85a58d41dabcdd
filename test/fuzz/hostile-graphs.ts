/** Certificates that can be combined in too many ways, and revocation lists without end. */
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
import { chainOf, healthy, HOST, type HostileCase, type HostileInput, many } from './hostile-chain.js'

const EXHAUSTED = 'chain/limit-exceeded'
const ders = (minted: readonly Minted[]): Buffer[] => minted.map(({ der }) => der)

/** CAs of one subject and key each, with a certificate by every other one. */
function everyoneSignsEveryone(n: number): Minted[] {
  const cas = many(n, (i) => mint({ subject: `CA ${String(i)}` }))
  return cas.flatMap(({ subject, key }) =>
    cas.flatMap((issuer) => (issuer.subject.equals(subject) ? [] : [mintCa({ subject, key, issuer })])),
  )
}

function leafBelow(issuer: Minted | undefined, names = [dns(HOST)]): Minted {
  return mintLeaf({ subject: 'x', issuer: issuer ?? healthy().root, names })
}

/** Layers of certificates of one subject and key each: paths by the power of the depth, none of which is valid. */
function layers(depth: number, width: number, crls: Buffer[] = []): HostileInput {
  const anchor = mintCa({ subject: 'Layer root', extensions: [nameConstraints({ permitted: [dns('nothing.test')] })] })
  let issuers: Minted[] = [anchor]
  const all: Minted[] = []
  for (let level = 0; level < depth; level++) {
    const key = newKey()
    const issuer = issuers[0] ?? anchor
    issuers = many(width, () => mintCa({ subject: `Layer ${String(level)}`, key, issuer }))
    all.push(...issuers)
  }
  const leaf = leafBelow(
    issuers[0],
    many(200, (i) => dns(`n${String(i)}.test`)),
  )
  return { input: { leaf: leaf.der, intermediates: ders(all), trustAnchors: [anchor.der], crls } }
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
  return { input: chainOf({ leaf: leafBelow(above[0]).der, intermediates: ders(all) }) }
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
  return { input: chainOf({ leaf: leafBelow(issuer).der, intermediates: ders(all) }), options: { usage: 'client' } }
}

/** CAs of one name, of which none signed the leaf. */
function sameName(
  part: 'intermediates' | 'trustAnchors',
  kind: KeyKind,
  count: number,
  named: boolean,
  names = [dns(HOST)],
): HostileInput {
  const { root, leafKey } = healthy()
  const identifier = Buffer.from('one for all')
  const own = named ? [subjectKeyIdentifier(identifier)] : []
  // Keys and signatures take a while to make. More keys than the budget can reach need not differ; nobody looks at the rest.
  const serial = Buffer.alloc(16, 0x41)
  const cas = many(120, () => {
    const options = { subject: 'Same', key: kind, issuer: root, serial, extensions: own }
    return mintCa({ ...options, without: [EXTENSION.subjectKeyIdentifier] }).der
  })
  const copies = many(count, (i) => {
    const copy = Buffer.from(cas[i % cas.length] ?? Buffer.alloc(0))
    copy.writeUInt32BE(i, copy.indexOf(serial) + 4)
    return copy
  })
  const leaf = mintLeaf({
    subject: 'x',
    issuer: mint({ subject: 'Same', key: newKey(kind) }),
    key: leafKey,
    names,
    extensions: named ? [authorityKeyIdentifier(identifier)] : [],
    without: [EXTENSION.authorityKeyIdentifier],
  })
  return { input: chainOf({ leaf: leaf.der, [part]: copies }) }
}

/** A chain of CAs, each below the one before. */
function chain(length: number, subject: (i: number) => string): Minted[] {
  const cas: Minted[] = []
  for (let i = 0; i < length; i++) cas.push(mintCa({ subject: subject(i), issuer: cas.at(-1) ?? healthy().root }))
  return cas
}

/** Anchors of other names than the chain's. */
function strangers(count: number): Minted[] {
  const { leafKey } = healthy()
  return many(count, (i) => mintCa({ subject: `Other root ${String(i)}`, key: leafKey }))
}

const graphs: HostileCase[] = [
  ...[10, 14, 40].map((n) => ({
    name: `${String(n)} CAs that all sign each other`,
    code: n === 40 ? 'input/too-much' : EXHAUSTED,
    make: (): HostileInput => {
      const cas = everyoneSignsEveryone(n)
      return { input: chainOf({ leaf: leafBelow(cas[0]).der, intermediates: ders(cas) }) }
    },
  })),
  {
    name: '12 CAs that all sign each other, with signatures without end',
    code: EXHAUSTED,
    make: () => {
      const cas = everyoneSignsEveryone(12)
      return {
        input: chainOf({ leaf: leafBelow(cas[0]).der, intermediates: ders(cas) }),
        options: { budget: { signatures: 1000 } },
      }
    },
  },
  ...(['p256', 'p384', 'p521', 'ed25519'] as const).map((kind) => ({
    name: `190 intermediates of one name and key identifier (${kind})`,
    code: EXHAUSTED,
    make: () => sameName('intermediates', kind, 190, true),
  })),
  { name: '190 anchors of one name', code: EXHAUSTED, make: () => sameName('trustAnchors', 'p256', 190, false) },
  {
    name: '190 anchors of one name, and a leaf of 250 kB',
    code: EXHAUSTED,
    make: () => sameName('trustAnchors', 'p256', 190, false, [dns('a'.repeat(250_000))]),
  },
  {
    name: 'a chain of 190 self-issued certificates',
    code: EXHAUSTED,
    make: () => {
      const cas = chain(190, () => 'Self')
      return { input: chainOf({ leaf: leafBelow(cas.at(-1)).der, intermediates: ders(cas) }) }
    },
  },
  {
    name: 'a chain of 190 certificates',
    code: EXHAUSTED,
    make: () => {
      const cas = chain(190, (i) => `CA ${String(i)}`)
      return {
        input: chainOf({ leaf: leafBelow(cas.at(-1)).der, intermediates: ders(cas) }),
        options: { maxIntermediates: 255 },
      }
    },
  },
  {
    name: '190 anchors of other names next to the right one',
    code: null,
    make: () => ({ input: chainOf({ trustAnchors: ders([...strangers(190), healthy().root]) }) }),
  },
  {
    name: '190 anchors of other names alone',
    code: 'chain/issuer-not-found',
    make: () => ({ input: chainOf({ trustAnchors: ders(strangers(190)) }) }),
  },
  { name: '4 ways through each of 10 layers', code: EXHAUSTED, make: () => layers(10, 4) },
  { name: '16 ways through each of 12 layers', code: EXHAUSTED, make: () => layers(12, 16) },
  { name: '12 layers of CAs that certify each other', code: EXHAUSTED, make: crossCertified },
  { name: '5 layers, with 36 twins of each CA', code: EXHAUSTED, make: () => twins(12) },
  { name: '5 layers, with 3 twins of each CA', code: null, make: () => twins(1) },
]

const BEGUN = new Date('2026-01-01')
const revoked = (count: number): RevokedEntry[] =>
  many(count, (i) => ({ serial: 0x10_0000_0000n + BigInt(i), date: BEGUN }))
const ofIntermediate = (more: Partial<Parameters<typeof mintCrl>[0]> = {}): Buffer =>
  mintCrl({ issuer: healthy().intermediate, ...more }).der
/** Node refuses the server if a CA of its path has no CRL and others have one. */
const ofRoot = (): Buffer => mintCrl({ issuer: healthy().root }).der
const withLists = (...crls: Buffer[]): HostileInput => ({ input: chainOf({ crls }) })

const lists: HostileCase[] = [
  {
    name: 'a CRL of 100,000 entries',
    code: null,
    make: () => withLists(ofIntermediate({ revoked: revoked(100_000) }), ofRoot()),
  },
  {
    name: 'a CRL of 100,000 entries in PEM',
    code: null,
    make: () => ({
      input: chainOf({
        crls: [mintCrl({ issuer: healthy().intermediate, revoked: revoked(100_000) }).pem, ofRoot()],
      }),
    }),
  },
  {
    name: 'a CRL of 100,000 entries, the last one ours',
    code: 'revocation/revoked',
    make: () => withLists(ofIntermediate({ revoked: [...revoked(100_000), { serial: healthy().leaf.serial }] })),
  },
  {
    name: 'two CRLs of 100,000 entries',
    code: null,
    make: () =>
      withLists(
        ofIntermediate({ revoked: revoked(100_000) }),
        mintCrl({ issuer: healthy().root, revoked: revoked(100_000) }).der,
      ),
  },
  {
    name: '100,000 CRLs',
    code: 'input/too-much',
    make: () => {
      const list = ofIntermediate()
      return withLists(...many(100_000, () => list))
    },
  },
  {
    name: '100,000 scraps as CRLs',
    code: 'input/too-much',
    make: () => withLists(...many(100_000, () => Buffer.from([0x30, 0]))),
  },
  {
    name: '99 CRLs of one issuer',
    code: null,
    make: () => {
      const list = ofIntermediate()
      return withLists(...many(99, () => Buffer.from(list)), ofRoot())
    },
  },
  {
    name: '100 CRLs that are forged',
    code: 'revocation/crl-signer-differs',
    make: () => {
      const list = ofIntermediate({ tamperSignature: (bits) => flipBit(bits, -1) })
      return withLists(...many(100, () => Buffer.from(list)))
    },
  },
  {
    name: '98 CRLs of other issuers',
    code: null,
    make: () => {
      const { leafKey: key } = healthy()
      return withLists(
        ...many(
          98,
          (i) => mintCrl({ issuer: { key, subject: mint({ subject: `CA ${String(i)}`, key }).subject } }).der,
        ),
        ofIntermediate(),
        ofRoot(),
      )
    },
  },
  {
    name: 'a CRL whose number has 3 MB',
    code: null,
    make: () =>
      withLists(
        ofIntermediate({ extensions: [{ oid: EXTENSION.crlNumber, value: integer(Buffer.alloc(3_000_000, 0x41)) }] }),
        ofRoot(),
      ),
  },
  {
    name: 'a CRL of 1,900,000 empty entries',
    code: 'revocation/crl-malformed',
    make: () => withLists(ofIntermediate({ nextUpdate: sequence(Buffer.alloc(3_800_000, Buffer.from([0x30, 0]))) })),
  },
  {
    name: '4 ways through each of 10 layers, and 100 CRLs',
    code: EXHAUSTED,
    make: () => {
      const list = ofIntermediate()
      return layers(
        10,
        4,
        many(100, () => Buffer.from(list)),
      )
    },
  },
]

export const graphsAndLists: readonly HostileCase[] = [...graphs, ...lists]
