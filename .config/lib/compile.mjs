/** TypeScript to JavaScript, in this process: for the build, and for what runs compiled code beside it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

/** Reads a tsconfig with everything that it extends. */
export function readConfig(file) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (fault) => fail([fault]) }
  const config = ts.getParsedCommandLineOfConfigFile(file, {}, host)
  if (config === undefined || config.errors.length > 0) fail(config?.errors ?? [])
  return config
}

/** Checks the types of a whole config and writes its declarations, comments and all, into `outDir`. */
export function emitDeclarations(config, outDir) {
  const options = { ...config.options, outDir, declaration: true, emitDeclarationOnly: true, noEmit: false }
  const program = ts.createProgram({ rootNames: config.fileNames, options })
  const faults = ts.getPreEmitDiagnostics(program)
  if (faults.length > 0) fail(faults)
  const { diagnostics, emitSkipped } = program.emit()
  if (emitSkipped || diagnostics.length > 0) fail(diagnostics)
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
