/** `.etcd-mtls.yaml`: what a repository accepts, and the values of its variables. */
import { codeOf } from '../../report/internal.js'
import type { Finding, FindingPlace } from '../../report/index.js'
import { stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Suppression, UncheckedSuppression } from '../../config/index.js'
import { finding } from '../../config/internal.js'
import { entriesOf, itemsAt, readYaml, textAt, type YamlValue } from '../../config/internal-read.js'
import { nodeFileSystem, OTHERS_MAY_WRITE, readPlainFile } from '../../files/internal.js'
import { UsageError } from '../command.js'

export const SETTINGS_FILE = '.etcd-mtls.yaml'
/** In bytes. */
const MAX_SIZE = 256 * 1024
const MAX_ENTRIES = 1000
/** How many directories above the current one may have the file. */
const MAX_ABOVE = 40

/** An entry of `ignore`. */
export interface IgnoreEntry {
  readonly code: string | null
  readonly unchecked: string | null
  /** Of the files to which it applies; none means all. */
  readonly paths: readonly string[]
  readonly option: string | null
  readonly reason: string
  /** After this time it has no effect; null if it has no end. */
  readonly expires: Date | null
  readonly place: FindingPlace & { option: string }
}

export interface LintSettings {
  /** The directory of the file; patterns are relative to it. */
  readonly folder: string
  readonly ignore: readonly IgnoreEntry[]
  readonly variables: Readonly<Record<string, string>>
}

/**
 * Finds the file in the current directory, or in one above it up to the root of the repository.
 *
 * @throws {UsageError} for a file that is not as it should be, or that another user may have written
 */
export async function readSettings(from: string): Promise<LintSettings> {
  for (const folder of await foldersOf(resolve(from))) {
    const name = relative(from, join(folder, SETTINGS_FILE))
    const text = await readOwn(folder, name)
    if (text !== null) return parse(text, folder, name)
  }
  return { folder: resolve(from), ignore: [], variables: {} }
}

/** The directory, and those above it in its repository. Outside of one, those above it may be of another user, as /tmp is. */
async function foldersOf(start: string): Promise<string[]> {
  // Who may write to the directory, or is root, may also accept findings. Another user can put a repository into /tmp.
  const owners = [(await stat(start)).uid, process.geteuid?.() ?? 0, 0]
  const folders = [start]
  for (let folder = start; folders.length <= MAX_ABOVE; folder = dirname(folder)) {
    if (folder !== start) folders.push(folder)
    // In a worktree it is a file.
    const owner = (await stat(join(folder, '.git')).catch(missing))?.uid
    if (owner !== undefined && owners.includes(owner)) return folders
    if (dirname(folder) === folder) break
  }
  return [start]
}

/**
 * The text of the file in the folder; null if absent. It is written by the caller, or by the owner of a folder in which no other user
 * can write. No link is followed, and errors quote nothing, because in /tmp another user can place both.
 */
async function readOwn(folder: string, name: string): Promise<string | null> {
  const caller = process.geteuid?.() ?? 0
  const above = await stat(folder)
  const file = await readPlainFile(nodeFileSystem, join(folder, SETTINGS_FILE), MAX_SIZE).catch((error: unknown) => {
    const code = codeOf(error)
    const reason = code === 'ELOOP' ? 'it is a symbolic link' : (code ?? 'it must be a plain file of at most 256 KiB')
    throw new UsageError(`${name} was not read: ${reason}.`)
  })
  if (file === null) return null
  const isShared = ((above.mode | file.mode) & OTHERS_MAY_WRITE) !== 0
  if (file.uid === caller || (file.uid === above.uid && !isShared)) return file.bytes.toString('utf8')
  throw new UsageError(
    `${name} belongs to user ${String(file.uid)}, and the command runs as user ${String(caller)}, so it was not used. Remove it, give it to user ${String(caller)}, or call the command in another folder.`,
  )
}

function missing(error: unknown): null {
  if (codeOf(error) === null) throw error
  return null
}

async function parse(text: string, folder: string, name: string): Promise<LintSettings> {
  const { documents, findings, place } = await readYaml({ text, file: name }, 'first')
  const [fault] = findings
  if (fault !== undefined) throw new UsageError(`${name}:${String(fault.place?.line ?? 1)}: ${fault.message}`)
  const [top = null] = documents
  const at = (value: YamlValue): FindingPlace & { option: string } => place(value.offset, 'ignore')
  const refuse = (value: YamlValue | null, reason: string): never => {
    throw new UsageError(`${name}:${String(value === null ? 1 : (at(value).line ?? 1))}: ${reason}`)
  }
  if (top !== null && top.kind !== 'map') refuse(top, 'must have the keys "ignore" and "variables".')
  for (const { key, value } of entriesOf(top))
    if (key !== 'ignore' && key !== 'variables')
      refuse(value, `unknown key "${key}"; the keys are ignore and variables.`)
  const items = itemsAt(top, 'ignore')
  if (items.length > MAX_ENTRIES) refuse(top, `"ignore" has more than ${String(MAX_ENTRIES)} entries.`)
  const variables = Object.fromEntries(
    entriesOf(top)
      .filter(({ key }) => key === 'variables')
      .flatMap(({ value }) => entriesOf(value))
      .map(({ key, value }) => [
        key,
        value.kind === 'scalar' ? value.text : refuse(value, `"${key}" must be a string.`),
      ]),
  )
  return { folder, ignore: items.map((item) => entryOf(item, at(item), refuse)), variables }
}

const KEYS = ['code', 'unchecked', 'paths', 'option', 'reason', 'expires']

function entryOf(
  item: YamlValue,
  place: IgnoreEntry['place'],
  refuse: (value: YamlValue | null, reason: string) => never,
): IgnoreEntry {
  const unknown = entriesOf(item).find(({ key }) => !KEYS.includes(key))
  if (item.kind !== 'map' || unknown !== undefined)
    refuse(
      item,
      `an entry of "ignore" has the keys ${KEYS.join(', ')}${unknown === undefined ? '' : `; received "${unknown.key}"`}.`,
    )
  const [code = null, unchecked = null, option = null] = ['code', 'unchecked', 'option'].map((key) => textAt(item, key))
  if ((code === null) === (unchecked === null)) refuse(item, 'an entry of "ignore" has either "code" or "unchecked".')
  const reason = textAt(item, 'reason')?.trim() ?? ''
  if (reason === '') refuse(item, 'an entry of "ignore" must have a "reason".')
  const until = textAt(item, 'expires')
  const expires = until === undefined ? null : new Date(/^\d{4}-\d\d-\d\d$/.test(until) ? `${until}T23:59:59Z` : until)
  if (expires !== null && Number.isNaN(expires.getTime())) refuse(item, '"expires" must be a date, such as 2027-01-31.')
  const paths = itemsAt(item, 'paths').flatMap((each) => (each.kind === 'scalar' ? [each.text] : []))
  return { code, unchecked, option, reason, expires, place, paths }
}

/**
 * Whether a glob matches a path with slashes, or a directory that it is in. `*` is within a name, `**` is any number of names. A pattern
 * without a slash is for the name of the file. The time is bounded, because a pull request may bring the pattern.
 */
export function matchesPath(glob: string, path: string): boolean {
  const parts = (glob.includes('/') ? glob : `**/${glob}`).split('/')
  const names = path.split('/')
  // Whether the parts until now match the first 0, 1, 2, … names.
  let matched = [true, ...names.map(() => false)]
  for (const part of parts) {
    let isMatched = false
    matched =
      part === '**'
        ? matched.map((each) => (isMatched ||= each))
        : [false, ...names.map((name, i) => matched[i] === true && matchesName(part, name))]
  }
  return matched.includes(true)
}

/** If a character differs, only the last `*` is extended. */
function matchesName(glob: string, name: string): boolean {
  let [at, star, next] = [0, -1, 0]
  for (let i = 0; i < name.length;) {
    if (glob[at] === '*') {
      star = at++
      next = i + 1
    } else if (glob[at] === '?' || glob[at] === name[i]) {
      at++
      i++
    } else if (star >= 0) {
      at = star + 1
      i = next++
    } else return false
  }
  return /^\**$/.test(glob.slice(at))
}

/** The entries as the library takes them, for each of the files. */
export function suppressionsFor(
  { ignore, folder }: LintSettings,
  files: readonly string[],
  now: Date,
): (Suppression | UncheckedSuppression)[] {
  return ignore
    .filter(({ expires }) => expires === null || expires > now)
    .flatMap((entry) => {
      const { code, unchecked, paths, option, reason } = entry
      const of = code === null ? { unchecked } : { code }
      const within = paths.length === 0 ? [null] : files.filter((file) => isMatched(entry, file, folder))
      return within.map((file) => {
        const place = { ...(file === null ? {} : { file }), ...(option === null ? {} : { option }) }
        return { ...of, reason, ...(Object.keys(place).length === 0 ? {} : { place }) } as Suppression
      })
    })
}

function isMatched({ paths }: IgnoreEntry, file: string, folder: string): boolean {
  const path = relative(folder, resolve(file)).split(sep).join('/')
  return paths.some((glob) => matchesPath(glob, path))
}

/** A warning for each entry that has expired, or that suppressed nothing. */
export function idleEntries(
  { ignore }: LintSettings,
  suppressed: readonly { readonly reason: string; readonly code: string }[],
  now: Date,
): Finding[] {
  return ignore.flatMap(({ code, unchecked, reason, expires, place }) => {
    const name = code ?? unchecked ?? ''
    const isExpired = expires !== null && expires <= now
    if (!isExpired && suppressed.some((each) => each.reason === reason && each.code === name)) return []
    const why = isExpired ? 'expired' : 'nothing to suppress'
    return [finding('config/suppression-without-effect', { ...place, code: name, why })]
  })
}
