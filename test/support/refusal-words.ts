/** The words by which peers refuse, as the catalogue lists them, and whether a peer really said them. */
import { catalogue } from '../../src/report/catalogue.js'
import type { Finding, FindingCode, Refusal } from '../../src/report/finding.js'
import { refusalsOf } from '../../src/report/row.js'
import { rows } from '../../src/validate/finding.js'

/** One refusal of one row. */
export interface Claim extends Refusal {
  readonly code: FindingCode
}

/** Every refusal of certificates in the catalogue. What else it lists (answers to calls, files) is not for here. */
export const CLAIMS: readonly Claim[] = Object.entries(catalogue)
  .filter(([code]) => code.startsWith('handshake/') || Object.hasOwn(rows, code))
  .flatMap(([code, row]) => refusalsOf(row).map((each) => ({ code: code as FindingCode, ...each })))

/** Whether the words stand in the text; `…` stands for anything. */
export function isSaid(words: string, text: string): boolean {
  const pattern = words.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(pattern.join('.*'), 's').test(text)
}

/** `key/weak: Node: INVALID_PURPOSE` */
export function claimText({ code, by, words }: Claim): string {
  return `${code}: ${by}: ${words}`
}

/** Whether the code is among the findings, or folded under one. */
export function holds(findings: readonly Finding[], code: FindingCode): boolean {
  return findings.some((each) => each.code === code || holds(each.consequences, code))
}

/** Whether the words belong to a handshake or to files, and not to a result on a chain. */
export function isOfHandshake({ code, by, words }: Claim): boolean {
  if (by === 'etcd' || code.startsWith('handshake/') || code === 'key/mismatch') return true
  if (code.startsWith('usage/gateway-')) return true
  return words.startsWith('remote error:') || words.startsWith('ERR_SSL_') || HANDSHAKE_WORDS.has(words)
}

const HANDSHAKE_WORDS: ReadonlySet<string> = new Set([
  'ee key too small',
  "tls: client didn't provide a certificate",
  'tls: failed to parse private key',
  'tls: unsupported certificate curve (P-224)',
])

/** Whether it takes two certificates or CRLs of one issuer: node-topologies.test.ts and narrowed-anchors.test.ts have those. */
export function isOfTopology({ code }: Claim): boolean {
  return code.includes('/openssl-picks-other-')
}

/** Whether Node has these codes only with an OpenSSL on the other side of 3.5 than the one that it comes with. */
export function isOfOtherOpenssl({ by, words }: Claim): boolean {
  const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number)
  const since35 = major > 3 || (major === 3 && minor >= 5)
  const others = since35
    ? /^ERR_SSL_SSLV3_ALERT_|^ERR_SSL_CA_MD_TOO_WEAK$/
    : /^ERR_SSL_SSL\/TLS_ALERT_|^CRL_SIGNATURE_FAILURE$/
  return by === 'Node' && others.test(words)
}
