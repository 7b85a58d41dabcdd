/** Distinguished names and general names for the certificate minter. */
import { isIPv4, isIPv6 } from 'node:net'
import { context, contextPrimitive, oid, oidContent, sequence, setOf, tlv, TAG, textString } from './der-writer.js'

const ATTRIBUTES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SN: '2.5.4.4',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
}

/** One attribute, in an RDN of its own: a short name or a dotted OID, the text, and a string tag (UTF8String if left out). */
export type Attribute = readonly [type: string, value: string, tag?: number]

/**
 * A distinguished name: text is one CN (`''` is the empty name), a list is one RDN each in the order written,
 * bytes are taken as the whole Name, as they are.
 */
export type Name = string | readonly Attribute[] | Uint8Array

export function encodeName(name: Name): Buffer {
  if (name instanceof Uint8Array) return Buffer.from(name)
  if (typeof name === 'string') return encodeName(name === '' ? [] : [['CN', name]])
  return sequence(...name.map((attribute) => setOf(encodeAttribute(attribute))))
}

/** One AttributeTypeAndValue; several of them in one `setOf` make a multi-valued RDN. */
export function encodeAttribute([type, value, tag = TAG.utf8String]: Attribute): Buffer {
  return sequence(oid(ATTRIBUTES[type] ?? type), textString(tag, value))
}

/** One GeneralName, encoded. */
export type GeneralName = Buffer

export function dns(name: string): GeneralName {
  return contextPrimitive(2, Buffer.from(name, 'latin1'))
}

export function uri(text: string): GeneralName {
  return contextPrimitive(6, Buffer.from(text, 'latin1'))
}

export function email(address: string): GeneralName {
  return contextPrimitive(1, Buffer.from(address, 'latin1'))
}

/** An iPAddress from text. */
export function ip(address: string): GeneralName {
  return ipBytes(addressBytes(address))
}

/** An iPAddress from any bytes, also of a wrong length. */
export function ipBytes(bytes: Uint8Array): GeneralName {
  return contextPrimitive(7, bytes)
}

/** An address range for name constraints, `10.0.0.0/8` or `fd00::/8`: address and mask. */
export function ipRange(range: string): GeneralName {
  const [address = '', bits = ''] = range.split('/')
  const bytes = addressBytes(address)
  const mask = Buffer.alloc(bytes.length)
  for (let bit = 0; bit < Number(bits); bit += 1) {
    const at = Math.floor(bit / 8)
    mask[at] = (mask[at] ?? 0) | (0x80 >> (bit % 8))
  }
  return ipBytes(Buffer.concat([bytes, mask]))
}

export function directoryName(name: Name): GeneralName {
  return context(4, encodeName(name))
}

export function registeredId(dotted: string): GeneralName {
  return contextPrimitive(8, oidContent(dotted))
}

/** An otherName; `value` is the DER inside its explicit tag. */
export function otherName(type: string, value: Uint8Array): GeneralName {
  return context(0, oid(type), context(0, value))
}

/** A GeneralName with any identifier byte and any content. */
export function rawName(tag: number, content: Uint8Array): GeneralName {
  return tlv(tag, content)
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) throw new TypeError(`${address} is not an IP address`)
  // The form that URLs have: an IPv4 address at the end is written as two groups.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groupsOf = (text = ''): string[] => (text === '' ? [] : text.split(':'))
  const [left, right] = [groupsOf(head), groupsOf(tail)]
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
