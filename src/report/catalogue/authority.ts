/** Findings about certificate requests (PKCS #10) and about the ledger of an authority. */
import { error, warning } from '../row.js'
import { listed } from '../words.js'
import { NEW_REQUEST } from './conversion.js'
import { inShell, type Place, originText } from './place.js'

/** A requested name that cannot be issued, and the reason as the end of a sentence. */
export interface UnusableName {
  name: string
  reason: string
}

/** Contents of a request that the authority does not copy into a certificate. */
export interface IgnoredContents extends Place {
  /** Always 1 in a correct request. */
  version: number
  extensions: string[]
  attributes: string[]
  /** Subject alternative names of kinds that etcd does not use. */
  names: string[]
  challengePassword: boolean
}

const SIGN_AGAIN =
  'Create the request again with SHA-256: "openssl req -new -sha256 -key KEY -subj /CN=NAME -out CSR", with -addext for its names.'

export const authority = {
  'request/malformed': error((d: Place & { reason: string; offset: number }) => [
    `${originText(d)} holds a damaged certificate request: ${d.reason} (byte ${String(d.offset)}).`,
    `Send the request again, or create a new one. "openssl req -noout -verify -in ${inShell(d)}" must accept it.`,
  ]),
  'request/signature-refused': {
    invalid: error((d: Place & { algorithm: string; key: string }) => [
      `${originText(d)} holds a request whose signature (${d.algorithm}) was not made by its own key (${d.key}).`,
      `Create a new request with the private key that belongs to it. "openssl req -noout -verify -in ${inShell(d)}" must report OK.`,
    ]).refusedAs({ OpenSSL: 'Certificate request self-signature verify failure' }),
    weak: error((d: Place & { algorithm: string }) => [
      `${originText(d)} holds a request that is signed with ${d.algorithm}, which can be forged.`,
      SIGN_AGAIN,
    ]),
    unsupported: error((d: Place & { algorithm: string }) => [
      `${originText(d)} holds a request that is signed with ${d.algorithm}, which is not supported.`,
      SIGN_AGAIN,
    ]),
  },
  'request/key-refused': error((d: Place & { algorithm: string; reason: string; weak: boolean }) => [
    `${originText(d)} requests a certificate for a key that is refused (${d.algorithm}): ${d.reason}.`,
    `Create a new key and a request for it: "${NEW_REQUEST}".`,
  ]).refusedAs({ OpenSSL: 'ee key too small', when: ({ weak }) => weak }),
  'request/ca-requested': error((d: Place & { by: 'basicConstraints' | 'keyUsage' }) => [
    d.by === 'basicConstraints'
      ? `${originText(d)} requests a CA certificate (basicConstraints CA:TRUE).`
      : `${originText(d)} requests the right to sign certificates or CRLs (keyUsage keyCertSign or cRLSign).`,
    'Create the request again without it: with openssl, "-addext basicConstraints=critical,CA:FALSE", or a section of the configuration other than v3_ca; with cfssl, without "-initca".',
  ]),
  'request/extension-refused': error((d: Place & { extension: string; reason: string }) => [
    `${originText(d)} requests the extension ${d.extension}, which is refused: ${d.reason}.`,
    `Create the request again with one well-formed ${d.extension} that is not critical, or without it. With openssl, look for it in both the configuration (req_extensions) and "-addext".`,
  ]).refusedAs({
    Go: 'x509: certificate request contains duplicate requested extensions',
    when: ({ reason }) => reason === REQUESTED_TWICE,
  }),
  'request/name-unusable': warning((d: Place & { names: UnusableName[]; count: number }) => [
    `${originText(d)} requests names that cannot be issued: ${listed(
      d.names.slice(0, 5).map(({ name, reason }) => `"${name}" (${reason})`),
    )}${d.count > 5 ? ` and ${String(d.count - 5)} more` : ''}.`,
    'Create the request again with DNS: before DNS names and IP: before addresses, as "subjectAltName = DNS:etcd-0.etcd, IP:10.0.0.1", and one common name of 1 to 64 visible characters ("-subj /CN=NAME").',
  ]),
  'request/ignored': warning((d: IgnoredContents) => [
    `${originText(d)} requests contents that are ignored: ${[
      ...(d.version === 1 ? [] : [`version ${String(d.version)}`]),
      ...(d.extensions.length === 0 ? [] : [`extensions (${listed(d.extensions)})`]),
      ...(d.attributes.length === 0 ? [] : [`attributes (${listed(d.attributes)})`]),
      ...(d.names.length === 0 ? [] : [`names (${listed(d.names)})`]),
      ...(d.challengePassword ? ['an unencrypted challenge password'] : []),
    ].join('; ')}.`,
    d.version !== 1
      ? 'Create requests with a current tool, such as "openssl req -new".'
      : d.challengePassword
        ? 'Leave the password empty when openssl prompts for it, or pass "-subj". If the password is used elsewhere, change it.'
        : 'No action is needed, unless the certificate requires them.',
  ]).or('info', ({ version }) => version === 1),
  'ledger/revoked': {
    certificate: error((d: { serialNumber: string; reason: string; revokedAt: Date; subject: string }) => [
      `The certificate "${d.subject}" (serial number ${d.serialNumber}) was revoked on ${d.revokedAt.toISOString()} (${d.reason}), so it is not renewed.`,
      'If the holder needs credentials again, issue new ones with authority.issue and replace the files.',
    ]),
    key: error((d: { serialNumber: string; reason: string; revokedAt: Date; keyFingerprint256: string }) => [
      `The public key (SHA-256 ${d.keyFingerprint256}) was compromised: its certificate ${d.serialNumber} was revoked on ${d.revokedAt.toISOString()} (${d.reason}).`,
      'Generate a new private key and a new certificate request.',
    ]),
  },
}

export const REQUESTED_TWICE = 'it is requested more than once'
