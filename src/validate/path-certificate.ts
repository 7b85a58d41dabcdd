/** A certificate in its place in a path, and the collector to which checks add findings. */
import type { CertificateRef, Finding, FindingDetails, Severity } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { type ChainCode, finding, severityOf } from './finding.js'

export interface PathCertificate {
  readonly certificate: Certificate
  readonly role: CertificateRef['role']
  /** The leaf is 0. */
  readonly index: number
}

/** What a finding is made of. Most of the paths that a search tries are not reported, so that their sentences are never needed. */
export type Note = {
  [C in ChainCode]: {
    readonly code: C
    readonly severity: Severity
    readonly details: FindingDetails[C]
    readonly place: PathCertificate | null
  }
}[ChainCode]

/** Collects what findings are made of. */
export class FindingCollector {
  readonly notes: Note[] = []

  /** Adds a finding about the certificate in its place; `null` for a finding about none. */
  add<C extends ChainCode>(place: PathCertificate | null, code: C, details: FindingDetails[C]): void {
    // TypeScript does not see that the details are those of the code.
    this.notes.push({ code, severity: severityOf(code, details), details, place } as Note)
  }

  addAll({ notes }: FindingCollector): void {
    for (const note of notes) this.notes.push(note)
  }

  get findings(): Finding[] {
    return this.notes.map(findingOf)
  }

  get hasErrors(): boolean {
    return this.notes.some(isError)
  }

  get errorCount(): number {
    return this.notes.filter(isError).length
  }
}

export function findingOf({ code, details, place }: Note): Finding {
  return finding(code, details as never, place === null ? null : refOf(place))
}

function isError({ severity }: Note): boolean {
  return severity === 'error'
}

export function refOf({ certificate, role, index }: PathCertificate): CertificateRef {
  return certificateRef(certificate, role, index)
}
