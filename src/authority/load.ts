/** Takes over an authority that exists: made here before, or by openssl, cfssl, kubeadm and others. */
import { readCertificates } from '../credentials/read-certificates.js'
import { readKey } from '../credentials/read-private-key.js'
import { type OpenedInput, openInput } from '../credentials/input.js'
import { EtcdMtlsError } from '../report/errors.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { summarize } from '../report/report.js'
import { worstFirst } from '../report/severity.js'
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { checkPassphrase, type PrivateKey } from '../x509/keys.js'
import { signingScheme, type SigningScheme, SIGNING_KEYS } from './algorithms.js'
import { Authority } from './authority.js'
import { chainToRoot } from './chain.js'
import { signerFor } from './keys.js'
import { issueRefused } from './refuse.js'
import { type AuthoritySettings, readSettings, SETTINGS } from './settings.js'
import { foreignSigner, type Signer } from './signer.js'

/** What `loadAuthority` takes: PEM as text or octets. The result of `authority.export()` fits. */
export interface LoadAuthorityOptions extends AuthoritySettings {
  /** The CA's certificate. Certificates that follow it in the same text count as `chain`. */
  cert: string | Uint8Array
  /** The CA's private key: PKCS#8, SEC1 or PKCS#1, encrypted or not. This or `signer` is needed. */
  key?: string | Uint8Array | undefined
  /** The CA's key, where it lives elsewhere. The private half is never seen here, and cannot be exported. */
  signer?: Signer | undefined
  /** Decrypts the key. Not used where the key is not encrypted. */
  passphrase?: string | Uint8Array | undefined
  /** For an intermediate CA: the certificates above it up to the root, in any order. Others among them do no harm. */
  chain?: string | Uint8Array | undefined
}

const KNOWN = ['cert', 'key', 'signer', 'passphrase', 'chain', ...SETTINGS] as const

/**
 * Takes over an existing CA. An expired one can be loaded, but issues nothing.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` where a text is not what it should be; `details.findings` says
 * everything that is wrong, a wrong or missing passphrase included.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where all can be read, but is no authority: no CA certificate, one that may
 * not sign certificates, the key of another, a kind of key that does not sign here, or no way up to a root.
 */
export async function loadAuthority(options: LoadAuthorityOptions): Promise<Authority> {
  checkOptions('options', options, KNOWN)
  const settings = readSettings(options)
  const { key: given, signer: foreign } = options
  if (given === undefined && foreign === undefined)
    throw valueInvalid('key', given, 'the private key as PEM, or the option "signer"')
  if (given !== undefined && foreign !== undefined) throw optionInvalid('key', 'cannot be combined with "signer"')
  const { certificate, above, key } = readMaterial(options)
  const held = options.signer === undefined ? null : foreignSigner(options.signer)
  if (held !== null) checkHolds(certificate, bytesEqual(held.spki, certificate.spki), 'the signer')
  if (key !== null)
    checkHolds(certificate, key.matches(certificate), `the private key that was given (${key.algorithm})`)
  const scheme = checkAuthority(certificate)
  const chain = chainToRoot(certificate, above)
  const signer = held ?? (key === null ? null : await signerFor(settings.crypto, key, scheme))
  if (signer === null) throw new TypeError('neither a key nor a signer, and no finding about it')
  return new Authority({ settings, certificate, key, signer, chain, crossCertificates: [] })
}

interface Material {
  certificate: Certificate
  above: Certificate[]
  /** null where a signer holds it. */
  key: PrivateKey | null
}

function readMaterial(options: LoadAuthorityOptions): Material {
  const { passphrase } = options
  if (passphrase !== undefined) checkPassphrase('passphrase', passphrase)
  const cert = open(options.cert, 'cert', 'cert')
  const keyInput = options.key === undefined ? null : open(options.key, 'key', 'key')
  const combined = cert.bytes !== null && keyInput?.bytes?.equals(cert.bytes) === true
  const own = readCertificates(cert, combined)
  const { key, findings } =
    keyInput === null ? { key: null, findings: [] } : readKey(keyInput, passphrase ?? null, combined)
  const above = readChain(options.chain)
  const [first, ...rest] = own.certificates.map((each) => each.certificate)
  const all = [...own.findings, ...findings, ...above.findings]
  const failed = all.some(({ severity }) => severity === 'error')
  if (failed || first === undefined || (keyInput !== null && key === null)) throw unreadable(all)
  return { certificate: first, above: [...rest, ...above.certificates], key }
}

function readChain(chain: unknown): { certificates: Certificate[]; findings: readonly Finding[] } {
  // `export` gives an empty text for a root, which has nothing above it.
  if (chain === undefined || chain === '') return { certificates: [], findings: [] }
  const { certificates, findings } = readCertificates(open(chain, 'chain', 'ca'))
  return { certificates: certificates.map((each) => each.certificate), findings }
}

function open(value: unknown, option: string, role: MaterialRole): OpenedInput {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw valueInvalid(option, value, 'PEM as a string or a Buffer')
  }
  const place = { origin: `option "${option}"`, file: null }
  return openInput({ role, place, bytes: Buffer.from(value), mode: null, findings: [] })
}

function unreadable(all: readonly Finding[]): EtcdMtlsError<'ERR_CREDENTIALS_UNREADABLE'> {
  const [first, ...rest] = worstFirst(all)
  // Without a finding there are a certificate and a key, and nothing is unreadable.
  if (first === undefined) throw new TypeError('credentials without a certificate or a key, and no finding about it')
  const message = `The authority cannot be read: ${summarize(all)}`
  return new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', message, { origin: 'authority', findings: [first, ...rest] })
}

function checkHolds(certificate: Certificate, holds: boolean, what: string): void {
  if (holds) return
  const held = publicKeyText(certificate.publicKeyInfo)
  throw issueRefused(`The certificate "${certificate.subject.toString()}" holds another key (${held}) than ${what}`)
}

function checkAuthority(certificate: Certificate): SigningScheme {
  const name = `The certificate "${certificate.subject.toString()}"`
  if (!certificate.isCa) {
    throw issueRefused(
      `${name} is not a CA certificate: its basicConstraints do not say CA:TRUE (RFC 5280 section 4.2.1.9)`,
    )
  }
  const usage = certificate.extensions.keyUsage
  if (usage !== null && !usage.has('keyCertSign')) {
    throw issueRefused(`${name} may not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 section 4.2.1.3)`)
  }
  const scheme = signingScheme(certificate.publicKeyInfo)
  if (scheme === null)
    throw issueRefused(
      `${name} holds a ${publicKeyText(certificate.publicKeyInfo)} key; an authority signs with ${SIGNING_KEYS}`,
    )
  return scheme
}
