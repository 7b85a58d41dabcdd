/**
 * `npm run build`: src to dist. `npm run build -- --single`: the command as one file, dist/single/etcd-mtls.mjs, with its SHA-256.
 *
 * Types are checked; JavaScript and declarations are bundled to a few files for each subpath; the JSON
 * Schema of reports, the list of findings and the list of log lines are made from the tables of src/report, the JSON Schema of plans from
 * src/cli/pki.
 * Declarations keep their comments, for editors. dist is replaced only after everything has compiled.
 */
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './lib/bundle.mjs'
import { loadCatalogue } from './lib/catalogue.mjs'
import { CompileError } from './lib/compile.mjs'
import { bundleDeclarations } from './lib/declarations.mjs'
import { renderFindingsJson } from './lib/findings-json.mjs'
import { renderLogLinesJson } from './lib/log-lines.mjs'
import { loadPlanSchema, renderPlanSchema } from './lib/plan-schema.mjs'
import { renderReportSchema } from './lib/report-schema.mjs'
import { bundleSingle } from './lib/single.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const started = performance.now()
const isSingle = process.argv.includes('--single')
try {
  await (isSingle ? buildSingle() : buildDist())
  const built = isSingle ? 'dist/single/etcd-mtls.mjs' : 'dist'
  console.log(`Built ${built} in ${((performance.now() - started) / 1000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof CompileError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

async function buildSingle() {
  const file = join(root, 'dist/single/etcd-mtls.mjs')
  await bundleSingle(root, file)
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex')
  writeFileSync(`${file}.sha256`, `${sum}  etcd-mtls.mjs\n`)
  chmodSync(file, 0o755)
}

async function buildDist() {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const fresh = mkdtempSync(join(root, '.cache/build-'))
  chmodSync(fresh, 0o755) // a temporary folder is for its maker alone, dist is not
  try {
    await bundleDeclarations(root, fresh)
    await bundle(root, fresh)
    const { catalogue, findingUrl } = await loadCatalogue(root)
    writeFileSync(join(fresh, 'report.schema.json'), renderReportSchema(root, catalogue))
    writeFileSync(join(fresh, 'findings.json'), renderFindingsJson(root, catalogue, findingUrl))
    writeFileSync(join(fresh, 'log-lines.json'), renderLogLinesJson(root))
    writeFileSync(join(fresh, 'plan.schema.json'), renderPlanSchema(await loadPlanSchema(root)))
    const dist = join(root, 'dist')
    rmSync(dist, { recursive: true, force: true })
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}
