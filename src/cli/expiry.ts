/** `expiry`: when certificates end, as a table and as metrics. */
import { basename, dirname, resolve } from 'node:path'
import type { Finding } from '../report/finding.js'
import { formatReport } from '../report/format.js'
import { parseDuration } from '../report/duration.js'
import type { PrintOptions } from '../report/print-report.js'
import { printable } from '../report/printable.js'
import { makeReport } from '../report/report.js'
import { durationText } from '../validate/checks/check-validity.js'
import { finding } from '../validate/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { type Answer, type Call, UsageError } from './command.js'
import type { ExpiringCertificate, ExpiryDocument } from './documents.js'
import { readTargets } from './targets.js'

export async function run(call: Call): Promise<Answer> {
  const { operands, options } = call
  const within = options.text('within')
  const limit = within === undefined ? null : parseDuration(within, '--within') / 1000
  const { contents, unchecked } = await readTargets(operands, call)
  const at = new Date()
  const rows = contents
    .flatMap(({ place, certificates }) => certificates.map((each) => rowOf(each, place.origin, at)))
    .toSorted((a, b) => a.row.secondsLeft - b.row.secondsLeft)
  const unread = contents.flatMap((each) => each.findings.filter(({ severity }) => severity === 'error'))
  if (rows.length === 0 && unread.length === 0)
    throw new UsageError(`There is no certificate in ${operands.map((each) => JSON.stringify(each)).join(', ')}.`)
  const certificates = rows.map(({ row }) => row)
  const file = options.text('prometheus')
  if (file !== undefined) await writeMetrics(file, metricsOf(certificates), call)
  const report = makeReport({
    checkedAt: at,
    path: null,
    findings: [...unread, ...rows.flatMap((each) => each.expired)],
  })
  const { ok, findings } = report
  const document: ExpiryDocument = { ok, checkedAt: at, certificates, findings, unchecked: [...unchecked] }
  const isDue = unchecked.length > 0 || (limit !== null && certificates.some(({ secondsLeft }) => secondsLeft <= limit))
  const text = ({ color, width }: PrintOptions): string => {
    const parts = [
      ...(certificates.length === 0 ? [] : [tableOf(rows, width)]),
      ...unchecked.map((each) => `Not checked: ${printable(each)}`),
      ...(findings.length === 0 ? [] : [formatReport(report, { color, width })]),
    ]
    return parts.join('\n\n')
  }
  return { document, text, findings, isDue }
}

interface Row {
  readonly row: ExpiringCertificate
  /** Short names, for the table. */
  readonly subject: string
  readonly issuer: string
  readonly expired: readonly Finding[]
}

function rowOf(certificate: Certificate, name: string, at: Date): Row {
  const { subject, issuer, serialNumber, fingerprint256, isCa, notAfter, isSelfIssued } = certificate
  const left = notAfter.getTime() - at.getTime()
  const row = {
    name,
    subject: subject.toString(),
    issuer: issuer.toString(),
    serialNumber,
    fingerprint256,
    isCa,
    notAfter,
    secondsLeft: Math.floor(left / 1000),
  }
  const short = (of: Certificate['subject']): string => of.commonName ?? of.toString()
  const details = { notAfter, at, ago: durationText(-left) }
  // The second of notAfter is included.
  const expired =
    row.secondsLeft < -1
      ? [finding('validity/expired', details, certificateRef(certificate, isCa ? 'anchor' : 'leaf', 0))]
      : []
  return { row, subject: short(subject), issuer: isSelfIssued ? 'itself' : short(issuer), expired }
}

/** Least columns of a column that is cut. */
const MIN_COLUMN = 12
const GAP = '  '

function tableOf(rows: readonly Row[], width: number): string {
  const cells = rows.map(({ row, subject, issuer }) => {
    const { name, notAfter, secondsLeft } = row
    const left = secondsLeft < 0 ? 'expired' : durationText(secondsLeft * 1000)
    return [name, subject, notAfter.toISOString().slice(0, 10), left, issuer].map(printable)
  })
  const all = [['CERTIFICATE', 'SUBJECT', 'EXPIRES', 'LEFT', 'CA'], ...cells]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((line) => Array.from(line[column] ?? '').length)))
  // The widest of the columns with names loses columns until the line fits.
  const total = (): number => widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length)
  for (let over = total() - width; over > 0; over--) {
    const [widest = 0] = [0, 1, 4].toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))
    if ((widths[widest] ?? 0) <= MIN_COLUMN) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  // The end of a path says more than its start.
  const fit = (text: string, column: number): string => {
    const [letters, most] = [Array.from(text), widths[column] ?? 0]
    if (letters.length <= most) return text + ' '.repeat(most - letters.length)
    return column === 0 ? `…${letters.slice(1 - most).join('')}` : `${letters.slice(0, most - 1).join('')}…`
  }
  return all.map((line) => line.map(fit).join(GAP).trimEnd()).join('\n')
}

const METRIC = 'etcd_mtls_certificate_expiry_timestamp_seconds'

/** The text format of Prometheus. Two samples with the same labels are refused by its readers, so each is there once. */
function metricsOf(certificates: readonly ExpiringCertificate[]): string {
  const label = (text: string): string => printable(text).replace(/["\\]/g, '\\$&')
  const samples = certificates.map(({ name, subject, issuer, serialNumber, notAfter }) => {
    const labels = { certificate: name, subject, issuer, serial: serialNumber }
    const text = Object.entries(labels).map(([key, value]) => `${key}="${label(value)}"`)
    return `${METRIC}{${text.join(',')}} ${String(notAfter.getTime() / 1000)}`
  })
  const head = [
    `# HELP ${METRIC} End of the validity of a certificate, in seconds since 1970.`,
    `# TYPE ${METRIC} gauge`,
  ]
  return `${[...head, ...new Set(samples)].join('\n')}\n`
}

/** Replaces the file as one. As root, only where no other user can rename. */
async function writeMetrics(file: string, content: string, { options, signal }: Call): Promise<void> {
  const { checkFileName } = await import('../credentials/checks.js')
  const { replaceFiles } = await import('../files/file-system.js')
  const { guardedFileSystem } = await import('../files/guarded-file-system.js')
  const { withDirectoryLock } = await import('../files/lock.js')
  const { writeFailed } = await import('../files/write-failed.js')
  const path = resolve(file)
  const name = checkFileName(basename(path), '--prometheus')
  const owner = options.text('trustedOwner')
  const trustedOwner = owner !== undefined && /^\d+$/.test(owner) ? Number(owner) : owner
  const fs = await guardedFileSystem(dirname(path), trustedOwner, () => null)
  await withDirectoryLock(fs, dirname(path), signal, async (folder, _signal, held) => {
    if (folder === null) throw writeFailed(dirname(path), 'it does not exist: create it')
    await replaceFiles(held, folder, [{ name, content, mode: 0o644, isModeExact: true }])
  })
}
