/** Findings about whole inputs: unexpected content, or too much of it. */
import { error } from '../row.js'
import { listed } from '../words.js'
import { CONTENTS, remedyFor, type UnexpectedContent, type Wanted } from './contents.js'
import { acceptedContent, byteCount, originText, type Place } from './place.js'

/** A limit that an input exceeded. */
export interface TooMuch extends Place {
  wanted: Wanted
  /** `faults`: reading stopped after the limit of faults. */
  unit: 'bytes' | 'blocks' | 'certificates' | 'CRLs' | 'faults' | 'entries'
  limit: number
  /** Null if they were not counted. */
  count: number | null
  /** The extension of a certificate that holds the entries. */
  extension?: string
}
export const input = {
  'input/unexpected-content': error((d: UnexpectedContent, _who, wording) => {
    const where = d.line === null ? '' : ` on line ${String(d.line)}`
    const blocks = d.labels.length === 0 ? '' : ` (${listed(d.labels)})`
    const how = d.form === null ? '' : FORMS[d.form]
    const text = d.text === undefined ? '' : ` ("${d.text}")`
    return [
      `${originText(d)} holds ${CONTENTS[d.holds][0]}${how}${blocks}${text}${where}, not ${acceptedContent(d.wanted)}.`,
      remedyFor(d, wording),
    ]
  }),
  'input/too-much': error((d: TooMuch, who) => [
    d.extension !== undefined
      ? `${who} has more than ${quantity(d.limit, d.unit)} in its ${d.extension} extension, which is the limit of etcd-mtls. They were not read; etcd and Node may accept them.`
      : `${originText(d)} ${d.count === null ? 'holds more' : `holds ${quantity(d.count, d.unit)}, more`} than ${quantity(d.limit, d.unit)}. The rest was not read.`,
    d.unit === 'entries'
      ? 'Issue several certificates with fewer entries each, or use a wildcard.'
      : d.unit === 'faults'
        ? 'Fix the reported faults first: they usually have one cause.'
        : d.wanted === 'CRL' || d.wanted === 'crl'
          ? 'Pass only the newest CRL of each CA in the path.'
          : d.wanted === 'certificate'
            ? 'Pass only the leaf, the intermediates above it, and the CAs to trust.'
            : `Pass ${acceptedContent(d.wanted)} and nothing else.`,
  ]),
}
const FORMS: Readonly<Record<NonNullable<UnexpectedContent['form']>, string>> = {
  PEM: '',
  DER: ' in DER',
  base64: ' in base64 without BEGIN and END lines',
  'double base64': ' that was encoded in base64 twice',
}
function quantity(count: number, unit: TooMuch['unit']): string {
  return unit === 'bytes' ? byteCount(count) : `${count.toLocaleString('en-US')} ${unit}`
}
