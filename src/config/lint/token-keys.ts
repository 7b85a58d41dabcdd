/** The keys with which etcd signs and verifies the tokens of its users (server/auth/options.go v3.5.16). */
import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { readMaterialFile } from '../../credentials/inputs.js'
import type { Finding } from '../../report/finding.js'
import { at, finding } from '../finding.js'
import type { ReadMember } from '../read/input.js'
import { isUnresolved, type PassthroughOption } from '../read/read-option.js'
import { readTokenOptions } from './values.js'
import { isOfOwnGroup, keyPermissions } from './key-permissions.js'
import type { LintMember } from './member.js'

export interface TokenKeys {
  /** The beginning of the fingerprint of the key that verifies tokens; null if it was not read. */
  readonly fingerprint: string | null
  readonly findings: readonly Finding[]
}

const NO_KEYS: TokenKeys = { fingerprint: null, findings: [] }
/** Makes the fingerprint of a shared secret useless to those who read the report and guess secrets. */
const SALT = randomBytes(32)
const MAX_KEY_OCTETS = 1024 * 1024

/** The kinds of keys by the first letters of the methods, in words of Node and of people. */
const KINDS: Readonly<Record<string, { readonly type: string; readonly name: string }>> = {
  RS: { type: 'rsa', name: 'RSA' },
  PS: { type: 'rsa', name: 'RSA' },
  ES: { type: 'ec', name: 'ECDSA' },
  Ed: { type: 'ed25519', name: 'Ed25519' },
}

/** The curves of ECDSA, which signing requires and the start does not (RFC 7518 section 3.4; etcd 3.5.16, run). */
const CURVES: Readonly<Partial<Record<string, { readonly openssl: string; readonly name: string }>>> = {
  ES256: { openssl: 'prime256v1', name: 'P-256' },
  ES384: { openssl: 'secp384r1', name: 'P-384' },
  ES512: { openssl: 'secp521r1', name: 'P-521' },
}

/** Reads the files that `--auth-token=jwt,…` names. */
export async function readTokenKeys(member: LintMember, read: ReadMember, root: string | null): Promise<TokenKeys> {
  const option = member.known('auth-token')
  if (option === undefined) return NO_KEYS
  const tokens = readTokenOptions(option.text)
  if (tokens === null) return NO_KEYS
  const method = tokens.get('sign-method') ?? ''
  const kind = KINDS[method.slice(0, 2)]
  const findings: Finding[] = []
  const keys = new Map<string, Buffer | null>()
  for (const name of ['priv-key', 'pub-key'] as const) {
    const path = tokens.get(name)
    if (path === undefined || path === '') continue
    keys.set(name, await readKeyFile({ option, name, path, isShared: kind === undefined }, { read, root, findings }))
  }
  // With a private key, etcd does not use the public one.
  const [name, bytes] = [...keys][0] ?? []
  if (name === undefined || bytes === undefined || bytes === null) return { fingerprint: null, findings }
  if (kind === undefined)
    return { fingerprint: fingerprintOf(createHmac('sha256', SALT).update(bytes).digest()), findings }
  const key = keyIn(bytes, name === 'priv-key')
  if (key?.asymmetricKeyType !== kind.type) {
    const wants = `a file with an ${kind.name} ${name === 'priv-key' ? 'private' : 'public'} key in PEM, which ${method} requires`
    const value = `${name}=${tokens.get(name) ?? ''}`
    findings.push(finding('config/value-invalid', { ...option.place, kind: 'refused', value, wants }))
    return { fingerprint: null, findings }
  }
  const curve = CURVES[method]
  if (curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== curve.openssl) {
    const value = `${name}=${tokens.get(name) ?? ''}`
    const wants = `a file with a key on ${curve.name}, which ${method} requires`
    findings.push(finding('config/value-invalid', { ...option.place, kind: 'refuses logins', value, wants }))
  }
  const shared = createPublicKey(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }))
  return { fingerprint: fingerprintOf(shared.export({ type: 'spki', format: 'der' })), findings }
}

interface NamedKey {
  readonly option: Pick<PassthroughOption, 'place'>
  readonly name: 'priv-key' | 'pub-key'
  readonly path: string
  /** Whether any file is a key, since it is a secret that all members share. */
  readonly isShared: boolean
}

/** Null if it is not on this machine, or cannot be read, which is reported. */
async function readKeyFile(
  { option: { place }, name, path, isShared }: NamedKey,
  { read, root, findings }: { read: ReadMember; root: string | null; findings: Finding[] },
): Promise<Buffer | null> {
  const host = isUnresolved(path) ? null : read.hostPath(path)
  if (host === null) return null
  const refused = await keyPermissions({ text: path, place }, read, root)
  if (refused !== null) findings.push(refused)
  const content = await readMaterialFile(host, { file: path }, MAX_KEY_OCTETS)
  if ('code' in content) {
    findings.push(at(place, content))
    return null
  }
  const { mode } = content
  const isSecret = name === 'priv-key' && (isShared || content.bytes.includes('PRIVATE KEY-----'))
  if (isSecret && mode !== null && (mode & 0o077) !== 0 && !(await isOfOwnGroup({ text: path }, read, root))) {
    const shown = `0${(mode & 0o777).toString(8)}`
    findings.push(finding('file/key-readable-by-others', { file: path, mode: shown }, place))
  }
  return content.bytes
}

/** The key of the first block, which is the only one that Go reads. */
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
