/** The known name that a slip of the pen was probably meant for. */

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

/** The nearest of the names; null where none is near. */
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
