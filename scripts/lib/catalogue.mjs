/** The catalogue of findings as the sources have it now, whatever is in dist, and the function that lists a row's refusals. */
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
    return { catalogue, refusalsOf }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
