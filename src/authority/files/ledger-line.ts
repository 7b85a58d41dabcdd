/**
 * One entry of a ledger as a line of text: a hash, a space, JSON. The hash is over the line before and the JSON, so that a
 * line that is changed, removed or inserted is found out by the next one.
 */
import { hash } from 'node:crypto'
import { type LedgerEntry, REVOKE_REASONS } from '../ledger.js'

/** Characters of a hash: the first 128 bits of SHA-256, in hexadecimal. */
export const HASH_LENGTH = 32
/** What the first line follows. */
export const NO_HASH = '00000000000000000000000000000000'

/** The lines of entries, each with its line feed, and the hash of the last. */
export function writeLines(entries: readonly LedgerEntry[], before: string): { lines: string; hash: string } {
  let hash = before
  let lines = ''
  for (const entry of entries) {
    const text = JSON.stringify(entry.kind === 'crl' ? { ...entry, number: entry.number.toString() } : entry)
    hash = hashOf(hash, text)
    lines += `${hash} ${text}\n`
  }
  return { lines, hash }
}

/**
 * The entry of a line without its line feed, or what is wrong with it, as the end of a sentence.
 *
 * @param before The hash of the line before.
 */
export function readLine(line: string, before: string): LedgerEntry | string {
  const text = line.slice(HASH_LENGTH + 1)
  if (line[HASH_LENGTH] !== ' ' || line.slice(0, HASH_LENGTH) !== hashOf(before, text)) {
    return 'was changed, or does not follow the line before it'
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'is not JSON, although its hash matches'
  }
  return readEntry(value) ?? 'is not an entry that this version knows: a newer one may have written it'
}

function hashOf(before: string, text: string): string {
  return hash('sha256', `${before} ${text}`, 'hex').slice(0, HASH_LENGTH)
}

function readEntry(value: unknown): LedgerEntry | null {
  if (typeof value !== 'object' || value === null) return null
  const fields = value as Readonly<Record<string, unknown>> // each is looked at below
  const text = (name: string): string | null => {
    const field = fields[name]
    return typeof field === 'string' ? field : null
  }
  const at = readDate(text('at'))
  const issuer = text('issuer')
  if (at === null || issuer === null) return null
  switch (text('kind')) {
    case 'issued': {
      const [serialNumber, subject, role] = [text('serialNumber'), text('subject'), text('role')]
      const [notAfter, fingerprint256] = [readDate(text('notAfter')), text('fingerprint256')]
      const keyFingerprint256 = text('keyFingerprint256')
      if (serialNumber === null || subject === null || role === null) return null
      if (notAfter === null || fingerprint256 === null || keyFingerprint256 === null) return null
      return { kind: 'issued', serialNumber, issuer, subject, role, notAfter, fingerprint256, keyFingerprint256, at }
    }
    case 'revoked': {
      const serialNumber = text('serialNumber')
      const reason = REVOKE_REASONS.find((known) => known === text('reason'))
      if (serialNumber === null || reason === undefined) return null
      return { kind: 'revoked', serialNumber, issuer, reason, keyFingerprint256: text('keyFingerprint256'), at }
    }
    case 'crl': {
      const number = text('number')
      return number === null || !/^\d+$/.test(number) ? null : { kind: 'crl', number: BigInt(number), issuer, at }
    }
    default:
      return null
  }
}

function readDate(text: string | null): Date | null {
  if (text === null) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}
