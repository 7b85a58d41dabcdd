/** The declarations that are shipped: one file for each subpath, and one for each folder of sources that subpaths share. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { entries } from './bundle.mjs'
import { emitDeclarations } from './compile.mjs'

/** Neither matters to types: an import that only a private part used, and chunks that import each other. */
const HARMLESS = new Set(['UNUSED_EXTERNAL_IMPORT', 'CIRCULAR_CHUNK'])

/** Checks the types of src, unless `noCheck` is true, then writes `index.d.ts`, `validate/index.d.ts`, … into `outDir`. */
export async function bundleDeclarations(root, outDir, options) {
  const loose = mkdtempSync(join(root, '.cache/declarations-'))
  try {
    emitDeclarations(join(root, '.config/tsconfig.build.json'), loose, options)
    nameDeferred(loose)
    const build = await rollup({
      input: Object.fromEntries(Object.keys(entries(root)).map((name) => [name, join(loose, `${name}.d.ts`)])),
      external: /^[^./]/,
      plugins: [dts(), withoutEffects, indentedByTabs],
      onLog: (level, log) => {
        if (level === 'warn' && !HARMLESS.has(log.code)) throw new Error(`rollup: ${log.message}`)
      },
    })
    await build.write({
      dir: outDir,
      format: 'es',
      entryFileNames: '[name].d.ts',
      chunkFileNames: 'shared/[name].d.ts',
      minifyInternalExports: false,
      manualChunks: (id) => chunkOf(relative(loose, id)),
    })
    await build.close()
  } finally {
    rmSync(loose, { recursive: true, force: true })
  }
}

/** A function that loads at its first call is declared by its type alone: the function itself has the comment that editors show. */
function nameDeferred(loose) {
  for (const file of readdirSync(loose, { recursive: true })) {
    if (!file.endsWith('deferred.d.ts')) continue
    const text = readFileSync(join(loose, file), 'utf8')
    const named = text.replace(
      /^export declare const (\w+): typeof import\(("[^"]+")\)\.\1;$/gm,
      'export { $1 } from $2;',
    )
    writeFileSync(join(loose, file), named)
  }
}

/** Removes imports that name nothing: types have no effects, and `validate` must not need the types of etcd3. */
const withoutEffects = {
  name: 'without-effects',
  renderChunk: (code) => ({ code: code.replace(/^import '[^']+';\n/gm, ''), map: null }),
}

/** As in the JavaScript that is shipped: spaces would be a sixteenth of the declarations. */
const indentedByTabs = {
  name: 'indented-by-tabs',
  renderChunk: (code) => ({ code: code.replace(/^(?: {4})+/gm, ({ length }) => '\t'.repeat(length / 4)), map: null }),
}

/** Subpaths whose declarations have a file of their own; the others share one. */
const ROOMS = new Set(['authority', 'config', 'client', 'testing'])

/** The name of the file for a declaration of the sources: that of its folder. An index file is an entry and has none. */
function chunkOf(file) {
  const [folder, ...rest] = file.split(sep)
  if (rest.join() === 'index.d.ts') return undefined
  return ROOMS.has(folder) ? folder : 'core'
}
