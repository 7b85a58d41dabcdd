/**
 * The JavaScript that is shipped: the sources bundled to one file for each subpath and a few that they share. It stays
 * readable, because stack traces print it; comments stay in the declarations.
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

/** The first client and the doctor load the whole validator. */
const LOAD_VALIDATE = new Set(['connecting', 'doctor'])

/** Small files that are loaded one after another, if no subpath loads them at its import. */
const TOGETHER = {
  options: /\/src\/authority\/(?:create-csr|options|lifetime|issue-options|cluster\/layouts)\.ts$/,
  targets: /\/src\/cli\/(?:targets|expiry)\.ts$/,
  doctor2: /\/src\/cli\/(?:doctor|connection)\.ts$/,
}

/**
 * Names the shared files: modules that the same subpaths load at their import are one file, because each file costs its time, and
 * nothing is loaded that is not needed. `core` is what the validator shares with any other. What the first client of a process
 * needs of other subpaths has files of its own. What else is only loaded later is left to the bundler.
 */
function sharedFiles(root, inputs) {
  /** The subpaths that load a module, and `connecting` for what the first client loads, by its id. */
  const users = new Map()
  const visit = (id, user, graph) => {
    const own = users.get(id) ?? new Set()
    if (own.has(user)) return
    users.set(id, own.add(user))
    for (const each of graph.getModuleInfo(id)?.importedIds ?? []) visit(each, user, graph)
  }
  const most = Object.keys(inputs).length + 1
  const isCore = (names) => names.length > 1 && names.includes('validate')
  const usersOf = (id, graph) => {
    if (users.size === 0) {
      for (const [name, file] of Object.entries(inputs)) {
        if (name !== 'index') visit(file, name.replace('/index', ''), graph)
      }
      visit(join(root, 'src/client/create-secure-client.ts'), 'connecting', graph)
    }
    const all = [...(users.get(id) ?? [])].sort()
    const names = all.includes('validate') ? all.filter((name) => !LOAD_VALIDATE.has(name)) : all
    return names.join() === 'connecting' ? [] : names
  }
  const groups = [{ name: (id, graph) => (isCore(usersOf(id, graph)) ? 'core' : null), priority: most }]
  // What the program loads before, and with, the code of any command.
  groups.push({
    name: (id) =>
      /\/src\/cli\/(?:command|connection-options|package-file|input|table)\.ts$/.test(id) ? 'command' : null,
    priority: most,
  })
  // Before others that load it.
  groups.push({
    name: (id, graph) => (usersOf(id, graph).join() === 'validate' ? 'validate' : null),
    priority: most - 0.5,
  })
  // A group takes what its modules import along; more users first, so that it finds nothing that belongs to another.
  for (let count = most - 1; count > 0; count -= 1) {
    const name = (id, graph) => (usersOf(id, graph).length === count ? usersOf(id, graph).join('-') : null)
    groups.push({ name, priority: count })
  }
  for (const [name, pattern] of Object.entries(TOGETHER))
    groups.push({ name: (id) => (pattern.test(id) ? name : null), priority: 0.5 })
  return groups
}

/**
 * Bundles src for every subpath that package.json exports, and for its program; writes `index.js`, `validate/index.js`, … into `outDir`.
 * Returns rolldown's description of each file.
 */
export async function bundle(root, outDir) {
  const inputs = entries(root)
  const build = await rolldown({
    cwd: root,
    input: { ...inputs, ...programs(root) },
    platform: 'node',
    plugins: [commonJs],
    external: (id) => /^[^./]/.test(id) && !(id in COMMON_JS),
    transform: { target: 'node20' },
    tsconfig: false,
    // None of ours has any: package.json says so, and the architecture test proves it. This library is loaded for its effect.
    treeshake: { moduleSideEffects: ['reflect-metadata'] },
    onLog: refuse,
    experimental: { attachDebugInfo: 'none' }, // else each module's name is a comment
    checks: { bundlerTimings: false }, // a slow machine is no fault of ours
  })
  try {
    const { output } = await build.write({
      dir: outDir,
      format: 'es',
      chunkFileNames: 'shared/[name].js',
      codeSplitting: { groups: sharedFiles(root, inputs) },
      minify: false,
      minifyInternalExports: false,
      comments: { legal: true, annotation: false, jsdoc: false },
      sourcemap: false,
      plugins: [ascii, withoutFacades],
    })
    return output
  } finally {
    await build.close()
  }
}

/** The entry files by their names in dist: `validate/index` → src/validate/index.ts. */
export function entries(root) {
  const { exports } = readManifest(root)
  return sourcesOf(
    root,
    Object.values(exports).flatMap((target) => target.default ?? []),
  )
}

/** The program of the package, in the same form: it has no declarations. */
function programs(root) {
  return sourcesOf(root, Object.values(readManifest(root).bin))
}

function readManifest(root) {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}

function sourcesOf(root, files) {
  return Object.fromEntries(
    files.map((file) => {
      const name = file.replace(/^(?:\.\/)?dist\/(.+)\.js$/, '$1')
      return [name, join(root, 'src', `${name}.ts`)]
    }),
  )
}

/**
 * Imports of CommonJS builds: of packages whose ES module is a `.js` file without `"type": "module"`. Yarn PnP loads such a file as
 * CommonJS, and so does `node --no-experimental-detect-module`. A `.cjs` file next to the importing one requires the CommonJS build;
 * bundlers follow it, which they do not do with `createRequire`.
 */
const COMMON_JS = { '@peculiar/webcrypto': { file: 'webcrypto.cjs', names: ['Crypto'] } }

const commonJs = {
  name: 'common-js',
  resolveId(specifier) {
    return specifier in COMMON_JS ? { id: `./${COMMON_JS[specifier].file}`, external: 'absolute' } : null
  },
  generateBundle() {
    for (const [specifier, { file, names }] of Object.entries(COMMON_JS)) {
      const source = names.map((name) => `exports.${name} = require('${specifier}').${name}\n`).join('')
      this.emitFile({ type: 'asset', fileName: `shared/${file}`, source })
    }
  },
}

/** Node reads, parses and keeps a file of ASCII characters faster. What is not ASCII stands in strings and expressions alone. */
const ascii = {
  name: 'ascii',
  renderChunk: (code) =>
    code.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
}

/**
 * A module that is loaded later and stands in a shared file gets a file of its own, which only names its exports. What loads it reads
 * the shared file instead, which has them by the same names. A file that is empty goes, too.
 */
const withoutFacades = {
  name: 'without-facades',
  generateBundle(_, files) {
    const facades = new Map()
    for (const { fileName, code = '' } of Object.values(files)) {
      if (!fileName.startsWith('shared/') || !FACADE.test(code)) continue
      const [, names] = /export \{ (.*?) ?\};/.exec(code)
      const sources = [...code.matchAll(/^import \{ (.*) \} from "(.*)";$/gm)].filter(([, own]) =>
        names.split(', ').some((name) => own.split(', ').includes(name)),
      )
      const homes = names === '' ? [undefined] : sources.map(([, , file]) => file)
      if (homes.length === 1 && !names.includes(' as ')) facades.set(basename(fileName), homes[0] && basename(homes[0]))
    }
    for (const file of Object.values(files).filter(({ type }) => type === 'chunk')) {
      file.code = file.code
        .replace(/import\("(.*\/)(.*?)"\)/g, (_all, path, name) => `import("${path}${facades.get(name) ?? name}")`)
        .replace(/^import ".*\/(.*?)";\n/gm, (all, name) => (facades.has(name) ? '' : all))
    }
    for (const name of facades.keys()) Reflect.deleteProperty(files, `shared/${name}`)
  },
}
const FACADE = /^(?:import (?:\{ .* \} from )?"\.\/[\w-]+\.js";\n|\n)*export \{.*\};\s*$/

/** A bundler that has something to complain about has done something that was not asked for. */
function refuse(level, log) {
  if (level === 'warn') throw new Error(`rolldown: ${log.message}`)
}
