/** Finds the option that was probably meant by an unknown name: by its words, or by its spelling. */
import { etcdOptions, type EtcdOptionRow, parseGoBoolean } from '../tables/options.js'

/** Synonyms, by their meaning. The words of the first row are ignored. */
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

/** The words that a name must have, and the words that it may have. The first match counts. */
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
  ['clientKeyFile', 'client key', 'cert tls peer'],
  ['clientCertFile', 'client cert', 'tls peer'],
  ['keyFile', 'key', 'cert tls peer'],
  ['certFile', 'cert', 'tls peer'],
]

/** Longer names are not compared, because the work grows with the product of both lengths. */
const MAX_NAME = 64

/**
 * Returns null if a word of the name is unknown.
 *
 * @param side The side if the name does not contain "peer".
 */
export function meantByWords(name: string, side: 'client' | 'peer' = 'client'): EtcdOptionRow | null {
  if (name.length > MAX_NAME) return null
  const meanings = name.toLowerCase().split(/[-_.]/).map((word) => WORDS.get(word)) // prettier-ignore
  const words = meanings.flatMap((each) => (each === '' ? [] : (each ?? 'unknown')))
  const [field] =
    MEANINGS.find(([, all, also]) => {
      const [required, known] = [all.split(' '), `${all} ${also}`.split(' ')]
      return required.every((word) => words.includes(word)) && words.every((word) => known.includes(word))
    }) ?? []
  const blocks = ['server', words.includes('peer') ? 'peer' : side]
  return etcdOptions.find((row) => field !== undefined && row.field === field && blocks.includes(row.block)) ?? null
}

/** If a file option has a boolean value, `client-cert-auth` is probably meant. */
export function meantByValue(row: EtcdOptionRow, name: string, value: string, side?: 'client' | 'peer'): EtcdOptionRow {
  const isBoolean = row.kind === 'path' && parseGoBoolean(value) !== null
  const other = isBoolean ? meantByWords(`${name}-auth`, side) : null
  return other?.kind === 'boolean' ? other : row
}

/** Whether etcd is less protected if it does not receive the option. */
export function isProtection(row: EtcdOptionRow): boolean {
  return row.block !== 'server' || row.kind === 'suites' || row.kind === 'tls-version'
}

/** The URL that etcd uses if the option is not set; only for options with URLs. */
export function usedInstead(row: EtcdOptionRow | undefined): { readonly uses?: string } {
  return row?.kind === 'urls' && row.default !== null ? { uses: row.default } : {}
}

/** A name for {@link nearest}, and what it compares. */
export interface KnownName {
  readonly each: string
  readonly folded: string
}

export function knownNames(names: Iterable<string>): readonly KnownName[] {
  return Array.from(names, (each) => ({ each, folded: fold(each) }))
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Null if no name is similar. At most three letters may differ, fewer in short names. */
export function nearest(name: string, names: readonly KnownName[]): string | null {
  if (name.length > MAX_NAME) return null
  const wanted = fold(name)
  const limit = Math.min(3, Math.floor(wanted.length / 4)) + 1
  const near = names
    .filter(({ folded }) => Math.abs(folded.length - wanted.length) < limit)
    .map(({ each, folded }) => ({ each, distance: editDistance(wanted, folded) }))
    .filter(({ distance }) => distance < limit)
    .reduce<{ each: string; distance: number } | null>((a, b) => (a === null || b.distance < a.distance ? b : a), null)
  // A name without its end, as `listen-client`. One word alone is the beginning of too many names.
  const longer = names.filter(({ folded }) => folded.startsWith(`${wanted}-`))
  const isOfSeveral = wanted.replace(/^etcd-/, '').includes('-')
  const [first] = longer.toSorted((a, b) => a.folded.length - b.folded.length)
  return near?.each ?? (longer.length === 1 || isOfSeveral ? first?.each : null) ?? null
}

function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, isSwapped ? at(i - 2, j - 2) + 1 : Infinity))
    }
  }
  return at(a.length, b.length)
}
