/** Findings about PEM text: blocks that are damaged, and layouts that others do not read. */
import { row } from '../row.js'
import { inShell, type Place, the } from './place.js'

type Block = Place & { label: string; line: number }
type Layout = 'indented' | 'blank line inside' | 'CR line ends'

export const pem = {
  'pem/unterminated': row<Block>({
    severity: 'error',
    meaning: 'A block has no END line: the file was cut off while it was copied or written.',
    source: 'RFC 7468 section 3; OpenSSL: "no end line", "bad end line"',
    message: ({ label, line, ...place }) =>
      label === ''
        ? `${the(place)} ends inside a BEGIN line (line ${String(line)}).`
        : `${the(place)} ends inside the block "${label}" that begins on line ${String(line)}: its END line is missing.`,
    remedy: () =>
      'Copy the whole file again. A program that writes it must write a new file and rename that into place.',
  }),
  'pem/end-mismatch': row<Block & { endLabel: string }>({
    severity: 'error',
    meaning: 'BEGIN and END of a block name different things: two files were mixed.',
    source: 'RFC 7468 section 3; OpenSSL: "bad end line"',
    message: ({ label, endLabel, line, ...place }) =>
      `${the(place)} closes the block "${label}" with "END ${endLabel}" on line ${String(line)}.`,
    remedy: () => 'Copy the file again from its source.',
  }),
  'pem/nested-begin': row<Block & { innerLine: number }>({
    severity: 'error',
    meaning: 'A block begins inside another: the END line of the first is missing, so its data was cut.',
    source: 'RFC 7468 section 3',
    message: ({ label, line, innerLine, ...place }) =>
      `${the(place)} begins a block on line ${String(innerLine)} inside the block "${label}" of line ${String(line)}, whose END line is missing.`,
    remedy: ({ label }) => `Write the first block ("${label}") again as a whole, with its END line.`,
  }),
  'pem/stray-end': row<Block>({
    severity: 'error',
    meaning: 'An END line has no BEGIN line before it: the start of the block was cut or damaged.',
    source: 'RFC 7468 section 3',
    message: ({ label, line, ...place }) =>
      `${the(place)} has "END ${label}" on line ${String(line)} without its BEGIN line.`,
    remedy: ({ label }) => `Write the block again as a whole, with its line "-----BEGIN ${label}-----".`,
  }),
  'pem/boundary-not-alone': row<Place & { line: number }>({
    severity: 'error',
    meaning:
      'A BEGIN or END shares its line with something else, usually because two files without a final line break were joined. Go skips such a block, and OpenSSL stops there.',
    source: 'RFC 7468 section 3; Go encoding/pem; OpenSSL: "bad end line"',
    message: ({ line, ...place }) =>
      `${the(place)} has a BEGIN or END on line ${String(line)} that shares the line with other text.`,
    remedy: (place) =>
      `Put each BEGIN and END on a separate line. After "cat a.pem b.pem" without a line break between the files, run "sed -i 's/----------BEGIN/-----\\n-----BEGIN/' ${inShell(place)}".`,
  }),
  'pem/malformed-boundary': row<Place & { line: number }>({
    severity: 'error',
    meaning:
      'A line is almost a BEGIN or END line: it has too few or too many dashes, typographic dashes, or lower-case letters. Readers treat it as text and skip the block.',
    source: 'RFC 7468 section 3',
    message: ({ line, ...place }) => `${the(place)} has a damaged BEGIN or END on line ${String(line)}.`,
    remedy: () => 'Write it with five plain dashes on each side and capital letters, as "-----BEGIN CERTIFICATE-----".',
  }),
  'pem/bad-base64': row<Block & { reason: 'character' | 'length' }>({
    severity: 'error',
    meaning: 'The data of a block is not base64: it has a character that is not base64, or characters are missing.',
    source: 'RFC 4648 section 4; RFC 7468 section 3',
    message: ({ label, line, reason, ...place }) =>
      reason === 'character'
        ? `${the(place)} has a character on line ${String(line)} that is not base64 (block "${label}").`
        : `${the(place)} lacks characters in the block "${label}" that ends on line ${String(line)}: the base64 is cut.`,
    remedy: () => 'Copy the whole file again.',
  }),
  'pem/empty-block': row<Block>({
    severity: 'error',
    meaning: 'A block has nothing between BEGIN and END.',
    source: 'RFC 7468 section 3',
    message: ({ label, line, ...place }) => `${the(place)} has an empty block "${label}" on line ${String(line)}.`,
    remedy: () => 'Copy the file again from its source.',
  }),
  'pem/too-many-blocks': row<Place & { limit: number; line: number }>({
    severity: 'error',
    meaning: 'There are more blocks than any bundle has; the rest is not read.',
    source: 'a limit of this package: 2,000 blocks',
    message: ({ limit, line, ...place }) =>
      `${the(place)} holds more than ${String(limit)} PEM blocks; nothing from line ${String(line)} on was read.`,
    remedy: () => "Keep only the CAs that issued etcd's certificates.",
  }),
  'pem/byte-order-mark': row<Place>({
    severity: 'warning',
    meaning:
      'The text starts with a UTF-8 byte order mark. It is read here and by OpenSSL, but Go skips the first block: etcd and etcdctl report that there is no PEM data.',
    source: 'Go encoding/pem Decode',
    message: (place) => `${the(place)} starts with a byte order mark; etcd and etcdctl skip its first block.`,
    remedy: (place) => `Remove it: "sed -i '1s/^\\xEF\\xBB\\xBF//' ${inShell(place)}".`,
  }),
  'pem/layout-unusual': row<Place & { line: number; what: Layout }>({
    severity: 'warning',
    meaning:
      'The layout of the text was changed by an editor, YAML or an old Mac. It is read here, but OpenSSL ("no start line"), Node, and in most cases etcd and etcdctl do not read the same file.',
    source: 'Go encoding/pem Decode; OpenSSL PEM_read_bio',
    message: ({ line, what, ...place }) =>
      `${the(place)} has a layout that OpenSSL and Node do not read: ${LAYOUT[what](line)}.`,
    remedy: ({ what, ...place }) => `Convert it: "${PLAIN[what](inShell(place))}".`,
  }),
  'pem/crlf': row<Place>({
    severity: 'info',
    meaning: 'The text has the line ends of Windows. Every reader accepts them.',
    source: 'RFC 7468 section 3',
    message: (place) => `${the(place)} has Windows line ends (CRLF), which are accepted everywhere.`,
    remedy: (place) => `No action is needed. "sed -i 's/\\r$//' ${inShell(place)}" removes them.`,
  }),
  'pem/text-outside-blocks': row<Place & { line: number }>({
    severity: 'info',
    meaning: 'There is text outside the PEM blocks, as "openssl x509 -text" writes. Every reader skips it.',
    source: 'RFC 7468 section 2',
    message: ({ line, ...place }) =>
      `${the(place)} has text outside its PEM blocks, first on line ${String(line)}; it is skipped.`,
    remedy: () => 'No action is needed, unless the text is a damaged block.',
  }),
}

const LAYOUT: Record<Layout, (line: number) => string> = {
  indented: (line) => `line ${String(line)} is indented`,
  'blank line inside': (line) => `line ${String(line)} is blank inside a block`,
  'CR line ends': () => 'its lines end with a carriage return alone',
}

const PLAIN: Record<Layout, (file: string) => string> = {
  indented: (file) => `sed -i 's/^[[:blank:]]*//' ${file}`,
  'blank line inside': (file) => `sed -i '/^[[:blank:]]*$/d' ${file}`,
  'CR line ends': (file) => `tr '\\r' '\\n' < ${file} > new.pem`,
}
