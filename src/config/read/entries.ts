/** Entries of lists that etcd takes otherwise than they are meant. */
import type { Finding } from '../../report/finding.js'
import { type EtcdOptionRow, etcdOptions, rowOfFlag } from '../options.js'
import { otherOfFlag } from '../options-other.js'
import { finding } from './finding.js'
import { isUnresolved, type ReadOption } from './read-option.js'

/** Kinds of whose entries etcd takes no blanks away; from URLs it does. */
const BLANKS_COUNT: ReadonlySet<EtcdOptionRow['kind']> = new Set(['suites', 'names', 'cluster'])

/** The options, and what is wrong with entries of their lists. */
export function judgeEntries(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const nameRow = etcdOptions.find((row) => row.block === 'server' && row.field === 'name')
  const name = options.find(({ row, text }) => row === nameRow && text !== '')?.text ?? nameRow?.default ?? ''
  const findings: Finding[] = []
  const judged = options.map((option): ReadOption => {
    const { row, place, text } = option
    if (row.kind === 'path' && /^~(?:\/|$)/.test(text)) {
      findings.push(finding('config/tilde-in-path', { ...place, path: text }))
    }
    const flag = option.form === 'yaml' ? null : flagIn(text)
    if (flag !== null) findings.push(finding('config/flag-in-value', { ...place, value: text, flag }))
    if (!BLANKS_COUNT.has(row.kind)) return option
    const blank = entryWithBlank(option, name)
    if (blank !== undefined)
      findings.push(finding('config/blank-in-list', { ...place, entry: blank, isRefused: row.kind !== 'names' }))
    else if (row.kind === 'cluster') {
      // A space before the URL alone is taken away.
      const other = text.split(',').find((each) => /^\s+[^\s=]|^[^=]*\s=/.test(each))
      const member = other?.split('=', 1)[0]?.trim() ?? ''
      if (other !== undefined && !isUnresolved(other))
        findings.push(finding('config/blank-in-list', { ...place, entry: other, isRefused: true, member }))
    }
    const entry = row.kind === 'cluster' && !isUnresolved(text) ? entryWithoutName(text) : undefined
    if (entry === undefined) return option
    findings.push(finding('config/value-malformed', { ...place, value: entry, wants: PAIRS }))
    return { ...option, isUnreadable: true }
  })
  return { options: judged, findings }
}

/** A flag of etcd that follows a space within a value; null if there is none. */
function flagIn(text: string): string | null {
  const [, dashes = '', name = ''] = /\s(--?)([a-z][a-z0-9-]*)(?:[=\s]|$)/.exec(text) ?? []
  return name !== '' && (rowOfFlag(name) !== undefined || otherOfFlag(name) !== undefined) ? dashes + name : null
}

const PAIRS = 'a name and a URL with "=" between, as etcd-1=https://10.0.0.1:2380'

/** Of the members, a blank at the name of this one counts: it is looked for by its name. */
function entryWithBlank({ row, text }: ReadOption, name: string): string | undefined {
  if (!/\s/.test(text)) return undefined
  const isOwn = (entry: string): boolean => /^\s|^[^=]*\s=/.test(entry) && entry.split('=', 1)[0]?.trim() === name
  return text
    .split(',')
    .find((each) => each !== each.trim() && each.trim() !== '' && (row.kind !== 'cluster' || isOwn(each)))
}

function entryWithoutName(text: string): string | undefined {
  return text.split(',').find((each) => each !== '' && !each.includes('='))
}
