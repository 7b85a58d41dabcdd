/**
 * `npm run docs`: writes docs/findings.md, docs/log-lines.md and the table in docs/operating.md from the tables of src, and the API pages (TypeDoc) into
 * .cache/docs. With --findings it writes these pages only, which takes seconds. With --check nothing is written: the pages must be up
 * to date, and TypeDoc must report nothing.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCatalogue, loadMetrics } from './lib/catalogue.mjs'
import { readExplanations, renderFindings } from './lib/findings-page.mjs'
import { readLogLines } from './lib/log-lines.mjs'
import { renderLogLines, renderLogLinesIndex } from './lib/log-lines-page.mjs'
import { renderMetrics } from './lib/metrics-table.mjs'
import { run } from './lib/process.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const checkOnly = process.argv.includes('--check')
const findingsOnly = process.argv.includes('--findings')

const { catalogue, refusalsOf, anchorOf, findingUrl } = await loadCatalogue(root)
const logLines = readLogLines(root)
const pages = {
  'docs/findings.md': renderFindings(catalogue, { refusalsOf, anchorOf }, readExplanations(root)),
  'docs/log-lines.md': renderLogLinesIndex(logLines, anchorOf),
  'docs/operating.md': renderMetrics(readIfThere(join(root, 'docs/operating.md')) ?? '', await loadMetrics(root)),
}
for (const [page, text] of Object.entries(pages)) {
  if (!checkOnly) {
    writeFileSync(join(root, page), text)
    console.log(`Wrote ${page}`)
  } else if (readIfThere(join(root, page)) === text) {
    console.log(`${page} is up to date`)
  } else {
    console.error(`${page} does not show the tables of src as they are: run \`npm run docs -- --findings\``)
    process.exitCode = 1
  }
}

if (!findingsOnly) {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  const emit = checkOnly ? ['--emit', 'none'] : []
  const whole = join(root, '.cache/log-lines.md')
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, renderLogLines(logLines, { anchorOf, findingUrl }))
  const { code } = await run(process.execPath, [typedoc, '--projectDocuments', whole, ...emit], {
    cwd: root,
    output: 'show',
  })
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
