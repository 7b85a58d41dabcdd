/** The catalogue of findings and the lines of logs as the sources have them now, whatever is in dist, and what reads their rows. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { emitJavaScript, readConfig } from './compile.mjs'

export async function loadCatalogue(root) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const scratch = mkdtempSync(join(root, '.cache/catalogue-'))
  try {
    const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
    emitJavaScript(join(root, 'src'), 'report', scratch, options)
    const { catalogue } = await import(pathToFileURL(join(scratch, 'report/catalogue.js')).href)
    const { refusalsOf } = await import(pathToFileURL(join(scratch, 'report/row.js')).href)
    const { anchorOf, findingUrl } = await import(pathToFileURL(join(scratch, 'report/links.js')).href)
    const { logLines } = await import(pathToFileURL(join(scratch, 'report/log-lines.js')).href)
    const { LINE_PROGRAMS } = await import(pathToFileURL(join(scratch, 'report/log-lines/line.js')).href)
    return { catalogue, refusalsOf, anchorOf, findingUrl, logLines, linePrograms: LINE_PROGRAMS }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
