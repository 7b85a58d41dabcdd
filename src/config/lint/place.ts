/** Gives the findings of a lint their places in the configuration. */
import { placed } from '../../report/catalogue/config-place.js'
import type { Finding, FindingPlace } from '../../report/finding.js'
import { printable } from '../../report/printable.js'
import { at } from '../finding.js'
import type { ReadOption } from '../read/read-option.js'

/** Gives a finding the place that its details have, or that of the option that names its file. */
export function placer(options: readonly ReadOption[]): (finding: Finding) => Finding {
  const named = options
    .filter(({ row, text }) => row.kind === 'path' && text !== '')
    .map(({ row, text, place }) => ({
      place,
      file: printable(text),
      // As inputs.ts writes it.
      origin: printable(`${text} (from ${placed(place)})`),
      isKey: row.field === 'keyFile' || row.field === 'clientKeyFile',
    }))
    // What knows of a file its name alone is about keys.
    .sort((a, b) => Number(b.isKey) - Number(a.isKey))
  return (finding) => {
    if (finding.place !== undefined) return finding
    const own = ownPlace(finding)
    if (own !== null) return at(own, finding)
    const told = textsOf([finding.certificate?.origin, finding.details])
    const variables = new Set(told)
    const names =
      named.find(({ origin }) => told.some((each) => each.startsWith(origin))) ??
      named.find(({ place, file }) => variables.has(placed(place)) && variables.has(file)) ??
      named.find(({ file }) => variables.has(file))
    return names === undefined ? finding : at(names.place, finding)
  }
}

function ownPlace({ code, details }: Finding): FindingPlace | null {
  if (!code.startsWith('config/')) return null
  if (isPlace(details)) return details
  if (!('file' in details) || typeof details.file !== 'string') return null
  return { option: null, file: details.file, line: null, column: null }
}

function isPlace(details: object): details is FindingPlace {
  return 'option' in details && 'file' in details && 'line' in details && 'column' in details
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}
