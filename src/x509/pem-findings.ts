/** Findings about PEM text that are the same whatever it was meant to hold. */
import { pem } from '../report/catalogue/pem.js'
import type { Place } from '../report/catalogue/place.js'
import { type Finding, findingMaker } from '../report/finding.js'
import type { PemLayout, PemProblem } from './pem.js'

const finding = findingMaker(pem)

/** Problems of the text itself. How much may be read, and what to do without any line breaks, depends on what is meant. */
export type PemTextProblem = Exclude<PemProblem, { readonly kind: 'too-large' | 'one-line' }>

/** The finding for a problem of the scan. */
export function problemFinding(problem: PemTextProblem, place: Place): Finding {
  const { line } = problem
  switch (problem.kind) {
    case 'too-many-blocks':
      return finding('pem/too-many-blocks', { ...place, limit: problem.limit, line })
    case 'unterminated':
      return finding('pem/unterminated', { ...place, label: problem.label, line })
    case 'nested-begin':
      return finding('pem/nested-begin', { ...place, label: problem.label, line, innerLine: problem.innerLine })
    case 'end-mismatch':
      return finding('pem/end-mismatch', { ...place, label: problem.label, endLabel: problem.endLabel, line })
    case 'stray-end':
      return finding('pem/stray-end', { ...place, label: problem.label, line })
    case 'boundary-not-alone':
      return finding('pem/boundary-not-alone', { ...place, line })
    case 'malformed-boundary':
      return finding('pem/malformed-boundary', { ...place, line })
    case 'bad-base64':
      return finding('pem/bad-base64', { ...place, label: problem.label, line, reason: problem.reason })
    case 'empty-block':
      return finding('pem/empty-block', { ...place, label: problem.label, line })
  }
}

/** What is unusual about the layout, though it is read. */
export function layoutFindings(layout: PemLayout, place: Place): Finding[] {
  const { byteOrderMark, lineEnds, indentedLine, blankLine, textLine } = layout
  const found: Finding[] = []
  if (byteOrderMark) found.push(finding('pem/byte-order-mark', { ...place }))
  if (lineEnds === 'cr') found.push(finding('pem/layout-unusual', { ...place, line: 1, what: 'CR line ends' }))
  if (lineEnds === 'crlf') found.push(finding('pem/crlf', { ...place }))
  if (indentedLine !== null) {
    found.push(finding('pem/layout-unusual', { ...place, line: indentedLine, what: 'indented' }))
  }
  if (blankLine !== null) {
    found.push(finding('pem/layout-unusual', { ...place, line: blankLine, what: 'blank line inside' }))
  }
  if (textLine !== null) found.push(finding('pem/text-outside-blocks', { ...place, line: textLine }))
  return found
}
