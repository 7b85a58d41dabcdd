/** The public functions and options of every subpath, with what their comments have. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../../scripts/lib/compile.mjs'
import { ts } from '../../scripts/lib/typescript.mjs'
import { root } from './compiled.js'
import { hashOf, madeOnceSync } from './made-once.js'

interface PublicFunction {
  readonly name: string
  /** The subpath, such as `client`. */
  readonly room: string
  /** The code of its examples, without the fences. */
  readonly examples: readonly string[]
  /** Whether a minor release may change it. */
  readonly isExperimental: boolean
}

interface PublicOption {
  /** Such as `SecureClientOptions.tls`. */
  readonly name: string
  readonly hasDefault: boolean
}

/**
 * Types with optional properties that are not options with a default: results, settings of a source, attributes of a name, and
 * inputs of which exactly one property is given.
 */
const WITHOUT_DEFAULTS: ReadonlySet<string> = new Set([
  ...['Cluster', 'ClientDefaults', 'SubjectAttributes'],
  ...['ChainInput', 'ConfigInput', 'KubeadmInput', 'KubeApiserverInput'],
])

interface PublicDeclarations {
  readonly functions: readonly PublicFunction[]
  readonly options: readonly PublicOption[]
}

/** The compiler reads all sources for it: once, for all test files. */
export function publicDeclarations(): PublicDeclarations {
  const inputs = hashOf(['src', 'tsconfig.json', 'test/support/public-declarations.ts'])
  const place = madeOnceSync('public-declarations', inputs, (path) => {
    writeFileSync(path, JSON.stringify(readDeclarations()))
  })
  return JSON.parse(readFileSync(place, 'utf8')) as PublicDeclarations
}

function readDeclarations(): PublicDeclarations {
  const rooms = readdirSync(join(root, 'src')).filter((name) => ts.sys.fileExists(indexOf(name)))
  // Only exports are resolved, which needs neither the library nor the packages.
  const { options } = readConfig(join(root, 'tsconfig.json'))
  const program = ts.createProgram(rooms.map(indexOf), { ...options, noLib: true, types: [] })
  const checker = program.getTypeChecker()
  const functions = new Map<string, PublicFunction>()
  const found = new Map<string, PublicOption>()
  for (const room of rooms) {
    const source = program.getSourceFile(indexOf(room))
    const index = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    for (const exported of index === undefined ? [] : checker.getExportsOfModule(index)) {
      const { name, declarations = [] } = resolved(checker, exported)
      const deferred = declarations.filter(isDeferred).length === 0 ? [] : functionsNamed(program, name)
      const all = [...declarations, ...deferred]
      if (all.some((each) => ts.isFunctionDeclaration(each)))
        functions.set(name, {
          name,
          room,
          examples: all.flatMap(examplesOf),
          isExperimental: all.some((each) => tagsOf(each, 'experimental').length > 0),
        })
      if (WITHOUT_DEFAULTS.has(name)) continue
      for (const each of declarations.flatMap((declaration) => optionsIn(declaration, name))) found.set(each.name, each)
    }
  }
  return { functions: [...functions.values()], options: [...found.values()] }
}

function indexOf(room: string): string {
  return join(root, 'src', room, 'index.ts')
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
}

/** Whether `deferred` of src/report/load-deferred.ts makes it: the function of that name has the comment. */
function isDeferred(declaration: ts.Declaration): boolean {
  if (!ts.isVariableDeclaration(declaration) || declaration.initializer === undefined) return false
  const { initializer, name } = declaration
  const [argument] = ts.isCallExpression(initializer) ? initializer.arguments : []
  return argument !== undefined && ts.isStringLiteral(argument) && argument.text === name.getText()
}

function functionsNamed(program: ts.Program, name: string): ts.FunctionDeclaration[] {
  const statements = program.getSourceFiles().flatMap((file) => [...file.statements])
  return statements.filter(ts.isFunctionDeclaration).filter((each) => each.name?.text === name)
}

function examplesOf(declaration: ts.Declaration): string[] {
  return tagsOf(declaration, 'example').map((tag) => tag.replaceAll(/^```.*$/gm, '').trim())
}

/** Options accept `undefined`, which results do not. A nested one without a comment belongs to the comment around it. */
function optionsIn(declaration: ts.Declaration, typeName: string): PublicOption[] {
  if (!ts.isInterfaceDeclaration(declaration) && !ts.isTypeAliasDeclaration(declaration)) return []
  const found: PublicOption[] = []
  const visit = (node: ts.Node): void => {
    const isOption =
      ts.isPropertySignature(node) &&
      node.questionToken !== undefined &&
      tagsOf(node, 'internal').length === 0 &&
      (node.type?.getText() ?? '').endsWith('| undefined') &&
      (node.parent === declaration || ts.getJSDocCommentsAndTags(node).length > 0)
    if (isOption)
      found.push({
        name: `${typeName}.${node.name.getText()}`,
        hasDefault: tagsOf(node, 'default').some((tag) => tag !== ''),
      })
    ts.forEachChild(node, visit)
  }
  visit(declaration)
  return found
}

function tagsOf(node: ts.Node, tagName: string): string[] {
  return ts
    .getJSDocTags(node)
    .filter((tag) => tag.tagName.text === tagName)
    .map((tag) => ts.getTextOfJSDocComment(tag.comment) ?? '')
}
