/** Findings about certificate requests (PKCS #10): what they are, what they ask for, and their key. */
import { row } from '../row.js'
import { inShell, type Place, the } from './place.js'
import { listed } from '../words.js'

/** A requested name that is not taken for a host, and why, as the end of a sentence. */
export interface NoHost {
  name: string
  reason: string
}

export const request = {
  'request/none': row<Place & { found: string[] }>({
    severity: 'error',
    meaning: 'The input holds no certificate request.',
    source: 'RFC 7468 section 7; openssl req: "unable to load X509 request"',
    message: ({ found, ...place }) =>
      `${the(place)} holds no certificate request; it holds ${listed(found, 'nothing that is recognized')}.`,
    remedy: () =>
      'Create a request for the key and pass it: "openssl req -new -key KEY -subj /CN=NAME -addext subjectAltName=DNS:HOST -out NAME.csr".',
  }),
  'request/several': row<Place & { lines: number[] }>({
    severity: 'error',
    meaning: 'The input holds more than one request. openssl and Go would use the first.',
    source: 'a rule of this package',
    message: ({ lines, ...place }) =>
      `${the(place)} holds ${String(lines.length)} certificate requests (lines ${listed(lines.map(String))}).`,
    remedy: () => 'Write each request to a separate file, and sign them one by one.',
  }),
  'request/private-key-beside': row<Place & { label: string; line: number }>({
    severity: 'warning',
    meaning:
      'A private key is in the file of the request. It should never leave the machine on which it was generated: every reader of the file can use the certificate.',
    source: 'RFC 2986 section 1: the request carries the public key only',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a private key ("${label}", line ${String(line)}) next to the request.`,
    remedy: () =>
      'Create a new key and a new request on the machine that uses the certificate ("openssl req -new -newkey … -keyout KEY -out CSR"), and send only the request.',
  }),
  'request/block-ignored': row<Place & { label: string; line: number }>({
    severity: 'info',
    meaning: 'The file holds another block in addition to the request. It is ignored.',
    source: 'RFC 7468',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}) in addition to the request, which is ignored.`,
    remedy: () => 'No action is needed. Send only the request next time.',
  }),
  'request/malformed': row<Place & { reason: string; offset: number }>({
    severity: 'error',
    meaning: 'The data is not a certificate request in DER: it is damaged, incomplete, or from a faulty encoder.',
    source: 'RFC 2986 section 4; ITU-T X.690',
    message: ({ reason, offset, ...place }) =>
      `${the(place)} holds a damaged certificate request: ${reason} (byte ${String(offset)}).`,
    remedy: (place) =>
      `Send the request again, or create a new one. "openssl req -noout -verify -in ${inShell(place)}" must accept it.`,
  }),
  'request/version-unusual': row<Place & { version: number }>({
    severity: 'warning',
    meaning: 'Requests are of version 1. Some old tools write another number; OpenSSL 3 and Go read it, others do not.',
    source: 'RFC 2986 section 4.1',
    message: ({ version, ...place }) =>
      `${the(place)} holds a request of version ${String(version)}, but only version 1 exists.`,
    remedy: () => 'Create requests with a current tool, such as "openssl req -new".',
  }),
  'request/signature-invalid': row<Place & { algorithm: string; key: string }>({
    severity: 'error',
    meaning:
      'The signature of the request was not made by the key in it. So the requester may not have that key, or the request was altered.',
    source: 'RFC 2986 section 3 (note 2); RFC 4211 section 4',
    refusals: [{ by: 'OpenSSL', words: 'Certificate request self-signature verify failure' }],
    message: ({ algorithm, key, ...place }) =>
      `${the(place)} holds a request whose signature (${algorithm}) was not made by its own key (${key}).`,
    remedy: (place) =>
      `Create a new request with the private key that belongs to it. "openssl req -noout -verify -in ${inShell(place)}" must report OK.`,
  }),
  'request/signature-weak': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning: 'The request is signed with SHA-1 or MD5, whose signatures can be forged.',
    source: 'RFC 6194; RFC 9155',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a request that is signed with ${algorithm}, which can be forged.`,
    remedy: () => 'Create the request again with SHA-256: "openssl req -new -sha256 -key KEY …".',
  }),
  'request/signature-unsupported': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning:
      'This package does not verify the signature algorithm of the request. It verifies RSA with SHA-2 (PKCS #1 v1.5 or PSS), ECDSA with SHA-2, and Ed25519.',
    source: 'RFC 2986 section 3; RFC 8446 section 4.2.3',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a request that is signed with an algorithm that is not supported (${algorithm}).`,
    remedy: () => 'Create the request again with SHA-256: "openssl req -new -sha256 -key KEY …".',
  }),
  'request/key-weak': row<Place & { algorithm: string; reason: string }>({
    severity: 'error',
    meaning: 'The key of the request is too weak, so no certificate is issued for it.',
    source: 'NIST SP 800-131A; CA/Browser Forum Baseline Requirements 6.1.5 and 6.1.6',
    refusals: [{ by: 'OpenSSL', words: 'ee key too small' }],
    message: ({ algorithm, reason, ...place }) =>
      `${the(place)} requests a certificate for a key that is too weak (${algorithm}): ${reason}.`,
    remedy: () =>
      'Create a new key and a request for it: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY …".',
  }),
  'request/key-unsupported': row<Place & { algorithm: string; reason: string }>({
    severity: 'error',
    meaning: 'etcd, Go or Node does not take a key of this kind in a TLS certificate.',
    source: 'Go crypto/x509 and crypto/tls; RFC 8446 section 4.2.3; RFC 5480 section 2.1.1',
    message: ({ algorithm, reason, ...place }) =>
      `${the(place)} requests a certificate for a key that ${reason} (${algorithm}).`,
    remedy: () =>
      'Create a new key and a request for it: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY …".',
  }),
  'request/ca-wanted': row<Place & { by: 'basicConstraints' | 'keyUsage' }>({
    severity: 'error',
    meaning:
      'The request asks for a CA certificate, which could issue other certificates. authority.sign never issues one: createIntermediate creates an intermediate CA.',
    source: 'RFC 5280 sections 4.2.1.9 and 4.2.1.3',
    message: ({ by, ...place }) =>
      by === 'basicConstraints'
        ? `${the(place)} asks for a CA certificate (basicConstraints CA:TRUE).`
        : `${the(place)} asks for the right to sign certificates or revocation lists (keyUsage keyCertSign or cRLSign).`,
    remedy: () =>
      'Create the request again without it: with openssl, "-addext basicConstraints=critical,CA:FALSE", or a section of the configuration other than v3_ca; with cfssl, without "-initca".',
  }),
  'request/extension-malformed': row<Place & { extension: string; reason: string }>({
    severity: 'error',
    meaning: 'An extension that the request asks for cannot be read, so the requested values are unknown.',
    source: 'RFC 5280 section 4.2',
    message: ({ extension, reason, ...place }) =>
      `${the(place)} requests a malformed extension ${extension}: ${reason}.`,
    remedy: ({ extension }) => `Create the request again with a well-formed ${extension}, or without it.`,
  }),
  'request/extension-duplicate': row<Place & { extension: string }>({
    severity: 'error',
    meaning: 'The request asks for an extension twice, and the two could contradict each other.',
    source: 'RFC 5280 section 4.2',
    refusals: [{ by: 'Go', words: 'x509: certificate request contains duplicate requested extensions' }],
    message: ({ extension, ...place }) => `${the(place)} asks for the extension ${extension} more than once.`,
    remedy: () =>
      'Create the request again with the extension once. With openssl, look for the extension in both the configuration (req_extensions) and "-addext".',
  }),
  'request/extension-unknown-critical': row<Place & { extension: string }>({
    severity: 'error',
    meaning:
      'The request asks for a critical extension that this package does not issue. etcd would refuse a certificate with it.',
    source: 'RFC 5280 section 4.2; Go crypto/x509 UnhandledCriticalExtension',
    message: ({ extension, ...place }) =>
      `${the(place)} asks for the critical extension ${extension}, which this package does not issue.`,
    remedy: ({ extension }) => `Create the request again without ${extension}, or with it marked as not critical.`,
  }),
  'request/extensions-ignored': row<Place & { extensions: string[] }>({
    severity: 'info',
    meaning: 'The request asks for extensions that a certificate for etcd does not carry. They are ignored.',
    source: 'RFC 2986 section 1: the CA decides what the certificate carries',
    message: ({ extensions, ...place }) => `${the(place)} requests extensions that are ignored: ${listed(extensions)}.`,
    remedy: () => 'No action is needed, unless the certificate requires them.',
  }),
  'request/attributes-ignored': row<Place & { attributes: string[] }>({
    severity: 'info',
    meaning: 'The request has attributes that have no effect here.',
    source: 'RFC 2985 section 5.4',
    message: ({ attributes, ...place }) => `${the(place)} has attributes that are ignored: ${listed(attributes)}.`,
    remedy: () => 'No action is needed.',
  }),
  'request/challenge-password': row<Place>({
    severity: 'info',
    meaning:
      'The request holds an unencrypted challenge password. It was intended for revocation requests, and this package ignores it. openssl prompts for one.',
    source: 'RFC 2985 section 5.4.1',
    message: (place) => `${the(place)} holds an unencrypted challenge password, which is ignored.`,
    remedy: () =>
      'Leave it empty when openssl prompts for it, or pass "-subj". If the password is used elsewhere, change it.',
  }),
  'request/name-no-host': row<Place & { names: NoHost[]; count: number }>({
    severity: 'warning',
    meaning:
      'A requested subject alternative name is not a valid host: an IP address as a DNS name, a port, an inner wildcard. It is never issued.',
    source: 'RFC 5280 section 4.2.1.6; RFC 6125 section 6.4',
    message: ({ names, count, ...place }) =>
      `${the(place)} requests names that are not hosts: ${listed(
        names.slice(0, 5).map(({ name, reason }) => `"${name}" (${reason})`),
      )}${count > 5 ? ` and ${String(count - 5)} more` : ''}.`,
    remedy: () =>
      'Create the request again with DNS: before DNS names and IP: before addresses, as "subjectAltName = DNS:etcd-0.etcd, IP:10.0.0.1".',
  }),
  'request/names-ignored': row<Place & { names: string[] }>({
    severity: 'info',
    meaning: 'The request asks for names of a kind that etcd does not use: mailboxes, directory names and others.',
    source: 'RFC 5280 section 4.2.1.6; RFC 6125 section 6.4',
    message: ({ names, ...place }) => `${the(place)} requests names that are ignored: ${listed(names)}.`,
    remedy: () => 'No action is needed.',
  }),
  'request/common-name-unusable': row<Place & { reason: string }>({
    severity: 'warning',
    meaning:
      'The requested common name is not valid in a certificate for etcd, which uses it as the name of the user. It is never issued.',
    source: 'RFC 5280 appendix A.1; etcd server/auth/store.go AuthInfoFromTLS',
    message: ({ reason, ...place }) => `${the(place)} requests a common name that cannot be issued: it ${reason}.`,
    remedy: () => 'Create the request again with one common name of 1 to 64 visible characters ("-subj /CN=NAME").',
  }),
}
