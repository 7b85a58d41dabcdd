/** Finds the option that was probably meant by an unknown name: by its words, or by its spelling. */
import { etcdOptions, type EtcdOptionRow, parseGoBoolean } from '../tables/options.js'

/** Words that say nothing about which option is meant; the side is read apart. */
const NOISE =
  /(?:^|-)(?:etcd|server|files?|path|pem|x509|enabled?|required?|use|list|bundle|root|private|peers?)(?=-|$)/g
const CERT = 'cert(?:ificate)?s?|crt|certfile'
const CA = '(?:trusted?-)?(?:cas?|authorit(?:y|ies)|ca-?certs?|cafile)|trusted?-certs?'

/** Other names of options, without their noise. The first match counts. */
const ALIASES: readonly (readonly [field: NonNullable<EtcdOptionRow['field']>, names: RegExp])[] = [
  ['crlFile', /^(?:(?:certs?|ca|tls|clients?)-)*(?:crls?|revocation)$/],
  ['tlsMinVersion', /^(?:tls|ssl)-min(?:imum)?(?:-ver(?:sion)?)?$/],
  ['tlsMaxVersion', /^(?:tls|ssl)-max(?:imum)?(?:-ver(?:sion)?)?$/],
  ['cipherSuites', /^(?:(?:tls|ssl)-)?(?:ciphers?(?:-?suites?)?|suites)$/],
  ['allowedCn', /^(?:(?:certs?|tls|clients?)-)*allow(?:ed)?-cns?$/],
  ['allowedHostname', /^(?:(?:certs?|tls|clients?)-)*allow(?:ed)?-(?:host(?:name)?|san)s?$/],
  ['clientCertAuth', new RegExp(`^(?:(?:tls|ssl|clients?|${CERT})-)+(?:auth(?:n|enticat(?:e|ion))?|verif(?:y|ication))$`)],
  ['trustedCaFile', new RegExp(`^(?:(?:tls|ssl|clients?|${CERT})-)*(?:${CA})(?:-certs?)?$`)],
  ['clientKeyFile', /^(?:(?:certs?|tls)-)*clients?-(?:(?:certs?|tls)-)*key(?:file)?$/],
  ['clientCertFile', new RegExp(`^(?:tls-)?clients?-(?:tls-)?(?:${CERT})$`)],
  ['keyFile', /^(?:(?:certs?|tls|ssl)-)*key(?:file)?$/],
  ['certFile', new RegExp(`^(?:(?:tls|ssl)-)*(?:${CERT})$`)],
] // prettier-ignore

/** Longer names are not compared, because the work grows with the product of both lengths. */
const MAX_NAME = 64

/** @param side The side if the name does not contain "peer". */
export function meantByWords(name: string, side: 'client' | 'peer' = 'client'): EtcdOptionRow | null {
  if (name.length > MAX_NAME) return null
  const folded = fold(name).replaceAll('.', '-')
  const bare = folded.replace(NOISE, '').replace(/^-+/, '')
  const [field] = ALIASES.find(([, names]) => names.test(bare)) ?? []
  const blocks = ['server', /(?:^|-)peers?(?:-|$)/.test(folded) ? 'peer' : side]
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
  readonly letters: number
}

export function knownNames(names: Iterable<string>): readonly KnownName[] {
  return Array.from(names, (each) => ({ each, folded: fold(each), letters: lettersOf(fold(each)) }))
}

/** A bit for each letter of a name. */
function lettersOf(name: string): number {
  let letters = 0
  for (let i = 0; i < name.length; i++) letters |= 1 << (name.charCodeAt(i) & 31)
  return letters
}

/** How many letters one of two names has and the other has not: one difference in spelling makes at most two. */
function otherLetters(a: number, b: number): number {
  let count = 0
  for (let rest = a ^ b; rest !== 0; rest &= rest - 1) count++
  return count
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Null if no name is similar. At most three letters may differ, fewer in short names. */
export function nearest(name: string, names: readonly KnownName[]): string | null {
  if (name.length > MAX_NAME) return null
  const wanted = fold(name)
  const limit = Math.min(3, Math.floor(wanted.length / 4)) + 1
  const letters = lettersOf(wanted)
  const near = names
    .filter(({ folded }) => Math.abs(folded.length - wanted.length) < limit)
    .filter((known) => otherLetters(known.letters, letters) <= 2 * (limit - 1))
    .map(({ each, folded }) => ({ each, distance: editDistance(wanted, folded) }))
    .filter(({ distance }) => distance < limit)
    .reduce<{ each: string; distance: number } | null>((a, b) => (a === null || b.distance < a.distance ? b : a), null)
  // A name without its end, as `listen-client`. One word alone is the beginning of too many names.
  const beginning = `${wanted}-`
  const longer = names.filter(({ folded }) => folded.length > beginning.length && folded.startsWith(beginning))
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
