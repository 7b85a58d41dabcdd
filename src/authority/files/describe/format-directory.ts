/** What a folder holds as text for people: who signed whom as a tree, then keys, requests, lists, and every finding. */
import { checkOptions, checkReturned } from '../../../report/option-error.js'
import { count, findingBlock, makePrinter, type Printer } from '../../../report/format.js'
import { printable } from '../../../report/printable.js'
import { wrapText } from '../../../report/wrap.js'
import type { DescribedCertificate, DescribedKey, DirectoryReport } from './report.js'

/** How {@link formatDirectory} prints. */
export interface FormatDirectoryOptions {
  /** Colours by ANSI escape sequences (SGR only). Default: false. */
  color?: boolean | undefined
  /** Columns to wrap at, at least 40. Default: 80; `Infinity` does not wrap. */
  width?: number | undefined
}

/** Names and files of one line; more are counted. */
const MOST_OF_A_LINE = 8
/** Levels that are indented further. */
const DEEPEST = 10
/** Lines of one section. */
const MOST_LINES = 500

/**
 * Prints the report of a folder: its layouts, the certificates below the CAs that issued them, with roles, names, end and
 * keys, then keys of no certificate, requests and revocation lists, and every finding, the worst first. There is no newline
 * at the end. The text may change in any release.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function formatDirectory(report: DirectoryReport, options: FormatDirectoryOptions = {}): string {
  checkReturned('report', report, 'layouts', 'a report, such as describeDirectory returns')
  checkOptions('format', options, ['color', 'width'])
  const printer = makePrinter(options)
  const blocks = [
    [headLine(report, printer)],
    section('Certificates, each below its issuer:', treeLines(report, printer), printer),
    section('Keys of no certificate here:', looseKeys(report, printer), printer),
    section('Requests:', requestLines(report, printer), printer),
    section('Revocation lists:', listLines(report, printer), printer),
    othersLines(report),
    ...report.findings.map((each) => findingBlock(each, printer)),
    [printer.paint('strong', count(report.findings) || 'no findings')],
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function headLine({ directory, checkedAt, layouts }: DirectoryReport, { paint, width }: Printer): string {
  const known = layouts.map(({ layout, path }) => (path === '.' ? layout : `${layout} (${path})`))
  const words = known.length === 0 ? 'no known layout' : `layout ${listText(known)}`
  const text = `${printable(directory)} as of ${checkedAt.slice(0, 19).replace('T', ' ')} UTC: ${words}`
  return paint('strong', wrapText(text, { width, first: '', rest: '    ' }).join('\n'))
}

function section(title: string, lines: readonly string[], { paint }: Printer): string[] {
  if (lines.length === 0) return []
  const more = lines.length - MOST_LINES
  const shown = more > 0 ? [...lines.slice(0, MOST_LINES), `  and ${String(more)} more lines`] : lines
  return [paint('strong', title), ...shown]
}

function treeLines({ certificates, keys }: DirectoryReport, printer: Printer): string[] {
  const here = new Set(certificates.map(({ fingerprint256 }) => fingerprint256))
  const below = new Map<string | null, DescribedCertificate[]>()
  for (const each of certificates) {
    const isTop = each.signedBy === null || each.signedBy === each.fingerprint256 || !here.has(each.signedBy)
    const parent = isTop ? null : each.signedBy
    below.set(parent, [...(below.get(parent) ?? []), each])
  }
  const lines: string[] = []
  const seen = new Set<string>()
  const visit = (each: DescribedCertificate, depth: number): void => {
    // Two CAs that have signed each other are above each other.
    if (seen.has(each.fingerprint256)) return
    seen.add(each.fingerprint256)
    const indent = '  '.repeat(Math.min(depth + 1, DEEPEST))
    lines.push(...wrapText(certificateText(each, keys), { width: printer.width, first: indent, rest: `${indent}    ` }))
    for (const child of below.get(each.fingerprint256) ?? []) visit(child, depth + 1)
  }
  for (const top of below.get(null) ?? []) visit(top, 0)
  for (const rest of certificates) visit(rest, 0)
  return lines
}

function certificateText(each: DescribedCertificate, keys: readonly DescribedKey[]): string {
  const { subject, serialNumber, files, ca, roles, names, notAfter, signedBy, issuer, publicKey } = each
  const use = ca ? (signedBy === each.fingerprint256 ? 'root CA' : 'CA') : listText(roles) || 'of no role'
  const own = keys.filter(({ file }) => each.keys.includes(file))
  return [
    `${subject === '' ? `serial ${serialNumber}` : subject} (${listText(files.map(printable))}): ${use}`,
    publicKey,
    `until ${notAfter.slice(0, 10)}`,
    ...(names.length === 0 ? [] : [listText(names.map(printable))]),
    ...(signedBy === null ? [`issued by ${issuer}, which is not here`] : []),
    own.length === 0 ? 'no key here' : `key ${listText(own.map(keyText))}`,
  ].join('; ')
}

function keyText({ file, mode, owner, encrypted }: DescribedKey): string {
  const about = [mode, owner === null ? null : `user ${String(owner)}`, encrypted ? 'encrypted' : null]
  return `${printable(file)} (${about.filter((each) => each !== null).join(', ')})`
}

function looseKeys({ keys }: DirectoryReport, { width }: Printer): string[] {
  return keys
    .filter(({ certificates }) => certificates.length === 0)
    .flatMap((each) => {
      const kind = each.algorithm ?? (each.encrypted ? 'kind unknown' : 'cannot be read')
      return wrapText(`${keyText(each)}: ${kind}`, { width, first: '  ', rest: '      ' })
    })
}

function requestLines({ requests }: DirectoryReport, { width }: Printer): string[] {
  return requests.flatMap(({ file, subject, publicKey, names, proven, keys }) => {
    const text = [
      `${subject || '(no subject)'} (${printable(file)}): ${publicKey}`,
      ...(names.length === 0 ? [] : [listText(names.map(printable))]),
      ...(proven ? [] : ['not signed by its own key']),
      keys.length === 0 ? 'no key here' : `key ${listText(keys.map(printable))}`,
    ].join('; ')
    return wrapText(text, { width, first: '  ', rest: '      ' })
  })
}

function listLines({ crls, certificates }: DirectoryReport, { width }: Printer): string[] {
  return crls.flatMap(({ file, form, issuer, number, revoked, nextUpdate, signedBy }) => {
    const signer = certificates.find(({ fingerprint256 }) => fingerprint256 === signedBy)
    const text = [
      `${printable(file)}: ${form.toUpperCase()} of ${issuer}`,
      ...(number === null ? [] : [`number ${number}`]),
      revoked === null ? 'entries that cannot be read' : `${String(revoked)} revoked`,
      nextUpdate === null ? 'no next update' : `next update ${nextUpdate.slice(0, 10)}`,
      signer === undefined ? 'signed by no CA here' : `signed by ${listText(signer.files.map(printable))}`,
    ].join('; ')
    return wrapText(text, { width, first: '  ', rest: '      ' })
  })
}

function othersLines({ others }: DirectoryReport): string[] {
  if (others.length === 0) return []
  return [`${String(others.length)} other file${others.length === 1 ? '' : 's'}`]
}

function listText(items: readonly string[]): string {
  const shown = items.slice(0, MOST_OF_A_LINE).join(', ')
  const more = items.length - MOST_OF_A_LINE
  return more > 0 ? `${shown} and ${String(more)} more` : shown
}
