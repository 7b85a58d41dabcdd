/** Reads one input (CA, certificate, key, CRL): what it holds, and findings about everything else in it. */
import type { UnexpectedContent } from '../report/catalogue/input.js'
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate, certificateRef } from '../x509/certificate.js'
import { Crl, MAX_CRL_FILE_BYTES } from '../x509/crl/crl.js'
import { DerError } from '../x509/der.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import { readPrivateKey } from '../x509/keys/read-key.js'
import { lenientNames } from '../x509/lenient-names.js'
import { MAX_PEM_BYTES, type PemBlock, type PemProblem, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'
import { type BlockKind, holdsOfLabel, kindOfLabel, labelsOf } from './labels.js'
import { recognize } from './recognize.js'

/** One input as it was passed or read. */
export interface Input {
  readonly role: MaterialRole
  readonly place: Place
  /** Null if it could not be read; `findings` says why. */
  readonly bytes: Buffer | null
  /** Permission bits of the file; null if there is no file, or they do not matter. */
  readonly mode: number | null
  readonly findings: readonly Finding[]
}

export interface OpenedInput extends Input {
  readonly blocks: readonly PemBlock[]
}

/** Most bytes read of an input. Revocation lists can be long; nothing else is. */
export function sizeLimit(role: MaterialRole): number {
  return role === 'crl' ? MAX_CRL_FILE_BYTES : MAX_PEM_BYTES
}

/** Finds the PEM blocks. What is wrong is added to the findings; an input that is not PEM has no blocks. */
export function openInput(input: Input): OpenedInput {
  const { bytes, role, place } = input
  if (bytes === null) return { ...input, blocks: [] }
  const limit = sizeLimit(role)
  const opened = (blocks: readonly PemBlock[], found: readonly Finding[]): OpenedInput => ({
    ...input,
    blocks,
    findings: [...input.findings, ...found],
  })
  const instead = (content: Pick<UnexpectedContent, 'holds' | 'form' | 'line'>): Finding =>
    finding('input/unexpected-content', { ...place, wanted: role, ...content, labels: [] })
  const tooMuch = (unit: 'bytes' | 'blocks', most: number, count: number | null): Finding =>
    finding('input/too-much', { ...place, wanted: role, unit, limit: most, count })
  if (bytes.length > limit) return opened([], [tooMuch('bytes', limit, bytes.length)])
  const content = recognize(bytes, () => scanPem(bytes, { bytes: limit }))
  if ('holds' in content) {
    // etcd from 3.6 on reads CRLs in DER only, so both forms are in use.
    const isCrl = content.holds === 'CRL' && content.form === 'DER' && role === 'crl'
    return isCrl ? opened([{ label: 'X509 CRL', line: 1, headers: [], bytes }], []) : opened([], [instead(content)])
  }
  const { blocks, problems, layout } = content.scan
  const isPgp = (problem: PemProblem): boolean => 'label' in problem && problem.label?.startsWith('PGP ') === true
  const found = problems.flatMap((problem, index): Finding[] => {
    if (isPgp(problem)) {
      // OpenPGP armour is damaged PEM in several ways at once; it is reported once.
      return problems.findIndex(isPgp) === index ? [instead({ holds: 'OpenPGP block', form: 'PEM', line: null })] : []
    }
    if (problem.kind === 'one-line') return [instead({ holds: 'lost line breaks', form: null, line: problem.line })]
    if (problem.kind === 'too-large') return [tooMuch('bytes', problem.limit, null)]
    if (problem.kind === 'too-many-blocks') return [tooMuch('blocks', problem.limit, null)]
    return [damageFinding(problem, place)]
  })
  return opened(blocks, [...found, ...layoutFindings(layout, place)])
}

/** The finding for PEM blocks of which none is what was meant; it names the first. */
function unexpectedBlocks({ place, role }: OpenedInput, blocks: readonly PemBlock[]): Finding {
  const [first] = blocks
  const holds = first === undefined ? 'other blocks' : holdsOfLabel(first.label)
  const content = { wanted: role, holds, form: 'PEM', line: first?.line ?? null, labels: labelsOf(blocks) } as const
  return finding('input/unexpected-content', { ...place, ...content })
}

/** For CAs, etcd and etcdctl ignore the label, and OpenSSL accepts this old one. */
function kindIn({ role }: OpenedInput, label: string): BlockKind {
  return role === 'ca' && label === 'X509 CERTIFICATE' ? 'certificate' : kindOfLabel(label)
}

function ofKind(input: OpenedInput, kind: BlockKind): PemBlock[] {
  return input.blocks.filter(({ label }) => kindIn(input, label) === kind)
}

/** The first block of each kind, except those that are expected. */
function firstOfOthers(input: OpenedInput, expected: readonly BlockKind[]): Map<BlockKind, PemBlock> {
  const firsts = new Map<BlockKind, PemBlock>()
  for (const block of input.blocks) {
    const kind = kindIn(input, block.label)
    if (!expected.includes(kind) && !firsts.has(kind)) firsts.set(kind, block)
  }
  return firsts
}

/** Findings about blocks next to what was meant: one for each kind, about the first of them. */
export function otherBlocks(input: OpenedInput, expected: readonly BlockKind[]): Finding[] {
  const { place, role } = input
  const kind = role === 'ca' ? 'among CA certificates' : role === 'request' ? 'next to a request' : 'unused'
  return Array.from(firstOfOthers(input, expected).values(), ({ label, line }) => {
    const isKey = role !== 'key' && label.endsWith('PRIVATE KEY')
    return finding('input/other-block', { kind, ...place, label, line, isKey })
  })
}

/** Adds that nothing of what was meant is there, unless an error says why. */
export function unlessExplained(findings: readonly Finding[], input: OpenedInput): readonly Finding[] {
  const isExplained = findings.some(({ severity }) => severity === 'error')
  return isExplained ? findings : [...findings, unexpectedBlocks(input, input.blocks)]
}

/** A certificate and the line on which its block begins. */
interface LocatedCertificate {
  readonly certificate: Certificate
  readonly line: number
}

export interface CertificatesReading {
  /** Each certificate once, in the order of the file. */
  readonly certificates: readonly LocatedCertificate[]
  readonly findings: readonly Finding[]
}

/**
 * Reads the certificates of the `ca` or `cert` input.
 *
 * @param keyBelongs Whether a private key next to the certificates is meant, since the same file was given as the key.
 */
export function readCertificates(input: OpenedInput, keyBelongs = false): CertificatesReading {
  const own = ofKind(input, 'certificate')
  const { certificates, findings } = parseAll(input, own)
  const found = [...input.findings, ...findings]
  if (own.length === 0) {
    const others = [...firstOfOthers(input, ['key-parameters', 'other']).values()]
    found.push(...others.map((block) => unexpectedBlocks(input, [block])))
    return { certificates, findings: unlessExplained(found, input) }
  }
  const [old] = ofKind(input, 'old-certificate')
  if (old !== undefined) found.push(unexpectedBlocks(input, [old]))
  // openssl writes parameters together with the key.
  const usual: BlockKind[] =
    input.role === 'ca' ? [] : ['key-parameters', ...(keyBelongs ? ['private-key' as const] : [])]
  return { certificates, findings: [...found, ...otherBlocks(input, ['certificate', 'old-certificate', ...usual])] }
}

/** Most findings of one kind about one input. */
const MAX_FINDINGS = 100

function parseAll({ place, role }: OpenedInput, blocks: readonly PemBlock[]): CertificatesReading {
  const certificates: LocatedCertificate[] = []
  const findings: Finding[] = []
  const indexes = new Map<string, number>()
  let damaged = 0
  let repeated = 0
  for (const { bytes, line } of blocks) {
    // There are errors by then, so that no certificate of the input is used.
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
      // An input that is DER is its own block.
      crls.push(Crl.parse(bytes, lists.length === 1 ? origin : where, bytes === input.bytes ? 'der' : 'pem'))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      findings.push(finding('revocation/crl-malformed', { origin: where, reason: error.message }))
    }
  }
  if (lists.length === 0) return { crls, findings: unlessExplained(findings, input) }
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
 * @param certificateBelongs Whether certificates next to the key are meant, since the same file was given as `cert`.
 */
export function readKey(input: OpenedInput, passphrase: Passphrase, certificateBelongs = false): KeyReading {
  const keys = ofKind(input, 'private-key')
  const [first] = keys
  if (first === undefined)
    return { key: null, findings: unlessExplained([...input.findings, ...insteadOfKey(input)], input) }
  const { key, findings } = readKeyBlock(input, first, passphrase)
  const lines = keys.map(({ line }) => line)
  const several = lines.length > 1 ? [finding('input/several', { kind: 'private keys', ...input.place, lines })] : []
  const belonging: BlockKind[] = [
    'private-key',
    'key-parameters',
    ...(certificateBelongs ? ['certificate' as const] : []),
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
      // An empty passphrase is none, such as an option that is filled from an unset variable.
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

/** The two mistakes that can be reported without showing the passphrase. */
function describePassphrase(passphrase: Passphrase): 'empty' | 'ends with a line break' | 'given' {
  const last = Buffer.from(passphrase ?? '').at(-1)
  if (last === undefined) return 'empty'
  return last === 0x0a || last === 0x0d ? 'ends with a line break' : 'given'
}

/** What is there instead of the key: the block that explains most. */
function insteadOfKey(input: OpenedInput): Finding[] {
  const kinds: readonly BlockKind[] = ['openssh', 'foreign-key', 'certificate', 'old-certificate', 'public-key', 'pgp']
  const [block] = kinds.flatMap((kind) => ofKind(input, kind))
  if (block === undefined) return []
  if (kindOfLabel(block.label) !== 'foreign-key') return [unexpectedBlocks(input, [block])]
  return [finding('key/unsupported', { kind: 'private key', ...input.place, algorithm: block.label })]
}
