/** A certificate in its place in a path, and the notebook that checks write their findings into. */
import type { CertificateRef, Finding, FindingDetails } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { type ChainCode, finding } from './finding.js'

export interface Place {
  readonly certificate: Certificate
  readonly role: CertificateRef['role']
  /** The leaf is 0. */
  readonly index: number
}

/** Collects findings. */
export class Notebook {
  readonly findings: Finding[] = []

  /** Writes a finding about the certificate in its place; `null` for a finding about none. */
  add<C extends ChainCode>(place: Place | null, code: C, details: FindingDetails[C]): void {
    // TypeScript does not see that Finding<C> is a member of the union for every C.
    this.findings.push(finding(code, details, place === null ? null : refOf(place)) as Finding)
  }

  get hasErrors(): boolean {
    return this.findings.some(({ severity }) => severity === 'error')
  }

  get errorCount(): number {
    return this.findings.filter(({ severity }) => severity === 'error').length
  }
}

export function refOf({ certificate, role, index }: Place): CertificateRef {
  return certificateRef(certificate, role, index)
}
