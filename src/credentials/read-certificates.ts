/** The certificates of one input, and a finding for everything else that stands there. */
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'
import { DerError } from '../x509/der.js'
import { lenientNames } from '../x509/lenient-names.js'
import type { PemBlock } from '../x509/pem/pem.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { type BlockKind, holdsOfLabel, isKeyLabel, kindOfLabel, labelsOf } from './labels.js'

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
  const saidWhy = findings.some(({ severity }) => severity === 'error')
  if (own.length === 0 && !saidWhy) {
    const role = input.role === 'ca' ? 'ca' : 'cert'
    findings.push(unexpectedBlocks(input.place, role, input.blocks))
  }
  return { certificates: read.certificates, findings }
}

/** Among CAs, etcd and etcdctl look at no label, and OpenSSL takes this old one, too. */
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
    // There are errors enough by then, so nothing will be checked by the certificates that were read.
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
      findings.push(finding('credentials/duplicate-certificate', { ...place, line }, refOf(parsed, role, index)))
    }
  }
  return { certificates, findings }
}

function refOf(certificate: Certificate, role: OpenedInput['role'], index: number): ReturnType<typeof certificateRef> {
  const place = role === 'ca' ? 'anchor' : index === 0 ? 'leaf' : 'intermediate'
  return certificateRef(certificate, place, index)
}

function parse(der: Uint8Array, origin: string): Certificate | DerError {
  try {
    return Certificate.parse(der, origin)
  } catch (error) {
    if (error instanceof DerError) return error
    throw error
  }
}

/** One finding for each kind of block that is no certificate: the first of its kind stands for the rest. */
function judgeOthers(input: OpenedInput, hasCertificates: boolean, keyBelongs: boolean): Finding[] {
  const firsts = new Map<BlockKind, PemBlock>()
  for (const block of input.blocks) {
    const kind = kindIn(input, block.label)
    if (kind !== 'certificate' && !firsts.has(kind)) firsts.set(kind, block)
  }
  return [...firsts].flatMap(([kind, block]) => {
    if (input.role === 'ca') return besideAnchors(input, kind, block, hasCertificates)
    return besideLeaf(input, kind, block, hasCertificates, keyBelongs)
  })
}

function besideAnchors(input: OpenedInput, kind: BlockKind, block: PemBlock, hasCertificates: boolean): Finding[] {
  if (!hasCertificates || kind === 'old-certificate') return instead(input, 'ca', kind, block)
  const { label, line } = block
  return [
    finding('input/other-block', {
      kind: 'among CA certificates',
      ...input.place,
      label,
      line,
      isKey: isKeyLabel(label),
    }),
  ]
}

function besideLeaf(
  input: OpenedInput,
  kind: BlockKind,
  block: PemBlock,
  hasCertificates: boolean,
  keyBelongs: boolean,
): Finding[] {
  if (kind === 'old-certificate' || !hasCertificates) return instead(input, 'cert', kind, block)
  // openssl writes the parameters together with the key.
  if (kind === 'key-parameters' || (kind === 'private-key' && keyBelongs)) return []
  const { label, line } = block
  return [finding('input/other-block', { kind: 'unused', ...input.place, label, line, isKey: kind === 'private-key' })]
}

/** A block where a certificate was meant. */
function instead({ place }: OpenedInput, role: 'ca' | 'cert', kind: BlockKind, block: PemBlock): Finding[] {
  if (kind === 'certificate' || kind === 'key-parameters' || kind === 'other') return []
  return [unexpectedBlocks(place, role, [block])]
}

/** The finding for PEM blocks of which none is what was meant; the first of them is named. */
export function unexpectedBlocks(place: Place, wanted: MaterialRole, blocks: readonly PemBlock[]): Finding {
  const [first] = blocks
  const holds = first === undefined ? 'other blocks' : holdsOfLabel(first.label)
  const line = first?.line ?? null
  return finding('input/unexpected-content', { ...place, wanted, holds, form: 'PEM', line, labels: labelsOf(blocks) })
}
