/** Loads an existing CA, of this package, openssl, cfssl, kubeadm or another tool. */
import { join, resolve } from 'node:path'
import { type OpenedInput, openInput, readCertificates, readKey } from '../credentials/parse-input.js'
import { checkDirectory } from '../credentials/checks.js'
import {
  type FileSystem,
  finalName,
  findRoot,
  flushDirectory,
  lookAt,
  makeDirectories,
  readPlainFile,
  replaceFiles,
} from '../files/file-system.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../files/guarded-file-system.js'
import { giveToRoot } from '../files/foreign-component.js'
import { withDirectoryLock } from '../files/lock.js'
import { writeFailed } from '../files/write-failed.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import { EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { errorMessage } from '../report/report.js'
import { worstFirst } from '../report/row.js'
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { checkPassphrase, type PrivateKey } from '../x509/keys/keys.js'
import { SIGNING_KEYS, signingScheme } from './algorithms.js'
import { Authority, createAuthority } from './authority.js'
import { findIssuers } from './issuing-ca.js'
import { externalSigner, keyObjectSigner, type Signer } from './keys.js'
import { CA_OPTIONS, checkMayIssue, type CreateAuthorityOptions, readRootOptions } from './create-ca.js'
import { issueRefused } from './refuse.js'
import { type AuthoritySettings, readSettings, SETTINGS } from './settings.js'

/** Options of `loadAuthority`, in PEM as strings or bytes: the result of `authority.export()` fits. */
export interface LoadAuthorityOptions extends AuthoritySettings {
  /** The CA's certificate. Further certificates in it count as `chain`. */
  cert: string | Uint8Array
  /** The CA's private key: PKCS#8, SEC1 or PKCS#1, encrypted or not. This or `signer` is required. @default none */
  key?: string | Uint8Array | undefined
  /** The CA's key, if it is elsewhere. Its private half is never read, and cannot be exported. @default none */
  signer?: Signer | undefined
  /** Decrypts the key, if it is encrypted. @default none */
  passphrase?: string | Uint8Array | undefined
  /**
   * For an intermediate CA: the certificates above it up to the root, in any order. Others are ignored.
   *
   * @default none
   */
  chain?: string | Uint8Array | undefined
}

const KNOWN = ['cert', 'key', 'signer', 'passphrase', 'chain', ...SETTINGS] as const

/**
 * Loads an existing CA. An expired one can be loaded, but does not issue.
 *
 * @example
 * ```ts
 * const [cert, key] = await Promise.all([readFile('ca.crt'), readFile('ca.key')])
 * const authority = await loadAuthority({ cert, key })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` if an input cannot be read; `details.findings` lists every
 *   fault.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if it is not an authority: not a CA certificate, one that may not sign
 * certificates, a key that does not match or is not supported, or no chain to a root.
 */
export async function loadAuthority(options: LoadAuthorityOptions): Promise<Authority> {
  checkOptions('options', options, KNOWN)
  const settings = readSettings(options)
  const { key: given, signer: external } = options
  if (given === undefined && external === undefined)
    throw valueInvalid('key', given, 'the private key as PEM, or the option "signer"')
  if (given !== undefined && external !== undefined) throw optionInvalid('key', 'cannot be combined with "signer"')
  const { certificate, above, key } = readMaterial(options)
  const held = external === undefined ? null : externalSigner(external)
  if (held !== null) checkHolds(certificate, bytesEqual(held.spki, certificate.spki), 'the signer')
  if (key !== null)
    checkHolds(certificate, key.matches(certificate), `the private key that was given (${key.algorithm})`)
  checkMayIssue(certificate)
  const scheme = signingScheme(certificate.publicKeyInfo)
  if (scheme === null) {
    const which = publicKeyText(certificate.publicKeyInfo)
    const name = `The certificate "${certificate.subject.toString()}"`
    throw issueRefused(`${name} holds a ${which} key; an authority signs with ${SIGNING_KEYS}`)
  }
  const chain = chainToRoot(certificate, above)
  const signer = held ?? (key === null ? null : keyObjectSigner(key, scheme))
  if (signer === null) throw new TypeError('no key')
  const keyState = { isKept: true }
  return Promise.resolve(new Authority({ settings, certificate, key, signer, chain, crossCertificates: [], keyState }))
}

interface Material {
  certificate: Certificate
  above: Certificate[]
  /** null if an external signer holds it. */
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
  const [worst, ...others] = worstFirst(all)
  if (worst?.severity === 'error' || first === undefined || (keyInput !== null && key === null)) {
    if (worst === undefined) throw new TypeError('An authority was refused without a finding')
    const details = { origin: 'authority', findings: [worst, ...others] as [Finding, ...Finding[]] }
    throw new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', errorMessage(all), details)
  }
  return { certificate: first, above: [...rest, ...above.certificates], key }
}

function readChain(chain: unknown): { certificates: Certificate[]; findings: readonly Finding[] } {
  // `export` returns an empty string for a root.
  if (chain === undefined || chain === '') return { certificates: [], findings: [] }
  const { certificates, findings } = readCertificates(open(chain, 'chain', 'ca'))
  return { certificates: certificates.map((each) => each.certificate), findings }
}

function open(value: unknown, option: string, role: MaterialRole): OpenedInput {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw valueInvalid(option, value, 'PEM as a string or a Buffer')
  }
  const place = { origin: `option "${option}"`, file: null }
  return openInput({ role, place, bytes: Buffer.from(value), exposure: null, findings: [] })
}

function checkHolds(certificate: Certificate, holds: boolean, what: string): void {
  if (holds) return
  const held = publicKeyText(certificate.publicKeyInfo)
  throw issueRefused(`The certificate "${certificate.subject.toString()}" holds another key (${held}) than ${what}`)
}

/** Bounds the signatures that are verified. */
const MAX_ABOVE = 100

/**
 * The certificates above, from the issuer to the root; empty for a root. A root is required, because OpenSSL, and so Node, does not
 * accept an intermediate as trust anchor.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if no chain leads to a root.
 */
function chainToRoot(certificate: Certificate, above: readonly Certificate[]): Certificate[] {
  if (above.length > MAX_ABOVE) throw optionInvalid('chain', `must hold at most ${String(MAX_ABOVE)} certificates`)
  const isRoot = (each: Certificate): boolean => each.isSelfIssued && each.isSignedBy(each)
  const { path: chain, seen } = findIssuers(certificate, above, isRoot)
  if (chain !== null) return chain
  const last = [...seen].at(-1) ?? certificate
  throw issueRefused(
    `No chain leads from "${certificate.subject.toString()}" to a root: the certificate "${last.issuer.toString()}" is ` +
      'missing; pass every certificate up to the self-signed one as "chain"',
  )
}

/**
 * Loads the root CA in `ca.crt` and `ca.key` of a directory, or creates it there if neither file exists. The key gets mode
 * 0600 and is not encrypted, the certificate 0644, and a directory that is created 0700. Two processes that open one
 * directory at the same time get the same CA.
 *
 * @example
 * ```ts
 * const authority = await openAuthority('/srv/ca', { name: 'etcd CA' })
 * ```
 * @param directory The directory of the CA alone. Every user who can read it can issue certificates.
 * @param options Those of `createAuthority`. For a CA that exists, `name` and the other properties of the certificate are not
 *   compared with it.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` or `ERR_ISSUE_REFUSED` if the files are not a CA with its key.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if one of the two files is missing, or the file system refuses.
 */
export async function openAuthority(
  directory: string,
  options: Omit<CreateAuthorityOptions, 'signer'> & TrustedOwnerOption,
): Promise<Authority> {
  checkDirectory(directory)
  checkOptions('options', options, [...CA_OPTIONS.filter((each) => each !== 'signer'), 'trustedOwner'])
  const { trustedOwner: _, ...root } = options
  // Checked even if the CA exists, so that a wrong call always fails.
  readRootOptions(root)
  const place = resolve(directory)
  const fs = await guardedFileSystem(place, options, giveToRoot)
  if ((await findRoot(fs, place)) === null) await makeDirectories(fs, place)
  return withDirectoryLock(fs, place, undefined, (real, _, held) => loadOrCreate(held, real ?? place, root))
}

async function loadOrCreate(fs: FileSystem, place: string, options: CreateAuthorityOptions): Promise<Authority> {
  const paths = { cert: join(place, 'ca.crt'), key: join(place, 'ca.key') }
  const [cert, key] = await Promise.all([readIfExists(fs, paths.cert), readIfExists(fs, paths.key)])
  const { ledger, clock } = options
  if (cert !== null && key !== null) return loadAuthority({ cert, key, ledger, clock })
  if (key !== null) {
    // A process that was killed between the two renames left the certificate under its temporary name.
    const temporary = (await fs.readdir(place)).find((name) => finalName(name) === 'ca.crt')
    const complete = temporary === undefined ? null : await readIfExists(fs, join(place, temporary))
    if (temporary === undefined || complete === null)
      throw writeFailed(paths.cert, 'it is missing, and ca.key exists: restore it, or remove the key')
    const authority = await loadAuthority({ cert: complete, key, ledger, clock })
    await fs.rename(join(place, temporary), paths.cert)
    await flushDirectory(fs, place)
    return authority
  }
  if (cert !== null) throw writeFailed(paths.key, 'it is missing, and ca.crt exists: restore the key from a backup')
  const authority = await createAuthority(options)
  const material = authority.export()
  await replaceFiles(fs, place, [
    { name: 'ca.key', content: material.key, mode: 0o600 },
    { name: 'ca.crt', content: material.cert, mode: 0o644 },
  ])
  return authority
}

/** Maximum bytes of a PEM file; usual ones have a few thousand. */
const MAX_PEM_BYTES = 1024 * 1024

/** Null if the file does not exist. It follows links, which Kubernetes volumes have. */
async function readIfExists(fs: FileSystem, path: string): Promise<Buffer | null> {
  if ((await lookAt(fs, path)) === null) return null
  return (await readPlainFile(fs, await fs.realpath(path), MAX_PEM_BYTES))?.bytes ?? null
}
