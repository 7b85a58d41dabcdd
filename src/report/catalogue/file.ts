/** Findings about files, apart from their contents. */
import { error, type Row, warning } from '../row.js'
import { unreplacedPart, withoutQuotes } from '../unreplaced.js'
import { listed } from '../words.js'
import { ESCAPES } from './contents.js'
import { type FilePlace, inShell, byteCount, fileText, acceptedContent } from './place.js'

function notRegular(kind: string): Row<FilePlace> {
  return error((d: FilePlace, _who, { isEtcd }) => [
    `${fileText(d)} is a ${kind}, not a regular file.`,
    `Write the contents to a regular file${isEtcd ? ', and name that' : ', or pass them to fromPem'}.`,
  ])
}

/** Where a missing file was looked up. */
export interface ParentDirectory {
  /** The absolute path. */
  path: string
  state: 'readable' | 'missing' | 'not a directory'
  /** At most 20 names in it, those of certificates and keys first. */
  names: string[]
}

/** Messages show control characters in the form of `printable`: `C:\u{9}ls`. Those at an end are no escapes. */
const ESCAPED = /[^\s"']\\u\{[89a-d]\}[^\s"'\\]/

/** The mistake that the path of a missing file shows, and its fix; null if it shows none. */
function pathRemedy({ file, directory, corrected }: MissingFile): string | null {
  const part = unreplacedPart(file)
  if (part !== null) return `Write the path itself: it has ${part}.`
  if (ESCAPED.test(file)) return ESCAPES
  // Messages show control characters in this form.
  const [, end] = /\\u\{([ad])\}$/.exec(file) ?? []
  if (end !== undefined)
    return end === 'd'
      ? `Remove the carriage return from the end of the path${exists(corrected)}. A file of variables with the line ends of Windows has them: "sed -i 's/\\r$//' FILE" removes them.`
      : `Remove the line break from the end of the path${exists(corrected)}. For a path that is read from a file, call .trimEnd().`
  if (withoutQuotes(file) !== file)
    return `Remove the quotation marks and spaces around the path${exists(corrected)}. "docker run --env-file" keeps them as a part of the value.`
  if (directory?.path.startsWith('/') === true && /^[A-Za-z]:[\\/]/.test(file))
    return 'Pass the path on this machine, and in a container the path inside it: this is a path of Windows.'
  if (file.startsWith('file:'))
    return `Pass the path ${file.replace(/^file:(?:\/\/[^/]*)?/, '')}: this is a URL of a file.`
  if (file.startsWith('~')) return 'Write the path in full: "~" is not replaced by the home directory.'
  return null
}

function exists(corrected: string | undefined): string {
  return corrected === undefined ? '' : `: the file ${corrected} exists`
}

export type Unreadable = FilePlace & { reason: string }

export type PermissionDenied = Unreadable & {
  /** The user and group of the process and of the file, and the mode of the file; absent if the file cannot be seen. */
  access?: { uid: number; gid: number; owner: number; group: number; mode: string } | undefined
  /** Whether the file is in a volume that the kubelet mounted, such as a Secret. */
  isMounted?: boolean | undefined
}

function permissionRemedy(d: PermissionDenied): string {
  if (d.isMounted === true)
    return `Set securityContext.fsGroup of the pod${d.access === undefined ? '' : ` (for example ${String(d.access.gid)})`} and defaultMode: 0440 of the volume: the kubelet then gives the files to that group.`
  return `Run "namei -l ${inShell(d)}", then change owner, group or mode so that the user of the process can read it (a key: 0400, or 0440 with the group of the process).`
}

/** A directory that is read as a mounted Secret. */
export interface SecretKeys {
  /** The input that the file is for. */
  role: 'ca' | 'clientCa' | 'cert' | 'key' | 'crl'
  /** The files that are in the directory. */
  keys: string[]
}

export type MissingFile = FilePlace & {
  /** Where a link leads that has this name; absent if there is no link. */
  target?: string | undefined
  /** Absent if the file is not one of a Secret, or its directory cannot be read. */
  secret?: SecretKeys | undefined
  /** Absent for a link, and for a file of another machine. */
  directory?: ParentDirectory | undefined
  /** The path without quotation marks and white space around it, if there is such a file. */
  corrected?: string | undefined
  /** Set if `file` is the directory of a Secret. */
  mount?: 'missing' | 'file' | undefined
}

/** Of a Secret in which a value is missing. */
const NOT_ISSUED =
  'If cert-manager fills it, wait until "kubectl get certificate" shows READY True: "kubectl describe certificate" shows why it does not.'

/** The type kubernetes.io/tls requires only these. */
const TLS_KEYS = ['tls.crt', 'tls.key']

/** The files of the service account that is mounted into each pod. */
const SERVICE_ACCOUNT = ['namespace', 'token']

function missingReason(d: MissingFile): string {
  const { target, secret, directory, mount } = d
  if (mount === 'file') return `The path ${d.file} is a file, not the directory of a mounted Secret.`
  if (mount === 'missing') return `The directory ${d.file} does not exist.`
  if (target !== undefined) return `${fileText(d)} is a link to ${target}, which does not exist.`
  const names = secret?.keys ?? directory?.names
  const where = secret === undefined && directory !== undefined ? ` ${directory.path}` : ''
  if (names === undefined || (secret === undefined && pathRemedy(d) !== null)) return `${fileText(d)} does not exist.`
  const what =
    secret === undefined && directory?.state === 'missing'
      ? 'does not exist'
      : secret === undefined && directory?.state === 'not a directory'
        ? 'is a file'
        : names.length === 0
          ? 'is empty'
          : `has ${listed(names)}`
  return `${fileText(d)} does not exist: the directory${where} ${what}.`
}

function missingRemedy(d: MissingFile): string {
  const { file, target, secret, directory, mount } = d
  if (mount === 'file')
    return `Pass the directory that this file is in${file.includes('/') ? `: "${file.slice(0, file.lastIndexOf('/')) || '/'}"` : ''}.`
  if (mount === 'missing')
    return 'Mount the Secret there: volumeMounts.mountPath of this container must be that path, and its name must be that of a volume with the Secret.'
  if (target !== undefined)
    return `Create the file that the link leads to, or point the link to another one. In a container, mount the directory of ${target}, too.`
  if (secret === undefined) {
    const isRelative = /^(?!\/|[A-Za-z]:|\\\\)/.test(file)
    const start = isRelative ? ' A relative path starts from the working directory of the process.' : ''
    // The same words for each file, so that a report has them once.
    const check = (directory?.names.length ?? 0) > 0 ? 'Pass one of these files' : `Check the path ${file}`
    return pathRemedy(d) ?? `${check}, or write the missing file.${start}`
  }
  const { role, keys } = secret
  if (keys.length === 0) return `Check that the Secret is mounted there and has data. ${NOT_ISSUED}`
  if (SERVICE_ACCOUNT.every((each) => keys.includes(each)))
    return 'Mount the Secret with the certificates of etcd, and pass its directory: this is the service account of the pod, which has no client certificate.'
  const deeper = keys.find((each) => each.endsWith(`/${file.split('/').at(-1) ?? ''}`))
  if (deeper !== undefined)
    return `Set the option "names: { ${role}: '${deeper}' }": the Secret is mounted one directory deeper, as the items of the volume say.`
  const material = acceptedContent(role === 'clientCa' ? 'ca' : role)
  const name = `names: { ${role}: … }`
  const others = keys.filter((each) => !TLS_KEYS.includes(each))
  const isTls = role === 'ca' && keys.length === others.length + TLS_KEYS.length
  return isTls
    ? `Add the CA to the Secret as ca.crt, or mount it from a ConfigMap next to the Secret by a projected volume: the type kubernetes.io/tls requires no CA, and cert-manager writes one only if the issuer has it.${others.length === 0 ? '' : ` If another file holds ${material}, set the option "${name}".`}`
    : `If one of these holds ${material}, set the option "${name}" to it. Otherwise add it to the Secret.`
}

export const file = {
  'file/missing': error((d: MissingFile) => [missingReason(d), missingRemedy(d)]),
  'file/not-regular': {
    directory: error((d: FilePlace & { isEmpty: boolean }, _who, { isEtcd }) => [
      d.isEmpty
        ? `${fileText(d)} is an empty directory. Docker creates one if the file of a bind mount does not exist on the host.`
        : `${fileText(d)} is a directory.`,
      d.isEmpty
        ? `Write the file on the host in place of the empty directory, and create the container again ("docker compose up --force-recreate"). Without a container, name a file.`
        : `Name a file inside ${d.file}; ${isEtcd ? 'of a mounted Secret, for example tls.crt' : 'for a mounted Kubernetes secret, use fromKubernetesSecret with the directory'}.`,
    ]),
    FIFO: notRegular('FIFO'),
    socket: notRegular('socket'),
    device: notRegular('device'),
  },
  'file/unreadable': {
    'permission denied': error((d: PermissionDenied) => [
      `${fileText(d)} cannot be read by this process (${d.reason})${d.access === undefined ? '' : `: the process has uid ${String(d.access.uid)} and gid ${String(d.access.gid)}, and the file has uid ${String(d.access.owner)}, gid ${String(d.access.group)} and mode ${d.access.mode}`}.`,
      permissionRemedy(d),
    ]),
    failed: error((d: Unreadable) => [
      d.reason === 'ELOOP'
        ? `${fileText(d)} is a symbolic link that leads back to itself (${d.reason}).`
        : `${fileText(d)} cannot be read (${d.reason}).`,
      d.reason === 'ELOOP'
        ? `Create the link again, with the file as its target: "ls -l ${inShell(d)}" shows where it leads.`
        : `Check the file and its file system: "cat ${inShell(d)}" must print it.`,
    ]),
  },
  'file/empty': error((d: FilePlace & { secret?: SecretKeys | undefined }) => [
    d.secret === undefined ? `${fileText(d)} is empty.` : `${fileText(d)} is empty: it has no value in the Secret.`,
    d.secret !== undefined
      ? `Add the value to the Secret. ${NOT_ISSUED}${d.secret.role === 'ca' ? ' An issuer without a CA, such as ACME, leaves the CA empty.' : ''}`
      : `Write ${d.file} again. A program that writes it must write a new file and rename that into place.`,
  ]),
  'file/too-large': error((d: FilePlace & { size: number; limit: number }) => [
    `${fileText(d)} has ${byteCount(d.size)}; at most ${byteCount(d.limit)} are read.`,
    `Check that ${d.file} is the right file. If it is a bundle, keep only the CAs that issued etcd's certificates.`,
  ]),
  'file/key-readable-by-others': warning((d: FilePlace & { mode: string; safeMode: '600' | '640' }) => [
    `${fileText(d)} holds a private key and has mode ${d.mode}: other users can read or change it.`,
    `Run "chmod ${d.safeMode} ${inShell(d)}".`,
  ]),
}
