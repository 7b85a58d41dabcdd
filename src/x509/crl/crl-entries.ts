/**
 * The revoked certificates of a CRL (RFC 5280 sections 5.1.2.6 and 5.3). One strict pass over all entries builds an index by
 * serial number. CRLs are long, so the pass allocates no objects, and the index is one sorted array of numbers.
 */
import { bytesEqual, DerError, DerReader, oidText, Tag } from '../der.js'
import type { DistinguishedName } from '../distinguished-name.js'
import { readGeneralNames } from '../general-name.js'
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
  /** Whether the certificate has another issuer than the CRL. The issuer of an entry also applies to later entries. */
  readonly isOfOtherIssuer: boolean
}

/**
 * A number of the index, 53 bits: 26 bits of a hash of the serial number, one bit for an entry of another issuer, and 26 bits of
 * the offset.
 */
const OFFSET_RANGE = 2 ** 26
const HASH_UNIT = 2 * OFFSET_RANGE
const HASH_BITS = 26
/** The shortest entry has a header, a serial number of one byte and a UTCTime. */
const MIN_ENTRY_BYTES = 20

/** Largest CRL, 64 MiB: the index cannot address more. A million entries have 35 MB. */
export const MAX_CRL_BYTES = OFFSET_RANGE

/** Revoked certificates by serial number. */
export class RevokedEntries {
  /** OBJECT IDENTIFIERs of critical extensions of entries that are not processed. */
  readonly unknownCritical: readonly string[]
  /** Whether any entry has another issuer than the CRL, as only in indirect CRLs. */
  readonly hasOtherIssuer: boolean
  readonly #bytes: Uint8Array
  readonly #index: Float64Array

  private constructor(bytes: Uint8Array, index: Float64Array, pass: PassState) {
    this.#bytes = bytes
    this.#index = index
    this.hasOtherIssuer = pass.hasOtherIssuer
    this.unknownCritical = [...pass.critical]
  }

  /**
   * Reads all entries between two offsets.
   *
   * @param hasExtensions False for a CRL of version 1, whose entries must not have extensions.
   * @param issuer The issuer of the CRL.
   * @throws {DerError} if an entry cannot be read.
   */
  static read(
    bytes: Uint8Array,
    { start, end, hasExtensions }: { start: number; end: number; hasExtensions: boolean },
    issuer: DistinguishedName,
  ): RevokedEntries {
    const index = new Float64Array(Math.floor((end - start) / MIN_ENTRY_BYTES))
    const pass: PassState = { issuer, critical: new Set(), isOfOtherIssuer: false, hasOtherIssuer: false }
    let count = 0
    for (let at = start; at < end;) {
      const plainEnd = endOfPlainEntry(bytes, at, end, hasExtensions)
      const [serialStart, serialEnd, next] =
        plainEnd === -1
          ? checkEntry(new DerReader(bytes, at, end), hasExtensions, pass)
          : [at + 4, at + 4 + byteAt(bytes, at + 3), plainEnd]
      const place = pass.isOfOtherIssuer ? OFFSET_RANGE + at : at
      index[count++] = hashOf(bytes, serialStart, serialEnd) * HASH_UNIT + place
      at = next
    }
    return new RevokedEntries(bytes, count === index.length ? index.sort() : index.slice(0, count).sort(), pass)
  }

  get size(): number {
    return this.#index.length
  }

  /** Every entry with the INTEGER bytes of its serial number, in no particular order. */
  *all(): Generator<readonly [serial: Uint8Array, entry: CrlEntry]> {
    for (const key of this.#index) {
      const entry = new DerReader(this.#bytes, key % OFFSET_RANGE).enter(Tag.sequence, 'an entry of the CRL')
      const serial = entry.integer('a revoked serial number')
      yield [serial, readEntry(entry, key)]
    }
  }

  /** The entries of a serial number, given by its INTEGER bytes; more than one if the CRL repeats it. */
  entriesOf(serial: Uint8Array): CrlEntry[] {
    const bytes = this.#bytes
    const index = this.#index
    const hash = hashOf(serial, 0, serial.length)
    const found: CrlEntry[] = []
    for (let i = firstAtLeast(index, hash * HASH_UNIT); i < index.length; i++) {
      const key = index[i] ?? 0
      if (Math.floor(key / HASH_UNIT) !== hash) break
      const entry = new DerReader(bytes, key % OFFSET_RANGE).enter(Tag.sequence, 'an entry of the CRL')
      if (bytesEqual(entry.integer('a revoked serial number'), serial)) found.push(readEntry(entry, key))
    }
    return found
  }
}

/** FNV-1a over the bytes. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ byteAt(bytes, i), 0x01000193)
  return hash >>> (32 - HASH_BITS)
}

function byteAt(bytes: Uint8Array, at: number): number {
  // The callers check the range; the fallback is for the type checker.
  return bytes[at] ?? 0
}

function firstAtLeast(sorted: Float64Array, wanted: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low
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
  if (at + wanted.length >= end) return false
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false
  return true
}

/** Checks any entry. Returns the start and end of its serial number, and the end of the entry. */
function checkEntry(
  list: DerReader,
  hasExtensions: boolean,
  pass: PassState,
): readonly [serialStart: number, serialEnd: number, end: number] {
  const entry = list.enter(Tag.sequence, 'an entry of the CRL')
  const serial = entry.integer('a revoked serial number')
  const serialEnd = entry.offset
  readTime(entry, 'a revocation date')
  if (!entry.atEnd) {
    if (!hasExtensions) throw new DerError('extensions in an entry of a CRL of version 1', entry.offset)
    checkExtensions(entry.enter(Tag.sequence, 'the extensions of an entry'), pass)
    entry.finish('an entry of the CRL')
  }
  return [serialEnd - serial.length, serialEnd, list.offset]
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
    const id = extension.content(extension.expect(Tag.oid, 'the id of an entry’s extension'))
    const critical = extension.peek() === Tag.boolean ? extension.boolean('a critical flag') : false
    const value = extension.octetString('the value of an entry’s extension')
    extension.finish('an extension of an entry')
    const kind = id.length === 3 && id[0] === 0x55 && id[1] === 0x1d ? (id[2] ?? -1) : -1
    yield { id, kind, critical, value }
  } while (!list.atEnd)
}

/** State of the pass: critical extensions and other issuers in the entries so far. */
interface PassState {
  /** The issuer of the CRL. */
  readonly issuer: DistinguishedName
  readonly critical: Set<string>
  /** Whether the current issuer differs. It applies until an entry has another issuer (RFC 5280 section 5.3.3). */
  isOfOtherIssuer: boolean
  hasOtherIssuer: boolean
}

function checkExtensions(list: DerReader, pass: PassState): void {
  const seen = new Set<string>()
  for (const { id, kind, critical, value } of readExtensions(list)) {
    const key = Buffer.from(id).toString('latin1')
    if (seen.has(key)) throw new DerError('an entry of the CRL has the same extension twice', list.offset)
    seen.add(key)
    if (kind === REASON_CODE) readReason(value)
    else if (kind === INVALIDITY_DATE) readInvalidityDate(value)
    // Processed even if it is not critical: it changes the issuer of this entry and the following ones (section 5.3.3).
    else if (kind === CERTIFICATE_ISSUER) {
      pass.isOfOtherIssuer = !namesIssuer(value, pass.issuer)
      pass.hasOtherIssuer ||= pass.isOfOtherIssuer
    } else if (critical) pass.critical.add(oidText(id, 'the id of an extension', 0))
  }
}

function namesIssuer(value: Uint8Array, issuer: DistinguishedName): boolean {
  const reader = new DerReader(value)
  const names = readGeneralNames(reader)
  reader.finish('the issuer of an entry')
  return names.some(({ directoryName }) => directoryName?.equals(issuer) === true)
}

/** Reads the rest of a checked entry after its serial number. */
function readEntry(entry: DerReader, key: number): CrlEntry {
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
  return { revokedAt, reason, invalidSince, isOfOtherIssuer: key % HASH_UNIT >= OFFSET_RANGE }
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
