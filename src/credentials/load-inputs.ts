/** Makes inputs from strings and files, and checks the options that name them. */
import type { Stats } from 'node:fs'
import { type FileHandle, opendir, readlink, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HostPath, isGenerationName, isHostFile, useHostFile, VIRTUAL } from '../files/in-root.js'
import { type FileUser, refusalFor } from '../files/readable-by.js'
import { codeOf, isError } from '../report/errors.js'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import type { MissingFile, ParentDirectory, PermissionDenied } from '../report/catalogue/file.js'
import type { MaterialRole } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { withoutQuotes } from '../report/unreplaced.js'
import { checkPassphrase } from '../x509/keys/keys.js'
import type { Inputs } from './assemble.js'
import { finding } from './finding.js'
import { type Exposure, type Input, sizeLimit } from './parse-input.js'
import { isPkcs11Uri } from './recognize.js'

export interface NamedFile extends FileName {
  readonly role: MaterialRole
  /** The option that names it, such as `option "ca"`. It is shown instead of a name that may be a secret. */
  readonly namedBy: string
  /** The path that is opened. @default file */
  readonly path?: HostPath | undefined
  /** Whether it is in a Secret that is mounted. @default whether the kubelet created a link of that name */
  readonly isSecret?: boolean | undefined
  /** Who named it to this process: it is read only if it is safe to use for that user. @default this process */
  readonly user?: FileUser | undefined
}

/** The files of one source; null for an optional file that is not given, an Input if the name of the file is missing. */
interface SourceFiles {
  readonly ca: NamedFile | Input
  readonly clientCa: NamedFile | null
  readonly cert: NamedFile | Input
  readonly key: NamedFile | Input
  readonly crl: NamedFile | null
}

/** Reads the files of a source in parallel. Faults of a file are findings of its input. */
export async function readInputs(files: SourceFiles, passphrase: Inputs['passphrase']): Promise<Inputs> {
  const read = (file: NamedFile | Input): Input | Promise<Input> => ('bytes' in file ? file : fileInput(file))
  const [ca, clientCa, cert, key, crl] = await Promise.all([
    read(files.ca),
    files.clientCa && read(files.clientCa),
    read(files.cert),
    read(files.key),
    files.crl && read(files.crl),
  ])
  return { ca, clientCa, cert, key, crl, passphrase }
}

/** The file that an option names. A relative path starts from the current working directory. */
export function fileOfOption(
  role: MaterialRole,
  value: unknown,
  option: string = role,
): NamedFile & { readonly path: string } {
  const file = readPathOption(option, value)
  return { role, file, namedBy: `option "${option}"`, path: resolve(file) }
}

export async function fileInput(named: NamedFile): Promise<Input> {
  const { role, file, variable, namedBy } = named
  if (isContentNotName(file)) {
    const place = { origin: namedBy, file: null }
    // The value is not shown: it may be a private key.
    const holds = isPkcs11Uri(file) ? 'PKCS#11 URI' : hasEscapes(file) ? 'path with escapes' : 'contents of a file'
    const content = { holds, form: null, line: null } as const
    return unreadableInput(
      role,
      place,
      finding('input/unexpected-content', { ...place, wanted: role, ...content, labels: [] }),
    )
  }
  const place = { origin: variable === undefined ? file : `${file} (from ${variable})`, file }
  const path = named.path ?? resolve(file)
  const read = await readMaterialFile(path, { file, variable }, sizeLimit(role), named.user)
  if ('code' in read) return unreadableInput(role, place, read)
  const isSecret = named.isSecret ?? (await isMounted(path))
  if (!isSecret) return { role, place, bytes: read.bytes, exposure: read.exposure, findings: [] }
  // The modes are those of the volume, which only the pod sees.
  return { role, place: { ...place, isSecret }, bytes: read.bytes, exposure: null, findings: [] }
}

export function unreadableInput(role: MaterialRole, place: Input['place'], reason: Finding): Input {
  return { role, place, bytes: null, exposure: null, findings: [reason] }
}

/** Copies the PEM text, because the caller may overwrite a Buffer. */
export function textInput(role: MaterialRole, text: unknown, option: string = role): Input {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw valueInvalid(option, text, 'PEM as a string or a Buffer')
  }
  const place = { origin: `option "${option}"`, file: null }
  return { role, place, bytes: Buffer.from(text), exposure: null, findings: [] }
}

/**
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`. The value is not in the message: it may be a key.
 */
export function readPathOption(option: string, value: unknown): string {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw optionInvalid(option, 'must be a path or a file: URL')
    return fileURLToPath(value)
  }
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a path, as a string or a file: URL')
  if (value === '') throw optionInvalid(option, 'must not be empty')
  if (value.includes('\0')) throw optionInvalid(option, 'must not contain a NUL character')
  return value
}

/**
 * A copy of the passphrase; null if absent.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readPassphraseOption(passphrase: unknown): string | Uint8Array | null {
  if (passphrase === undefined) return null
  checkPassphrase('passphrase', passphrase)
  return typeof passphrase === 'string' ? passphrase : Buffer.from(passphrase)
}

interface FileContent {
  readonly bytes: Buffer
  /** Null on Windows. */
  readonly exposure: Exposure | null
}

interface FileName {
  readonly file: string
  /** The environment variable that names the file. */
  readonly variable?: string | undefined
}

/**
 * Reads one file.
 *
 * @param path The file to open.
 * @param name The file as it appears in findings.
 * @param limit Maximum bytes read.
 * @param user Who named it, as in {@link NamedFile}.
 * @returns The contents, or the finding for why they cannot be read.
 */
export async function readMaterialFile(
  path: HostPath,
  name: FileName,
  limit: number,
  user?: FileUser,
): Promise<FileContent | Finding> {
  try {
    // Checked before opening, because opening a device has effects, and after, because the file may have been replaced.
    return await useHostFile(path, async ({ stats, trail, open, names }) => {
      if (stats.isDirectory()) {
        const isEmpty = (await names()).length === 0
        return finding('file/not-regular', { ...name, kind: 'directory', isEmpty })
      }
      return (
        unsupportedFile(stats, name, limit) ??
        (await readOpened(await open(), name, limit, (opened) => refusedTo(user, opened, trail, name)))
      )
    })
  } catch (error) {
    const found = fileError(error, name)
    if (typeof path !== 'string') return found
    if (found.code === 'file/missing') return finding('file/missing', await missingDetails(path, found.details))
    return found.code === 'file/unreadable' && found.details.kind === 'permission denied'
      ? finding('file/unreadable', await permissionDetails(path, found.details))
      : found
  }
}

/** The link to the current files of a volume, which the kubelet replaces. */
export const GENERATION = '..data'

async function missingDetails(path: string, details: MissingFile): Promise<MissingFile> {
  const target = await linkTarget(path)
  if (target !== null) return { ...details, target }
  const other = withoutQuotes(details.file)
  const corrected = other !== details.file && (await isHostFile(resolve(other))) === true ? other : undefined
  return { ...details, corrected, directory: await parentDirectory(path) }
}

async function permissionDetails<D extends PermissionDenied>(path: string, details: D): Promise<D> {
  const [directory, stats] = [dirname(path), await statsOf(path)]
  const { getuid, getgid } = process
  const isMounted = basename(directory).startsWith('..') || (await namesIn(directory))?.includes(GENERATION) === true
  if (stats === null || getuid === undefined || getgid === undefined) return { ...details, isMounted }
  const { uid: owner, gid: group, mode } = stats
  return {
    ...details,
    isMounted,
    access: {
      uid: process.geteuid?.() ?? getuid(),
      gid: process.getegid?.() ?? getgid(),
      owner,
      group,
      mode: modeText(mode),
    },
  }
}

/** Null if it cannot be seen. */
export async function statsOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === null) throw error
    return null
  }
}

/** Undefined if the directory cannot be read. */
/** The directory of a missing file, with the names of the same ending first: the file that was meant is likely one of them. */
async function parentDirectory(file: string): Promise<ParentDirectory | undefined> {
  const [path, ending] = [dirname(file), extname(file)]
  const stats = await statsOf(path)
  if (stats?.isDirectory() !== true) return { path, state: stats === null ? 'missing' : 'not a directory', names: [] }
  const names = await namesIn(path)
  if (names === null) return undefined
  const rankOf = (name: string): number =>
    ending !== '' && extname(name) === ending ? 0 : MATERIAL.test(name) ? 1 : name.startsWith('..') ? 3 : 2
  const ordered = names.toSorted((a, b) => rankOf(a) - rankOf(b))
  return { path, state: 'readable', names: ordered.slice(0, MAX_NAMES) }
}

/** Names that files with certificates and keys have. */
const MATERIAL = /\.(?:pem|crt|cer|cert|key|der|p12|pfx|crl)$|^(?:ca|cert|key|tls|client|etcd)\b/i
const MAX_NAMES = 20
const MAX_ENTRIES = 1000

/** Null if the directory cannot be read. */
export async function namesIn(directory: string): Promise<string[] | null> {
  try {
    const names: string[] = []
    for await (const { name } of await opendir(directory)) if (names.push(name) >= MAX_ENTRIES) break
    return names.toSorted()
  } catch (error) {
    if (codeOf(error) === null) throw error
    return null
  }
}

/** Whether the kubelet made the link. A directory that this package wrote has links of the same form, and modes of its own. */
async function isMounted(path: HostPath): Promise<boolean> {
  if (typeof path !== 'string' || (await linkTarget(path))?.startsWith(`${GENERATION}/`) !== true) return false
  const current = await linkTarget(join(dirname(path), GENERATION))
  return current === null || !isGenerationName(basename(current))
}

/** Where a link leads; null if the path is not a link. Links below the root of another machine are not read. */
async function linkTarget(path: HostPath): Promise<string | null> {
  if (typeof path !== 'string') return null
  try {
    return await readlink(path)
  } catch (error) {
    if (codeOf(error) === null) throw error
    return null
  }
}

function refusedTo(user: FileUser | undefined, opened: Stats, trail: readonly Stats[], name: FileName): Finding | null {
  if (user === undefined || refusalFor(user, opened, trail) === null) return null
  return finding('file/unreadable', { ...name, kind: 'permission denied', reason: 'EACCES' })
}

async function readOpened(
  handle: FileHandle,
  name: FileName,
  limit: number,
  check: (opened: Stats) => Finding | null,
): Promise<FileContent | Finding> {
  try {
    const stats = await handle.stat()
    const refused = unsupportedFile(stats, name, limit) ?? check(stats)
    if (refused !== null) return refused
    // One byte more than the limit: files in procfs report no size, and a file can grow while it is read.
    const buffer = Buffer.alloc(Math.max(Math.min(stats.size, limit), 64 * 1024) + 1)
    const chunks: Buffer[] = []
    let size = 0
    while (size <= limit) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null)
      chunks.push(Buffer.from(buffer.subarray(0, bytesRead)))
      size += bytesRead
      if (bytesRead === 0 || size === stats.size) break
    }
    buffer.fill(0)
    if (size === 0) return finding('file/empty', { ...name })
    if (size > limit) return finding('file/too-large', { ...name, size, limit })
    return { bytes: Buffer.concat(chunks), exposure: exposureOf(stats) }
  } finally {
    await handle.close()
  }
}

const GROUP_AND_OTHERS = 0o077
/** A group that may only read is chosen on purpose if root owns the file: the key of a service, see docs/files.md. */
const UNSAFE_OF_ROOT = 0o027

function exposureOf({ mode, uid, gid }: Stats): Exposure | null {
  const unsafe = uid === 0 ? UNSAFE_OF_ROOT : GROUP_AND_OTHERS
  if (process.platform === 'win32' || (mode & unsafe) === 0) return null
  return { mode: modeText(mode), safeMode: uid === 0 && gid !== 0 ? '640' : '600' }
}

function modeText(mode: number): string {
  return `0${(mode & 0o777).toString(8).padStart(3, '0')}`
}

function unsupportedFile(stats: Stats, name: FileName, limit: number): Finding | null {
  if (stats.isFile()) return stats.size > limit ? finding('file/too-large', { ...name, size: stats.size, limit }) : null
  // The file was replaced after it was found.
  if (stats.isDirectory()) return finding('file/not-regular', { ...name, kind: 'directory', isEmpty: false })
  return finding('file/not-regular', {
    ...name,
    kind: stats.isFIFO() ? 'FIFO' : stats.isSocket() ? 'socket' : 'device',
  })
}

/** Whether a file was not read because a program or the kernel makes it. */
export function isVirtual({ code, details }: Finding): boolean {
  return code === 'file/unreadable' && details.reason === VIRTUAL
}

/** The finding for an error of the file system. Errors without a code are thrown. */
function fileError(error: unknown, name: FileName): Finding {
  const reason = isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : null
  if (reason === null) throw error
  if (reason === 'ENOENT' || reason === 'ENOTDIR') return finding('file/missing', { ...name })
  if (reason === 'EACCES' || reason === 'EPERM')
    return finding('file/unreadable', { ...name, kind: 'permission denied', reason })
  if (reason === 'EISDIR') return finding('file/not-regular', { ...name, kind: 'directory', isEmpty: false })
  return finding('file/unreadable', { ...name, kind: 'failed', reason })
}

/**
 * Whether a value that should be a file name is the contents of a file, or a PKCS#11 URI. Such a value must not be shown: it may be a
 * private key or contain a PIN.
 */
export function isContentNotName(value: string): boolean {
  if (
    isPkcs11Uri(value) ||
    /^data:/i.test(value) ||
    value.length > 1024 ||
    value.trim().includes('\n') ||
    value.includes('-----')
  )
    return true
  if (WINDOWS_ESCAPES.test(value)) return true
  return value.length >= 64 && !value.startsWith('/') && !/[^A-Za-z0-9+/=]/.test(value)
}

/** A path of Windows in which a string made control characters of backslashes and letters: no file can have that name. */
const WINDOWS_ESCAPES = /^[A-Za-z]:(?! )[^\b-\r]{0,1000}[\b-\r]\S/
const OTHER_ESCAPES = /^[\w ./\\\b-\r-]{1,1000}\.\w{1,4}$/

/** Whether a value that is not a file name was one, before a string made control characters of backslashes and letters. */
function hasEscapes(value: string): boolean {
  return WINDOWS_ESCAPES.test(value) || OTHER_ESCAPES.test(value)
}
