/** GeneralName (RFC 5280 section 4.2.1.6): the names of a subject alternative name and of name constraints. */
import { DerError, type DerElement, type DerReader, oidText, Tag } from './der.js'
import { DistinguishedName } from './distinguished-name.js'
import { formatIp } from './ip.js'

export type GeneralNameKind =
  'dns' | 'ip' | 'uri' | 'email' | 'dirName' | 'otherName' | 'registeredId' | 'x400' | 'ediParty'

export interface GeneralName {
  readonly kind: GeneralNameKind
  /** The name for people: text, address, or RFC 4514 name; a hexadecimal dump for kinds that are not read. */
  readonly value: string
  /** The contents: the address octets of `ip`, the text's octets of `dns`, `uri` and `email`. */
  readonly bytes: Uint8Array
  /** Only of `dirName`. */
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

/** How an IP address stands here: alone in a subject alternative name, with its mask in a name constraint. */
export type IpForm = 'address' | 'address-and-mask'

/** Reads one GeneralName. */
export function readGeneralName(reader: DerReader, ipForm: IpForm): GeneralName {
  const element = reader.element()
  const kind = (element.tag & 0xc0) === 0x80 ? KINDS[element.tag & 0x1f] : undefined
  if (kind === undefined) throw new DerError('a name of a kind that RFC 5280 does not know', element.start)
  if (((element.tag & 0x20) !== 0) !== CONSTRUCTED.has(kind)) {
    throw new DerError(`a ${kind} name whose encoding form is wrong`, element.start)
  }
  const bytes = reader.content(element)
  switch (kind) {
    case 'dns':
    case 'email':
    case 'uri':
      return { kind, bytes, value: ia5Text(bytes, element) }
    case 'ip':
      return { kind, bytes, value: ipText(bytes, ipForm, element) }
    case 'dirName': {
      const inner = reader.inside(element)
      const directoryName = DistinguishedName.read(inner, 'directory name')
      inner.finish('a directory name')
      return { kind, bytes, directoryName, value: directoryName.toString() }
    }
    case 'registeredId':
      return { kind, bytes, value: oidText(bytes, 'a registered id', element.start) }
    case 'otherName':
    case 'x400':
    case 'ediParty':
      return { kind, bytes, value: Buffer.from(bytes.subarray(0, 64)).toString('hex') }
  }
}

/** Reads GeneralNames: a SEQUENCE of at least one. */
export function readGeneralNames(reader: DerReader): GeneralName[] {
  const list = reader.enter(Tag.sequence, 'the list of names')
  const names: GeneralName[] = []
  do names.push(readGeneralName(list, 'address'))
  while (!list.atEnd)
  return names
}

function ia5Text(bytes: Uint8Array, element: DerElement): string {
  for (const octet of bytes) {
    if (octet >= 0x80) throw new DerError('a name with a character outside ASCII (IA5String)', element.start)
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function ipText(bytes: Uint8Array, form: IpForm, element: DerElement): string {
  const size = form === 'address' ? bytes.length : bytes.length / 2
  if (size !== 4 && size !== 16) {
    throw new DerError(`an IP address of ${String(bytes.length)} octets`, element.start)
  }
  if (form === 'address') return formatIp(bytes)
  return `${formatIp(bytes.subarray(0, size))}/${formatIp(bytes.subarray(size))}`
}
