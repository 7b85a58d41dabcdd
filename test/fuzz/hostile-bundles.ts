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
  as(part, '100,000 certificates in an array of DER', 'input/too-much', () => distinctCertificates(100_000)),
  as(part, '100,000 scraps in an array', 'input/too-much', () => many(100_000, (i) => Buffer.from([0x30, i % 256]))),
  as(part, '1,000 certificates in PEM', 'input/too-much', () => inPem(1000)),
  as(part, '1 MB in one value', 'certificate/malformed', () => Buffer.alloc(MOST, 0x30)),
])

const enough: HostileCase[] = [
  as('leaf', '100,000 certificates in PEM', 'input/too-much', () => inPem(100_000)),
  as('trustAnchors', '190 certificates in PEM', null, () => inPem(190) + healthy().root.pem),
  as('intermediates', '190 certificates in an array', null, () => [
    ...distinctCertificates(190),
    healthy().intermediate.der,
  ]),
  as('leaf', '190 certificates in PEM, ours first', null, () => healthy().leaf.pem + inPem(190)),
]

/** What a text of megabytes is made of, and what is found in it. */
const UNITS: readonly [unit: string, code: string][] = [
  ['\n', 'input/unexpected-content'],
  ['\r', 'input/unexpected-content'],
  ['\r\n', 'input/unexpected-content'],
  [' ', 'input/unexpected-content'],
  ['-', 'input/unexpected-content'],
  ['M', 'input/unexpected-content'],
  ['\0', 'input/unexpected-content'],
  ['{', 'input/unexpected-content'],
  ['/', 'input/unexpected-content'],
  ['é', 'input/unexpected-content'],
  ['\ufeff', 'input/unexpected-content'],
  ['a:\n', 'input/unexpected-content'],
  ['-----BEGIN ', 'pem/damaged'],
  ['-----BEGIN A-----\n', 'pem/damaged'],
  ['-----END A-----\n', 'pem/damaged'],
  ['----BEGIN A-----\n', 'pem/damaged'],
  ['-----BEGIN A-----\nAA==\n-----END A-----\n', 'input/too-much'],
]

const texts: HostileCase[] = UNITS.map(([unit, code]) =>
  as('leaf', `1 MB of ${JSON.stringify(unit)}`, code, () => unit.repeat(MOST / Buffer.byteLength(unit))),
)

const insideBlocks: HostileCase[] = (
  [
    ['\n', 'pem/damaged'],
    ['\r', 'pem/damaged'],
    [' ', 'pem/damaged'],
    ['=', 'pem/damaged'],
    ['A ', 'certificate/malformed'],
    ['a:\n', 'pem/damaged'],
    [' b\n', 'pem/damaged'],
    ['AAAA\n\n', 'certificate/malformed'],
  ] as const
).map(([unit, code]) =>
  as('leaf', `1 MB of ${JSON.stringify(unit)} inside a block`, code, () => {
    const body = unit.repeat(Math.floor(MOST / unit.length / 4) * 4)
    return `-----BEGIN CERTIFICATE-----\na:\n${body}\n-----END CERTIFICATE-----`
  }),
)

export const bundles: readonly HostileCase[] = [...manyOfThem, ...enough, ...texts, ...insideBlocks]
