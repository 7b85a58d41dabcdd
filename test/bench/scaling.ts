/**
 * What one more certificate costs: intermediates that the path goes through, and trust anchors that it does not end in.
 * The costs of the first chain are taken off, so that what is compared are the additions.
 */
import { Certificate, type ChainInput, type Report, validateChain } from '../../src/validate/index.js'
import { dns, type Minted, mintCa, mintLeaf } from '../support/mint.js'
import type { Bench, Contender, Measured } from './harness.js'

const HOST = 'etcd-0.etcd.svc'
const INTERMEDIATES = [0, 1, 2, 5, 10] as const
/** Up to the limit of the validator, with the leaf and its issuer. */
const ANCHORS = [10, 50, 100, 199] as const
/** How the anchors are given; `other case` are read ones whose name the leaf writes in capitals, so that every name is compared. */
const FORMS = ['read', 'DER', 'other case'] as const
type Form = (typeof FORMS)[number]

const path = (intermediates: number): string =>
  `${String(intermediates)} ${intermediates === 1 ? 'intermediate' : 'intermediates'}, 1 anchor`
const crowd = (anchors: number, form: Form): string => `0 intermediates, ${String(anchors)} anchors, ${form}`

/** Most that 199 anchors add, in chains with one anchor. Those in DER are parsed, and checked as Go does when etcd starts. */
const MOST: Readonly<Record<Form, number>> = { read: 2, DER: 25, 'other case': 2 }
/** A cost that grew with the square would be 2.5 times the one before. */
const MOST_GROWTH = 2

export const bench: Bench = {
  title: 'One more intermediate, one more anchor',
  about:
    'A P-256 server certificate below a growing number of intermediates, from DER to the result; and directly below ' +
    'one of a growing number of trusted CAs of other names, passed as DER each time or as parsed objects; and the ' +
    'same with an issuer name in another case.',
  unit: 'chain',
  base: path(0),
  promises: [
    {
      says: `one more intermediate costs the same for the tenth as for the first, within a factor of ${String(MOST_GROWTH)}`,
      holds: (measured) => growth(measured, path, INTERMEDIATES) <= MOST_GROWTH,
    },
    ...FORMS.map((form) => ({
      says: `199 anchors (${form}) add at most ${String(MOST[form])} × the chain with one anchor`,
      holds: (measured: Lookup) => measured(crowd(199, form)).ratio - measured(path(0)).ratio <= MOST[form],
    })),
    ...FORMS.map((form) => ({
      says: `one more anchor (${form}) costs the same beyond 100 as before, within a factor of ${String(MOST_GROWTH)}`,
      holds: (measured: Lookup) => growth(measured, (count) => crowd(count, form), ANCHORS) <= MOST_GROWTH,
    })),
  ],
  prepare() {
    return { contenders: [...INTERMEDIATES.map(withIntermediates), ...FORMS.flatMap(withAnchors)] }
  },
}

type Lookup = (name: string) => Measured

/** What one more costs in the last step from one count to the next, over what it cost in the step before. */
function growth(measured: Lookup, nameOf: (count: number) => string, counts: readonly number[]): number {
  const [first = NaN, second = NaN, third = NaN] = counts.slice(-3)
  const each = (from: number, to: number): number =>
    (measured(nameOf(to)).time - measured(nameOf(from)).time) / (to - from)
  return each(second, third) / each(first, second)
}

function withIntermediates(count: number): Contender {
  const root = mintCa({ subject: 'Bench root' })
  const chain: Minted[] = []
  for (let i = 0; i < count; i += 1)
    chain.push(mintCa({ subject: `Bench issuer ${String(i)}`, issuer: chain.at(-1) ?? root }))
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: chain.at(-1) ?? root, names: [dns(HOST)] })
  const input = { leaf: leaf.der, intermediates: chain.map(({ der }) => der), trustAnchors: [root.der] }
  return { name: path(count), run: () => validate(input) }
}

function withAnchors(form: Form): Contender[] {
  const root = mintCa({ subject: 'Bench root' })
  const issuerName = form === 'other case' ? 'BENCH ROOT' : undefined
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: root, issuerName, names: [dns(HOST)] })
  const others = Array.from({ length: Math.max(...ANCHORS) - 1 }, (_, i) =>
    mintCa({ subject: `Other root ${String(i)}` }),
  )
  const given = [...others, root].map(({ der }) => (form === 'DER' ? der : Certificate.parse(der)))
  return ANCHORS.map((count) => {
    const input = { leaf: leaf.der, trustAnchors: given.slice(-count) }
    return { name: crowd(count, form), run: () => validate(input) }
  })
}

/** A contender that refused the chain would be fast for the wrong reason. */
function validate(input: ChainInput): Report {
  const report = validateChain(input, { usage: 'server', hosts: [HOST] })
  if (!report.ok) throw new Error('The chain was refused')
  return report
}
