/** Extensions that the caller brings. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import { writeExtension } from '../x509/certificate-writer.js'
import { DerError, DerReader } from '../x509/der.js'
import { ExtensionId, extensionName, isOid } from '../x509/extensions.js'

/** An extension that is written as it is given. */
export interface ExtraExtension {
  /** OBJECT IDENTIFIER in dotted form. */
  oid: string
  /** Whether who does not know it has to refuse the certificate; etcd, Go and Node then do. Default: false. */
  critical?: boolean | undefined
  /** The contents in DER: one element. */
  value: Uint8Array
}

/** What an authority writes itself, from other options. */
const OURS: readonly string[] = [
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.subjectAltName,
]
const MOST = 20
const MOST_OCTETS = 8 * 1024
/** Beside the hosts and the chain: Go reads no handshake message above 64 KiB (crypto/tls `maxHandshake`). */
const MOST_OCTETS_IN_ALL = 16 * 1024

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readExtensions(value: unknown, option: string): Uint8Array[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MOST)
    throw optionInvalid(option, `must be a list of at most ${String(MOST)} extensions`)
  const seen = new Set(OURS)
  const written = value.map((each: unknown, index) => {
    const where = `${option}[${String(index)}]`
    checkOptions(where, each, ['oid', 'critical', 'value'])
    const { oid, critical = false, value: octets } = each as Record<string, unknown> // the keys were checked above
    if (typeof oid !== 'string' || !isOid(oid))
      throw textInvalid(`${where}.oid`, oid, 'an OBJECT IDENTIFIER in dotted form, such as 1.3.6.1.4.1.99999.1')
    if (seen.has(oid))
      throw optionInvalid(`${where}.oid`, `must be no extension that is there already (${extensionName(oid)})`)
    seen.add(oid)
    if (typeof critical !== 'boolean') throw optionInvalid(`${where}.critical`, 'must be true or false')
    if (!(octets instanceof Uint8Array) || octets.length > MOST_OCTETS || !isOneElement(octets))
      throw valueInvalid(`${where}.value`, octets, `one element in DER, of at most ${String(MOST_OCTETS)} bytes`)
    return writeExtension(oid, octets, critical)
  })
  if (written.reduce((sum, { length }) => sum + length, 0) > MOST_OCTETS_IN_ALL)
    throw optionInvalid(option, `must have at most ${String(MOST_OCTETS_IN_ALL)} octets in all, or TLS peers refuse it`)
  return written
}

function isOneElement(octets: Uint8Array): boolean {
  try {
    const reader = new DerReader(octets)
    reader.element()
    reader.finish('the extension')
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}
