/** Type-checks examples and type tests, as a user's editor would. */
import { join } from 'node:path'
import ts from 'typescript'
import { readConfig } from '../../.config/lib/compile.mjs'
import { root } from './compiled.js'

export interface Snippet {
  /** Where it stands, for people: `README.md:12`. */
  name: string
  code: string
}

/**
 * The compiler's complaints about each snippet, by name. The snippets see the package as a user does, under its name,
 * resolved to the sources; each stands alone, as a module.
 */
export function typeCheck(snippets: readonly Snippet[]): Map<string, string[]> {
  const files = new Map(snippets.map(({ code }, index) => [snippetPath(index), `${code}\nexport {}\n`]))
  const options = userOptions()
  const disk = ts.createCompilerHost(options)
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    readFile: (file) => files.get(file) ?? disk.readFile(file),
    getSourceFile: (file, version, ...rest) => {
      const text = files.get(file)
      return text === undefined ? disk.getSourceFile(file, version, ...rest) : ts.createSourceFile(file, text, version)
    },
  }
  const program = ts.createProgram([...files.keys()], options, host)
  return new Map(snippets.map(({ name }, index) => [name, complaints(program, snippetPath(index))]))
}

/** The compiler's complaints about files of the repository, given by their paths from its root. */
export function typeCheckFiles(paths: readonly string[]): string[] {
  const files = paths.map((path) => join(root, path))
  const program = ts.createProgram(files, readConfig(join(root, 'tsconfig.json')).options)
  return files.flatMap((file, index) => complaints(program, file).map((line) => `${paths[index] ?? ''} ${line}`))
}

function snippetPath(index: number): string {
  return join(root, 'docs', `snippet-${String(index)}.ts`)
}

function complaints(program: ts.Program, file: string): string[] {
  const source = program.getSourceFile(file)
  if (source === undefined) throw new Error(`${file} is not part of the program`)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(describe)
}

function describe({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1
  return `line ${String(line)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
}

/** Strict, as the package itself; a reader's example may leave a variable unused. */
function userOptions(): ts.CompilerOptions {
  const { options } = readConfig(join(root, 'tsconfig.json'))
  return { ...options, noUnusedLocals: false, noUnusedParameters: false }
}
