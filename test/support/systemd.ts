/** How systemd takes a command line of a unit apart (systemd.service(5), "Command lines"; systemd.syntax(5), "Quoting"). */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TemporaryFolder } from './openssl.js'

/** The words of a command line, with specifiers and variables resolved; throws at one that is not escaped. */
export function unquoteUnitLine(line: string): string[] {
  const words: string[] = []
  let rest = line.replaceAll(/\\\n\s*/g, ' ').trim()
  while (rest !== '') {
    const [whole, quoted, bare] = /^(?:"((?:[^"\\]|\\.)*)"|([^\s"'\\]+))(?:\s+|$)/s.exec(rest) ?? []
    if (whole === undefined) throw new Error(`Not one word: ${rest}`)
    words.push(resolve(quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(["\\])/g, '$1')))
    rest = rest.slice(whole.length)
  }
  return words
}

function resolve(word: string): string {
  const odd = /%[^%]|\$[^$]|[%$]$/.exec(word.replaceAll(/%%|\$\$/g, ''))
  if (odd !== null) throw new Error(`systemd would resolve ${odd[0]} in ${word}`)
  return word.replaceAll('%%', '%').replaceAll('$$', '$')
}

/**
 * The words of each command of a unit as systemd itself loads it, without starting anything; null if there is no systemd. Variables are
 * not yet put in; the program's own path is left out after `@`.
 */
export function loadService(folder: TemporaryFolder, text: string): { commands: string[][] } | null {
  const isRoot = process.getuid?.() === 0
  const directory = folder.file('units')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'etcd-mtls-test.service'), `[Unit]\nDefaultDependencies=no\n${text}`)
  // An instance for a user does not run as root.
  const user = isRoot ? { uid: 65_534, gid: 65_534 } : {}
  if (isRoot) {
    chmodSync(dirname(directory), 0o755)
    chownSync(directory, 65_534, 65_534)
  }
  const args = ['--test', '--user', '--unit=etcd-mtls-test.service']
  const env = { XDG_RUNTIME_DIR: directory, SYSTEMD_UNIT_PATH: directory, HOME: directory }
  const { status, stdout } = spawnSync('/usr/lib/systemd/systemd', args, {
    encoding: 'utf8',
    env,
    timeout: 30_000,
    ...user,
  })
  if (status !== 0) return null
  return { commands: Array.from(stdout.matchAll(/^\s*Command Line: (.*)$/gm), ([, line = '']) => wordsOf(line)) }
}

/** The words that systemd shows, in double quotes where they need some: spaces of Unicode are to it as any other sign. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|([^ \t]+)/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(["\\$`])/g, '$1'),
  )
}

/** Lines of /etc/os-release that systemd reads as it reads files of variables, and the specifiers that give their values. */
const RELEASE = [['ID', 'o'], ['VERSION_ID', 'w'], ['BUILD_ID', 'B'], ['VARIANT_ID', 'W'], ['IMAGE_ID', 'M'], ['IMAGE_VERSION', 'A']] as const // prettier-ignore

/** How many values {@link readBySystemd} reads at once. */
export const AT_ONCE = RELEASE.length

/** Values of `NAME=value` lines, of which the right sides are given, as systemd reads them; null if there is none. */
export function readBySystemd(folder: TemporaryFolder, rightSides: readonly string[]): string[] | null {
  const root = folder.file('root')
  mkdirSync(join(root, 'etc'), { recursive: true })
  const assignments = rightSides.map((text, i) => `${RELEASE[i]?.[0] ?? ''}=${text}\n`)
  writeFileSync(join(root, 'etc/os-release'), assignments.join(''))
  const lines = rightSides.map((_, i) => `f+ /value-${String(i)} - - - - %${RELEASE[i]?.[1] ?? ''}\n`)
  const file = folder.file('tmpfiles.conf', lines.join(''))
  const { error } = spawnSync('systemd-tmpfiles', [`--root=${root}`, '--create', file])
  return error === undefined ? rightSides.map((_, i) => readFileSync(join(root, `value-${String(i)}`), 'utf8')) : null
}
