/** One entry of a ledger as a line of text: a checksum, a space, JSON. */
import { hash } from 'node:crypto'
import { type LedgerEntry, REVOKE_REASONS } from '../ledger.js'

/** Octets of a checksum, in hexadecimal: the first 64 bits of SHA-256. */
const CHECKSUM_LENGTH = 16

/** The line, with its line feed. */
export function writeLine(entry: LedgerEntry): string {
  const text = JSON.stringify(entry.kind === 'crl' ? { ...entry, number: entry.number.toString() } : entry)
  return `${checksum(text)} ${text}\n`
}

/** The entry of a line without its line feed, or what is wrong with it, as the end of a sentence. */
export function readLine(line: string): LedgerEntry | string {
  const text = line.slice(CHECKSUM_LENGTH + 1)
  if (line[CHECKSUM_LENGTH] !== ' ' || line.slice(0, CHECKSUM_LENGTH) !== checksum(text)) {
    return 'does not fit its checksum'
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'is no JSON, although its checksum fits'
  }
  return readEntry(value) ?? 'is no entry that this version knows: a newer one may have written it'
}

function checksum(text: string): string {
  return hash('sha256', text, 'hex').slice(0, CHECKSUM_LENGTH)
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
      if (serialNumber === null || subject === null || role === null) return null
      if (notAfter === null || fingerprint256 === null) return null
      return { kind: 'issued', serialNumber, issuer, subject, role, notAfter, fingerprint256, at }
    }
    case 'revoked': {
      const serialNumber = text('serialNumber')
      const reason = REVOKE_REASONS.find((known) => known === text('reason'))
      if (serialNumber === null || reason === undefined) return null
      return { kind: 'revoked', serialNumber, issuer, reason, at }
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
