/** `expiry`: when certificates end, as a table and as metrics. */
import { parseDuration, printable } from '../report/internal.js'
import { formatReport, type Unchecked } from '../report/index.js'
import { durationText, finding } from '../validate/internal.js'
import { certificateRef } from '../x509/internal.js'
import { type Answer, type Call, UsageError } from './command.js'
import type { Documents, ExpiringCertificate } from './documents.js'
import { type Column, tableLines } from './table.js'
import { checked, readTargets } from './targets.js'

const TITLES = ['CERTIFICATE', 'SUBJECT', 'EXPIRES', 'LEFT', 'CA']

export async function run(call: Call): Promise<Answer> {
  const { operands, options } = call
  const within = options.text('within')
  const limit = within === undefined ? -Infinity : parseDuration(within, '--within') / 1000
  const unchecked: Unchecked[] = []
  const contents = await readTargets(operands, call, unchecked)
  const at = new Date()
  const findings = contents.flatMap((each) => each.findings.filter(({ severity }) => severity === 'error'))
  const rows = contents.flatMap(({ place, certificates }) =>
    certificates.map((certificate) => {
      const { subject, issuer, serialNumber, notAfter, isSelfIssued, isCa } = certificate
      const left = notAfter.getTime() - at.getTime()
      const details = { notAfter, at, ago: durationText(-left) }
      // The second of notAfter is included.
      if (left < -1000)
        findings.push(finding('validity/expired', details, certificateRef(certificate, isCa ? 'anchor' : 'leaf', 0)))
      const names = { name: place.origin, subject: subject.toString(), issuer: issuer.toString() }
      const row: ExpiringCertificate = { ...names, serialNumber, notAfter, secondsLeft: Math.floor(left / 1000) }
      const state = left < 0 ? 'expired' : durationText(left)
      const short = [subject, issuer].map((each) => each.commonName ?? each.toString())
      const cells = [
        place.origin,
        short[0],
        notAfter.toISOString().slice(0, 10),
        state,
        isSelfIssued ? 'itself' : short[1],
      ]
      return { row, cells: cells.map((each = '') => printable(each)) }
    }),
  )
  if (rows.length + findings.length + unchecked.length === 0)
    throw new UsageError(`There is no certificate in ${operands.map((each) => JSON.stringify(each)).join(', ')}.`)
  rows.sort((a, b) => a.row.secondsLeft - b.row.secondsLeft)
  const certificates = rows.map(({ row }) => row)
  const file = options.text('prometheus')
  if (file !== undefined) {
    const { writeMetrics } = await import('./write-metrics.js')
    await writeMetrics(file, certificates, call)
  }
  const columns = TITLES.map((title, i): Column => {
    // A path says most at its end, so it is not cut.
    const shrinks = title === 'SUBJECT' || title === 'CA' ? 'first' : 'never'
    return { title, shrinks, values: rows.map(({ cells }) => cells[i] ?? '') }
  })
  const document: Documents['expiry'] = { ...checked(findings, unchecked, at), certificates }
  return {
    document,
    text: ({ color, width }) =>
      [
        ...(rows.length === 0 ? [] : [tableLines(columns, width).join('\n')]),
        ...(document.ok && document.complete ? [] : [formatReport(document, { color, width })]),
      ].join('\n\n'),
    findings: document.findings,
    isDue: !document.complete || certificates.some(({ secondsLeft }) => secondsLeft <= limit),
  }
}
