/** The rules of the house as functions over sources: each gives its violations as sentences. */
import { posix } from 'node:path'
import { ts } from '../../scripts/lib/typescript.mjs'
import type { Source } from './imports.js'

/** The rooms, the lowest first: a file may import from its own room and from those before it, types included. */
export const ROOMS = [
  ...(['report', 'log-lines', 'x509', 'files', 'credentials', 'validate'] as const),
  ...(['authority', 'config', 'client', 'coordination', 'metrics', 'doctor', 'testing', 'cli'] as const),
] as const

/** Rooms that use others as programs do: by their public names, and by what an `internal.ts` of the other room lists. */
const GUESTS = ['coordination', 'metrics', 'doctor', 'testing', 'cli']

const ROOT = 'src/index.ts'
/** It is run, and no file imports it. */
const PROGRAM = 'src/cli/main.ts'

/** The one place each third-party package may be named in: a file, or a folder with its slash. */
const DOORS: readonly (readonly [packageName: RegExp, door: string])[] = [
  [/^@peculiar\//, 'src/x509/peculiar.ts'],
  [/^reflect-metadata$/, 'src/x509/peculiar.ts'],
  [/^yaml$/, 'src/config/read/yaml.ts'],
  [/^@grpc\//, 'src/client/transport/channel.ts'],
  [/^etcd3$/, 'src/client/etcd3/'],
  [/^testcontainers$/, 'src/testing/'],
  [/^commander$/, 'src/cli/program.ts'],
]

/** Longest file, in lines. */
export const MAX_LINES = 500

/** Earlier rooms that a room does without: a program with a client needs neither. */
const APART: Readonly<Record<string, readonly string[]>> = { client: ['authority', 'config'] }

/** Imports against the direction of the rooms, and between rooms that are apart. */
export function againstDirection(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ file }) => {
      if (file === null) return []
      const [from, to] = [levelOf(path), levelOf(file)]
      if (from === null) return [`${path} is in no room`]
      if (to === null) return [`${path} imports ${file}, which is in no room`]
      if (to > from) return [`${path} imports ${file}, which is in a later room`]
      const isApart = APART[ROOMS[from] ?? '']?.includes(ROOMS[to] ?? '') === true
      return isApart ? [`${path} imports ${file}, and their rooms are apart`] : []
    }),
  )
}

/** What a room opens to others. */
const DOOR = /^src\/[\w-]+\/(?:index|internal(?:-\w+)?)\.ts$/

/** Imports of a guest from a file of another room that is no door. */
export function pastTheIndex(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) => {
    const room = ROOMS[levelOf(path) ?? ROOMS.length]
    if (room === undefined || !GUESTS.includes(room)) return []
    const past = imports.flatMap(({ file }) => (file === null || file.startsWith(`src/${room}/`) ? [] : [file]))
    return past.filter((file) => !DOOR.test(file)).map((file) => `${path} imports ${file}`)
  })
}

/** The floors of the client, the lowest first: a folder imports from those before it. Its own files are `''`. */
const FLOORS = ['etcd3/options.ts', 'base/', 'http2/', 'transport/', 'streams/', 'diagnosis/', '', 'etcd3/', 'ranges/']
/** What opens the room, above all floors. */
const ENTRANCE = ['index.ts', 'internal.ts', 'internal-diagnosis.ts', 'deferred.ts', 'create-secure-client.ts']

/** Imports in the client from a floor above. */
export function upstairs(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ file }) => {
      const [from, to] = [floorOf(path), floorOf(file ?? '')]
      return from !== null && to !== null && to > from
        ? [`${path} imports ${String(file)}, which is a floor above`]
        : []
    }),
  )
}

/** null for a file outside of the client. */
function floorOf(path: string): number | null {
  const [, inside] = /^src\/client\/(.*)$/.exec(path) ?? []
  if (inside === undefined) return null
  if (ENTRANCE.includes(inside)) return FLOORS.length
  const floor = FLOORS.findIndex((each) => each !== '' && inside.startsWith(each))
  return floor === -1 ? FLOORS.indexOf('') : floor
}

/** 0 for the lowest room; null for a file that is in none. */
function levelOf(path: string): number | null {
  if (path === ROOT) return ROOMS.length
  const level = ROOMS.findIndex((room) => path.startsWith(`src/${room}/`))
  return level === -1 ? null : level
}

/** Every circle of files that import each other, types and lazy imports included. */
export function cycles(sources: readonly Source[]): string[] {
  const targets = new Map(sources.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]))
  const found: string[] = []
  const done = new Set<string>()
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) found.push([...trail.slice(at), path].join(' -> '))
    if (at !== -1 || done.has(path)) return
    for (const target of targets.get(path) ?? []) walk(target, [...trail, path])
    done.add(path)
  }
  for (const { path } of sources) walk(path, [])
  return found
}

/** Third-party packages named outside their door, packages without a door, and imports that cannot be checked. */
export function pastTheDoors(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, file }) => {
      if (specifier === null) return [`${path} computes what it imports`]
      if (file !== null || specifier.startsWith('node:')) return []
      const door = DOORS.find(([packageName]) => packageName.test(packageOf(specifier)))?.[1]
      if (door === undefined) return [`${path} imports ${specifier}, which has no door`]
      const allowed = door.endsWith('/') ? path.startsWith(door) : path === door
      return allowed ? [] : [`${path} imports ${specifier}, whose door is ${door}`]
    }),
  )
}

/** `@scope/name` or `name` of a specifier that may go on into the package. */
export function packageOf(specifier: string): string {
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ''
}

/** Everything that loading one file loads: files and packages, lazy imports and types left out. */
export function loadedBy(sources: readonly Source[], entry: string): { files: string[]; packages: string[] } {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const files = new Set<string>()
  const packages = new Set<string>()
  const queue = [entry]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (files.has(path)) continue
    files.add(path)
    for (const { kind, specifier, file } of byPath.get(path)?.imports ?? []) {
      if (kind !== 'runtime') continue
      if (file !== null) queue.push(file)
      else if (specifier !== null && !specifier.startsWith('node:')) packages.add(packageOf(specifier))
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() }
}

/** Files that are longer than they should be. */
export function tooLong(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length
    return lines > MAX_LINES ? [`${path} has ${String(lines)} lines; ${String(MAX_LINES)} are the limit`] : []
  })
}

/** The most files that one folder may hold, doors left out. */
export const MAX_FILES = 25

/** Folders with more files than a reader can hold in mind. */
export function crowded(sources: readonly Source[]): string[] {
  const counts = new Map<string, number>()
  for (const { path } of sources.filter((source) => !DOOR.test(source.path)))
    counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1)
  return [...counts].flatMap(([folder, count]) =>
    count > MAX_FILES ? [`${folder} has ${String(count)} files; ${String(MAX_FILES)} are the limit`] : [],
  )
}

/** A file of fewer lines than this that only one file imports belongs to that file. */
export const MIN_LINES = 60

/** Small files with a single importer. A file that is loaded later, that is a door, or that has tests of its own, is an idea. */
export function fragments(sources: readonly Source[], tests: readonly Pick<Source, 'path' | 'imports'>[]): string[] {
  const importers = new Map<string, Set<string>>()
  const lazy = new Set<string>()
  for (const { path, imports } of [...sources, ...tests]) {
    for (const { file, kind } of imports) {
      if (file === null) continue
      importers.set(file, (importers.get(file) ?? new Set()).add(path))
      if (kind === 'lazy') lazy.add(file)
    }
  }
  const doors = DOORS.map(([, door]) => door)
  return sources.flatMap(({ path, text }) => {
    const [only, ...others] = importers.get(path) ?? []
    const lines = text.trimEnd().split('\n').length
    if (only === undefined || others.length > 0 || lines >= MIN_LINES || DOOR.test(only)) return []
    return lazy.has(path) || doors.includes(path) || DOOR.test(path)
      ? []
      : [`${path} (${String(lines)} lines) belongs to ${only}`]
  })
}

/** Members that are hidden by the keyword `private`, which is gone at run time, and not by `#`. */
export function privateByKeyword(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, tree }) => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      // A constructor has no `#`.
      if (node.kind === ts.SyntaxKind.PrivateKeyword && !ts.isConstructorDeclaration(node.parent))
        found.push(`${path} hides by the keyword: ${firstLine(node.parent)}`)
      ts.forEachChild(node, visit)
    }
    visit(tree)
    return found
  })
}

/**
 * Statements that act while their file loads, which `sideEffects: false` in package.json denies, and state that a module
 * keeps: two copies of the package in one process would each have their own.
 */
export function actingOnLoad(sources: readonly Source[]): string[] {
  const modules = sources.filter(({ path }) => path !== PROGRAM)
  return modules.flatMap(({ path, tree }) =>
    tree.statements
      .filter((statement) => acts(statement))
      .map((statement) => `${path} acts while it loads: ${firstLine(statement)}`),
  )
}

function acts(statement: ts.Statement): boolean {
  if (ts.isVariableStatement(statement)) {
    const { flags, declarations } = statement.declarationList
    return (flags & ts.NodeFlags.Const) === 0 || declarations.some(({ initializer }) => isEmptyCollection(initializer))
  }
  return ![
    ...[ts.isImportDeclaration, ts.isExportDeclaration, ts.isFunctionDeclaration],
    ...[ts.isClassDeclaration, ts.isInterfaceDeclaration, ts.isTypeAliasDeclaration],
  ].some((isQuiet) => isQuiet(statement))
}

/** `new Map()` and its kin with nothing in it: something that is filled later. */
function isEmptyCollection(node: ts.Expression | undefined): boolean {
  if (node === undefined || !ts.isNewExpression(node)) return false
  return /^(Weak)?(Map|Set)$/.test(node.expression.getText()) && (node.arguments ?? []).length === 0
}

/** Statements of an index file that are more than a re-export. */
export function moreThanReexports([index]: readonly Source[]): string[] {
  if (index === undefined) return [`${ROOT} is missing`]
  return index.tree.statements
    .filter((statement) => !(ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined))
    .map((statement) => `${ROOT} holds more than re-exports: ${firstLine(statement)}`)
}

const firstLine = (node: ts.Node): string => node.getText().split('\n')[0] ?? ''
