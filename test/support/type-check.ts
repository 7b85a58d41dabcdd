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
 * What the compiler says about snippets, and about files of the repository. One program holds them all: reading and
 * checking the declarations of Node and of the packages takes far longer than they do.
 */
export class TypeCheck {
  readonly #snippets = new Map<string, { path: string; text: string }>()
  readonly #program: ts.Program

  /**
   * All see the package as a user does: its declarations, under its name. Each snippet stands alone, as a module.
   *
   * @param files Paths from the root of the repository.
   * @param declarations The folder of the declarations.
   */
  constructor(snippets: readonly Snippet[], files: readonly string[], declarations: string) {
    for (const [index, { name, code }] of snippets.entries()) {
      const path = join(root, 'docs', `snippet-${String(index)}.ts`)
      this.#snippets.set(name, { path, text: `${code}\nexport {}\n` })
    }
    const texts = new Map([...this.#snippets.values()].map(({ path, text }) => [path, text]))
    const paths = {
      'etcd-mtls': [join(declarations, 'index.d.ts')],
      'etcd-mtls/*': [join(declarations, '*', 'index.d.ts')],
    }
    const options = { ...readConfig(join(root, 'tsconfig.json')).options, paths }
    const disk = ts.createCompilerHost(options)
    const host: ts.CompilerHost = {
      ...disk,
      fileExists: (file) => texts.has(file) || disk.fileExists(file),
      readFile: (file) => texts.get(file) ?? disk.readFile(file),
      getSourceFile: (file, version, ...rest) => {
        const text = texts.get(file)
        return text === undefined
          ? disk.getSourceFile(file, version, ...rest)
          : ts.createSourceFile(file, text, version)
      },
    }
    this.#program = ts.createProgram([...texts.keys(), ...files.map((file) => join(root, file))], options, host)
  }

  /** The complaints about a snippet. A reader's example may leave a variable unused. */
  ofSnippet(name: string): string[] {
    const snippet = this.#snippets.get(name)
    if (snippet === undefined) throw new Error(`There is no snippet ${name}`)
    return this.#complaints(snippet.path, (each) => each.reportsUnnecessary === undefined)
  }

  ofFile(file: string): string[] {
    return this.#complaints(join(root, file), () => true)
  }

  #complaints(path: string, counts: (diagnostic: ts.Diagnostic) => boolean): string[] {
    const source = this.#program.getSourceFile(path)
    if (source === undefined) throw new Error(`${path} is not part of the program`)
    return [...this.#program.getSyntacticDiagnostics(source), ...this.#program.getSemanticDiagnostics(source)]
      .filter(counts)
      .map(describe)
  }
}

function describe({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1
  return `line ${String(line)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
}

/**
 * What the compiler says about files in a folder and about the package that is installed there, as `tsc` does without
 * `skipLibCheck`. It is not asked about the declarations of other packages, which take most of its time.
 */
export function complaintsIn(folder: string, files: readonly string[], json: object): string[] {
  const { options, errors } = ts.convertCompilerOptionsFromJson({ ...json, noEmit: true, skipLibCheck: false }, folder)
  const program = ts.createProgram(
    files.map((file) => join(folder, file)),
    options,
  )
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(join(folder, '/')))
  if (!ours.some(({ fileName }) => fileName.endsWith('.d.ts'))) throw new Error('The package was not found')
  return [
    ...errors,
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...ours.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ].map((each) => `${each.file?.fileName ?? ''} ${describe(each)}`)
}
