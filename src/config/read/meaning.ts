/** What a name that etcd does not have was probably meant for, by its words. Slips of letters are looked for elsewhere. */
import { etcdOptions, type EtcdOptionRow } from '../options.js'
import { BOOLEAN, isUnresolved, type ReadOption, textOption } from './read-option.js'

type Word =
  'ca' | 'cert' | 'key' | 'auth' | 'crl' | 'cipher' | 'tls' | 'min' | 'max' | 'version' | 'allowed' | 'cn' | 'hostname'
type SideWord = 'client' | 'peer'

/** The words that names are made of, each with its meaning; empty for those that tell nothing. */
const WORDS: ReadonlyMap<string, Word | SideWord | ''> = new Map(
  (
    [
      ['', 'etcd server file path pem x509 enabled enable require required use list bundle root private'],
      ['client', 'client clients'],
      ['peer', 'peer peers'],
      ['ca', 'ca cas cacert cacerts cafile trusted trust authority authorities'],
      ['cert', 'cert certs certificate certificates crt certfile'],
      ['key', 'key keyfile'],
      ['auth', 'auth authn authentication authenticate verify verification'],
      ['crl', 'crl crls revocation'],
      ['cipher', 'cipher ciphers ciphersuites suite suites'],
      ['tls', 'tls ssl'],
      ['min', 'min minimum'],
      ['max', 'max maximum'],
      ['version', 'ver version'],
      ['allowed', 'allowed allow'],
      ['cn', 'cn cns'],
      ['hostname', 'hostname hostnames host hosts san sans'],
    ] as const
  ).flatMap(([meaning, words]) => words.split(' ').map((word) => [word, meaning] as const)),
)

/** What words stand for: those that must be there, and those that may be. The first that fits counts. */
const MEANINGS: readonly {
  readonly field: NonNullable<EtcdOptionRow['field']>
  readonly all: readonly (Word | SideWord)[]
  readonly also: readonly (Word | SideWord)[]
}[] = [
  { field: 'crlFile', all: ['crl'], also: ['cert', 'ca', 'tls', 'client', 'peer'] },
  { field: 'tlsMinVersion', all: ['tls', 'min'], also: ['version'] },
  { field: 'tlsMaxVersion', all: ['tls', 'max'], also: ['version'] },
  { field: 'cipherSuites', all: ['cipher'], also: ['tls'] },
  { field: 'allowedCn', all: ['allowed', 'cn'], also: ['cert', 'tls', 'client', 'peer'] },
  { field: 'allowedHostname', all: ['allowed', 'hostname'], also: ['cert', 'tls', 'client', 'peer'] },
  { field: 'clientCertAuth', all: ['cert', 'auth'], also: ['tls', 'client', 'peer'] },
  { field: 'clientCertAuth', all: ['client', 'auth'], also: ['tls', 'peer'] },
  { field: 'clientCertAuth', all: ['tls', 'auth'], also: ['peer'] },
  { field: 'trustedCaFile', all: ['ca'], also: ['cert', 'tls', 'client', 'peer'] },
  // What a client's certificate or key would be here is not plain.
  { field: 'keyFile', all: ['key'], also: ['cert', 'tls', 'peer'] },
  { field: 'certFile', all: ['cert'], also: ['tls', 'peer'] },
]

/** Longer names are none that people mean something by. */
const MAX_NAME = 64

/**
 * The option that the words of a name stand for; null where they do not all stand for something.
 *
 * @param side Which side is meant where the name does not say "peer".
 */
export function meantByWords(name: string, side: SideWord = 'client'): EtcdOptionRow | null {
  if (name.length > MAX_NAME) return null
  const words = new Set<Word | SideWord>()
  for (const word of name.toLowerCase().split(/[-_.]/)) {
    const meaning = WORDS.get(word)
    if (meaning === undefined) return null
    if (meaning !== '') words.add(meaning)
  }
  const meant = MEANINGS.find(
    ({ all, also }) =>
      all.every((word) => words.has(word)) && [...words].every((word) => all.includes(word) || also.includes(word)),
  )
  if (meant === undefined) return null
  const block = words.has('peer') ? 'peer' : side
  return etcdOptions.find((row) => row.field === meant.field && (row.block === 'server' || row.block === block)) ?? null
}

/** The option that is meant, when a file is named and the value is true or false: whether certificates are asked for. */
export function meantByValue(row: EtcdOptionRow, name: string, value: string, side?: SideWord): EtcdOptionRow {
  if (row.kind !== 'path' || !BOOLEAN.test(value)) return row
  const other = meantByWords(`${name}-auth`, side)
  return other?.kind === 'boolean' ? other : row
}

/** What is told by a name that is a guess; null where the value does not fit the guess. */
export function guessedOption(
  row: EtcdOptionRow,
  value: string,
  form: ReadOption['form'],
  place: ReadOption['place'],
): ReadOption | null {
  if (!fits(row, value) && !isUnresolved(value)) return null
  return { ...textOption(row, value, form, place), isGuess: true }
}

function fits({ kind }: EtcdOptionRow, value: string): boolean {
  if (kind === 'boolean') return BOOLEAN.test(value)
  if (kind === 'tls-version') return /^TLS1\.\d$/.test(value)
  return kind !== 'path' || !/^(?:true|false|yes|no|on|off|\d)$/i.test(value)
}

/** Whether an option protects something, which is open where etcd is not told it. */
export function isProtection(row: EtcdOptionRow): boolean {
  return row.block !== 'server' || row.kind === 'suites' || row.kind === 'tls-version'
}

/** Words of which some follow the side in the name of a block. */
const OF_BLOCKS: ReadonlySet<string> = new Set(['transport', 'security', 'tls', 'ssl'])

/** The block of a file that a name such as `client-security` stands for. */
export function blockByWords(name: string, blocks: Iterable<string>): string | null {
  const [side, ...rest] = name.toLowerCase().split(/[-_]/)
  if (rest.length === 0 || !rest.every((word) => OF_BLOCKS.has(word))) return null
  return Array.from(blocks).find((block) => block.startsWith(`${side ?? ''}-`)) ?? null
}
