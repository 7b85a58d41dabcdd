/** The CRLs of one input. */
import type { Finding } from '../report/finding.js'
import { Crl } from '../x509/crl/crl.js'
import { DerError } from '../x509/der.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { kindOfLabel } from './labels.js'
import { unexpectedBlocks } from './read-certificates.js'

export interface CrlsReading {
  readonly crls: readonly Crl[]
  readonly findings: readonly Finding[]
}

/** Reads the `crl` input: PEM with one or more CRLs, or one CRL in DER. */
export function readCrls(input: OpenedInput): CrlsReading {
  const { place, blocks } = input
  const crls: Crl[] = []
  const findings = [...input.findings]
  const lists = blocks.filter(({ label }) => kindOfLabel(label) === 'crl')
  for (const { line, bytes } of lists) {
    const origin = lists.length === 1 ? place.origin : `${place.origin}, line ${String(line)}`
    try {
      // An input that is DER is its own block.
      crls.push(Crl.parse(bytes, origin, bytes === input.bytes ? 'der' : 'pem'))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      const where = `${place.origin}, line ${String(line)}`
      findings.push(finding('revocation/crl-malformed', { origin: where, reason: error.message }))
    }
  }
  if (lists.length > 1) {
    findings.push(finding('revocation/crl-form', { kind: 'several', origin: place.origin, count: lists.length }))
  }
  const others = blocks.filter(({ label }) => kindOfLabel(label) !== 'crl')
  const [other] = others
  if (others.length < blocks.length && other !== undefined) {
    const { label, line } = other
    findings.push(finding('input/other-block', { kind: 'unused', ...place, label, line, isKey: false }))
  }
  const isExplained = findings.some(({ severity }) => severity === 'error')
  if (crls.length === 0 && !isExplained) findings.push(unexpectedBlocks(place, 'crl', others))
  return { crls, findings }
}
