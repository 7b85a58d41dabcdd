/** Values that no form can say, or that etcd would take for something else. */
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions, nameOf, type EtcdOptionRow } from '../options.js'
import { readUrl, type UrlUse } from '../url.js'
import { judgeSuites } from '../suite-rules.js'
import type { ParsedVersion } from '../version.js'
import { valueOf } from './check-config.js'

// Controls, line and paragraph separators, lone surrogates, and what YAML 1.1 knows as no character.
const UNSAYABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\uFFFE\uFFFF]/u

/** Findings about each value by itself. */
export function judgeValues(config: MemberConfig, version: ParsedVersion): Finding[] {
  return etcdOptions.flatMap((row) => {
    const value = valueOf(config, row)
    if (value === undefined) return []
    const option = nameOf(row)
    const list = typeof value === 'object' ? value : null
    if (list?.length === 0 && row.kind !== 'cluster') return [finding('config/list-empty', unplaced(option))]
    const texts = list ?? (typeof value === 'string' ? [value] : [])
    const odd = texts.flatMap((text) => refused(option, text, unsayable(text)))
    if (odd.length > 0) return odd
    switch (row.kind) {
      case 'urls':
        return texts.flatMap((url) => judgeUrl(option, url, useOf(row)))
      case 'suites':
        return judgeSuites({
          suites: texts,
          place: unplaced(option),
          tlsMinVersion: config.tlsMinVersion,
          version,
          releases: 'all',
        })
      case 'cluster':
        return Object.entries(config.initialCluster).flatMap(([name, urls]) => [
          ...refused(option, name, unlikeName(name)),
          ...(urls.length === 0 ? [finding('config/list-empty', unplaced(option))] : []),
          ...urls.flatMap((url) => judgeUrl(option, url, 'advertise')),
        ])
      default:
        return []
    }
  })
}

function refused(option: string, value: string, reason: string | null): Finding[] {
  return reason === null ? [] : [finding('config/value-refused', { ...unplaced(option), value, reason })]
}

/** Why a text cannot be told to a program in every form, as words that follow `it`; null for one that can. */
export function unsayable(text: string): string | null {
  if (text === '') return 'is empty'
  return UNSAYABLE.test(text) ? 'contains a control character, a line break, or half a character' : null
}

/** `name=url` pairs have commas between them (client/pkg/types/urlsmap.go v3.5.16, parse). */
function unlikeName(name: string): string | null {
  if (name === '') return 'is empty, but must name a member'
  if (UNSAYABLE.test(name)) return 'contains a control character, a line break, or half a character'
  return /[,=]/.test(name) ? 'contains a comma or an equals sign, which a list of members cannot contain' : null
}

function useOf(row: EtcdOptionRow): UrlUse {
  return row.field === 'advertiseUrls' ? 'advertise' : 'listen'
}

function judgeUrl(option: string, url: string, use: UrlUse): Finding[] {
  const reading = readUrl(url, use)
  return 'refused' in reading
    ? [finding('config/url-refused', { ...unplaced(option), url, reason: reading.refused })]
    : []
}
