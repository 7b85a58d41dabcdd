/**
 * Which files to lint again. Rules with types read the types of everything that a file imports, so the cache of ESLint, which
 * compares the file alone, would keep results that a change elsewhere made wrong. Here a file is unchanged only if it and all
 * files that it imports, directly or not, have their old content. Packages and settings are part of the key of the whole cache.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { ts } from './typescript.mjs'

const SOURCE = /\.[cm]?[jt]s$/

/** The fingerprint of each file: of its content, and of the contents of all files that it imports. */
export function fingerprints(root, files) {
  const known = new Map()
  const read = (path) => {
    if (!known.has(path)) {
      const text = readFileSync(join(root, path), 'utf8')
      const imports = ts
        .preProcessFile(text, true, true)
        .importedFiles.flatMap((each) => filesAt(root, path, each.fileName))
      known.set(path, { hash: hashOf([text]), imports })
    }
    return known.get(path)
  }
  const fingerprint = (start) => {
    const reached = new Set([start])
    for (const path of reached) for (const each of read(path).imports) reached.add(each)
    return hashOf([start, ...[...reached].sort().map((path) => `${path} ${read(path).hash}`)])
  }
  return new Map(files.map((path) => [path, fingerprint(path)]))
}

/** The files that a specifier leads to: JavaScript with declarations next to it is two. None for a package. */
function filesAt(root, from, specifier) {
  const own = /^etcd-mtls(?:\/(.+))?$/.exec(specifier)
  const path = own ? posix.join('src', own[1] ?? '', 'index.js') : posix.join(posix.dirname(from), specifier)
  if (own === null && !specifier.startsWith('.')) return []
  const candidates = [path, path.replace(/\.([cm]?)js$/, '.$1ts'), path.replace(/\.([cm]?)js$/, '.d.$1ts')]
  return [...new Set(candidates)].filter((each) => SOURCE.test(each) && isFile(join(root, each)))
}

/** What decides the result for every file: the version of Node, the packages, the settings and the rules of this repository. */
export function keyOf(root, settings) {
  const texts = settings.flatMap((path) => (statSync(join(root, path)).isDirectory() ? filesBelow(root, path) : [path]))
  return hashOf([process.version, ...texts.flatMap((path) => [path, readFileSync(join(root, path), 'utf8')])])
}

/** The fingerprints of the files that had no fault when they were last linted, by their paths; none with another key. */
export function readGood(place, key) {
  if (!existsSync(place)) return {}
  const stored = JSON.parse(readFileSync(place, 'utf8'))
  return stored.key === key ? stored.good : {}
}

export function writeGood(place, key, good) {
  mkdirSync(dirname(place), { recursive: true })
  const temporary = `${place}.${process.pid}`
  writeFileSync(temporary, JSON.stringify({ key, good }))
  renameSync(temporary, place)
}

/** The TypeScript and JavaScript files below a folder, by their paths from the root. */
export function filesBelow(root, folder, leftOut = new Set()) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !leftOut.has(name))
    .flatMap((entry) => {
      const path = relative(root, join(root, folder, entry.name)).replaceAll('\\', '/')
      if (entry.isDirectory()) return filesBelow(root, path, leftOut)
      return entry.isFile() && SOURCE.test(entry.name) ? [path] : []
    })
    .sort()
}

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function hashOf(parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length} ${part}`)
  return hash.digest('hex')
}
