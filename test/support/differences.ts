/**
 * Where Go, OpenSSL and Node check otherwise than we do, as the tables of docs/differences.md list it. The differential tests fail on
 * a difference that is not in these tables, and on one in these tables that does not occur.
 */
import { readFileSync } from 'node:fs'
import type { Finding } from '../../src/report/finding.js'
import type { Oracle } from './oracles.js'

export interface Difference {
  readonly code: string
  /** The kinds in the details; none for all kinds of the code. */
  readonly kinds: readonly string[]
  /** The programs whose result differs, at least in some cases. etcd agrees with Go, unless the page says otherwise. */
  readonly peers: readonly Oracle[]
  readonly onlyOfClients: boolean
}

/** Mutations that other programs refuse and that no finding reports. */
export interface Silent {
  readonly mutations: readonly string[]
  readonly peers: readonly Oracle[]
  /** It takes another mutation to show. */
  readonly onlyInPairs: boolean
}

/** The rows of the three tables, cell by cell. */
function readTables(): string[][][] {
  const page = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
  const lines = page.split('\n').flatMap((line) => (line.startsWith('|') ? line.slice(1, -1) : []))
  const cells = lines.map((line) => line.split('|').map((cell) => cell.trim()))
  const rules = cells.flatMap((row, i) => (row.every((cell) => /^-+$/.test(cell)) ? i : []))
  // The head of a table stands above its rule.
  return rules.map((rule, i) => cells.slice(rule + 1, (rules[i + 1] ?? Infinity) - 1))
}
const [stricter = [], laxer = [], silent = []] = readTables()

/** The names in a cell, for those who accept and those who refuse: whatever OpenSSL refuses, it refuses with `-x509_strict`. */
const ACCEPTING: Readonly<Record<string, readonly Oracle[]>> = {
  ...{ Go: ['Go'], etcd: [], Node: ['Node'], OpenSSL: ['OpenSSL', 'strict'] },
  'OpenSSL (not with `-x509_strict`)': ['OpenSSL'],
}
const REFUSING: typeof ACCEPTING = {
  ...{ Go: ['Go'], etcd: [], Node: ['Node'], OpenSSL: ['OpenSSL'] },
  'OpenSSL with `-x509_strict`': ['strict'],
}

function peersIn(cell: string, names: typeof ACCEPTING): Oracle[] {
  return cell.split(', ').flatMap((name) => {
    const peers = names[name]
    if (peers === undefined) throw new Error(`docs/differences.md names ${name}, which is not asked`)
    return peers
  })
}

function differenceOf([finding = '', peers = '', why = '']: readonly string[], names: typeof ACCEPTING): Difference {
  const [, code = '', kinds] = /^`([^`]+)`(?: \((.+)\))?$/.exec(finding) ?? []
  const onlyOfClients = why.startsWith('A client certificate: ')
  return { code, kinds: kinds?.split(', ') ?? [], peers: peersIn(peers, names), onlyOfClients }
}

/** Errors here that others do not report. */
export const STRICTER: readonly Difference[] = stricter.map((row) => differenceOf(row, ACCEPTING))

/** Warnings and infos here, for which others refuse. */
export const LAXER: readonly Difference[] = laxer.map((row) => differenceOf(row, REFUSING))

export const SILENT: readonly Silent[] = silent.map(([mutations = '', peers = '', why = '']) => ({
  mutations: mutations.split('; '),
  peers: peersIn(peers, REFUSING),
  onlyInPairs: why.startsWith('Only next to another fault: '),
}))

/** Whether the list has the finding, for that program. */
export function isListed(list: readonly Difference[], finding: Finding, oracle: Oracle): boolean {
  return list.some((each) => isAbout(each, finding) && each.peers.includes(oracle))
}

export function isAbout({ code, kinds, onlyOfClients }: Difference, finding: Finding): boolean {
  const { details } = finding
  if (onlyOfClients && 'usage' in details && details.usage === 'server') return false
  return finding.code === code && (kinds.length === 0 || kinds.includes(kindOf(finding) ?? ''))
}

/** Kinds that are not in the details, by a word of the reason: what OpenSSL reads or compares otherwise. */
const BY_REASON: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'chain/openssl-picks-other-path': { malformed: 'malformed', constraints: 'constrain' },
  'revocation/crl-malformed': { issuer: 'of the issuer' },
}

function kindOf({ code, details }: Finding): string | null {
  if ('kind' in details) return details.kind
  const reason = 'reason' in details ? String(details.reason) : ''
  return Object.entries(BY_REASON[code] ?? {}).find(([, word]) => reason.includes(word))?.[0] ?? null
}

/** `chain/root-not-trusted (leaf)`: the code, and the kind in its details. */
export function nameOfFinding(finding: Finding): string {
  const kind = kindOf(finding)
  return kind === null ? finding.code : `${finding.code} (${kind})`
}
