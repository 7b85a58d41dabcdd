/** The private key of one input, and a finding for everything else that stands there. */
import type { Finding } from '../report/finding.js'
import type { PrivateKey } from '../x509/keys.js'
import type { PemBlock } from '../x509/pem.js'
import { readPrivateKey as readKeyBlock } from '../x509/read-key.js'
import { finding } from './finding.js'
import type { OpenedInput } from './input.js'
import { type BlockKind, kindOfLabel, labelsOf } from './labels.js'

export interface KeyReading {
  readonly key: PrivateKey | null
  readonly findings: readonly Finding[]
}

/**
 * Reads the private key: the first one, as etcd, etcdctl and Node do.
 *
 * @param certificateBelongs Whether certificates beside the key are meant, since the same file was given as `cert`.
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
    const saidWhy = findings.some(({ severity }) => severity === 'error')
    if (!saidWhy) findings.push(finding('key/none', { ...place, found: labelsOf(blocks) }))
    return { key: null, findings }
  }
  const { key, findings } = judge(input, first, passphrase)
  const several = keys.length > 1 ? [finding('key/several', { ...place, lines: keys.map(({ line }) => line) })] : []
  return { key, findings: [...input.findings, ...findings, ...several, ...beside(input, certificateBelongs)] }
}

function judge({ place }: OpenedInput, block: PemBlock, passphrase: string | Uint8Array | null): KeyReading {
  const reading = readKeyBlock(block, passphrase, place.origin)
  switch (reading.kind) {
    case 'key': {
      const findings: Finding[] = []
      // An empty passphrase is none: an option that was filled from an unset variable.
      const unneeded = reading.encryption === null && passphrase !== null && passphrase.length > 0
      if (unneeded) findings.push(finding('key/passphrase-unneeded', { ...place }))
      if (reading.encryption?.form === 'pem') {
        findings.push(finding('key/encryption-weak', { ...place, encryption: reading.encryption.name }))
      }
      return { key: reading.key, findings }
    }
    case 'passphrase-missing':
      return failed(finding('key/passphrase-missing', { ...place, encryption: reading.encryption.name }))
    case 'passphrase-wrong': {
      const given = describePassphrase(passphrase)
      return failed(
        finding('key/passphrase-wrong', { ...place, encryption: reading.encryption.name, passphrase: given }),
      )
    }
    case 'encryption-unsupported':
      return failed(finding('key/encryption-unsupported', { ...place, encryption: reading.encryption.name }))
    case 'encryption-too-costly':
      return failed(
        finding('key/encryption-too-costly', {
          ...place,
          encryption: reading.encryption.name,
          excess: reading.excess,
        }),
      )
    case 'algorithm-unsupported':
      return failed(finding('key/algorithm-unsupported', { ...place, algorithm: reading.algorithm }))
    case 'malformed':
      return failed(finding('key/malformed', { ...place, line: block.line, reason: reading.reason }))
    case 'inconsistent':
      return failed(finding('key/inconsistent', { ...place, algorithm: reading.algorithm }))
  }
}

function failed(reason: Finding): KeyReading {
  return { key: null, findings: [reason] }
}

/** The two slips that can be told without showing anything of the passphrase. */
function describePassphrase(passphrase: string | Uint8Array | null): 'empty' | 'ends with a line break' | 'given' {
  const octets = Buffer.from(passphrase ?? '')
  if (octets.length === 0) return 'empty'
  const last = octets.at(-1)
  return last === 0x0a || last === 0x0d ? 'ends with a line break' : 'given'
}

/** What stands where the key was meant. */
function instead({ blocks, place }: OpenedInput): Finding[] {
  const first = (kind: BlockKind): PemBlock | undefined => blocks.find(({ label }) => kindOfLabel(label) === kind)
  const certificate = first('certificate') ?? first('old-certificate')
  const openssh = first('openssh')
  const foreign = first('foreign-key')
  const publicKey = first('public-key')
  const pgp = first('pgp')
  if (openssh !== undefined) return [finding('pem/ssh', { ...place, role: 'key', holds: 'a private key' })]
  if (foreign !== undefined) return [finding('key/algorithm-unsupported', { ...place, algorithm: foreign.label })]
  if (certificate !== undefined) {
    return [finding('credentials/certificate-instead-of-key', { ...place, line: certificate.line })]
  }
  if (publicKey !== undefined) return [finding('key/public-key-instead', { ...place, line: publicKey.line })]
  return pgp === undefined ? [] : [finding('pem/pgp', { ...place, role: 'key', label: pgp.label })]
}

/** What stands beside the key: nothing of it does harm, and a certificate is worth a word. */
function beside({ blocks, place }: OpenedInput, certificateBelongs: boolean): Finding[] {
  const told = new Set<BlockKind>(['private-key', 'key-parameters'])
  if (certificateBelongs) told.add('certificate')
  return blocks.flatMap(({ label, line }) => {
    const kind = kindOfLabel(label)
    if (told.has(kind)) return []
    told.add(kind)
    const code = kind === 'certificate' ? 'credentials/certificate-in-key-file' : 'credentials/block-ignored'
    return [finding(code, { ...place, label, line })]
  })
}
