/** The certificates of one input, and a finding for everything else that stands there. */
import type { Finding } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'
import { DerError } from '../x509/der.js'
import { lenientNames } from '../x509/lenient-names.js'
import type { PemBlock } from '../x509/pem.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { type BlockKind, kindOfLabel, labelsOf } from './labels.js'

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
 * @param keyBelongs Whether a private key beside the certificates is meant, since the same file was given as the key.
 */
export function readCertificates(input: OpenedInput, keyBelongs = false): CertificatesReading {
  const own = input.blocks.filter(({ label }) => kindIn(input, label) === 'certificate')
  const read = parseAll(input, own)
  const others = judgeOthers(input, own.length > 0, keyBelongs)
  const findings = [...input.findings, ...read.findings, ...others]
  const saidWhy = findings.some(({ severity }) => severity === 'error')
  if (own.length === 0 && !saidWhy) {
    const role = input.role === 'ca' ? 'ca' : 'cert'
    findings.push(finding('credentials/no-certificate', { ...input.place, role, found: labelsOf(input.blocks) }))
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
    // There are errors enough by then, so nothing will be judged by the certificates that were read.
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
  const { place } = input
  const at = { ...place, label: block.label, line: block.line }
  const isKey = kind === 'private-key' || kind === 'foreign-key' || kind === 'openssh'
  if (isKey && hasCertificates) return [finding('credentials/key-in-ca-file', at)]
  if (hasCertificates && kind !== 'old-certificate') return [finding('credentials/block-refused', at)]
  return instead(input, 'ca', kind, block)
}

function besideLeaf(
  input: OpenedInput,
  kind: BlockKind,
  block: PemBlock,
  hasCertificates: boolean,
  keyBelongs: boolean,
): Finding[] {
  const at = { ...input.place, label: block.label, line: block.line }
  if (kind === 'old-certificate' || !hasCertificates) return instead(input, 'cert', kind, block)
  if (kind === 'private-key') return keyBelongs ? [] : [finding('credentials/key-in-certificate-file', at)]
  // openssl writes the parameters together with the key.
  return kind === 'key-parameters' ? [] : [finding('credentials/block-ignored', at)]
}

/** A block that stands where a certificate was meant. */
function instead({ place }: OpenedInput, role: 'ca' | 'cert', kind: BlockKind, block: PemBlock): Finding[] {
  const { label, line } = block
  switch (kind) {
    case 'old-certificate':
      return [finding('credentials/old-certificate-label', { ...place, label, line })]
    case 'private-key':
    case 'foreign-key':
      return [finding('credentials/key-instead-of-certificate', { ...place, role, line })]
    case 'openssh':
      return [finding('pem/ssh', { ...place, role, holds: 'a private key' })]
    case 'request':
      return [finding('credentials/request-instead-of-certificate', { ...place, role, label, line })]
    case 'crl':
      return [finding('credentials/crl-instead-of-certificate', { ...place, role, label, line })]
    case 'public-key':
      return [finding('credentials/public-key-instead-of-certificate', { ...place, role, label, line })]
    case 'pkcs7':
      return [finding('pem/pkcs7', { ...place, role })]
    case 'pgp':
      return [finding('pem/pgp', { ...place, role, label })]
    case 'certificate':
    case 'key-parameters':
    case 'other':
      return []
  }
}
