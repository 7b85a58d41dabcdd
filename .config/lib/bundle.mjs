/**
 * The JavaScript that is shipped: the sources bundled to one file for each subpath and a few that they share. It stays
 * readable, because stack traces print it; comments stay in the declarations.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/**
 * Files that subpaths share. Left to itself the bundler makes one for each set of subpaths that have modules in common,
 * and each file costs its import time; so what most of them need is one file, and the validator another.
 */
const SHARED = [
  { name: 'core', minShareCount: 9, priority: 2 },
  { name: 'file', test: /\/src\/report\/catalogue\/file/, priority: 1 },
  { name: 'validate', test: /\/src\/validate\/|rolldown\/runtime/ },
  {
    name: 'credentials',
    test: /\/src\/(credentials\/(assemble|finding|fingerprint|input|read-(certificates|crls|private-key)|source|follow\/credential-iterator)\.ts|x509\/keys\/(?!ec-)|report\/catalogue\/(key|material))/,
  },
  {
    name: 'options',
    test: /\/src\/(config\/(tables\/(?!cipher)|finding|url|read\/(meaning|settings|read-option))|report\/catalogue\/config)/,
  },
]

/**
 * Bundles src for every subpath that package.json exports; writes `index.js`, `validate/index.js`, … into `outDir`.
 * Returns rolldown's description of each file.
 */
export async function bundle(root, outDir) {
  const build = await rolldown({
    cwd: root,
    input: entries(root),
    platform: 'node',
    external: /^[^./]/,
    transform: { target: 'node20' },
    tsconfig: false,
    // None of ours has any: package.json says so, and the architecture test proves it. This library is loaded for its effect.
    treeshake: { moduleSideEffects: ['reflect-metadata'] },
    onLog: refuse,
    checks: { bundlerTimings: false }, // a slow machine is no fault of ours
  })
  try {
    const { output } = await build.write({
      dir: outDir,
      format: 'es',
      chunkFileNames: 'shared/[name].js',
      codeSplitting: { groups: SHARED },
      minify: false,
      minifyInternalExports: false,
      comments: { legal: true, annotation: true, jsdoc: false },
      sourcemap: false,
      plugins: [ascii],
    })
    return output
  } finally {
    await build.close()
  }
}

/** The entry files by their names in dist: `validate/index` → src/validate/index.ts. */
export function entries(root) {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const files = Object.values(exports).flatMap((target) => target.default ?? [])
  return Object.fromEntries(
    files.map((file) => {
      const name = file.replace(/^\.\/dist\/(.+)\.js$/, '$1')
      return [name, join(root, 'src', `${name}.ts`)]
    }),
  )
}

/** Node reads, parses and keeps a file of ASCII characters faster. What is not ASCII stands in strings and expressions alone. */
const ascii = {
  name: 'ascii',
  renderChunk: (code) =>
    code.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
}

/** A bundler that has something to complain about has done something that was not asked for. */
function refuse(level, log) {
  if (level === 'warn') throw new Error(`rolldown: ${log.message}`)
}
