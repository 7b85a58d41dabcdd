/** Whether the worst finding of a report is about the faulty certificate. */
import { createHash } from 'node:crypto'
import type { Report } from '../../src/report/report.js'
import { Certificate } from '../../src/x509/certificate.js'
import { DerError } from '../../src/x509/der.js'

export interface FaultyCertificate {
  readonly role: 'leaf' | 'intermediate' | 'root'
  readonly der: Uint8Array
}

export function namesFaultyCertificate(report: Report, faulty: FaultyCertificate): boolean {
  if (report.ok) return false
  const [worst] = report.findings
  if (worst.certificate?.fingerprint256 === fingerprint(faulty.der)) return true
  // If a certificate and a CA above it do not match, either can be changed: the finding names both.
  const others: object = worst.details
  if ('constrainedBy' in others && others.constrainedBy === subjectOf(faulty.der)) return true
  if ('issuer' in others && others.issuer === subjectOf(faulty.der)) return true
  if (worst.certificate !== null) return false
  // An unreadable certificate has no fingerprint in a report, only an origin.
  return originOf(worst.details).startsWith(ORIGIN[faulty.role])
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
