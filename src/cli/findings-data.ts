/** The pages of the findings, from the data of the package. */
import { readFile } from 'node:fs/promises'
import type { Severity } from '../report/finding.js'
import { packageFile } from './version.js'

/** An entry of findings.json. */
export interface FindingPage {
  readonly code: string
  readonly severities: readonly Severity[]
  readonly title: string
  readonly explanation: string
  readonly source: string
  readonly url: string
}

export async function loadFindings(): Promise<ReadonlyMap<string, FindingPage>> {
  const all = JSON.parse(await readFile(packageFile('dist/findings.json'), 'utf8')) as FindingPage[]
  return new Map(all.map((each) => [each.code, each]))
}
