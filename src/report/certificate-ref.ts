/** Which certificate a finding speaks of. */
export interface CertificateRef {
  /** The certificate's place in the path: the end-entity certificate, a CA between, or the trust anchor. */
  role: 'leaf' | 'intermediate' | 'anchor'
  /** Position in the path, the leaf being 0; for a certificate outside the path, its position in the input it came from. */
  index: number
  /** Distinguished name in RFC 4514 form, escaped for display. */
  subject: string
  /** Upper-case hexadecimal, as openssl and Node print it. */
  serialNumber: string
  /** SHA-256 over the DER, upper-case hexadecimal pairs with colons, as `openssl x509 -fingerprint -sha256` prints it. */
  fingerprint256: string
  /** Where the certificate came from: a file name, an option's name, an endpoint. */
  origin: string
}
