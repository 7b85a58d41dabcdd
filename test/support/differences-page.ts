/** The lists of differences as the tables of docs/differences.md: one row each, cell by cell. */
import { LAXER, SILENT, STRICTER, type Difference } from './differences.js'
import type { Witness } from './witnesses.js'

export const HEADING = '# Differences between Go, OpenSSL, Node and etcd'

/** The rows of the three tables, in order. */
export function differenceRows(): string[][] {
  return [
    ...STRICTER.map((each) => row(each, acceptedBy(each))),
    ...LAXER.map((each) => row(each, refusedBy(each.peers))),
    ...SILENT.map(({ mutations, peers, why }) => [mutations.join('; '), refusedBy(peers), why]),
  ]
}

function row({ code, kind, why }: Difference, peers: string): string[] {
  return [`\`${code}\`${kind === undefined ? '' : ` (${[kind].flat().join(', ')})`}`, peers, why]
}

/** Whatever `-x509_strict` accepts, OpenSSL accepts. */
function acceptedBy({ code, peers }: Difference): string {
  const openssl = peers.includes('strict') ? 'OpenSSL' : 'OpenSSL (not with `-x509_strict`)'
  // Of revocation, etcd has a notion of its own, which the reasons tell.
  const go = code.startsWith('revocation/') ? 'Go' : 'Go, etcd'
  return named(peers, { Go: go, Node: 'Node', OpenSSL: openssl })
}

/** Whatever OpenSSL refuses, it refuses with `-x509_strict`, too. */
function refusedBy(peers: readonly Witness[]): string {
  return named(peers, { Go: 'Go, etcd', Node: 'Node', OpenSSL: 'OpenSSL', strict: 'OpenSSL with `-x509_strict`' })
}

function named(peers: readonly Witness[], names: Readonly<Partial<Record<Witness, string>>>): string {
  return Object.entries(names)
    .filter(([peer]) => peers.some((each) => each === peer))
    .map(([, name]) => name)
    .join(', ')
}

/** The rows of all tables below the heading, until the next one of its level; without their heads. */
export function rowsIn(page: string): string[][] {
  const section = page.slice(page.indexOf(HEADING) + HEADING.length).split('\n## ')[0] ?? ''
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  const rules = rows.flatMap((cells, i) => (cells.every((cell) => /^-+$/.test(cell)) ? [i] : []))
  return rows.filter((_, i) => !rules.includes(i) && !rules.includes(i + 1))
}
