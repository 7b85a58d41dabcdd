/**
 * Reads the first flight of a TLS 1.2 server, which is not encrypted: its chain, and the names of the CAs that it accepts for
 * clients (RFC 5246 sections 7.4.2 and 7.4.4). Node does not expose the names, nor the chain of a failed handshake.
 */
import { DerReader } from './der.js'
import { DistinguishedName } from './distinguished-name.js'

export interface ServerFlight {
  /** The chain in DER, the leaf first; null if absent. */
  readonly chain: readonly Uint8Array[] | null
  /** The names of the accepted CAs; null if the server does not request a certificate. */
  readonly authorities: readonly DistinguishedName[] | null
}

const HANDSHAKE_RECORD = 22
const CERTIFICATE = 11
const CERTIFICATE_REQUEST = 13
const SERVER_HELLO_DONE = 14
/** Longest flight in bytes: a chain and the names of some hundred CAs. */
const MAX_BYTES = 256 * 1024
/** Most names, and most certificates. */
const MAX_ENTRIES = 200

/** Reads a flight in pieces. It returns the complete flight, null for other data, or `undefined` while it is incomplete. */
export function flightReader(): (piece: Uint8Array) => ServerFlight | null | undefined {
  let records = Buffer.alloc(0)
  let messages = Buffer.alloc(0)
  let chain: Uint8Array[] | null = null
  let authorities: DistinguishedName[] | null = null
  return (piece) => {
    records = Buffer.concat([records, piece])
    if (records.length + messages.length > MAX_BYTES) return null
    // TLSPlaintext: type, version (2), length (2), fragment.
    for (;;) {
      if (records.length > 0 && records[0] !== HANDSHAKE_RECORD) return null
      if (records.length < 5) break
      const end = 5 + records.readUInt16BE(3)
      if (records.length < end) break
      messages = Buffer.concat([messages, records.subarray(5, end)])
      records = records.subarray(end)
    }
    try {
      // Handshake: type, length (3), body.
      while (messages.length >= 4) {
        const end = 4 + messages.readUIntBE(1, 3)
        if (messages.length < end) return undefined
        const body = messages.subarray(4, end)
        if (messages[0] === SERVER_HELLO_DONE) return { chain, authorities }
        if (messages[0] === CERTIFICATE) chain = readChain(body)
        if (messages[0] === CERTIFICATE_REQUEST) authorities = readAuthorities(body)
        messages = messages.subarray(end)
      }
      return undefined
    } catch {
      return null
    }
  }
}

/** `certificate_list<0..2^24-1>` of `ASN.1Cert<1..2^24-1>`. */
function readChain(body: Buffer): Uint8Array[] {
  const chain: Uint8Array[] = []
  const end = 3 + body.readUIntBE(0, 3)
  for (let at = 3; at < end && chain.length < MAX_ENTRIES;) {
    const length = body.readUIntBE(at, 3)
    if (at + 3 + length > body.length) throw new RangeError('a certificate that goes on behind its message')
    chain.push(Uint8Array.from(body.subarray(at + 3, at + 3 + length)))
    at += 3 + length
  }
  return chain
}

/** `certificate_types<1..2^8-1>`, `supported_signature_algorithms<2^16-1>`, `certificate_authorities<0..2^16-1>`. */
function readAuthorities(body: Buffer): DistinguishedName[] {
  let at = 1 + body.readUInt8(0)
  at += 2 + body.readUInt16BE(at)
  const end = at + 2 + body.readUInt16BE(at)
  at += 2
  const names: DistinguishedName[] = []
  while (at < end && names.length < MAX_ENTRIES) {
    const length = body.readUInt16BE(at)
    names.push(DistinguishedName.read(new DerReader(body.subarray(at + 2, at + 2 + length)), 'CA'))
    at += 2 + length
  }
  return names
}
