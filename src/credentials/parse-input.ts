/** Reads one input (CA, certificate, key or CRL), and reports its other contents. */
import type { UnexpectedContent } from '../report/catalogue/contents.js'
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'
import { Crl, type CrlForm, formOfPem, MAX_CRL_FILE_BYTES } from '../x509/crl/crl.js'
import { DerError } from '../x509/der.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import { readPrivateKey } from '../x509/keys/read-key.js'
import { lenientNames } from '../x509/lenient-names.js'
import { MAX_PEM_BYTES, type PemBlock, type PemProblem, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'
import { type BlockKind, holdsOf, kindOfLabel, labelsOf } from './labels.js'
import { recognize } from './recognize.js'

/** The mode of a file, and the one that it needs if it holds a key. */
export interface Exposure {
  readonly mode: string
  readonly safeMode: '600' | '640'
}

export interface Input {
  readonly role: MaterialRole
  readonly place: Place
  /** Null if it could not be read; `findings` has the reason. */
  readonly bytes: Buffer | null
  /** Set if users other than the owner can read or change the file; null if not, and if that is not checked. */
  readonly exposure: Exposure | null
  readonly findings: readonly Finding[]
}

export interface OpenedInput extends Input {
  readonly blocks: readonly PemBlock[]
  /** Of other inputs than CRLs, always `pem`. */
  readonly form: CrlForm
}

/** Longest input in bytes. Only CRLs are long. */
export function sizeLimit(role: MaterialRole): number {
  return role === 'crl' ? MAX_CRL_FILE_BYTES : MAX_PEM_BYTES
}

/** Finds the PEM blocks, and adds findings for faults. An input that is not PEM has no blocks. */
export function openInput(input: Input): OpenedInput {
  const { bytes, role, place } = input
  if (bytes === null) return { ...input, blocks: [], form: 'pem' }
  const limit = sizeLimit(role)
  const opened = (blocks: readonly PemBlock[], found: readonly Finding[], form: CrlForm = 'pem'): OpenedInput => ({
    ...input,
    blocks,
    form,
    findings: [...input.findings, ...found],
  })
  const unexpectedContent = (content: Pick<UnexpectedContent, 'holds' | 'form' | 'line' | 'text'>): Finding =>
    finding('input/unexpected-content', { ...place, wanted: role, ...content, labels: [] })
  const tooMuch = (unit: 'bytes' | 'blocks', most: number, count: number | null): Finding =>
    finding('input/too-much', { ...place, wanted: role, unit, limit: most, count })
  if (bytes.length > limit) return opened([], [tooMuch('bytes', limit, bytes.length)])
  const content = recognize(bytes, () => scanPem(bytes, { bytes: limit }))
  if ('holds' in content) {
    // DER is accepted too, because etcd 3.6 reads CRLs in DER only.
    const isCrl = content.holds === 'CRL' && content.form === 'DER' && role === 'crl'
    return isCrl
      ? opened([{ label: 'X509 CRL', line: 1, headers: [], bytes }], [], 'der')
      : opened([], [unexpectedContent(content)])
  }
  const { blocks, problems } = content.scan
  const isPgp = (problem: PemProblem): boolean => 'label' in problem && problem.label?.startsWith('PGP ') === true
  const found = problems.flatMap((problem, index): Finding[] => {
    if (isPgp(problem)) {
      // OpenPGP armour causes several PEM problems; only the first is reported.
      return problems.findIndex(isPgp) === index
        ? [unexpectedContent({ holds: 'OpenPGP block', form: 'PEM', line: null })]
        : []
    }
    if (problem.kind === 'one-line')
      return [unexpectedContent({ holds: 'lost line breaks', form: null, line: problem.line })]
    if (problem.kind === 'too-large') return [tooMuch('bytes', problem.limit, null)]
    if (problem.kind === 'too-many-blocks') return [tooMuch('blocks', problem.limit, null)]
    return [damageFinding(problem, place)]
  })
  const form = role === 'crl' ? formOfPem(bytes, content.scan) : 'pem'
  return opened(blocks, [...found, ...layoutFindings({ scan: content.scan, role, input: bytes, form }, place)], form)
}

/** The finding for an input without the expected block. It names the first block. */
function missingBlockFinding({ place, role }: OpenedInput, blocks: readonly PemBlock[]): Finding {
  const [first] = blocks
  const holds = first === undefined ? 'other blocks' : holdsOf(first)
  const content = { wanted: role, holds, form: 'PEM', line: first?.line ?? null, labels: labelsOf(blocks) } as const
  return finding('input/unexpected-content', { ...place, ...content })
}

/** etcd and etcdctl ignore labels in CA files, and OpenSSL accepts this old label. */
function blockKind({ role }: OpenedInput, label: string): BlockKind {
  return role === 'ca' && label === 'X509 CERTIFICATE' ? 'certificate' : kindOfLabel(label)
}

function ofKind(input: OpenedInput, kind: BlockKind): PemBlock[] {
  return input.blocks.filter(({ label }) => blockKind(input, label) === kind)
}

function firstUnexpectedBlocks(input: OpenedInput, expected: readonly BlockKind[]): Map<BlockKind, PemBlock> {
  const firsts = new Map<BlockKind, PemBlock>()
  for (const block of input.blocks) {
    const kind = blockKind(input, block.label)
    if (!expected.includes(kind) && !firsts.has(kind)) firsts.set(kind, block)
  }
  return firsts
}

export function otherBlocks(input: OpenedInput, expected: readonly BlockKind[]): Finding[] {
  const { place, role } = input
  const kind = role === 'ca' ? 'among CA certificates' : role === 'request' ? 'next to a request' : 'unused'
  return Array.from(firstUnexpectedBlocks(input, expected).values(), ({ label, line }) => {
    const isKey = role !== 'key' && label.endsWith('PRIVATE KEY')
    return finding('input/other-block', { kind, ...place, label, line, isKey })
  })
}

/** Adds the finding for a missing block, unless an error explains why it is missing. */
export function withMissingBlock(findings: readonly Finding[], input: OpenedInput): readonly Finding[] {
  const isExplained = findings.some(({ severity }) => severity === 'error')
  return isExplained ? findings : [...findings, missingBlockFinding(input, input.blocks)]
}

interface LocatedCertificate {
  readonly certificate: Certificate
  readonly line: number
}

export interface CertificatesReading {
  /** Without duplicates, in the order of the file. */
  readonly certificates: readonly LocatedCertificate[]
  readonly findings: readonly Finding[]
}

/**
 * Reads the certificates of the `ca` or `cert` input.
 *
 * @param isKeyExpected Whether the same file is also given as the key.
 */
export function readCertificates(input: OpenedInput, isKeyExpected = false): CertificatesReading {
  const own = ofKind(input, 'certificate')
  const { certificates, findings } = parseAll(input, own)
  const found = [...input.findings, ...findings]
  if (own.length === 0) {
    const others = [...firstUnexpectedBlocks(input, ['key-parameters', 'other']).values()]
    found.push(...others.map((block) => missingBlockFinding(input, [block])))
    return { certificates, findings: withMissingBlock(found, input) }
  }
  const [old] = ofKind(input, 'old-certificate')
  if (old !== undefined) found.push(missingBlockFinding(input, [old]))
  // openssl writes EC parameters before the key.
  const usual: BlockKind[] =
    input.role === 'ca' ? [] : ['key-parameters', ...(isKeyExpected ? ['private-key' as const] : [])]
  return { certificates, findings: [...found, ...otherBlocks(input, ['certificate', 'old-certificate', ...usual])] }
}

const MAX_FINDINGS = 100

function parseAll({ place, role }: OpenedInput, blocks: readonly PemBlock[]): CertificatesReading {
  const certificates: LocatedCertificate[] = []
  const findings: Finding[] = []
  const indexes = new Map<string, number>()
  let damaged = 0
  let repeated = 0
  for (const { bytes, line } of blocks) {
    // The rest need not be read: after an error no certificate of the input is used.
    if (damaged >= MAX_FINDINGS) break
    try {
      const certificate = Certificate.parse(bytes, place.origin)
      const index = indexes.get(certificate.fingerprint256)
      if (index === undefined) {
        indexes.set(certificate.fingerprint256, certificates.length)
        certificates.push({ certificate, line })
      } else if (repeated++ < MAX_FINDINGS) {
        const position = role === 'ca' ? 'anchor' : index === 0 ? 'leaf' : 'intermediate'
        const ref = certificateRef(certificate, position, index)
        findings.push(finding('credentials/duplicate-certificate', { ...place, line }, ref))
      }
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      const { reason, offset } = error
      const origin = `${place.origin}, line ${String(line)}`
      findings.push(finding('certificate/malformed', { origin, reason, offset, ...lenientNames(bytes) }))
      damaged++
    }
  }
  return { certificates, findings }
}

interface CrlsReading {
  readonly crls: readonly Crl[]
  readonly findings: readonly Finding[]
}

/** Reads the `crl` input: PEM with one or more CRLs, or one CRL in DER. */
export function readCrls(input: OpenedInput): CrlsReading {
  const { origin } = input.place
  const crls: Crl[] = []
  const findings = [...input.findings]
  const lists = ofKind(input, 'crl')
  for (const { line, bytes } of lists) {
    const where = `${origin}, line ${String(line)}`
    try {
      crls.push(Crl.parse(bytes, lists.length === 1 ? origin : where, input.form))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      findings.push(finding('revocation/crl-malformed', { origin: where, reason: error.message }))
    }
  }
  if (lists.length === 0) return { crls, findings: withMissingBlock(findings, input) }
  if (lists.length > 1) findings.push(finding('revocation/crl-form', { kind: 'several', origin, count: lists.length }))
  return { crls, findings: [...findings, ...otherBlocks(input, ['crl'])] }
}

export interface KeyReading {
  readonly key: PrivateKey | null
  readonly findings: readonly Finding[]
}

type Passphrase = string | Uint8Array | null

/**
 * Reads the private key: the first one, as etcd, etcdctl and Node do.
 *
 * @param isCertificateExpected Whether the same file is also given as `cert`.
 */
export function readKey(input: OpenedInput, passphrase: Passphrase, isCertificateExpected = false): KeyReading {
  const keys = ofKind(input, 'private-key')
  const [first] = keys
  if (first === undefined)
    return { key: null, findings: withMissingBlock([...input.findings, ...missingKeyFindings(input)], input) }
  const { key, findings } = readKeyBlock(input, first, passphrase)
  const lines = keys.map(({ line }) => line)
  const several = lines.length > 1 ? [finding('input/several', { kind: 'private keys', ...input.place, lines })] : []
  const belonging: BlockKind[] = [
    'private-key',
    'key-parameters',
    ...(isCertificateExpected ? ['certificate' as const] : []),
  ]
  return { key, findings: [...input.findings, ...findings, ...several, ...otherBlocks(input, belonging)] }
}

function readKeyBlock({ place }: OpenedInput, block: PemBlock, passphrase: Passphrase): KeyReading {
  const reading = readPrivateKey(block, passphrase, place.origin)
  const encryption = 'encryption' in reading ? (reading.encryption?.name ?? '') : ''
  const failed = (reason: Finding): KeyReading => ({ key: null, findings: [reason] })
  switch (reading.kind) {
    case 'key': {
      const findings: Finding[] = []
      // An empty passphrase, for example from an unset variable, counts as none.
      const isUnneeded = reading.encryption === null && passphrase !== null && passphrase.length > 0
      if (isUnneeded) findings.push(finding('key/passphrase-refused', { kind: 'unneeded', ...place }))
      if (reading.encryption?.form === 'pem') {
        findings.push(finding('key/encryption-refused', { kind: 'weak', ...place, encryption }))
      }
      return { key: reading.key, findings }
    }
    case 'passphrase-missing':
      return failed(finding('key/passphrase-refused', { kind: 'missing', ...place, encryption }))
    case 'passphrase-wrong': {
      const details = { ...place, encryption, passphrase: describePassphrase(passphrase) }
      return failed(finding('key/passphrase-refused', { kind: 'wrong', ...details }))
    }
    case 'encryption-unsupported':
      return failed(finding('key/encryption-refused', { kind: 'unsupported', ...place, encryption }))
    case 'encryption-too-costly': {
      const { excess } = reading
      return failed(finding('key/encryption-refused', { kind: 'too costly', ...place, encryption, excess }))
    }
    case 'algorithm-unsupported':
      return failed(finding('key/unsupported', { kind: 'private key', ...place, algorithm: reading.algorithm }))
    case 'malformed':
      return failed(finding('key/malformed', { kind: 'damaged', ...place, line: block.line, reason: reading.reason }))
    case 'inconsistent':
      return failed(finding('key/malformed', { kind: 'inconsistent', ...place, algorithm: reading.algorithm }))
  }
}

/** Mistakes that can be reported without showing the passphrase. */
function describePassphrase(passphrase: Passphrase): 'empty' | 'ends with a line break' | 'given' {
  const last = Buffer.from(passphrase ?? '').at(-1)
  if (last === undefined) return 'empty'
  return last === 0x0a || last === 0x0d ? 'ends with a line break' : 'given'
}

/** The finding for a missing key. It names the block that most likely explains the mistake. */
function missingKeyFindings(input: OpenedInput): Finding[] {
  const kinds: readonly BlockKind[] = ['openssh', 'foreign-key', 'certificate', 'old-certificate', 'public-key', 'pgp']
  const [block] = kinds.flatMap((kind) => ofKind(input, kind))
  if (block === undefined) return []
  if (kindOfLabel(block.label) !== 'foreign-key') return [missingBlockFinding(input, [block])]
  return [finding('key/unsupported', { kind: 'private key', ...input.place, algorithm: block.label })]
}
