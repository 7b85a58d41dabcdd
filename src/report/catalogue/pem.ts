/** Findings about PEM: damaged blocks, and layouts that some programs do not read. */
import { error, warning } from '../row.js'
import { filter } from './conversion.js'
import { type Place, originText } from './place.js'

export type PemDamage =
  | 'no END line'
  | 'no BEGIN line'
  | 'another label in END'
  | 'a block inside another'
  | 'a boundary that shares its line'
  | 'a malformed boundary'
  | 'a character that is not base64'
  | 'missing characters'
  | 'no data'

export interface DamagedBlock extends Place {
  damage: PemDamage
  /** Null if it is not known; empty if the text ends in the BEGIN line. */
  label: string | null
  line: number
  /** The label in END if it differs; else null. */
  endLabel: string | null
}

/** All programs accept the last two. */
export type Layout =
  | 'byte order mark'
  | 'indented'
  | 'blank line inside'
  | 'header lines'
  | 'CR line ends'
  | 'CRLF line ends'
  | 'text outside the blocks'

/** What Go reports if it finds no block of a kind. */
const UNFOUND = {
  cert: 'tls: failed to find any PEM data in certificate input',
  key: 'tls: failed to find any PEM data in key input',
  ca: 'x509: certificate signed by unknown authority',
}

export interface UnusualPem extends Place {
  line: number
  layout: Layout
  /** The label of the first block that Go skips, and so etcd; null if it reads all. */
  skipped: string | null
  /** What etcd does not find, because it reads no other block of that kind; null if it finds one. */
  unfound: keyof typeof UNFOUND | null
  /** What the certificate is used for; absent if that is not known. */
  usage?: 'client' | 'server' | 'peer' | 'any'
}

export const pem = {
  'pem/damaged': error((d: DamagedBlock) => [
    `${originText(d)} has a damaged PEM block${d.label === null || d.label === '' ? '' : ` "${d.label}"`}: ${d.damage}${d.endLabel === null ? '' : ` ("${d.endLabel}")`}, on line ${String(d.line)}.`,
    d.damage === 'a boundary that shares its line'
      ? `Put each BEGIN and END on a separate line: usually a line break is missing between two blocks. ${filter(d, SPLIT)}`
      : d.damage === 'a malformed boundary'
        ? 'Write it with five plain dashes on each side and capital letters, as "-----BEGIN CERTIFICATE-----".'
        : d.damage === 'a block inside another' || d.damage === 'no BEGIN line'
          ? `Write the block "${d.label ?? ''}" again as a whole, with its BEGIN and END lines.`
          : 'Copy the whole file again from its source. A program that writes it must write a new file and rename that into place.',
  ]),
  'pem/layout-unusual': warning((d: UnusualPem) => [
    isReadByAll(d.layout)
      ? `${originText(d)} has ${d.layout}, first on line ${String(d.line)}; every reader accepts that.`
      : `${originText(d)} has a layout that ${readersOf(d)} not read: ${LAYOUT_FAULTS[d.layout]} (line ${String(d.line)})${d.skipped === null ? '' : `; so etcd and etcdctl skip the block "${d.skipped}"`}.`,
    isReadByAll(d.layout)
      ? 'No action is needed, unless the text is a damaged block.'
      : filter(d, LAYOUT_FILTERS[d.layout]),
  ])
    .or('info', ({ layout }) => isReadByAll(layout))
    .or('error', ({ unfound, usage }) => unfound !== null && (usage === 'server' || usage === 'peer'))
    .refusedAs(
      Object.entries(UNFOUND).map(([which, words]) => ({ Go: words, when: ({ unfound }) => unfound === which })),
    ),
}

function readersOf({ skipped, layout }: UnusualPem): string {
  if (layout === 'byte order mark') return 'Go does'
  return skipped === null ? 'OpenSSL and Node do' : 'Go, OpenSSL and Node do'
}

type Harmless = 'CRLF line ends' | 'text outside the blocks'

function isReadByAll(layout: Layout): layout is Harmless {
  return layout === 'CRLF line ends' || layout === 'text outside the blocks'
}

const LAYOUT_FAULTS: Record<Exclude<Layout, Harmless>, string> = {
  'byte order mark': 'a byte order mark precedes the first block',
  indented: 'a block is indented',
  'blank line inside': 'a line is blank inside a block',
  'header lines': 'a block that is not encrypted has header lines',
  'CR line ends': 'its lines end with a carriage return alone',
}

/** Programs that read a file with such a layout and write it as every reader accepts it. */
const LAYOUT_FILTERS: Readonly<Record<Exclude<Layout, Harmless>, string>> = {
  'byte order mark': 'tail -c +4',
  indented: "sed 's/^[[:blank:]]*//'",
  'blank line inside': "sed '/^[[:blank:]]*$/d'",
  'header lines': "sed '/^[^-:]*:/d; /^[[:blank:]]*$/d'",
  'CR line ends': "tr '\\r' '\\n'",
}

/** Inserts the line break between an END and the BEGIN that follows it. */
const SPLIT = "awk -v r='-----\\n-----BEGIN' '{ gsub(/----------BEGIN/, r) } 1'"
