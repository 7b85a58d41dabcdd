/**
 * `npm run docs`: writes docs/findings.md from the catalogue, and the API pages (TypeDoc) into .cache/docs. With --findings it writes
 * docs/findings.md only, which takes seconds. With --check nothing is written: docs/findings.md must be up to date, and TypeDoc must
 * report nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCatalogue } from './lib/catalogue.mjs'
import { readExplanations, renderFindings } from './lib/findings-page.mjs'
import { run } from './lib/process.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const checkOnly = process.argv.includes('--check')
const findingsOnly = process.argv.includes('--findings')

const page = join(root, 'docs/findings.md')
const { catalogue, refusalsOf } = await loadCatalogue(root)
const findings = renderFindings(catalogue, refusalsOf, readExplanations(root))
if (!checkOnly) {
  writeFileSync(page, findings)
  console.log('Wrote docs/findings.md')
} else if (readIfThere(page) === findings) {
  console.log('docs/findings.md is up to date')
} else {
  console.error('docs/findings.md does not show the catalogue as it is: run `npm run docs -- --findings`')
  process.exitCode = 1
}

if (!findingsOnly) {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  const emit = checkOnly ? ['--emit', 'none'] : []
  const { code } = await run(process.execPath, [typedoc, ...emit], { cwd: root, output: 'show' })
  if (code !== 0) process.exitCode = 1
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}
