/** The option that a name which etcd does not have was probably meant for: by its words, or by its letters. */
import { etcdOptions, type EtcdOptionRow, parseGoBoolean } from '../tables/options.js'
import { isUnresolved, type ReadOption, textOption } from './read-option.js'

/** The words that names are made of, each with its meaning; the first ones mean nothing. */
const WORDS: ReadonlyMap<string, string> = new Map(
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

/** Fields by the words that must be in a name, and those that may be. The first that fits counts. */
const MEANINGS: readonly (readonly [field: NonNullable<EtcdOptionRow['field']>, all: string, also: string])[] = [
  ['crlFile', 'crl', 'cert ca tls client peer'],
  ['tlsMinVersion', 'tls min', 'version'],
  ['tlsMaxVersion', 'tls max', 'version'],
  ['cipherSuites', 'cipher', 'tls'],
  ['allowedCn', 'allowed cn', 'cert tls client peer'],
  ['allowedHostname', 'allowed hostname', 'cert tls client peer'],
  ['clientCertAuth', 'cert auth', 'tls client peer'],
  ['clientCertAuth', 'client auth', 'tls peer'],
  ['clientCertAuth', 'tls auth', 'peer'],
  ['trustedCaFile', 'ca', 'cert tls client peer'],
  // What a client's certificate or key would be here is not plain.
  ['keyFile', 'key', 'cert tls peer'],
  ['certFile', 'cert', 'tls peer'],
]

/** Longer names are not compared: that takes the product of both lengths. */
const MAX_NAME = 64

/**
 * The option that the words of a name stand for; null if one of them stands for nothing.
 *
 * @param side Which side is meant if the name does not say "peer".
 */
export function meantByWords(name: string, side: 'client' | 'peer' = 'client'): EtcdOptionRow | null {
  if (name.length > MAX_NAME) return null
  const meanings = name
    .toLowerCase()
    .split(/[-_.]/)
    .map((word) => WORDS.get(word))
  if (meanings.includes(undefined)) return null
  const words = new Set(meanings.filter((each) => each !== ''))
  const [field] =
    MEANINGS.find(([, all, also]) => {
      const [required, known] = [all.split(' '), `${all} ${also}`.split(' ')]
      return required.every((word) => words.has(word)) && [...words].every((word) => known.includes(word ?? ''))
    }) ?? []
  const block = words.has('peer') ? 'peer' : side
  const isMeant = (row: EtcdOptionRow): boolean =>
    field !== undefined && row.field === field && (row.block === 'server' || row.block === block)
  return etcdOptions.find(isMeant) ?? null
}

/** The option that is meant if the value for a file is true or false: whether certificates are required. */
export function meantByValue(row: EtcdOptionRow, name: string, value: string, side?: 'client' | 'peer'): EtcdOptionRow {
  if (row.kind !== 'path' || parseGoBoolean(value) === null) return row
  const other = meantByWords(`${name}-auth`, side)
  return other?.kind === 'boolean' ? other : row
}

/** The option for a name that is a guess; null if the value does not fit it. */
export function guessedOption(
  row: EtcdOptionRow,
  value: string,
  form: ReadOption['form'],
  place: ReadOption['place'],
): ReadOption | null {
  return fits(row, value) || isUnresolved(value) ? { ...textOption(row, value, form, place), isGuess: true } : null
}

function fits({ kind }: EtcdOptionRow, value: string): boolean {
  if (kind === 'boolean') return parseGoBoolean(value) !== null
  if (kind === 'tls-version') return /^TLS1\.\d$/.test(value)
  return kind !== 'path' || !/^(?:true|false|yes|no|on|off|\d)$/i.test(value)
}

/** Whether something is open if etcd does not receive the option. */
export function isProtection(row: EtcdOptionRow): boolean {
  return row.block !== 'server' || row.kind === 'suites' || row.kind === 'tls-version'
}

/** What etcd listens on, or advertises, if the option is not set; nothing for other kinds. */
export function usedInstead(row: EtcdOptionRow | undefined): { readonly uses?: string } {
  return row?.kind === 'urls' && row.default !== null ? { uses: row.default } : {}
}

/** The block of a file that a name such as `client-security` stands for. */
export function blockByWords(name: string, blocks: Iterable<string>): string | null {
  const [, side] = /^(client|peer)(?:[-_](?:transport|security|tls|ssl))+$/i.exec(name) ?? []
  return Array.from(blocks).find((block) => side !== undefined && block.startsWith(`${side}-`)) ?? null
}

/** The nearest of the names; null if none is near. At most three letters differ; fewer in short names. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const wanted = fold(name)
  if (wanted.length > MAX_NAME) return null
  let best: string | null = null
  let least = Math.min(3, Math.floor(wanted.length / 4)) + 1
  const names = Array.from(known, (each) => ({ each, folded: fold(each) }))
  for (const { each, folded } of names) {
    const distance = slips(wanted, folded, least)
    if (distance >= least) continue
    best = each
    least = distance
  }
  return best ?? unfinished(wanted, names)
}

/** The name that lacks its end, `trusted-ca` for `trusted-ca-file`, or has something before it, `tls-cert-file`. */
function unfinished(wanted: string, names: readonly { each: string; folded: string }[]): string | null {
  const own = bare(wanted)
  const longer = own.length > 2 ? names.filter(({ folded }) => folded.startsWith(`${wanted}-`)) : []
  // One word is the beginning of too many.
  if (longer.length === 1 || (longer.length > 1 && own.includes('-')))
    return longer.reduce((a, b) => (b.folded.length < a.folded.length ? b : a)).each
  const shorter = names.filter(({ folded }) => bare(folded).includes('-') && own.endsWith(`-${bare(folded)}`))
  return shorter.length === 0 ? null : shorter.reduce((a, b) => (b.folded.length > a.folded.length ? b : a)).each
}

function bare(folded: string): string {
  return folded.replace(/^etcd-/, '')
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
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      next.push(cost)
    }
    // What follows is made of the last two rows, and never less.
    const leastHere = Math.min(...next)
    if (leastHere >= limit && leastBefore >= limit) return limit
    leastBefore = leastHere
    before = row
    row = next
  }
  return row[b.length] ?? limit
}
