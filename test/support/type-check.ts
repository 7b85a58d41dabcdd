/** Type-checks examples and type tests, and shows types, as a user's editor would. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readConfig, tsc } from '../../scripts/lib/compile.mjs'
import { ts } from '../../scripts/lib/typescript.mjs'
import { root } from './compiled.js'

export interface Snippet {
  /** Where it stands, for people: `README.md:12`. */
  name: string
  code: string
}

/** Names that are declared and not used; tsc reports them as errors. A reader's example may leave a variable unused. */
const UNUSED = /TS(6133|6138|6192|6196|6198|6199|6205):/

/**
 * What the compiler says about snippets, and about files of the repository. It is asked about all of them at once: reading and
 * checking the declarations of Node and of the packages takes far longer than they do.
 */
export class TypeCheck {
  readonly #snippets = new Map<string, string>()
  readonly #complaints: ReadonlyMap<string, readonly string[]>

  /**
   * All see the package as a user does: its declarations, under its name. Each snippet stands alone, as a module.
   *
   * @param files Paths from the root of the repository.
   * @param declarations The folder of the declarations.
   */
  constructor(snippets: readonly Snippet[], files: readonly string[], declarations: string) {
    mkdirSync(join(root, '.cache'), { recursive: true })
    const folder = mkdtempSync(join(root, '.cache', 'snippets-'))
    try {
      for (const [index, { name, code }] of snippets.entries()) {
        const path = join(folder, `snippet-${String(index)}.ts`)
        writeFileSync(path, `${code}\nexport {}\n`)
        this.#snippets.set(name, path)
      }
      const paths = {
        'etcd-mtls': [join(declarations, 'index.d.ts')],
        'etcd-mtls/*': [join(declarations, '*', 'index.d.ts')],
      }
      const all = [...this.#snippets.values(), ...files.map((file) => join(root, file))]
      const config = { extends: join(root, 'tsconfig.json'), compilerOptions: { paths }, include: [], files: all }
      this.#complaints = complaintsOf(folder, config)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** The complaints about a snippet. */
  ofSnippet(name: string): string[] {
    const path = this.#snippets.get(name)
    if (path === undefined) throw new Error(`There is no snippet ${name}`)
    return (this.#complaints.get(path) ?? []).filter((each) => !UNUSED.test(each))
  }

  ofFile(file: string): readonly string[] {
    return this.#complaints.get(join(root, file)) ?? []
  }
}

/**
 * The text that an editor shows for the names after each mark `?` in a comment of a snippet: without the line for the import. By TypeScript 6,
 * since TypeScript 7 has no API yet.
 *
 * @param declarations The folder of the declarations.
 */
export function hovered(code: string, declarations: string): string[] {
  const file = join(root, 'hovered.ts')
  const { options } = readConfig(join(root, 'tsconfig.json'))
  const paths = { 'etcd-mtls/*': [join(declarations, '*', 'index.d.ts')] }
  const read = (path: string): string | undefined => (path === file ? code : ts.sys.readFile(path))
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({ ...options, paths }),
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) => {
      const text = read(path)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    fileExists: (path) => path === file || ts.sys.fileExists(path),
    readFile: read,
    directoryExists: (path) => ts.sys.directoryExists(path),
    getDirectories: (path) => ts.sys.getDirectories(path),
  })
  return [...code.matchAll(/\/\*\?\*\//g)].map(({ index, 0: mark }) => {
    const { displayParts } = service.getQuickInfoAtPosition(file, index + mark.length) ?? {}
    return ts.displayPartsToString(displayParts).split('\nimport ')[0] ?? ''
  })
}

/**
 * What the compiler says about files in a folder and about the package that is installed there, as `tsc` does without
 * `skipLibCheck`. Complaints about the declarations of other packages are left out.
 */
export function complaintsIn(folder: string, files: readonly string[], options: object): string[] {
  const config = { compilerOptions: { ...options, noEmit: true, skipLibCheck: false }, files }
  return [...complaintsOf(folder, config)]
    .filter(([file]) => file === '' || file.startsWith(join(folder, '/')))
    .flatMap(([file, complaints]) => complaints.map((each) => `${file} ${each}`))
}

/** The complaints by the files that they are about; '' has those about none, such as an unknown option. */
function complaintsOf(folder: string, config: object): Map<string, string[]> {
  const path = join(folder, 'tsconfig.check.json')
  writeFileSync(path, JSON.stringify(config))
  const complaints = new Map<string, string[]>()
  // A line that is indented goes on with the complaint before it.
  for (const text of tsc(['-p', path]).split(/\n(?! )/)) {
    if (text.trim() === '') continue
    const [, file = '', line = '0', rest = text] = /^(\S.*?)\((\d+),\d+\): (.*)$/s.exec(text) ?? []
    const key = file === '' ? '' : resolve(file)
    complaints.set(key, [...(complaints.get(key) ?? []), `line ${line}: ${rest.trim()}`])
  }
  return complaints
}
