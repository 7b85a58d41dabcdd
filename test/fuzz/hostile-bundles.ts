/** Bundles and texts that are too much, or nothing at all. */
import { pem } from '../support/mint.js'
import { chainOf, distinctCertificates, healthy, type HostileCase, many } from './hostile-chain.js'

type Part = 'leaf' | 'intermediates' | 'trustAnchors' | 'crls'

/** Nearly all that one validation reads. */
const MOST = 1_000_000

const inPem = (count: number): string =>
  distinctCertificates(count)
    .map((der) => pem('CERTIFICATE', der))
    .join('')

function as(part: Part, name: string, code: string | null, content: () => unknown): HostileCase {
  return { name: `${name} as ${part}`, code, make: () => ({ input: chainOf({ [part]: content() }) }) }
}

const manyOfThem: HostileCase[] = (['leaf', 'intermediates', 'trustAnchors'] as const).flatMap((part) => [
  as(part, '100,000 certificates in an array of DER', 'input/too-many', () => distinctCertificates(100_000)),
  as(part, '100,000 scraps in an array', 'input/too-many', () => many(100_000, (i) => Buffer.from([0x30, i % 256]))),
  as(part, '1,000 certificates in PEM', 'input/too-many', () => inPem(1000)),
  as(part, '1 MB in one value', 'certificate/malformed', () => Buffer.alloc(MOST, 0x30)),
])

const enough: HostileCase[] = [
  as('leaf', '100,000 certificates in PEM', 'input/too-large', () => inPem(100_000)),
  as('trustAnchors', '190 certificates in PEM', null, () => inPem(190) + healthy().root.pem),
  as('intermediates', '190 certificates in an array', null, () => [
    ...distinctCertificates(190),
    healthy().intermediate.der,
  ]),
  as('leaf', '190 certificates in PEM, ours first', null, () => healthy().leaf.pem + inPem(190)),
]

/** What a text of megabytes is made of, and what is found in it. */
const UNITS: readonly [unit: string, code: string][] = [
  ['\n', 'input/something-else'],
  ['\r', 'input/something-else'],
  ['\r\n', 'input/something-else'],
  [' ', 'input/something-else'],
  ['-', 'input/something-else'],
  ['M', 'input/something-else'],
  ['\0', 'input/something-else'],
  ['{', 'input/something-else'],
  ['/', 'input/something-else'],
  ['é', 'input/something-else'],
  ['\ufeff', 'input/something-else'],
  ['a:\n', 'input/something-else'],
  ['-----BEGIN ', 'pem/unterminated'],
  ['-----BEGIN A-----\n', 'pem/nested-begin'],
  ['-----END A-----\n', 'pem/stray-end'],
  ['----BEGIN A-----\n', 'pem/malformed-boundary'],
  ['-----BEGIN A-----\nAA==\n-----END A-----\n', 'input/too-many'],
]

const texts: HostileCase[] = UNITS.map(([unit, code]) =>
  as('leaf', `1 MB of ${JSON.stringify(unit)}`, code, () => unit.repeat(MOST / Buffer.byteLength(unit))),
)

const insideBlocks: HostileCase[] = (
  [
    ['\n', 'pem/empty-block'],
    ['\r', 'pem/empty-block'],
    [' ', 'pem/empty-block'],
    ['=', 'pem/bad-base64'],
    ['A ', 'certificate/malformed'],
    ['a:\n', 'pem/bad-base64'],
    [' b\n', 'pem/bad-base64'],
    ['AAAA\n\n', 'certificate/malformed'],
  ] as const
).map(([unit, code]) =>
  as('leaf', `1 MB of ${JSON.stringify(unit)} inside a block`, code, () => {
    const body = unit.repeat(Math.floor(MOST / unit.length / 4) * 4)
    return `-----BEGIN CERTIFICATE-----\na:\n${body}\n-----END CERTIFICATE-----`
  }),
)

export const bundles: readonly HostileCase[] = [...manyOfThem, ...enough, ...texts, ...insideBlocks]
