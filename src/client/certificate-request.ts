/**
 * What a server asks of a client's certificate, read off the wire: Node does not tell. In TLS 1.2 the CertificateRequest
 * is not encrypted yet (RFC 5246 section 7.4.4), so a handshake of that version shows it.
 */
import type { DistinguishedName } from '../x509/distinguished-name.js'
import { flightReader } from '../x509/tls-flight.js'

/** Most names that are told. */
const MAX_NAMES = 50

/**
 * Reads the server's first flight, piece by piece.
 *
 * @returns After each piece: the names of the CAs that the server accepts (`certificate_authorities`); null where it asks for no
 * certificate or sent something else; `undefined` while that is still open.
 */
export function authoritiesReader(): (piece: Uint8Array) => DistinguishedName[] | null | undefined {
  const read = flightReader()
  return (piece) => {
    const flight = read(piece)
    if (flight === undefined || flight === null) return flight
    return flight.authorities?.slice(0, MAX_NAMES) ?? null
  }
}
