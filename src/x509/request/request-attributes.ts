/** Attributes of a certificate request (RFC 2986 section 4.1, RFC 2985 section 5.4). */
import { DerError, DerReader, Tag } from '../der.js'
import { decodeString } from '../distinguished-name.js'
import { type RawExtension, readExtensionList } from '../extensions.js'

/** One attribute as it stands in the request. */
export interface RequestAttribute {
  readonly oid: string
  /** The values, each a whole element in DER. */
  readonly values: readonly Uint8Array[]
}

export const AttributeId = {
  challengePassword: '1.2.840.113549.1.9.7',
  unstructuredName: '1.2.840.113549.1.9.2',
  extensionRequest: '1.2.840.113549.1.9.14',
  /** The same by Microsoft, of the time before there was one (szOID_CERT_EXTENSIONS). */
  microsoftExtensions: '1.3.6.1.4.1.311.2.1.14',
} as const

// What is seen in requests next to those: certreq of Windows writes the last three into all of its own.
const NAMES = new Map<string, string>([
  ...Object.entries(AttributeId).map(([name, oid]): [string, string] => [oid, name]),
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['1.2.840.113549.1.9.8', 'unstructuredAddress'],
  ['1.3.6.1.4.1.311.13.2.3', 'Microsoft osVersion'],
  ['1.3.6.1.4.1.311.13.2.2', 'Microsoft enrolmentCsp'],
  ['1.3.6.1.4.1.311.21.20', 'Microsoft clientInformation'],
])

/** The attribute's name where it is known here, else its OBJECT IDENTIFIER. */
export function attributeName(oid: string): string {
  return NAMES.get(oid) ?? oid
}

/** Most attributes read of one request, and most values of one attribute. Real requests have about four, of one value each. */
const MAX_ATTRIBUTES = 100

/** Reads the contents of the attributes. Their order, which DER fixes, decides nothing and is not looked at. */
export function readRequestAttributes(list: DerReader): RequestAttribute[] {
  const attributes: RequestAttribute[] = []
  while (!list.atEnd) {
    if (attributes.length >= MAX_ATTRIBUTES) {
      throw new DerError(`more than ${String(MAX_ATTRIBUTES)} attributes`, list.offset)
    }
    const attribute = list.enter(Tag.sequence, 'an attribute')
    const oid = attribute.oid('an attribute type')
    const set = attribute.enter(Tag.set, 'the values of an attribute')
    attribute.finish('an attribute')
    attributes.push({ oid, values: readValues(set) })
  }
  return attributes
}

function readValues(set: DerReader): Uint8Array[] {
  const values: Uint8Array[] = []
  do {
    if (values.length >= MAX_ATTRIBUTES) {
      throw new DerError(`an attribute of more than ${String(MAX_ATTRIBUTES)} values`, set.offset)
    }
    values.push(set.whole(set.element()))
  } while (!set.atEnd)
  return values
}

/**
 * The extensions that are asked for, of all attributes that can hold some. Two of one kind stand in the list twice, so that
 * it shows.
 *
 * @param bytes The request that the attributes are views of, so that errors tell places in it.
 * @throws {DerError} where an attribute is no such list.
 */
export function requestedExtensions(bytes: Uint8Array, attributes: readonly RequestAttribute[]): RawExtension[] {
  return attributes.flatMap(({ oid, values }) => {
    if (oid !== AttributeId.extensionRequest && oid !== AttributeId.microsoftExtensions) return []
    const [value, ...more] = values
    if (value === undefined) return []
    const start = value.byteOffset - bytes.byteOffset
    if (more.length > 0) throw new DerError('an extension request of more than one value', start)
    const reader = new DerReader(bytes, start, start + value.length)
    return readExtensionList(reader.enter(Tag.sequence, 'the requested extensions'))
  })
}

/** The first value of an attribute that holds a text; null if there is none, or none that can be read. */
export function attributeText(attributes: readonly RequestAttribute[], oid: string): string | null {
  const [value] = attributes.find((each) => each.oid === oid)?.values ?? []
  if (value === undefined) return null
  const reader = new DerReader(value)
  const element = reader.element()
  return decodeString(element.tag, reader.content(element))
}
