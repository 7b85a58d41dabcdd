/** The certificates of one input, and findings about everything else in it. */
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'
import { DerError } from '../x509/der.js'
import { lenientNames } from '../x509/lenient-names.js'
import type { PemBlock } from '../x509/pem/pem.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { type BlockKind, holdsOfLabel, kindOfLabel, labelsOf } from './labels.js'

/** A certificate and the line on which its block begins. */
export interface LocatedCertificate {
  readonly certificate: Certificate
  readonly line: number
}

export interface CertificatesReading {
  /** Each certificate once, in the order of the file. */
  readonly certificates: readonly LocatedCertificate[]
  readonly findings: readonly Finding[]
}

/** Most findings of one kind about one input. */
const MAX_FINDINGS = 100

/**
 * Reads the certificates of the `ca` or `cert` input.
 *
 * @param keyBelongs Whether a private key next to the certificates is meant, since the same file was given as the key.
 */
export function readCertificates(input: OpenedInput, keyBelongs = false): CertificatesReading {
  const own = input.blocks.filter(({ label }) => kindIn(input, label) === 'certificate')
  const read = parseAll(input, own)
  const others = judgeOthers(input, own.length > 0, keyBelongs)
  const findings = [...input.findings, ...read.findings, ...others]
  const isExplained = findings.some(({ severity }) => severity === 'error')
  if (own.length === 0 && !isExplained) {
    findings.push(unexpectedBlocks(input.place, input.role === 'ca' ? 'ca' : 'cert', input.blocks))
  }
  return { certificates: read.certificates, findings }
}

/** For CAs, etcd and etcdctl ignore the label, and OpenSSL accepts this old one. */
function kindIn({ role }: OpenedInput, label: string): BlockKind {
  return role === 'ca' && label === 'X509 CERTIFICATE' ? 'certificate' : kindOfLabel(label)
}

function parseAll({ place, role }: OpenedInput, blocks: readonly PemBlock[]): CertificatesReading {
  const certificates: LocatedCertificate[] = []
  const findings: Finding[] = []
  const indexes = new Map<string, number>()
  let damaged = 0
  let repeated = 0
  for (const { bytes, line } of blocks) {
    // There are errors by then, so that no certificate of the input is used.
    if (damaged >= MAX_FINDINGS) break
    const parsed = parse(bytes, place.origin)
    if (parsed instanceof DerError) {
      const origin = `${place.origin}, line ${String(line)}`
      const { reason, offset } = parsed
      findings.push(finding('certificate/malformed', { origin, reason, offset, ...lenientNames(bytes) }))
      damaged++
      continue
    }
    const index = indexes.get(parsed.fingerprint256)
    if (index === undefined) {
      indexes.set(parsed.fingerprint256, certificates.length)
      certificates.push({ certificate: parsed, line })
    } else if (repeated++ < MAX_FINDINGS) {
      const position = role === 'ca' ? 'anchor' : index === 0 ? 'leaf' : 'intermediate'
      const ref = certificateRef(parsed, position, index)
      findings.push(finding('credentials/duplicate-certificate', { ...place, line }, ref))
    }
  }
  return { certificates, findings }
}

function parse(der: Uint8Array, origin: string): Certificate | DerError {
  try {
    return Certificate.parse(der, origin)
  } catch (error) {
    if (error instanceof DerError) return error
    throw error
  }
}

/** One finding for each kind of block that is not a certificate, about the first of them. */
function judgeOthers(input: OpenedInput, hasCertificates: boolean, keyBelongs: boolean): Finding[] {
  const { place, role, blocks } = input
  const firsts = new Map<BlockKind, PemBlock>()
  for (const block of blocks) {
    const kind = kindIn(input, block.label)
    if (kind !== 'certificate' && !firsts.has(kind)) firsts.set(kind, block)
  }
  return [...firsts].flatMap(([kind, block]) => {
    const { label, line } = block
    if (!hasCertificates || kind === 'old-certificate') {
      const isUnknown = kind === 'key-parameters' || kind === 'other'
      return isUnknown ? [] : [unexpectedBlocks(place, role === 'ca' ? 'ca' : 'cert', [block])]
    }
    if (role === 'ca') {
      const isKey = label.endsWith('PRIVATE KEY')
      return [finding('input/other-block', { kind: 'among CA certificates', ...place, label, line, isKey })]
    }
    // openssl writes the parameters together with the key.
    if (kind === 'key-parameters' || (kind === 'private-key' && keyBelongs)) return []
    const isKey = kind === 'private-key'
    return [finding('input/other-block', { kind: 'unused', ...place, label, line, isKey })]
  })
}

/** The finding for PEM blocks of which none is what was meant; it names the first. */
export function unexpectedBlocks(place: Place, wanted: MaterialRole, blocks: readonly PemBlock[]): Finding {
  const [first] = blocks
  const holds = first === undefined ? 'other blocks' : holdsOfLabel(first.label)
  const line = first?.line ?? null
  return finding('input/unexpected-content', { ...place, wanted, holds, form: 'PEM', line, labels: labelsOf(blocks) })
}
