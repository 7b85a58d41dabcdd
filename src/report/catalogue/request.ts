/** Findings about certificate requests (PKCS #10): what they are, what they ask for, and their key. */
import { row, rowByKind } from '../row.js'
import { inShell, type Place, the } from './place.js'
import { listed } from '../words.js'

/** A requested name that cannot be issued, and why, as the end of a sentence. */
export interface UnusableName {
  name: string
  reason: string
}

/** What a request asks for that no certificate of this package carries. */
export interface IgnoredContents extends Place {
  /** Always 1 in a correct request. */
  version: number
  extensions: string[]
  attributes: string[]
  /** Subject alternative names of kinds that etcd does not use. */
  names: string[]
  challengePassword: boolean
}

const SIGN_AGAIN = 'Create the request again with SHA-256: "openssl req -new -sha256 -key KEY …".'

export const request = {
  'request/malformed': row<Place & { reason: string; offset: number }>({
    message: ({ reason, offset, ...place }) =>
      `${the(place)} holds a damaged certificate request: ${reason} (byte ${String(offset)}).`,
    remedy: (place) =>
      `Send the request again, or create a new one. "openssl req -noout -verify -in ${inShell(place)}" must accept it.`,
  }),
  'request/signature-refused': rowByKind<
    Place & { algorithm: string } & ({ kind: 'invalid'; key: string } | { kind: 'weak' | 'unsupported' })
  >({
    kinds: {
      invalid: {
        refusals: { OpenSSL: 'Certificate request self-signature verify failure' },
        message: ({ algorithm, key, ...place }) =>
          `${the(place)} holds a request whose signature (${algorithm}) was not made by its own key (${key}).`,
        remedy: (place) =>
          `Create a new request with the private key that belongs to it. "openssl req -noout -verify -in ${inShell(place)}" must report OK.`,
      },
      weak: {
        message: ({ algorithm, ...place }) =>
          `${the(place)} holds a request that is signed with ${algorithm}, which can be forged.`,
        remedy: () => SIGN_AGAIN,
      },
      unsupported: {
        message: ({ algorithm, ...place }) =>
          `${the(place)} holds a request that is signed with ${algorithm}, which is not supported.`,
        remedy: () => SIGN_AGAIN,
      },
    },
  }),
  'request/key-refused': row<Place & { algorithm: string; reason: string; weak: boolean }>({
    refusals: { OpenSSL: 'ee key too small', when: ({ weak }) => weak },
    message: ({ algorithm, reason, ...place }) =>
      `${the(place)} requests a certificate for a key that is refused (${algorithm}): ${reason}.`,
    remedy: () =>
      'Create a new key and a request for it: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY …".',
  }),
  'request/ca-requested': row<Place & { by: 'basicConstraints' | 'keyUsage' }>({
    message: ({ by, ...place }) =>
      by === 'basicConstraints'
        ? `${the(place)} asks for a CA certificate (basicConstraints CA:TRUE).`
        : `${the(place)} asks for the right to sign certificates or CRLs (keyUsage keyCertSign or cRLSign).`,
    remedy: () =>
      'Create the request again without it: with openssl, "-addext basicConstraints=critical,CA:FALSE", or a section of the configuration other than v3_ca; with cfssl, without "-initca".',
  }),
  'request/extension-refused': row<Place & { extension: string; reason: string }>({
    refusals: {
      Go: 'x509: certificate request contains duplicate requested extensions',
      when: ({ reason }) => reason === REQUESTED_TWICE,
    },
    message: ({ extension, reason, ...place }) =>
      `${the(place)} requests the extension ${extension}, which is refused: ${reason}.`,
    remedy: ({ extension }) =>
      `Create the request again with one well-formed ${extension} that is not critical, or without it. With openssl, look for it in both the configuration (req_extensions) and "-addext".`,
  }),
  'request/name-unusable': row<Place & { names: UnusableName[]; count: number }>({
    severity: 'warning',
    message: ({ names, count, ...place }) =>
      `${the(place)} requests names that cannot be issued: ${listed(
        names.slice(0, 5).map(({ name, reason }) => `"${name}" (${reason})`),
      )}${count > 5 ? ` and ${String(count - 5)} more` : ''}.`,
    remedy: () =>
      'Create the request again with DNS: before DNS names and IP: before addresses, as "subjectAltName = DNS:etcd-0.etcd, IP:10.0.0.1", and one common name of 1 to 64 visible characters ("-subj /CN=NAME").',
  }),
  'request/ignored': row<IgnoredContents>({
    severity: ({ version }) => (version === 1 ? 'info' : 'warning'),
    message: ({ version, extensions, attributes, names, challengePassword, ...place }) =>
      `${the(place)} requests what is ignored: ${[
        ...(version === 1 ? [] : [`version ${String(version)}`]),
        ...(extensions.length === 0 ? [] : [`extensions (${listed(extensions)})`]),
        ...(attributes.length === 0 ? [] : [`attributes (${listed(attributes)})`]),
        ...(names.length === 0 ? [] : [`names (${listed(names)})`]),
        ...(challengePassword ? ['an unencrypted challenge password'] : []),
      ].join('; ')}.`,
    remedy: ({ version, challengePassword }) =>
      version !== 1
        ? 'Create requests with a current tool, such as "openssl req -new".'
        : challengePassword
          ? 'Leave the password empty when openssl prompts for it, or pass "-subj". If the password is used elsewhere, change it.'
          : 'No action is needed, unless the certificate requires them.',
  }),
}

/** The reason for an extension that a request asks for more than once. */
export const REQUESTED_TWICE = 'it is requested more than once'
