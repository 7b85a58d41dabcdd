/** One certificate request (PKCS #10, RFC 2986), read from DER. */
import { inspect } from 'node:util'
import { printable } from '../report/printable.js'
import { publicKeyText } from './algorithms.js'
import { contextTag, DerError, DerReader, readItems, Tag } from './der.js'
import { decodeString, DistinguishedName } from './distinguished-name.js'
import { type RawExtension, readExtensionList } from './extensions.js'
import { isSignedWith, KeyHolder, type KeyHolderFields, pemBlock, readSigned, readSpki } from './signed.js'

/** Largest request in bytes. Real ones are under 2 kB; a thousand names fit. */
export const MAX_REQUEST_BYTES = 256 * 1024
/** Maximum number of attributes of a request, and of values of an attribute. Real requests have about four, with one value each. */
const MAX_ATTRIBUTES = 100

interface RequestAttribute {
  readonly oid: string
  /** Each value is a whole element in DER. */
  readonly values: readonly Uint8Array[]
}

/** Attributes that are read (RFC 2985 section 5.4). */
export const AttributeId = {
  challengePassword: '1.2.840.113549.1.9.7',
  unstructuredName: '1.2.840.113549.1.9.2',
  extensionRequest: '1.2.840.113549.1.9.14',
  /** Microsoft's predecessor of extensionRequest (szOID_CERT_EXTENSIONS). */
  microsoftExtensions: '1.3.6.1.4.1.311.2.1.14',
} as const

// Other common attributes. Windows certreq writes the last three into all requests.
const NAMES = new Map<string, string>([
  ...Object.entries(AttributeId).map(([name, oid]): [string, string] => [oid, name]),
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['1.2.840.113549.1.9.8', 'unstructuredAddress'],
  ['1.3.6.1.4.1.311.13.2.3', 'Microsoft osVersion'],
  ['1.3.6.1.4.1.311.13.2.2', 'Microsoft enrolmentCsp'],
  ['1.3.6.1.4.1.311.21.20', 'Microsoft clientInformation'],
])

/** The name of a known attribute, else its OBJECT IDENTIFIER. */
export function attributeName(oid: string): string {
  return NAMES.get(oid) ?? oid
}

interface RequestFields extends KeyHolderFields {
  readonly attributes: readonly RequestAttribute[]
}

/** A certificate request: a public key, the names and usages that its holder asks for, and the signature of that key. */
export class CertificateRequest extends KeyHolder {
  readonly #fields: RequestFields
  #isSigned: boolean | null = null

  private constructor(raw: Uint8Array, origin: string, fields: RequestFields) {
    super(raw, origin, fields)
    this.#fields = fields
  }

  /**
   * Reads a request.
   *
   * @param origin Where the bytes came from, for display.
   * @throws {DerError} if the bytes are not a request. A bad extension does not throw: see `extensions.problems`.
   */
  static parse(der: Uint8Array, origin = 'certificate request'): CertificateRequest {
    return new CertificateRequest(der, origin, readRequest(der))
  }

  /** Every attribute, in the order of the request, those with extensions included. */
  get attributes(): readonly { readonly oid: string; readonly values: readonly Uint8Array[] }[] {
    return this.#fields.attributes
  }

  /** Whether basicConstraints ask for a CA certificate. */
  get asksForCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Whether there is a challenge password (RFC 2985 section 5.4.1). It is not encrypted, and never printed. */
  get hasChallengePassword(): boolean {
    return this.attributes.some(({ oid }) => oid === AttributeId.challengePassword)
  }

  /** The unstructured name (RFC 2985 section 5.4.2); null if none can be read. */
  get unstructuredName(): string | null {
    const [value] = this.attributes.find(({ oid }) => oid === AttributeId.unstructuredName)?.values ?? []
    if (value === undefined) return null
    const reader = new DerReader(value)
    const element = reader.element()
    return decodeString(element.tag, reader.content(element))
  }

  /** Proof of possession: whether the key that the request is for made its signature. */
  isSignedByItself(): boolean {
    this.#isSigned ??= isSignedWith(this, this.#fields)
    return this.#isSigned
  }

  toPem(): string {
    return pemBlock('CERTIFICATE REQUEST', this.raw)
  }

  override toString(): string {
    return `${this.subject.toString() || '(no subject)'} (${publicKeyText(this.publicKeyInfo)}, ${printable(this.origin)})`
  }

  toJSON(): Record<string, unknown> {
    return {
      subject: this.subject.toString(),
      publicKey: publicKeyText(this.publicKeyInfo),
      subjectAltNames: this.subjectAltNames.map(({ kind, value }) => ({ kind, value: printable(value) })),
      origin: printable(this.origin),
    }
  }

  [inspect.custom](): string {
    return `CertificateRequest { ${this.toString()} }`
  }
}

function readRequest(der: Uint8Array): RequestFields {
  const { reader: info, tbs, signatureAlgorithm, signature } = readSigned(der, 'the request', MAX_REQUEST_BYTES)
  const version = info.smallInteger('the version') + 1
  const subject = DistinguishedName.read(info, 'subject')
  const key = readSpki(info)
  // RFC 2986 requires the field even if it is empty. Some programs omit it, and OpenSSL accepts that ("-asn1-kludge").
  const list = info.enterOptional(contextTag(0, 'constructed'))
  // The order, which DER prescribes, has no effect and is not checked.
  const attributes = list === null || list.atEnd ? [] : readItems(list, MAX_ATTRIBUTES, 'attributes', readAttribute)
  info.finish('the signed part')
  const extensionList = requestedExtensions(info.bytes, attributes)
  return { tbs, signatureAlgorithm, signature, version, subject, ...key, attributes, extensionList }
}

function readAttribute(list: DerReader): RequestAttribute {
  const attribute = list.enter(Tag.sequence, 'an attribute')
  const oid = attribute.oid('an attribute type')
  const set = attribute.enter(Tag.set, 'the values of an attribute')
  attribute.finish('an attribute')
  return { oid, values: readItems(set, MAX_ATTRIBUTES, 'values of an attribute', () => set.whole(set.element())) }
}

/** The extensions in all attributes. `bytes` is the whole request, so that offsets in errors refer to it. */
function requestedExtensions(bytes: Uint8Array, attributes: readonly RequestAttribute[]): RawExtension[] {
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
