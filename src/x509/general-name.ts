/** GeneralName (RFC 5280 section 4.2.1.6), and its use in subject alternative names and name constraints. */
import { contextTag, DerError, type DerElement, DerReader, oidText, readItems, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { formatIp } from './ip.js'

export type GeneralNameKind =
  'dns' | 'ip' | 'uri' | 'email' | 'dirName' | 'otherName' | 'registeredId' | 'x400' | 'ediParty'

export interface GeneralName {
  readonly kind: GeneralNameKind
  /** For display: a string, an address or an RFC 4514 name; hexadecimal for other kinds. */
  readonly value: string
  readonly bytes: Uint8Array
  readonly directoryName?: DistinguishedName
}

const KINDS: readonly GeneralNameKind[] = [
  'otherName',
  'email',
  'dns',
  'x400',
  'dirName',
  'ediParty',
  'uri',
  'ip',
  'registeredId',
]
const CONSTRUCTED: ReadonlySet<GeneralNameKind> = new Set(['otherName', 'x400', 'dirName', 'ediParty'])

/** A name constraint has a mask after the address; a subject alternative name has none. */
export type IpForm = 'address' | 'address-and-mask'

/** Maximum number of names of a list. Go and OpenSSL read more, until the handshake is too long. */
export const MAX_NAMES = 5000

/** Maximum number of permitted, and of excluded subtrees of a CA. Real ones have about ten. */
const MAX_SUBTREES = 500

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** Makes its text on first use, because lists can be long and few of their names are shown. */
class LazyGeneralName implements GeneralName {
  readonly kind: GeneralNameKind
  readonly directoryName?: DistinguishedName
  readonly #source: Uint8Array
  readonly #start: number
  readonly #end: number
  #text: string | null = null

  constructor(kind: GeneralNameKind, reader: DerReader, { contentStart, end }: DerElement) {
    this.kind = kind
    this.#source = reader.bytes
    this.#start = contentStart
    this.#end = end
    if (kind === 'dirName') this.directoryName = readDirectoryName(reader, contentStart, end)
  }

  get bytes(): Uint8Array {
    return this.#source.subarray(this.#start, this.#end)
  }

  get value(): string {
    this.#text ??= textOf(this.kind, this.bytes, this.directoryName)
    return this.#text
  }
}

export function readGeneralName(reader: DerReader, ipForm: IpForm): GeneralName {
  const element = reader.element()
  const kind = (element.tag & 0xc0) === 0x80 ? KINDS[element.tag & 0x1f] : undefined
  if (kind === undefined) throw new DerError('a name of a kind that RFC 5280 does not know', element.start)
  if (((element.tag & 0x20) !== 0) !== CONSTRUCTED.has(kind)) {
    throw new DerError(`a ${kind} name whose encoding form is wrong`, element.start)
  }
  if (kind === 'dns' || kind === 'email' || kind === 'uri') checkAscii(reader.bytes, element)
  else if (kind === 'ip') checkAddress(element, ipForm)
  else if (kind === 'otherName') checkOtherName(reader, element)
  else if (kind === 'registeredId') oidText(reader.content(element), 'a registered id', element.start)
  return new LazyGeneralName(kind, reader, element)
}

export function readGeneralNames(reader: DerReader): GeneralName[] {
  return readNames(reader.enter(Tag.sequence, 'the list of names'))
}

export function readNames(list: DerReader): GeneralName[] {
  return readItems(list, MAX_NAMES, 'names', () => readGeneralName(list, 'address'))
}

/** Reads NameConstraints (RFC 5280 section 4.2.1.10): permitted or excluded subtrees, or both. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const fields = reader.enter(Tag.sequence, 'nameConstraints')
  const permitted = fields.enterOptional(contextTag(0, 'constructed'))
  const excluded = fields.enterOptional(contextTag(1, 'constructed'))
  if (permitted === null && excluded === null) {
    throw new DerError('nameConstraints that hold neither permitted nor excluded subtrees', fields.offset)
  }
  fields.finish('nameConstraints')
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) }
}

function readSubtrees(list: DerReader | null): GeneralName[] {
  if (list === null) return []
  return readItems(list, MAX_SUBTREES, 'names', () => {
    const subtree = list.enter(Tag.sequence, 'a subtree of nameConstraints')
    const name = readGeneralName(subtree, 'address-and-mask')
    // minimum must be 0, its default, and maximum absent (RFC 5280 section 4.2.1.10).
    subtree.finish('a subtree of nameConstraints')
    return name
  })
}

function readDirectoryName(reader: DerReader, start: number, end: number): DistinguishedName {
  const inner = new DerReader(reader.bytes, start, end)
  const directoryName = DistinguishedName.read(inner, 'directory name')
  inner.finish('a directory name')
  return directoryName
}

function checkAscii(bytes: Uint8Array, { start, contentStart, end }: DerElement): void {
  for (let at = contentStart; at < end; at++) {
    if ((bytes[at] ?? 0) >= 0x80) throw new DerError('a name with a character outside ASCII (IA5String)', start)
  }
}

/** OpenSSL does not choose a CA whose otherName it cannot read (RFC 5280 section 4.2.1.6, OtherName). */
function checkOtherName({ bytes }: DerReader, { contentStart, end }: DerElement): void {
  const fields = new DerReader(bytes, contentStart, end)
  fields.oid('the type of an otherName')
  const value = fields.enter(contextTag(0, 'constructed'), 'the value of an otherName')
  value.element()
  value.finish('the value of an otherName')
  fields.finish('an otherName')
}

function checkAddress({ start, contentStart, end }: DerElement, form: IpForm): void {
  const length = end - contentStart
  const size = form === 'address' ? length : length / 2
  if (size !== 4 && size !== 16) throw new DerError(`an IP address of ${String(length)} bytes`, start)
}

function textOf(kind: GeneralNameKind, bytes: Uint8Array, directoryName: DistinguishedName | undefined): string {
  switch (kind) {
    case 'dns':
    case 'email':
    case 'uri':
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    case 'ip':
      return ipText(bytes)
    case 'dirName':
      return directoryName?.toString() ?? ''
    case 'registeredId':
      return oidText(bytes, 'a registered id', 0)
    case 'otherName':
    case 'x400':
    case 'ediParty':
      return Buffer.from(bytes.subarray(0, 64)).toString('hex')
  }
}

/** An address of 4 or 16 bytes, or an address with its mask of 8 or 32 bytes. */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4 || bytes.length === 16) return formatIp(bytes)
  const size = bytes.length / 2
  return `${formatIp(bytes.subarray(0, size))}/${formatIp(bytes.subarray(size))}`
}
