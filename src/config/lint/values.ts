/** Values of passthrough options that are about access: those that etcd refuses, and those that are dangerous. */
import { parseGoDuration } from '../../report/go-duration.js'
import type { ConfigForm } from '../tables/options.js'
import type { ParsedVersion } from '../tables/version.js'
import { acceptedUrl, type LintMember } from './member.js'

interface ValueRow {
  /** `not used`: etcd silently uses the default instead. @default refused */
  readonly kind?: 'not used'
  readonly expected: string
  readonly is: (text: string, member: LintMember, form: ConfigForm) => boolean
}

/** The rules for values that decide about access, by the name of the flag. */
export const ACCESS_VALUES: Readonly<Record<string, ValueRow>> = {
  'auth-token': {
    expected:
      'simple, or jwt with its method and keys, as jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=10m (the methods are RS, PS, ES and HS with 256, 384 or 512; ttl has a unit)',
    is: (text, { version }) => isToken(text, version),
  },
  // server/auth/store.go v3.5.16 NewAuthStore. Another rule reports a value that is not a number.
  'bcrypt-cost': {
    kind: 'not used',
    expected: 'a number from 4 to 31',
    is: (text) => !/^\+?\d+$/.test(text) || (Number(text) >= 4 && Number(text) <= 31),
  },
  // pkg/flags/unique_urls.go v3.5.16 Set
  cors: {
    expected: '"*", or URLs of scheme, host and port',
    is: (text) => text === '*' || text.split(',').every((each) => acceptedUrl(each.trim()) !== null),
  },
  // With another value, it starts no member (server/etcdmain/etcd.go v3.5.16 startEtcdOrProxyV2).
  proxy: {
    expected: 'off: with another value, etcd starts a proxy and no member',
    is: (text) => text === 'off',
  },
  // The default of a file is 0 (server/embed/config.go v3.5.16 configFromFile, ClientSelfCert).
  'self-signed-cert-validity': {
    expected: 'a number of years above 0',
    is: (text, { sides }, form) => Number(text) !== 0 || form === 'yaml' || !sides.some(({ isAutoTls }) => isAutoTls),
  },
}

/** The options of `jwt,…`; null if etcd cannot parse them (server/auth/store.go v3.5.16 decomposeOpts). */
export function readTokenOptions(text: string): ReadonlyMap<string, string> | null {
  const [type, ...pairs] = text.split(',').map((each) => each.split('='))
  const options = new Map(pairs.map(([key = '', value = '']) => [key, value]))
  const isRight = pairs.every(({ length }) => length === 2) && options.size === pairs.length
  return type?.join('=') === 'jwt' && isRight ? options : null
}

/** server/auth/store.go v3.5.16 NewTokenProvider; server/auth/options.go */
function isToken(text: string, version: ParsedVersion | null): boolean {
  const tokens = readTokenOptions(text.replace(/^simple(?=,|$)/, 'jwt'))
  if (tokens === null || text.startsWith('simple')) return tokens !== null
  const { 'sign-method': method = '', ttl = '5m', ...keys } = Object.fromEntries(tokens)
  const hasEdDsa = version?.minor !== 4 && version?.minor !== 5
  const isMethod = /^(?:[RPEH]S(?:256|384|512))$/.test(method) || (method === 'EdDSA' && hasEdDsa)
  const has = (key: string): boolean => (keys[key] ?? '') !== ''
  const isKeyed = has('priv-key') || (has('pub-key') && !method.startsWith('HS'))
  return isMethod && isKeyed && parseGoDuration(ttl) !== null
}

const AFTER_EMERGENCY = 'Remove it after the emergency or the test.'

/** Options that are dangerous if they are true. `why` follows the option. */
export const DANGERS: Readonly<Record<string, { readonly why: string; readonly remedy: string }>> = {
  'peer-skip-client-san-verification': {
    why: "lets a member's certificate be used from any address",
    remedy: 'Remove it, and issue certificates to the members with their addresses. Use a separate CA for members.',
  },
  'force-new-cluster': { why: 'makes this member drop all other members at each start', remedy: AFTER_EMERGENCY },
  'unsafe-no-fsync': { why: 'lets a power failure lose writes that clients saw succeed', remedy: AFTER_EMERGENCY },
  'discovery-insecure-skip-tls-verify': {
    why: 'turns off the verification of the discovery service',
    remedy: 'Remove it, and set the CA of the service (--discovery-cacert, or "cacert" next to it in a file).',
  },
}
