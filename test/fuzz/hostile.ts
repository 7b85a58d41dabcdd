/** Every case of hostile input; here those of bundles and texts that are too much, or nothing at all. */
import { pem } from '../support/mint.js'
import { chainOf, distinctCertificates, healthy, type HostileCase, type HostileRow, many } from './hostile-chain.js'
import { graphs, lists } from './hostile-graphs.js'
import { names } from './hostile-names.js'
import { numbers, structures } from './hostile-structures.js'

/** Nearly all that one validation reads. */
const MOST = 1_000_000

const inPem = (count: number): string =>
  distinctCertificates(count)
    .map((der) => pem('CERTIFICATE', der))
    .join('')

function as(part: string, name: string, code: string | null, content: () => unknown): HostileRow {
  return [`${name} as ${part}`, code, () => ({ input: chainOf({ [part]: content() }) })]
}

const bundles: readonly HostileRow[] = [
  ...['leaf', 'intermediates', 'trustAnchors'].flatMap((part) => [
    as(part, '100,000 certificates in an array of DER', 'input/too-much', () => distinctCertificates(100_000)),
    as(part, '100,000 scraps in an array', 'input/too-much', () => many(100_000, (i) => Buffer.from([0x30, i % 256]))),
    as(part, '1,000 certificates in PEM', 'input/too-much', () => inPem(1000)),
    as(part, '1 MB in one value', 'certificate/malformed', () => Buffer.alloc(MOST, 0x30)),
  ]),
  as('leaf', '100,000 certificates in PEM', 'input/too-much', () => inPem(100_000)),
  as('trustAnchors', '190 certificates in PEM', null, () => inPem(190) + healthy().root.pem),
  as('intermediates', '190 certificates in an array', null, () => [
    ...distinctCertificates(190),
    healthy().intermediate.der,
  ]),
  as('leaf', '190 certificates in PEM, ours first', null, () => healthy().leaf.pem + inPem(190)),
]

/** What a text of megabytes is made of, by what is found in it. */
const UNITS: Readonly<Record<string, readonly string[]>> = {
  'input/unexpected-content': ['\n', '\r', '\r\n', ' ', '-', 'M', '\0', '{', '/', 'é', '\ufeff', 'a:\n'],
  'pem/damaged': ['-----BEGIN ', '-----BEGIN A-----\n', '-----END A-----\n', '----BEGIN A-----\n'],
  'input/too-much': ['-----BEGIN A-----\nAA==\n-----END A-----\n'],
}
const UNITS_INSIDE: Readonly<Record<string, readonly string[]>> = {
  'pem/damaged': ['\n', '\r', ' ', '=', 'a:\n', ' b\n'],
  'certificate/malformed': ['A ', 'AAAA\n\n'],
}

function texts(units: typeof UNITS, where: string, make: (unit: string) => string): HostileRow[] {
  return Object.entries(units).flatMap(([code, each]) =>
    each.map((unit) => as('leaf', `1 MB of ${JSON.stringify(unit)}${where}`, code, () => make(unit))),
  )
}

function insideBlock(unit: string): string {
  const body = unit.repeat(Math.floor(MOST / unit.length / 4) * 4)
  return `-----BEGIN CERTIFICATE-----\na:\n${body}\n-----END CERTIFICATE-----`
}

export const hostileCases: readonly HostileCase[] = [
  ...bundles,
  ...texts(UNITS, '', (unit) => unit.repeat(MOST / Buffer.byteLength(unit))),
  ...texts(UNITS_INSIDE, ' inside a block', insideBlock),
  ...names,
  ...numbers,
  ...structures,
  ...graphs,
  ...lists,
].map(([name, code, make]) => ({ name, code, make }))
