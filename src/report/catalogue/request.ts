/** Findings about certificate requests (PKCS #10): what they are, what they ask for, and their key. */
import { row } from '../row.js'
import { inShell, type Place, the } from './place.js'

/** A requested name that is not taken for a host, and why, as the end of a sentence. */
export interface NoHost {
  name: string
  reason: string
}

export const request = {
  'request/none': row<Place & { found: string[] }>({
    severity: 'error',
    meaning: 'There is something to read, but no certificate request in it.',
    source: 'RFC 7468 section 7; openssl req: "unable to load X509 request"',
    message: ({ found, ...place }) => `${the(place)} holds no certificate request; it holds ${list(found)}.`,
    remedy: () =>
      'Give the request that belongs to the key: "openssl req -new -key KEY -subj /CN=NAME -addext subjectAltName=DNS:HOST -out NAME.csr".',
  }),
  'request/several': row<Place & { lines: number[] }>({
    severity: 'error',
    meaning:
      'There is more than one request, and only one of them could be meant. openssl and Go would take the first.',
    source: 'a rule of this package',
    message: ({ lines, ...place }) =>
      `${the(place)} holds ${String(lines.length)} certificate requests (lines ${lines.join(', ')}).`,
    remedy: () => 'Give each request in a file of its own, and have each signed by itself.',
  }),
  'request/private-key-beside': row<Place & { label: string; line: number }>({
    severity: 'warning',
    meaning:
      'A private key stands beside the request. It should never leave the machine that it was made on; everybody who had this file can use the certificate.',
    source: 'RFC 2986 section 1: the request carries the public key only',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a private key ("${label}", line ${String(line)}) beside the request.`,
    remedy: () =>
      'Make a new key and a new request where the certificate will be used, and send the request alone; "openssl req -new -newkey … -keyout KEY -out CSR" keeps them apart.',
  }),
  'request/block-ignored': row<Place & { label: string; line: number }>({
    severity: 'info',
    meaning: 'There is another block beside the request. It is not looked at.',
    source: 'RFC 7468',
    message: ({ label, line, ...place }) =>
      `${the(place)} holds a block "${label}" (line ${String(line)}) beside the request; it is not looked at.`,
    remedy: () => 'Nothing needs to be done; a request is best sent alone.',
  }),
  'request/malformed': row<Place & { reason: string; offset: number }>({
    severity: 'error',
    meaning: 'The data is not a certificate request in DER: it was damaged, cut, or made by a broken encoder.',
    source: 'RFC 2986 section 4; ITU-T X.690',
    message: ({ reason, offset, ...place }) =>
      `${the(place)} holds a damaged certificate request: ${reason} (byte ${String(offset)}).`,
    remedy: (place) =>
      `Send the request again, or make a new one; "openssl req -noout -verify -in ${inShell(place)}" must accept it.`,
  }),
  'request/version-unusual': row<Place & { version: number }>({
    severity: 'warning',
    meaning: 'Requests are of version 1. Some old tools write another number; OpenSSL 3 and Go read it, others do not.',
    source: 'RFC 2986 section 4.1',
    message: ({ version, ...place }) =>
      `${the(place)} holds a request of version ${String(version)}, where only 1 is known.`,
    remedy: () => 'Make requests with a current tool, such as "openssl req -new".',
  }),
  'request/signature-invalid': row<Place & { algorithm: string; key: string }>({
    severity: 'error',
    meaning:
      'The signature of the request was not made by the key that it is for. So it is not proven that whoever asks has that key, or the request was altered on its way.',
    source: 'RFC 2986 section 3 (note 2); RFC 4211 section 4',
    refusals: [{ by: 'OpenSSL', words: 'Certificate request self-signature verify failure' }],
    message: ({ algorithm, key, ...place }) =>
      `${the(place)} holds a request whose signature (${algorithm}) was not made by its own key (${key}).`,
    remedy: (place) =>
      `Have a new request made with the private key that belongs to it; "openssl req -noout -verify -in ${inShell(place)}" must say OK.`,
  }),
  'request/signature-weak': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning: 'The request is signed with SHA-1 or MD5, whose signatures can be forged, so it proves little.',
    source: 'RFC 6194; RFC 9155',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a request that is signed with ${algorithm}, which can be forged.`,
    remedy: () => 'Have it made anew with SHA-256: "openssl req -new -sha256 -key KEY …".',
  }),
  'request/signature-unsupported': row<Place & { algorithm: string }>({
    severity: 'error',
    meaning:
      'The request is signed in a way that is not verified here: RSA with SHA-2 (PKCS #1 v1.5 or PSS), ECDSA with SHA-2, and Ed25519 are.',
    source: 'RFC 2986 section 3; RFC 8446 section 4.2.3',
    message: ({ algorithm, ...place }) =>
      `${the(place)} holds a request that is signed with an algorithm that is not supported (${algorithm}).`,
    remedy: () => 'Have it made anew with SHA-256: "openssl req -new -sha256 -key KEY …".',
  }),
  'request/key-weak': row<Place & { algorithm: string; reason: string }>({
    severity: 'error',
    meaning: 'The key of the request can be broken, so no certificate may be issued for it.',
    source: 'NIST SP 800-131A; CA/Browser Forum Baseline Requirements 6.1.5 and 6.1.6',
    refusals: [{ by: 'OpenSSL', words: 'ee key too small' }],
    message: ({ algorithm, reason, ...place }) =>
      `${the(place)} asks for a certificate for a ${algorithm} key: ${reason}.`,
    remedy: () =>
      'Have a new key made, and a request for it: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY …".',
  }),
  'request/key-unsupported': row<Place & { algorithm: string; reason: string }>({
    severity: 'error',
    meaning: 'etcd, Go or Node does not take a key of this kind in a TLS certificate.',
    source: 'Go crypto/x509 and crypto/tls; RFC 8446 section 4.2.3; RFC 5480 section 2.1.1',
    message: ({ algorithm, reason, ...place }) =>
      `${the(place)} asks for a certificate for a ${algorithm} key, which ${reason}.`,
    remedy: () =>
      'Have a new key made, and a request for it: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY …".',
  }),
  'request/ca-wanted': row<Place & { by: 'basicConstraints' | 'keyUsage' }>({
    severity: 'error',
    meaning:
      'The request asks for the certificate of a CA, which could issue certificates of its own. No request is answered by one: an intermediate CA is made by createIntermediate.',
    source: 'RFC 5280 sections 4.2.1.9 and 4.2.1.3',
    message: ({ by, ...place }) =>
      by === 'basicConstraints'
        ? `${the(place)} asks for a CA certificate (basicConstraints CA:TRUE).`
        : `${the(place)} asks for the right to sign certificates or revocation lists (keyUsage keyCertSign or cRLSign).`,
    remedy: () =>
      'Have it made anew without that: with openssl, "-addext basicConstraints=critical,CA:FALSE", or a section of the configuration other than v3_ca; with cfssl, without "-initca".',
  }),
  'request/extension-malformed': row<Place & { extension: string; reason: string }>({
    severity: 'error',
    meaning: 'An extension that the request asks for cannot be read, so it is not known what is asked for.',
    source: 'RFC 5280 section 4.2',
    message: ({ extension, reason, ...place }) => `${the(place)} asks for a malformed ${extension}: ${reason}.`,
    remedy: ({ extension }) => `Have it made anew with a well-formed ${extension}, or without it.`,
  }),
  'request/extension-duplicate': row<Place & { extension: string }>({
    severity: 'error',
    meaning: 'The request asks for an extension twice, and the two could contradict each other.',
    source: 'RFC 5280 section 4.2',
    refusals: [{ by: 'Go', words: 'x509: certificate request contains duplicate requested extensions' }],
    message: ({ extension, ...place }) => `${the(place)} asks for the extension ${extension} more than once.`,
    remedy: () =>
      'Have it made anew; with openssl, look for the extension in both the configuration (req_extensions) and "-addext".',
  }),
  'request/extension-unknown-critical': row<Place & { extension: string }>({
    severity: 'error',
    meaning:
      'The request asks for a critical extension that is not known here. A certificate without it is not what was asked for, and with it etcd would refuse it.',
    source: 'RFC 5280 section 4.2; Go crypto/x509 UnhandledCriticalExtension',
    message: ({ extension, ...place }) =>
      `${the(place)} asks for the critical extension ${extension}, which is not known here.`,
    remedy: ({ extension }) => `Have it made anew without ${extension}, or with it marked as not critical.`,
  }),
  'request/extensions-ignored': row<Place & { extensions: string[] }>({
    severity: 'info',
    meaning: 'The request asks for extensions that a certificate for etcd does not carry. They are not taken over.',
    source: 'RFC 2986 section 1: the CA decides what the certificate carries',
    message: ({ extensions, ...place }) =>
      `${the(place)} asks for extensions that are not taken over: ${extensions.join(', ')}.`,
    remedy: () => 'Nothing needs to be done, unless the certificate is of no use without them.',
  }),
  'request/attributes-ignored': row<Place & { attributes: string[] }>({
    severity: 'info',
    meaning: 'The request carries attributes that ask for nothing here.',
    source: 'RFC 2985 section 5.4',
    message: ({ attributes, ...place }) =>
      `${the(place)} carries attributes that are not looked at: ${attributes.join(', ')}.`,
    remedy: () => 'Nothing needs to be done.',
  }),
  'request/challenge-password': row<Place>({
    severity: 'info',
    meaning:
      'The request carries a challenge password, in the clear. It is meant for asking for revocation later, and nothing here looks at it; openssl asks for one in its dialogue.',
    source: 'RFC 2985 section 5.4.1',
    message: (place) => `${the(place)} carries a challenge password in the clear; it is not looked at.`,
    remedy: () =>
      'Leave it empty in the dialogue of openssl, or give "-subj", which asks nothing; do not use it elsewhere.',
  }),
  'request/name-no-host': row<Place & { names: NoHost[]; count: number }>({
    severity: 'warning',
    meaning:
      'A subject alternative name that is asked for is no host as it can stand in a certificate: an IP address written as a DNS name, a port, a wildcard inside. It is never taken over.',
    source: 'RFC 5280 section 4.2.1.6; RFC 6125 section 6.4',
    message: ({ names, count, ...place }) =>
      `${the(place)} asks for names that are no hosts: ${names
        .slice(0, 8)
        .map(({ name, reason }) => `"${name}" (${reason})`)
        .join(', ')}${count > 8 ? ` and ${String(count - 8)} more` : ''}.`,
    remedy: () =>
      'Have it made anew with DNS: before DNS names and IP: before addresses, as "subjectAltName = DNS:etcd-0.etcd, IP:10.0.0.1".',
  }),
  'request/names-ignored': row<Place & { names: string[] }>({
    severity: 'info',
    meaning: 'The request asks for names of a kind that means nothing to etcd: mailboxes, directory names and others.',
    source: 'RFC 5280 section 4.2.1.6; RFC 6125 section 6.4',
    message: ({ names, ...place }) => `${the(place)} asks for names that are not taken over: ${list(names)}.`,
    remedy: () => 'Nothing needs to be done.',
  }),
  'request/common-name-unusable': row<Place & { reason: string }>({
    severity: 'warning',
    meaning:
      'The common name that is asked for cannot stand in a certificate for etcd, which takes it for the name of its user. It is never taken over.',
    source: 'RFC 5280 appendix A.1; etcd server/auth/store.go AuthInfoFromTLS',
    message: ({ reason, ...place }) => `${the(place)} asks for a common name that cannot be taken over: it ${reason}.`,
    remedy: () => 'Have it made anew with one common name of 1 to 64 visible characters ("-subj /CN=NAME").',
  }),
}

function list(found: readonly string[]): string {
  if (found.length === 0) return 'nothing that is known'
  return found.length > 8 ? `${found.slice(0, 8).join(', ')} and ${String(found.length - 8)} more` : found.join(', ')
}
