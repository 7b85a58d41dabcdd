/**
 * The rules of x509-limbo about paths: each has minted chains that break that rule alone, or keep to it.
 * `npm run conformance` runs limbo's own cases.
 */
import { describe, expect, it } from 'vitest'
import {
  type Case,
  chain,
  check,
  errorsOf,
  future,
  HOST,
  intermediate,
  line,
  past,
  root,
} from '../../support/chain-rules.js'
import {
  dns,
  type Minted,
  mintCa,
  type MintCaOptions,
  mintLeaf,
  nameConstraints,
  newKey,
  subjectAltName,
  unknownExtension,
} from '../../support/mint.js'

check('pathlen', [
  ...[0, 1, 2].map((pathLength): Case => [
    `accepts a leaf below a path length of ${String(pathLength)}`,
    intermediate({ pathLength }),
    [],
  ]),
  [
    'refuses a CA below a path length of 0',
    chain([{}, { pathLength: 0 }, { pathLength: 0 }]),
    ['constraints/path-too-long@2'],
  ],
  ['accepts a path length that is larger than the one above', chain([{}, { pathLength: 1 }, { pathLength: 2 }]), []],
  [
    'refuses each CA that is one too many, at each path length',
    chain([{}, { pathLength: 1 }, { pathLength: 0 }, { pathLength: 0 }]),
    ['constraints/path-too-long@2', 'constraints/path-too-long@3'],
  ],
  [
    'does not count a CA that is self-issued',
    chain([{}, { subject: 'Same', pathLength: 1 }, { subject: 'Same', pathLength: 1 }, { pathLength: 0 }]),
    [],
  ],
  ['accepts a leaf of the root if no intermediate is allowed', root({}), [], { maxIntermediates: 0 }],
  ['refuses an intermediate if none is allowed', intermediate({}), ['chain/limit-exceeded'], { maxIntermediates: 0 }],
  ['accepts an intermediate if one is allowed', intermediate({}), [], { maxIntermediates: 1 }],
  [
    'refuses two intermediates if one is allowed',
    chain([{}, {}, {}]),
    ['chain/limit-exceeded'],
    { maxIntermediates: 1 },
  ],
  [
    'does not count a self-issued intermediate against the limit of the caller',
    chain([{}, { subject: 'Same' }, { subject: 'Same' }]),
    [],
    { maxIntermediates: 1 },
  ],
])

/** A root, or a CA that `issuer` signs. */
function ca(subject: string, issuer?: Minted, options: Partial<MintCaOptions> = {}): Minted {
  return mintCa({ subject, notAfter: future(1000), ...(issuer === undefined ? {} : { issuer }), ...options })
}

function leafOf(issuer: Minted): Minted {
  return mintLeaf({ subject: 'etcd', issuer, names: [dns(HOST)] })
}

const bytes = (...certificates: readonly Minted[]): Buffer[] => certificates.map(({ der }) => der)

describe('paths of a graph', () => {
  it('are tried until one is valid: around an expired intermediate to the root that it leads past', () => {
    const other = ca('Other root')
    const anchor = ca('Root')
    const expired = ca('Root', other, { key: anchor.key, notBefore: past(9), notAfter: past(1) })
    const input = { leaf: leafOf(anchor).der, intermediates: bytes(expired), trustAnchors: bytes(other, anchor) }
    expect(errorsOf(input)).toEqual([])
  })

  it('are tried until one is valid: through CAs that sign each other (CVE-2024-0567)', () => {
    const anchor = ca('A')
    const [b, c] = [ca('B'), ca('C')]
    const mesh = [
      ca('A', b, { key: anchor.key }),
      ca('B', anchor, { key: b.key }),
      ca('B', c, { key: b.key }),
      ca('C', b, { key: c.key }),
    ]
    const below = ca('A1', anchor)
    const input = { leaf: leafOf(below).der, intermediates: bytes(below, ...mesh), trustAnchors: bytes(anchor) }
    expect(errorsOf(input)).toEqual([])
  })

  it.each([
    ['two CAs', ['CA 1', 'CA 2'], undefined],
    ['two CAs and a limit', ['CA 1', 'CA 2'], 2],
    ['one CA with two keys', ['CA', 'CA'], undefined],
  ] as const)('that end in a circle of %s reach no anchor', (_, [first, second], maxIntermediates) => {
    const [one, two] = [newKey(), newKey()]
    const issuer = (key: typeof one, subject: string): Minted => ca(subject, undefined, { key })
    const circle = [
      ca(first, issuer(two, second), { key: one, without: ['2.5.29.35'] }),
      ca(second, issuer(one, first), { key: two, without: ['2.5.29.35'] }),
    ]
    const [top] = circle
    if (top === undefined) throw new Error('no circle')
    const input = { leaf: leafOf(top).der, intermediates: bytes(...circle), trustAnchors: bytes(ca('Root')) }
    expect(errorsOf(input, maxIntermediates === undefined ? {} : { maxIntermediates })).not.toEqual([])
  })

  it.each([
    ['of a name and a key each', true, true],
    ['of one name', false, true],
    ['of one key', true, false],
    ['of one name and one key', false, false],
  ])('through a hundred CAs %s end soon, and reach no anchor', (_, hasNames, hasKeys) => {
    const key = newKey()
    const cas: Minted[] = []
    for (let i = 0; i < 100; i += 1) {
      cas.push(ca(hasNames ? `CA ${String(i)}` : 'CA', cas.at(-1), hasKeys ? {} : { key }))
    }
    const last = cas.at(-1)
    if (last === undefined) throw new Error('no CA')
    const input = { leaf: leafOf(last).der, intermediates: bytes(...cas), trustAnchors: bytes(ca('Root')) }
    expect(errorsOf(input)).not.toEqual([])
  })

  it('end at a trusted intermediate, whatever is sent of what is above it', () => {
    const { cas, leaf } = line([{}, {}])
    const [top, trusted] = cas
    if (top === undefined || trusted === undefined) throw new Error('no CA')
    const input = { leaf: leaf.der, intermediates: bytes(top), trustAnchors: bytes(trusted) }
    // limbo accepts it; Node does not, unless allowPartialTrustChain is set.
    expect(errorsOf(input)).toEqual(['chain/anchor-not-self-signed@1'])
  })

  it('that end at a root that is sent and not trusted are refused', () => {
    const { input, cas } = line([{}, {}])
    const [top, below] = cas
    if (top === undefined || below === undefined) throw new Error('no CA')
    const sent = { ...input, intermediates: bytes(below, top), trustAnchors: bytes(ca('Other')) }
    expect(errorsOf(sent)).toEqual(['chain/root-not-trusted@2'])
  })

  it('without the intermediate are refused', () => {
    expect(errorsOf({ ...line([{}, {}]).input, intermediates: [] })).toEqual(['chain/issuer-not-found@0'])
  })

  it('do not depend on a root or an intermediate that is not part of them', () => {
    const { input, cas } = line([{}, {}])
    const [top, below] = cas
    if (top === undefined || below === undefined) throw new Error('no CA')
    const extensions = [unknownExtension(true)]
    const trustAnchors = bytes(top, ca('Unused root', undefined, { extensions }))
    const intermediates = bytes(below, ca('Unused', top, { extensions }))
    expect(errorsOf({ ...input, intermediates, trustAnchors })).toEqual([])
  })

  it.each(['no root', 'the root that forbids it'])(
    'are not spoilt by a twin of the intermediate whose name leads to %s',
    (where) => {
      const forbidding = ca('Root A', undefined, {
        extensions: [nameConstraints({ excluded: [dns('y.example.com')] })],
      })
      const free = ca('Root B')
      const key = newKey()
      const twin = ca('ICA', where === 'no root' ? ca('Nobody') : forbidding, {
        key,
        extensions: [subjectAltName([dns('y.example.com')])],
      })
      const good = ca('ICA', where === 'no root' ? forbidding : free, { key })
      const sent = (...cas: Minted[]): string[] =>
        errorsOf({ leaf: leafOf(good).der, intermediates: bytes(...cas), trustAnchors: bytes(forbidding, free) })
      expect(sent(good, twin)).toEqual([])
      // limbo accepts it; OpenSSL takes the first.
      expect(sent(twin, good)).toEqual(['chain/openssl-picks-other-path@0'])
    },
  )
})
