/** TypeScript to JavaScript and declarations: for the build, and for what runs compiled code beside it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { ts } from './typescript.mjs'

/** The compiler of TypeScript 7. It has no API yet, and takes a quarter of the time of TypeScript 6. */
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript-7/package.json')), 'bin', 'tsc')

/** Runs it and returns what it prints, which is nothing if it has nothing to say. */
export function tsc(args) {
  const { error, status, stdout, stderr } = spawnSync(process.execPath, [TSC, '--pretty', 'false', ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (error !== undefined) throw error
  if (status === null || stderr !== '') throw new CompileError(`tsc did not finish. ${stderr}`)
  return stdout
}

/** Reads a tsconfig with everything that it extends. */
export function readConfig(file) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (fault) => fail([fault]) }
  const config = ts.getParsedCommandLineOfConfigFile(file, {}, host)
  if (config === undefined || config.errors.length > 0) fail(config?.errors ?? [])
  return config
}

/** Writes the declarations of a whole tsconfig, comments and all, into `outDir`. Checks its types, unless `noCheck` is true. */
export function emitDeclarations(config, outDir, { noCheck = false } = {}) {
  const flags = ['--declaration', '--emitDeclarationOnly', ...(noCheck ? ['--noCheck'] : [])]
  const faults = tsc(['-p', config, '--outDir', outDir, ...flags])
  if (faults !== '') throw new CompileError(faults)
}

/**
 * Writes the JavaScript of every TypeScript file below `from` (relative to `root`) to the same place below `outDir`,
 * without comments and without looking at types. `isolatedModules` and `verbatimModuleSyntax` make that exact.
 */
export function emitJavaScript(root, from, outDir, options) {
  // A file alone cannot tell that package.json says "module"; without that, nodenext would mean CommonJS.
  const modules = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }
  const compilerOptions = { ...options, ...modules, removeComments: true, declaration: false, noEmit: false }
  for (const file of sources(join(root, from))) {
    const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), { compilerOptions, fileName: file })
    const target = join(outDir, relative(root, file)).replace(/\.ts$/, '.js')
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
}

function sources(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** @returns {never} */
function fail(diagnostics) {
  const host = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => '\n',
  }
  throw new CompileError(ts.formatDiagnostics(diagnostics, host))
}

/** The compiler's own words, as `tsc` prints them. */
export class CompileError extends Error {
  name = 'CompileError'
}
