/** Takes over an authority that exists: made here before, or by openssl, cfssl, kubeadm and others. */
import { readCertificates } from '../credentials/read-certificates.js'
import { readKey } from '../credentials/read-private-key.js'
import { type OpenedInput, openInput } from '../credentials/input.js'
import { EtcdMtlsError } from '../errors.js'
import { checkOptions, optionInvalid } from '../misuse.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { summarize } from '../report/report.js'
import { worstFirst } from '../report/severity.js'
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { checkPassphrase, type PrivateKey } from '../x509/keys.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { signingScheme, type SigningScheme, SIGNING_KEYS } from './algorithms.js'
import { Authority } from './authority.js'
import { chainToRoot } from './chain.js'
import { importSigner } from './keys.js'
import { checkCrypto } from './options.js'
import { issueRefused } from './refuse.js'

/** What `loadAuthority` takes: PEM as text or octets. The result of `authority.export()` fits. */
export interface LoadAuthorityOptions {
  /** The CA's certificate. Certificates that follow it in the same text count as `chain`. */
  cert: string | Uint8Array
  /** The CA's private key: PKCS#8, SEC1 or PKCS#1, encrypted or not. */
  key: string | Uint8Array
  /** Decrypts the key. Not used where the key is not encrypted. */
  passphrase?: string | Uint8Array | undefined
  /** For an intermediate CA: the certificates above it up to the root, in any order. Others among them do no harm. */
  chain?: string | Uint8Array | undefined
  /** The Web Crypto implementation that signs, and makes the keys of what is issued. Default: @peculiar/webcrypto's. */
  crypto?: WebCrypto | undefined
}

const KNOWN = ['cert', 'key', 'passphrase', 'chain', 'crypto'] as const

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
  checkCrypto(options.crypto, 'crypto')
  const { certificate, above, key } = readMaterial(options)
  const scheme = checkAuthority(certificate, key)
  const chain = chainToRoot(certificate, above)
  const crypto = options.crypto ?? (await import('../x509/engine.js')).createDefaultCrypto()
  const signer = await importSigner(crypto, key.toKeyObject(), scheme)
  return new Authority({ crypto, certificate, key, signer, chain })
}

interface Material {
  certificate: Certificate
  above: Certificate[]
  key: PrivateKey
}

function readMaterial(options: LoadAuthorityOptions): Material {
  const { passphrase } = options
  if (passphrase !== undefined) checkPassphrase('passphrase', passphrase)
  const cert = open(options.cert, 'cert', 'cert')
  const keyInput = open(options.key, 'key', 'key')
  const combined = cert.bytes !== null && keyInput.bytes?.equals(cert.bytes) === true
  const own = readCertificates(cert, combined)
  const { key, findings } = readKey(keyInput, passphrase ?? null, combined)
  const above = readChain(options.chain)
  const [first, ...rest] = own.certificates.map((each) => each.certificate)
  const all = [...own.findings, ...findings, ...above.findings]
  const failed = all.some(({ severity }) => severity === 'error')
  if (failed || first === undefined || key === null) throw unreadable(all)
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
    throw optionInvalid(option, 'must be PEM as a string or a Buffer')
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

function checkAuthority(certificate: Certificate, key: PrivateKey): SigningScheme {
  const name = `The certificate "${certificate.subject.toString()}"`
  if (!key.matches(certificate)) {
    const held = publicKeyText(certificate.publicKeyInfo)
    throw issueRefused(`${name} holds another key (${held}) than the private key that was given (${key.algorithm})`)
  }
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
    throw issueRefused(`${name} holds a ${key.algorithm} key; an authority signs with ${SIGNING_KEYS}`)
  return scheme
}
