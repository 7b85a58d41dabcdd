/**
 * What a server asks of a client's certificate, read off the wire: Node does not tell. In TLS 1.2 the CertificateRequest
 * is not encrypted yet (RFC 5246 section 7.4.4), so a handshake of that version shows it.
 */
import { DerReader } from '../x509/der.js'
import { DistinguishedName } from '../x509/distinguished-name.js'

const HANDSHAKE_RECORD = 22
const CERTIFICATE_REQUEST = 13
const SERVER_HELLO_DONE = 14
/** Most octets looked at: a chain and the names of some hundred CAs. */
const MAX_OCTETS = 256 * 1024
/** Most names that are told. */
const MAX_NAMES = 50

/**
 * Reads the server's first flight, piece by piece.
 *
 * @returns After each piece: the names of the CAs that the server accepts (`certificate_authorities`); null where it asks for no
 * certificate or sent something else; `undefined` while that is still open.
 */
export function authoritiesReader(): (piece: Uint8Array) => DistinguishedName[] | null | undefined {
  let records = Buffer.alloc(0)
  let messages = Buffer.alloc(0)
  return (piece) => {
    records = Buffer.concat([records, piece])
    if (records.length > MAX_OCTETS) return null
    // TLSPlaintext: type, version (2), length (2), fragment.
    for (;;) {
      if (records.length > 0 && records[0] !== HANDSHAKE_RECORD) return null
      if (records.length < 5) break
      const end = 5 + records.readUInt16BE(3)
      if (records.length < end) break
      messages = Buffer.concat([messages, records.subarray(5, end)])
      records = records.subarray(end)
    }
    // Handshake: type, length (3), body.
    while (messages.length >= 4) {
      const end = 4 + messages.readUIntBE(1, 3)
      if (messages.length < end) return undefined
      const type = messages[0]
      if (type === SERVER_HELLO_DONE) return null
      if (type === CERTIFICATE_REQUEST) return readAuthorities(messages.subarray(4, end))
      messages = messages.subarray(end)
    }
    return undefined
  }
}

/** `certificate_types<1..2^8-1>`, `supported_signature_algorithms<2^16-1>`, `certificate_authorities<0..2^16-1>`. */
function readAuthorities(body: Buffer): DistinguishedName[] | null {
  try {
    let at = 1 + body.readUInt8(0)
    at += 2 + body.readUInt16BE(at)
    const end = at + 2 + body.readUInt16BE(at)
    at += 2
    const names: DistinguishedName[] = []
    while (at < end && names.length < MAX_NAMES) {
      const length = body.readUInt16BE(at)
      names.push(DistinguishedName.read(new DerReader(body.subarray(at + 2, at + 2 + length)), 'CA'))
      at += 2 + length
    }
    return names
  } catch {
    return null
  }
}
