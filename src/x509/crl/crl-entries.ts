/**
 * The revoked certificates of a CRL (RFC 5280 sections 5.1.2.6 and 5.3). One strict pass checks all entries. A look-up is a pass over
 * their bytes: nothing is kept for an entry, because CRLs are long.
 */
import { DerError, DerReader, oidText, Tag } from '../der.js'
import { isTime, readTime } from '../time.js'
import { REVOCATION_REASONS } from './distribution-point.js'

const REASON_CODE = 21
const INVALIDITY_DATE = 24
const CERTIFICATE_ISSUER = 29

/** CRLReason by number (RFC 5280 section 5.3.1); 7 is unused. */
const REASONS: readonly (string | undefined)[] = [
  'unspecified',
  ...REVOCATION_REASONS.slice(0, 6),
  undefined,
  'removeFromCRL',
  ...REVOCATION_REASONS.slice(6),
]

/** The number of a CRLReason; null for an unknown name. */
export function reasonNumber(name: string): number | null {
  const number = REASONS.indexOf(name)
  return number === -1 ? null : number
}

/** One revoked serial number. */
export interface CrlEntry {
  readonly revokedAt: Date
  /** The name in RFC 5280, or such as `reason 11` for an unknown number; null if the entry has no reason. */
  readonly reason: string | null
  /** The invalidity date (RFC 5280 section 5.3.2), from which the key may be compromised; null if absent. */
  readonly invalidSince: Date | null
}

/** Largest CRL, 64 MiB: about two million entries. */
export const MAX_CRL_BYTES = 2 ** 26

export class RevokedEntries {
  readonly size: number
  /** OBJECT IDENTIFIERs of critical extensions of entries that are not processed. */
  readonly unknownCritical: readonly string[]
  /** Whether an entry names its issuer, as only in indirect CRLs (RFC 5280 section 5.3.3). */
  readonly hasCertificateIssuer: boolean
  readonly #bytes: Uint8Array
  readonly #start: number

  private constructor(bytes: Uint8Array, start: number, size: number, pass: PassState) {
    this.#bytes = bytes
    this.#start = start
    this.size = size
    this.unknownCritical = [...pass.critical]
    this.hasCertificateIssuer = pass.hasCertificateIssuer
  }

  /**
   * Checks all entries between two offsets.
   *
   * @param hasExtensions False for a CRL of version 1, whose entries must not have extensions.
   * @throws {DerError} if an entry cannot be read.
   */
  static read(
    bytes: Uint8Array,
    { start, end, hasExtensions }: { start: number; end: number; hasExtensions: boolean },
  ): RevokedEntries {
    const pass: PassState = { critical: new Set(), hasCertificateIssuer: false }
    let size = 0
    for (let at = start; at < end; size++) {
      const plainEnd = endOfPlainEntry(bytes, at, end, hasExtensions)
      at = plainEnd === -1 ? checkEntry(new DerReader(bytes, at, end), hasExtensions, pass) : plainEnd
    }
    return new RevokedEntries(bytes, start, size, pass)
  }

  *all(): Generator<readonly [serial: Uint8Array, entry: CrlEntry]> {
    const entries = new DerReader(this.#bytes, this.#start)
    for (let i = 0; i < this.size; i++) {
      const entry = entries.enter(Tag.sequence, 'an entry of the CRL')
      const serial = entry.integer('a revoked serial number')
      yield [serial, readEntry(entry)]
    }
  }

  /**
   * The entry of a serial number, given by its INTEGER bytes; null if it is not listed. If there are several, the first whose
   * reason is not removeFromCRL.
   */
  find(serial: Uint8Array): CrlEntry | null {
    const bytes = this.#bytes
    let removed: CrlEntry | null = null
    let at = this.#start
    for (let i = 0; i < this.size; i++) {
      const serialAt = contentAt(bytes, at)
      const timeAt = endOf(bytes, serialAt)
      const contentStart = contentAt(bytes, serialAt)
      const next = endOf(bytes, at)
      if (timeAt - contentStart === serial.length && hasBytesAt(bytes, contentStart, serial)) {
        const entry = readEntry(new DerReader(bytes, timeAt, next))
        if (entry.reason !== 'removeFromCRL') return entry
        removed ??= entry
      }
      at = next
    }
    return removed
  }
}

function byteAt(bytes: Uint8Array, at: number): number {
  // The callers check the range; the fallback is for the type checker.
  return bytes[at] ?? 0
}

function contentAt(bytes: Uint8Array, at: number): number {
  const first = byteAt(bytes, at + 1)
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

function endOf(bytes: Uint8Array, at: number): number {
  const first = byteAt(bytes, at + 1)
  if (first < 0x80) return at + 2 + first
  const contentStart = contentAt(bytes, at)
  let length = 0
  for (let i = at + 2; i < contentStart; i++) length = length * 256 + byteAt(bytes, i)
  return contentStart + length
}

function hasBytesAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false
  return true
}

/**
 * Checks an entry in its usual form: lengths of one byte, and no extensions except a reason and an invalidity date that are not
 * critical. Returns its end, or -1 if {@link checkEntry} must check it.
 */
function endOfPlainEntry(bytes: Uint8Array, start: number, limit: number, hasExtensions: boolean): number {
  const end = start + 2 + byteAt(bytes, start + 1)
  const serialLength = byteAt(bytes, start + 3)
  const timeAt = start + 4 + serialLength
  if (byteAt(bytes, start) !== Tag.sequence || byteAt(bytes, start + 1) >= 0x80 || end > limit) return -1
  if (byteAt(bytes, start + 2) !== Tag.integer || serialLength === 0 || serialLength >= 0x80 || timeAt + 2 > end)
    return -1
  const [first, second] = [byteAt(bytes, start + 4), byteAt(bytes, start + 5)]
  const isPadded = serialLength > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  const timeEnd = timeAt + 2 + byteAt(bytes, timeAt + 1)
  if (isPadded || timeEnd > end || !isTime(bytes, byteAt(bytes, timeAt), timeAt + 2, timeEnd)) return -1
  return timeEnd === end || (hasExtensions && arePlainExtensions(bytes, timeEnd, end)) ? end : -1
}

/** The usual extensions up to their value. */
const PLAIN_REASON = Buffer.from('300a0603551d1504030a01', 'hex')
const PLAIN_INVALIDITY_DATE = Buffer.from('30180603551d180411180f', 'hex')

function arePlainExtensions(bytes: Uint8Array, start: number, end: number): boolean {
  if (byteAt(bytes, start) !== Tag.sequence || start + 2 + byteAt(bytes, start + 1) !== end) return false
  let at = start + 2
  if (startsWith(bytes, at, end, PLAIN_REASON)) {
    if (byteAt(bytes, at + PLAIN_REASON.length) >= 0x80) return false
    at += PLAIN_REASON.length + 1
    if (at === end) return true
  }
  if (!startsWith(bytes, at, end, PLAIN_INVALIDITY_DATE)) return false
  const timeAt = at + PLAIN_INVALIDITY_DATE.length
  return timeAt + 15 === end && isTime(bytes, Tag.generalizedTime, timeAt, end)
}

function startsWith(bytes: Uint8Array, at: number, end: number, wanted: Buffer): boolean {
  return at + wanted.length < end && hasBytesAt(bytes, at, wanted)
}

function checkEntry(list: DerReader, hasExtensions: boolean, pass: PassState): number {
  const entry = list.enter(Tag.sequence, 'an entry of the CRL')
  entry.integer('a revoked serial number')
  readTime(entry, 'a revocation date')
  if (!entry.atEnd) {
    if (!hasExtensions) throw new DerError('extensions in an entry of a CRL of version 1', entry.offset)
    checkExtensions(entry.enter(Tag.sequence, 'the extensions of an entry'), pass)
    entry.finish('an entry of the CRL')
  }
  return list.offset
}

/** `kind`: the last arc of an id below 2.5.29, else -1. */
interface EntryExtension {
  readonly id: Uint8Array
  readonly kind: number
  readonly critical: boolean
  readonly value: Uint8Array
}

function* readExtensions(list: DerReader): Generator<EntryExtension> {
  do {
    const extension = list.enter(Tag.sequence, 'an extension of an entry')
    const id = extension.content(extension.expect(Tag.oid, "the id of an entry's extension"))
    const critical = extension.peek() === Tag.boolean ? extension.boolean('a critical flag') : false
    const value = extension.octetString("the value of an entry's extension")
    extension.finish('an extension of an entry')
    const kind = id.length === 3 && id[0] === 0x55 && id[1] === 0x1d ? (id[2] ?? -1) : -1
    yield { id, kind, critical, value }
  } while (!list.atEnd)
}

interface PassState {
  readonly critical: Set<string>
  hasCertificateIssuer: boolean
}

function checkExtensions(list: DerReader, pass: PassState): void {
  const seen = new Set<string>()
  for (const { id, kind, critical, value } of readExtensions(list)) {
    const key = Buffer.from(id).toString('latin1')
    if (seen.has(key)) throw new DerError('an entry of the CRL has the same extension twice', list.offset)
    seen.add(key)
    if (kind === REASON_CODE) readReason(value)
    else if (kind === INVALIDITY_DATE) readInvalidityDate(value)
    // Counts even if it is not critical: it changes the issuer of this entry and the following ones.
    else if (kind === CERTIFICATE_ISSUER) pass.hasCertificateIssuer = true
    else if (critical) pass.critical.add(oidText(id, 'the id of an extension', 0))
  }
}

function readEntry(entry: DerReader): CrlEntry {
  const revokedAt = readTime(entry, 'a revocation date')
  const list = entry.enterOptional(Tag.sequence)
  let reason: string | null = null
  let invalidSince: Date | null = null
  if (list !== null) {
    for (const { kind, value } of readExtensions(list)) {
      if (kind === REASON_CODE) reason = readReason(value)
      else if (kind === INVALIDITY_DATE) invalidSince = readInvalidityDate(value)
    }
  }
  return { revokedAt, reason, invalidSince }
}

function readReason(value: Uint8Array): string {
  const reader = new DerReader(value)
  const number = reader.smallInteger('a reason code', Tag.enumerated)
  reader.finish('a reason code')
  return REASONS[number] ?? `reason ${String(number)}`
}

function readInvalidityDate(value: Uint8Array): Date {
  const reader = new DerReader(value)
  if (reader.peek() !== Tag.generalizedTime) throw new DerError('an invalidity date that is not a GeneralizedTime', 0)
  const date = readTime(reader, 'an invalidity date')
  reader.finish('an invalidity date')
  return date
}
