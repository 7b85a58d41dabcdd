/** Findings and references for the tests of the report room: made by hand, so that no row of the catalogue matters. */
import type { CertificateRef, Finding, Severity } from '../../../src/report/finding.js'
import { finding } from '../../support/finding.js'

export function ref(parts: Partial<CertificateRef> = {}): CertificateRef {
  return {
    role: 'leaf',
    index: 0,
    subject: 'CN=etcd-0.etcd.svc',
    serialNumber: '0A1B2C3D',
    fingerprint256: Array.from({ length: 32 }, () => 'AA').join(':'),
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2027-01-01T00:00:00Z'),
    origin: 'server.crt',
    ...parts,
  }
}

interface SampleParts {
  severity?: Severity
  message?: string
  remedy?: string
  certificate?: CertificateRef | null
}

export function sample(parts: SampleParts = {}): Finding {
  return { ...finding('file/missing', { file: 'ca.crt' }), ...parts }
}
