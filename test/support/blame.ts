/** Whether a report blames the certificate that is at fault: whether its worst finding is about it. */
import { createHash } from 'node:crypto'
import type { Report } from '../../src/report/report.js'
import { Certificate } from '../../src/x509/certificate.js'
import { DerError } from '../../src/x509/der.js'

/** A certificate: what it is, and its bytes. */
export interface Culprit {
  readonly role: 'leaf' | 'intermediate' | 'root'
  readonly der: Uint8Array
}

export function blames(report: Report, culprit: Culprit): boolean {
  if (report.ok) return false
  const [worst] = report.findings
  if (worst.certificate?.fingerprint256 === fingerprint(culprit.der)) return true
  // Of a certificate and a CA above it that do not fit each other, either can be changed: the finding names both.
  const others: object = worst.details
  if ('constrainedBy' in others && others.constrainedBy === subjectOf(culprit.der)) return true
  if ('issuer' in others && others.issuer === subjectOf(culprit.der)) return true
  if (worst.certificate !== null) return false
  // What cannot be read has no fingerprint in a report, but a place where it came from.
  return originOf(worst.details).startsWith(ORIGIN[culprit.role])
}

const ORIGIN = { leaf: 'leaf', intermediate: 'intermediates', root: 'trustAnchors' } as const

function originOf(details: object): string {
  const places = ['origin', 'input'].map((name) => (details as Readonly<Record<string, unknown>>)[name])
  return (places.find((each) => typeof each === 'string') ?? '').replace('option "', '')
}

function subjectOf(der: Uint8Array): string | null {
  try {
    return Certificate.parse(der).subject.toString()
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

function fingerprint(der: Uint8Array): string {
  const hex = createHash('sha256').update(der).digest('hex').toUpperCase()
  return hex.match(/../g)?.join(':') ?? ''
}
