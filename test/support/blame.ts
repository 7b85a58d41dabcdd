/** Whether a report blames the certificate that is at fault: whether its worst finding is about it. */
import { createHash } from 'node:crypto'
import type { Report } from '../../src/report/report.js'

/** A certificate: what it is, and its bytes. */
export interface Culprit {
  readonly role: 'leaf' | 'intermediate' | 'root'
  readonly der: Uint8Array
}

export function blames(report: Report, culprit: Culprit): boolean {
  if (report.ok) return false
  const [worst] = report.findings
  if (worst.certificate !== null) return worst.certificate.fingerprint256 === fingerprint(culprit.der)
  // What cannot be read has no fingerprint in a report, but a place where it came from.
  return originOf(worst.details).startsWith(ORIGIN[culprit.role])
}

const ORIGIN = { leaf: 'leaf', intermediate: 'intermediates', root: 'trustAnchors' } as const

function originOf(details: object): string {
  const places = ['origin', 'input'].map((name) => (details as Readonly<Record<string, unknown>>)[name])
  return places.find((each) => typeof each === 'string') ?? ''
}

function fingerprint(der: Uint8Array): string {
  const hex = createHash('sha256').update(der).digest('hex').toUpperCase()
  return hex.match(/../g)?.join(':') ?? ''
}
