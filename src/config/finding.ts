/** The findings about configurations of etcd. */
import { configCluster } from '../report/catalogue/config/cluster.js'
import { configFiles } from '../report/catalogue/config/files.js'
import { configOption } from '../report/catalogue/config/option.js'
import { configReading } from '../report/catalogue/config/reading.js'
import { configTls } from '../report/catalogue/config/tls.js'
import { configTogether } from '../report/catalogue/config/together.js'
import { file } from '../report/catalogue/file.js'
import type { ConfigPlace } from '../report/catalogue/place.js'
import { EtcdMtlsError } from '../report/errors.js'
import { type Finding, type FindingDetails, findingMaker, type FindingPlace } from '../report/finding.js'
import { printable, printableDeep } from '../report/printable.js'
import { withRemedy } from '../report/report.js'
import { showExpressions } from './hidden.js'

export const rows = {
  ...configReading,
  ...configOption,
  ...configTls,
  ...configTogether,
  ...configFiles,
  ...configCluster,
}

const make = findingMaker({ ...rows, ...file })

export type Code = keyof typeof rows | keyof typeof file

/** @param place Default: that of the details. For a missing option, pass the place of the option that requires it. */
export function finding<C extends Code>(
  code: C,
  details: FindingDetails[C],
  place: FindingPlace | null = placeIn(details),
): Finding<C> {
  const made = make(code, shown(details))
  return place === null ? made : { ...made, place: placeOf(place) }
}

export function at(place: FindingPlace, finding: Finding): Finding {
  return { ...finding, place: placeOf(place) }
}

/** The option is for people, and may be a key of a file; `file` stays exact, because programs open it. */
function placeOf({ option, file, line, column, endColumn }: FindingPlace): FindingPlace {
  const end = endColumn === undefined ? {} : { endColumn }
  return { option: option === null ? null : printableDeep(showExpressions(option)), file, line, column, ...end }
}

/** The details with the expressions of templates as they were written. */
function shown<T>(value: T): T {
  if (typeof value === 'string') return showExpressions(value) as T
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(shown) as T
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shown(each)])) as T
}

function placeIn(details: object): FindingPlace | null {
  if (isPlace(details)) return details
  if (!('file' in details) || !('looked' in details || 'is' in details || 'count' in details)) return null
  return typeof details.file === 'string' ? { option: null, file: details.file, line: null, column: null } : null
}

function isPlace(details: object): details is FindingPlace {
  return 'option' in details && 'file' in details && 'line' in details && 'column' in details
}

/** The place of an option that was passed as part of an object, or somewhere in a file. */
export function withoutPlace(option: string, file: string | null = null): ConfigPlace {
  return { option, file, line: null, column: null }
}

/** `etcd.conf.yml:3:5: `, or nothing if no line is known. */
function locationText(place: FindingPlace | undefined): string {
  if (place === undefined || place.line === null) return ''
  const { file, line, column } = place
  return `${[file ?? 'line', line, column].filter((each) => each !== null).join(':')}: `
}

/** @param what Begins a sentence, for example `The configuration of the member "etcd-0"`. */
export function configInvalid(
  what: string,
  findings: readonly Finding[],
  done: 'written' | 'read' = 'written',
): EtcdMtlsError<'ERR_CONFIG_INVALID'> {
  const [first] = findings
  const reason = printable(`${what} cannot be ${done}: ${locationText(first?.place)}${first?.message ?? ''}`)
  return new EtcdMtlsError('ERR_CONFIG_INVALID', withRemedy(reason, findings), {
    reason,
    findings: [...findings],
  })
}
