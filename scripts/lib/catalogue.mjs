/** The catalogue of findings and the tables about etcd as the sources have them now, whatever is in dist. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { emitJavaScript, readConfig } from './compile.mjs'

export function loadCatalogue(root) {
  return loadCompiled(root, ['report'], async (load) => {
    const { catalogue } = await load('report/catalogue.js')
    const { refusalsOf } = await load('report/row.js')
    const { anchorOf, findingUrl } = await load('report/links.js')
    return { catalogue, refusalsOf, anchorOf, findingUrl }
  })
}

/** The rows of `etcd-mtls/metrics`. */
export function loadMetrics(root) {
  return loadCompiled(root, ['metrics'], async (load) => (await load('metrics/table.js')).METRICS)
}

/** What the sources know about etcd's releases, for `missingIn`. */
export function loadTables(root) {
  return loadCompiled(root, ['report', 'config/tables'], async (load) => {
    const { NEWEST_RELEASES } = await load('config/tables/version.js')
    const { advisories } = await load('config/tables/advisories.js')
    const { etcdOptions, passthroughOptions } = await load('config/tables/options.js')
    const flags = new Set([...etcdOptions, ...passthroughOptions].flatMap(({ flag }) => flag?.name ?? []))
    return { newest: NEWEST_RELEASES, advisories, flags }
  })
}

/** Compiles folders of src to a temporary one while `work` imports its files. */
async function loadCompiled(root, folders, work) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const scratch = mkdtempSync(join(root, '.cache/catalogue-'))
  try {
    const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
    for (const each of folders) emitJavaScript(join(root, 'src'), each, scratch, options)
    return await work((file) => import(pathToFileURL(join(scratch, file)).href))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
