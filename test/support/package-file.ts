/** In the place of src/cli/package-file.ts: what the build writes into the package, as the sources have it now. */
import { readFileSync } from 'node:fs'
import { renderFindingsJson } from '../../scripts/lib/findings-json.mjs'
import { catalogue } from '../../src/report/catalogue.js'
import { findingUrl } from '../../src/report/links.js'
import { root } from './compiled.js'
import { logLines } from './log-lines.js'

export function readPackageFile(file: string): unknown {
  if (file === 'dist/log-lines.json') return logLines
  if (file === 'dist/findings.json') return JSON.parse(renderFindingsJson(root, catalogue, findingUrl))
  return JSON.parse(readFileSync(`${root}/${file}`, 'utf8'))
}
