/** The option that a name which etcd does not have was probably meant for: by its words, or by its letters. */
import { etcdOptions, type EtcdOptionRow, parseGoBoolean } from '../tables/options.js'
import { isUnresolved, type ReadOption, textOption } from './read-option.js'

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
 * The option that the words of a name stand for; null if they do not all stand for something.
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
  if (row.kind !== 'path' || parseGoBoolean(value) === null) return row
  const other = meantByWords(`${name}-auth`, side)
  return other?.kind === 'boolean' ? other : row
}

/** What is told by a name that is a guess; null if the value does not fit the guess. */
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
  if (kind === 'boolean') return parseGoBoolean(value) !== null
  if (kind === 'tls-version') return /^TLS1\.\d$/.test(value)
  return kind !== 'path' || !/^(?:true|false|yes|no|on|off|\d)$/i.test(value)
}

/** Whether an option protects something, which is open where etcd is not told it. */
export function isProtection(row: EtcdOptionRow): boolean {
  return row.block !== 'server' || row.kind === 'suites' || row.kind === 'tls-version'
}

/** What etcd listens on, or advertises, if the option is not set; nothing for what is not a URL. */
export function usedInstead(row: EtcdOptionRow | undefined): { readonly uses?: string } {
  return row?.kind === 'urls' && row.default !== null ? { uses: row.default } : {}
}

/** Words of which some follow the side in the name of a block. */
const OF_BLOCKS: ReadonlySet<string> = new Set(['transport', 'security', 'tls', 'ssl'])

/** The block of a file that a name such as `client-security` stands for. */
export function blockByWords(name: string, blocks: Iterable<string>): string | null {
  const [side, ...rest] = name.toLowerCase().split(/[-_]/)
  if (rest.length === 0 || !rest.every((word) => OF_BLOCKS.has(word))) return null
  return Array.from(blocks).find((block) => block.startsWith(`${side ?? ''}-`)) ?? null
}

/** A name is near where at most this many letters differ; short names allow less. */
const MOST_SLIPS = 3

/** Flags that etcd had up to 3.3, and what took their place. */
export const GONE: Readonly<Record<string, string>> = {
  'ca-file': 'trusted-ca-file',
  'peer-ca-file': 'peer-trusted-ca-file',
}

/** Names that etcdctl and Kubernetes have for flags of etcd. */
export const NAMES_OF_OTHERS: Readonly<Record<string, string>> = {
  cacert: 'trusted-ca-file',
  'ca-cert': 'trusted-ca-file',
  'client-ca-file': 'trusted-ca-file',
}

/** What a table has for a name; a name such as "constructor" is in each object, and in no table. */
export function own(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** The nearest of the names; null if none is near. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const wanted = fold(name)
  // Nobody misspells a name of this length, and comparing takes the product of both.
  if (wanted.length > 64) return null
  const limit = Math.min(MOST_SLIPS, Math.floor(wanted.length / 4))
  let best: string | null = null
  let least = limit + 1
  const names = Array.from(known, (each) => ({ each, folded: fold(each) }))
  for (const { each, folded } of names) {
    const distance = slips(wanted, folded, least)
    if (distance < least) {
      best = each
      least = distance
    }
  }
  return best ?? unfinished(wanted, names)
}

interface KnownName {
  readonly each: string
  readonly folded: string
}

/** The name that lacks its end, `trusted-ca` for `trusted-ca-file`, or has something before it, `tls-cert-file`. */
function unfinished(wanted: string, names: readonly KnownName[]): string | null {
  const own = bare(wanted)
  const longer = own.length > 2 ? names.filter(({ folded }) => folded.startsWith(`${wanted}-`)) : []
  // One word is the beginning of too many.
  if (longer.length === 1 || (longer.length > 1 && own.includes('-')))
    return longer.reduce((a, b) => (b.folded.length < a.folded.length ? b : a)).each
  const shorter = names.filter(({ folded }) => {
    const name = bare(folded)
    return own.endsWith(name) && own.endsWith(`-${name}`) && name.includes('-')
  })
  return shorter.length === 0 ? null : shorter.reduce((a, b) => (b.folded.length > a.folded.length ? b : a)).each
}

function bare(folded: string): string {
  return folded.startsWith('etcd-') ? folded.slice('etcd-'.length) : folded
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Letters that were left out, added, replaced or swapped, up to a limit. */
function slips(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let leastBefore = 0
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    let leastHere = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      next.push(cost)
      if (cost < leastHere) leastHere = cost
    }
    // What follows is made of the last two rows, and never less.
    if (leastHere >= limit && leastBefore >= limit) return limit
    leastBefore = leastHere
    before = row
    row = next
  }
  return row[b.length] ?? limit
}
