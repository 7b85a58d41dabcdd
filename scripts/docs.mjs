/**
 * `npm run docs`: writes docs/findings.md, docs/log-lines.md and the table in docs/operating.md from the tables of src, and the site into
 * .cache/docs: the guides, a page for each finding and the API, by TypeDoc. The site must have no dead link, and Chromium must show it
 * without an error, if it is installed. With --findings it writes the pages of docs only, which takes seconds. With --check these must be
 * up to date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCatalogue, loadMetrics } from './lib/catalogue.mjs'
import { readExplanations, renderFindings } from './lib/findings-page.mjs'
import { readLogLines } from './lib/log-lines.mjs'
import { COMMON, LINE_PROGRAMS, renderLogLinesIndex } from './lib/log-lines-page.mjs'
import { renderMetrics } from './lib/metrics-table.mjs'
import { run } from './lib/process.mjs'
import { chromium, faultsInBrowser } from './lib/site/browser.mjs'
import { bundleLines, withoutInlineCode, withSafeSearch } from './lib/site/finish.mjs'
import { faultsOf } from './lib/site/links.mjs'
import { lineAnchor, writePages } from './lib/site/pages.mjs'

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
  const faults = await buildSite({ findings: pages['docs/findings.md'], logLines, anchorOf })
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
}

/** Writes the site, and returns what is wrong with it. */
async function buildSite(tables) {
  const out = join(root, '.cache/docs')
  const { readme, documents } = writePages(root, join(root, '.cache/site'), tables)
  const script = join(root, '.cache/lines.js')
  await bundleLines(root, script, tables)
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  const plugin = join(root, 'scripts/lib/site/router.mjs')
  const args = [typedoc, '--plugin', plugin, '--router', 'addresses', '--readme', readme, '--customJs', script]
  const all = documents.flatMap((file) => ['--projectDocuments', file])
  const { code } = await run(process.execPath, [...args, ...all], { cwd: root, output: 'show' })
  if (code !== 0) return [`TypeDoc ended with exit code ${code}`]
  withoutInlineCode(out)
  withSafeSearch(out)
  const missing = Object.keys(catalogue).filter((code) => !existsSync(join(out, `${pathIn(findingUrl(code))}.html`)))
  const dead = [...faultsOf(out), ...missing.map((code) => `${code} has no page at ${findingUrl(code)}`)]
  if (dead.length > 0 || chromium() === null) {
    if (chromium() === null) console.log('The pages were not opened in Chromium: it is not installed')
    return dead
  }
  const guides = documents.map((file) => `${basename(file, '.md')}.html`)
  const some = [
    'index.html',
    'findings/san-host-not-covered.html',
    'modules/client.html',
    'functions/coordination.lock.html',
  ]
  return faultsInBrowser(out, [...some, ...guides], pastedLines(tables.logLines))
}

/** The path of an address of the published site, without `/etcd-mtls/`. */
function pathIn(url) {
  return new URL(url).pathname.split('/').slice(2).join('/')
}

/** The commonest lines, and one of each program. */
function pastedLines(logLines) {
  const common = logLines.filter(({ id }) => COMMON.some(([, each]) => each === id))
  const first = LINE_PROGRAMS.flatMap((name) => logLines.find(({ program }) => program === name) ?? [])
  return [...new Set([...common, ...first])].map(({ id, example }) => {
    return { line: example, page: `log-lines.html#${lineAnchor(id)}` }
  })
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}
