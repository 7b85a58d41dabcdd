/** What an authority may issue for, as name constraints (RFC 5280 section 4.2.1.10). */
import { optionInvalid } from '../report/option-error.js'
import { type Subtree, writeNameConstraints } from '../x509/certificate-writer.js'
import { parseIp } from '../x509/ip.js'
import { isDnsPattern, readHost } from '../x509/names.js'

/** More would be a list of hosts, which belongs into certificates. */
const MOST = 100

/** Every address of each family, and every DNS name: constraints that nothing escapes. */
const EVERYTHING = {
  ip: [
    { kind: 'ip', bytes: new Uint8Array(8) },
    { kind: 'ip', bytes: new Uint8Array(32) },
  ],
  dns: [{ kind: 'dns', bytes: new Uint8Array(0) }],
} as const satisfies Record<string, readonly Subtree[]>

/**
 * Reads a `permit` list and gives the extension. A kind of name that the list does not mention would be free in RFC 5280;
 * here it is excluded, except for URIs, which etcd does not look at.
 *
 * @returns null where there is no list.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readPermit(value: unknown, option = 'permit'): Uint8Array | null {
  if (value === undefined) return null
  if (!Array.isArray(value) || value.length === 0)
    throw optionInvalid(
      option,
      'must be a list of domains, address ranges and URIs that is not empty; leave it out for no limit',
    )
  if (value.length > MOST) throw optionInvalid(option, `must have at most ${String(MOST)} entries`)
  const permitted = value.map((each: unknown, index) => readSubtree(each, `${option}[${String(index)}]`))
  const lacks = (kind: Subtree['kind']): boolean => !permitted.some((each) => each.kind === kind)
  const excluded = [...(lacks('dns') ? EVERYTHING.dns : []), ...(lacks('ip') ? EVERYTHING.ip : [])]
  return writeNameConstraints(permitted, excluded)
}

function readSubtree(value: unknown, option: string): Subtree {
  if (typeof value !== 'string') throw optionInvalid(option, 'must be a string')
  const range = /^([^/]+)\/(\d{1,3})$/.exec(value)
  if (range !== null) return addressRange(range[1] ?? '', Number(range[2]), option)
  const reading = readHost(value)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const { kind, value: text, bytes } = reading.host
  if (bytes !== undefined) return withMask(bytes, bytes.length * 8)
  // A domain stands for itself and all below it: there is no form for "only what is below" that all peers read alike.
  if (kind === 'dns') return { kind, bytes: Buffer.from(text.replace(/^\*\./, ''), 'latin1') }
  return { kind, bytes: Buffer.from(authorityOf(text, option), 'latin1') }
}

/** Constraints on URIs speak of the host part alone. */
function authorityOf(uri: string, option: string): string {
  const host = /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#:]+)(?::\d*)?(?:[/?#]|$)/.exec(uri)?.[1] ?? ''
  // Go, OpenSSL and this package would each read something else into a wildcard, an address or another odd host.
  if (host.includes('*') || !isDnsPattern(host) || parseIp(host) !== null)
    throw optionInvalid(option, 'must be a URI whose host is a name, as spiffe://cluster')
  return host.toLowerCase()
}

function addressRange(address: string, prefix: number, option: string): Subtree {
  const bytes = parseIp(address)
  if (bytes === null) throw optionInvalid(option, 'must be an address range such as 10.0.0.0/8')
  if (prefix > bytes.length * 8)
    throw optionInvalid(option, `must have a prefix of at most ${String(bytes.length * 8)} bits`)
  const subtree = withMask(bytes, prefix)
  const inside = bytes.every((octet, i) => (octet & (subtree.bytes[bytes.length + i] ?? 0)) === octet)
  // Go refuses nothing here, but a range that is written with an address inside it was meant in two ways.
  if (!inside) throw optionInvalid(option, 'must have no bits set behind its prefix')
  return subtree
}

/** The address, followed by as many octets of mask. */
function withMask(address: Uint8Array, prefix: number): Subtree {
  const bytes = new Uint8Array(address.length * 2)
  bytes.set(address)
  for (let bit = 0; bit < prefix; bit++) {
    const at = address.length + (bit >> 3)
    bytes[at] = (bytes[at] ?? 0) | (0x80 >> (bit & 7))
  }
  return { kind: 'ip', bytes }
}
