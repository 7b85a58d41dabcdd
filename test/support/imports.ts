/** What a source file imports, read from its syntax tree. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import { ts } from '../../scripts/lib/typescript.mjs'

/**
 * When an import takes place: `runtime` as the file loads, `lazy` by a call of `import()`, `type` never. The sources
 * compile with verbatimModuleSyntax, so what is not marked as a type is loaded.
 */
type ImportKind = 'runtime' | 'lazy' | 'type'

interface Import {
  kind: ImportKind
  /** As it is written; null if it is computed. */
  specifier: string | null
  /** The file it leads to, for a relative one: a path from the root of the repository. */
  file: string | null
}

export interface Source {
  /** From the root of the repository, with forward slashes. */
  path: string
  text: string
  imports: Import[]
  /** Kept, because parsing takes longer than any rule. */
  readonly tree: ts.SourceFile
}

/** Every TypeScript file below a directory of the repository, with its imports. */
export function readSources(root: string, directory: string): Source[] {
  return pathsBelow(root, directory).map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
}

/** The files that each TypeScript file below a directory imports, by their paths: a scan, which is quicker than a syntax tree. */
export function scanImports(root: string, directory: string): Pick<Source, 'path' | 'imports'>[] {
  return pathsBelow(root, directory).map((path) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, path), 'utf8'))
    const imports = importedFiles.map(({ fileName }): Import => {
      return { kind: 'runtime', specifier: fileName, file: fileAt(path, fileName) }
    })
    return { path, imports }
  })
}

function pathsBelow(root: string, directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

/** The file that a relative specifier leads to; null for a package. */
function fileAt(path: string, specifier: string | null): string | null {
  if (specifier?.startsWith('.') !== true) return null
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
}

/** One file from its text. */
export function readSource(path: string, text: string): Source {
  const tree = parse(path, text)
  const imports: Import[] = []
  const isDeep = /\b(?:import|require)\s*\(/.test(text)
  const visit = (node: ts.Node): void => {
    const found = importOf(node)
    if (found !== null) {
      imports.push({ ...found, file: fileAt(path, found.specifier) })
    }
    // Only these calls and types stand below a statement.
    if (node === tree || isDeep) ts.forEachChild(node, visit)
  }
  visit(tree)
  return { path, text, imports, tree }
}

export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

function importOf(node: ts.Node): Omit<Import, 'file'> | null {
  if (ts.isImportDeclaration(node)) {
    const erased = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    return { kind: erased ? 'type' : 'runtime', specifier: textOf(node.moduleSpecifier) }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { kind: node.isTypeOnly ? 'type' : 'runtime', specifier: textOf(node.moduleSpecifier) }
  }
  if (ts.isImportTypeNode(node)) {
    return { kind: 'type', specifier: ts.isLiteralTypeNode(node.argument) ? textOf(node.argument.literal) : null }
  }
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
    return { kind: node.isTypeOnly ? 'type' : 'runtime', specifier: textOf(node.moduleReference.expression) }
  }
  if (ts.isCallExpression(node)) {
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword)
      return { kind: 'lazy', specifier: textOf(node.arguments[0]) }
    // Whether it runs at once or later cannot be seen from here, so it counts as the worse of the two.
    if (ts.isIdentifier(node.expression) && node.expression.text === 'require') {
      return { kind: 'runtime', specifier: textOf(node.arguments[0]) }
    }
  }
  return null
}

function textOf(node: ts.Node | undefined): string | null {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : null
}
