/** The private key of one input, and findings about everything else in it. */
import type { Finding } from '../report/finding.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import type { PemBlock } from '../x509/pem/pem.js'
import { readPrivateKey as readKeyBlock } from '../x509/keys/read-key.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { type BlockKind, kindOfLabel } from './labels.js'
import { unexpectedBlocks } from './read-certificates.js'

export interface KeyReading {
  readonly key: PrivateKey | null
  readonly findings: readonly Finding[]
}

/**
 * Reads the private key: the first one, as etcd, etcdctl and Node do.
 *
 * @param certificateBelongs Whether certificates next to the key are meant, since the same file was given as `cert`.
 */
export function readKey(
  input: OpenedInput,
  passphrase: string | Uint8Array | null,
  certificateBelongs = false,
): KeyReading {
  const { blocks, place } = input
  const keys = blocks.filter(({ label }) => kindOfLabel(label) === 'private-key')
  const [first] = keys
  if (first === undefined) {
    const findings = [...input.findings, ...instead(input)]
    const isExplained = findings.some(({ severity }) => severity === 'error')
    if (!isExplained) findings.push(unexpectedBlocks(place, 'key', blocks))
    return { key: null, findings }
  }
  const { key, findings } = judge(input, first, passphrase)
  const lines = keys.map(({ line }) => line)
  const several = lines.length > 1 ? [finding('input/several', { kind: 'private keys', ...place, lines })] : []
  return { key, findings: [...input.findings, ...findings, ...several, ...beside(input, certificateBelongs)] }
}

function judge({ place }: OpenedInput, block: PemBlock, passphrase: string | Uint8Array | null): KeyReading {
  const reading = readKeyBlock(block, passphrase, place.origin)
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
function describePassphrase(passphrase: string | Uint8Array | null): 'empty' | 'ends with a line break' | 'given' {
  const octets = Buffer.from(passphrase ?? '')
  if (octets.length === 0) return 'empty'
  const last = octets.at(-1)
  return last === 0x0a || last === 0x0d ? 'ends with a line break' : 'given'
}

/** What is there instead of the key: the block that explains most. */
function instead({ blocks, place }: OpenedInput): Finding[] {
  const kinds: readonly BlockKind[] = ['openssh', 'foreign-key', 'certificate', 'old-certificate', 'public-key', 'pgp']
  for (const kind of kinds) {
    const block = blocks.find(({ label }) => kindOfLabel(label) === kind)
    if (block === undefined) continue
    if (kind === 'foreign-key')
      return [finding('key/unsupported', { kind: 'private key', ...place, algorithm: block.label })]
    return [unexpectedBlocks(place, 'key', [block])]
  }
  return []
}

/** What is next to the key, and harmless. */
function beside({ blocks, place }: OpenedInput, certificateBelongs: boolean): Finding[] {
  const reported = new Set<BlockKind>(['private-key', 'key-parameters'])
  if (certificateBelongs) reported.add('certificate')
  return blocks.flatMap(({ label, line }) => {
    const kind = kindOfLabel(label)
    if (reported.has(kind)) return []
    reported.add(kind)
    return [finding('input/other-block', { kind: 'unused', ...place, label, line, isKey: false })]
  })
}
