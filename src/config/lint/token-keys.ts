/** Reads the keys with which etcd signs and verifies tokens (server/auth/options.go v3.5.16). */
import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { readMaterialFile } from '../../credentials/load-inputs.js'
import type { Finding } from '../../report/finding.js'
import { at, finding } from '../finding.js'
import type { ReadMember } from '../read/input.js'
import { isUnresolved } from '../read/text.js'
import { isReadableOnlyByOwnGroup, keyPermissions } from './key-permissions.js'
import type { LintMember } from './member.js'
import { readTokenOptions } from './values.js'

export interface TokenKeys {
  /** The beginning of the fingerprint of the verification key; null if the key was not read. */
  readonly fingerprint: string | null
  readonly findings: readonly Finding[]
}

/** Prevents that a reader of the report tests guesses of a shared secret against its fingerprint. */
const SALT = randomBytes(32)
const MAX_KEY_BYTES = 1024 * 1024

/** Key types by the first letters of the signing method: the type in Node, and its usual name. */
const KINDS: Readonly<Record<string, readonly [type: string, name: string]>> = {
  RS: ['rsa', 'RSA'],
  PS: ['rsa', 'RSA'],
  ES: ['ec', 'ECDSA'],
  Ed: ['ed25519', 'Ed25519'],
}

/** Etcd starts with another curve, but cannot sign (RFC 7518 section 3.4; measured with etcd 3.5.16). */
const CURVES: Readonly<Partial<Record<string, readonly [openssl: string, name: string]>>> = {
  ES256: ['prime256v1', 'P-256'],
  ES384: ['secp384r1', 'P-384'],
  ES512: ['secp521r1', 'P-521'],
}

export async function readTokenKeys(member: LintMember, read: ReadMember, root: string | null): Promise<TokenKeys> {
  const findings: Finding[] = []
  const option = member.known('auth-token')
  const tokens = readTokenOptions(option?.text ?? '')
  if (option === undefined || tokens === null) return { fingerprint: null, findings }
  const { place } = option
  const method = tokens.get('sign-method') ?? ''
  // Other methods use a shared secret, for which any file is valid.
  const [type, kind] = KINDS[method.slice(0, 2)] ?? []
  const keys: { name: 'priv-key' | 'pub-key'; path: string; bytes: Buffer | null }[] = []
  for (const name of ['priv-key', 'pub-key'] as const) {
    const path = tokens.get(name) ?? ''
    const host = path === '' || isUnresolved(path) ? null : read.hostPath(path)
    if (path === '') continue
    const key = { name, path, bytes: null as Buffer | null }
    keys.push(key)
    if (host === null) continue
    const unreadable = await keyPermissions({ text: path, place }, read, root)
    if (unreadable !== null) findings.push(unreadable)
    const content = await readMaterialFile(host, { file: path }, MAX_KEY_BYTES)
    if ('code' in content) {
      findings.push(at(place, content))
      continue
    }
    const { exposure, bytes } = content
    key.bytes = bytes
    const isSecret = name === 'priv-key' && (type === undefined || bytes.includes('PRIVATE KEY-----'))
    if (isSecret && exposure !== null && !(await isReadableOnlyByOwnGroup({ text: path }, read, root)))
      findings.push(finding('file/key-readable-by-others', { file: path, ...exposure }, place))
  }
  // If a private key is set, etcd ignores the public key.
  const { name, path, bytes = null } = keys[0] ?? {}
  if (bytes === null) return { fingerprint: null, findings }
  if (type === undefined)
    return { fingerprint: fingerprintOf(createHmac('sha256', SALT).update(bytes).digest()), findings }
  const refuse = (how: 'refused' | 'refuses logins', what: string): void => {
    const wants = `a file with ${what}, which ${method} requires`
    findings.push(finding('config/value-invalid', { ...place, kind: how, value: `${name ?? ''}=${path ?? ''}`, wants }))
  }
  const key = keyIn(bytes, name === 'priv-key')
  if (key?.asymmetricKeyType !== type) {
    refuse('refused', `an ${kind ?? ''} ${name === 'priv-key' ? 'private' : 'public'} key in PEM`)
    return { fingerprint: null, findings }
  }
  const [curve, shown] = CURVES[method] ?? []
  if (curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== curve) {
    refuse('refuses logins', `a key on ${shown ?? ''}`)
  }
  const shared = createPublicKey(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }))
  return { fingerprint: fingerprintOf(shared.export({ type: 'spki', format: 'der' })), findings }
}

/** Go reads only the first PEM block. */
function keyIn(bytes: Buffer, isPrivate: boolean): KeyObject | null {
  const text = bytes.toString('latin1')
  const begin = /-----BEGIN ([A-Z\d ]{1,40})-----/.exec(text)
  if (begin === null) return null
  const { 1: label = '', index } = begin
  const end = `-----END ${label}-----`
  const at = text.indexOf(end, index)
  if (at === -1 || label.endsWith('PRIVATE KEY') !== isPrivate) return null
  const block = text.slice(index, at + end.length)
  try {
    return isPrivate ? createPrivateKey(block) : createPublicKey(block)
  } catch {
    return null
  }
}

function fingerprintOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}
