/**
 * `npm run docs`: writes docs/findings.md and docs/report.schema.json from the catalogue, and the API pages (TypeDoc)
 * into .cache/docs. With --check nothing is written: both must be fresh, and TypeDoc must have nothing to complain about.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { emitJavaScript, readConfig } from './lib/compile.mjs'
import { renderFindings } from './lib/findings-page.mjs'
import { run } from './lib/process.mjs'
import { renderReportSchema } from './lib/report-schema.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const checkOnly = process.argv.includes('--check')

const catalogue = await loadCatalogue()
const made = {
  'docs/findings.md': renderFindings(catalogue),
  'docs/report.schema.json': renderReportSchema(root, catalogue),
}
for (const [name, text] of Object.entries(made)) {
  const file = join(root, name)
  if (!checkOnly) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    console.log(`Wrote ${name}`)
  } else if (readIfThere(file) === text) {
    console.log(`${name} is fresh`)
  } else {
    console.error(`${name} does not show the catalogue as it is: run \`npm run docs\``)
    process.exitCode = 1
  }
}

const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
const emit = checkOnly ? ['--emit', 'none'] : []
const { code } = await run(process.execPath, [typedoc, ...emit], { cwd: root, output: 'show' })
if (code !== 0) process.exitCode = 1

/** The catalogue as the sources have it now, whatever stands in dist. */
async function loadCatalogue() {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const scratch = mkdtempSync(join(root, '.cache/catalogue-'))
  try {
    const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
    emitJavaScript(join(root, 'src'), 'report', scratch, options)
    const { catalogue } = await import(pathToFileURL(join(scratch, 'report/catalogue.js')).href)
    return catalogue
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}
