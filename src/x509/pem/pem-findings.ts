/** Findings about PEM text that are the same whatever it was meant to hold. */
import { type Layout, pem, type PemDamage } from '../../report/catalogue/pem.js'
import type { Place } from '../../report/catalogue/place.js'
import { type Finding, findingMaker } from '../../report/finding.js'
import type { PemLayout, PemProblem } from './pem.js'

const finding = findingMaker(pem)

/** A damaged block. How much may be read, and what to do without any line breaks, depends on what is meant. */
export type PemDamageProblem = Exclude<PemProblem, { readonly kind: 'too-large' | 'too-many-blocks' | 'one-line' }>

const DAMAGE: Readonly<Record<Exclude<PemDamageProblem['kind'], 'bad-base64'>, PemDamage>> = {
  unterminated: 'no END line',
  'nested-begin': 'a block inside another',
  'end-mismatch': 'another label in END',
  'stray-end': 'no BEGIN line',
  'boundary-not-alone': 'a boundary that shares its line',
  'malformed-boundary': 'a malformed boundary',
  'empty-block': 'no data',
}

/** The finding for a damaged block. */
export function damageFinding(problem: PemDamageProblem, place: Place): Finding {
  const ofBase64 = { character: 'a character that is not base64', length: 'missing characters' } as const
  return finding('pem/damaged', {
    ...place,
    damage: problem.kind === 'bad-base64' ? ofBase64[problem.reason] : DAMAGE[problem.kind],
    label: 'label' in problem ? problem.label : null,
    line: problem.kind === 'nested-begin' ? problem.innerLine : problem.line,
    endLabel: 'endLabel' in problem ? problem.endLabel : null,
  })
}

/** What is unusual about the layout, though it is read. */
export function layoutFindings(layout: PemLayout, place: Place): Finding[] {
  const { byteOrderMark, lineEnds, indentedLine, blankLine, textLine } = layout
  const found: readonly (readonly [Layout, number | null])[] = [
    ['byte order mark', byteOrderMark ? 1 : null],
    ['CR line ends', lineEnds === 'cr' ? 1 : null],
    ['CRLF line ends', lineEnds === 'crlf' ? 1 : null],
    ['indented', indentedLine],
    ['blank line inside', blankLine],
    ['text outside the blocks', textLine],
  ]
  return found.flatMap(([what, line]) =>
    line === null ? [] : [finding('pem/layout-unusual', { ...place, line, layout: what })],
  )
}
