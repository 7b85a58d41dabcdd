/** Findings about files, apart from their contents. */
import { error, type Row, warning } from '../row.js'
import { listed } from '../words.js'
import { type FilePlace, inShell, byteCount, fileText, acceptedContent } from './place.js'

function notRegular(kind: string): Row<FilePlace> {
  return error((d: FilePlace, _who, { isEtcd }) => [
    `${fileText(d)} is a ${kind}, not a regular file.`,
    `Write the contents to a regular file${isEtcd ? ', and name that' : ', or pass them to fromPem'}.`,
  ])
}

/** Hints for a missing file, by the start of its path. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^~/, ' "~" is not replaced by the home directory.'],
  [/^(?!\/|[A-Za-z]:|\\\\)/, ' A relative path starts from the working directory of the process.'],
]

export type Unreadable = FilePlace & { reason: string }

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
}

/** Of a Secret in which a value is missing. */
const NOT_ISSUED =
  'If cert-manager fills it, wait until "kubectl get certificate" shows READY True: "kubectl describe certificate" shows why it does not.'

/** The type kubernetes.io/tls requires only these. */
const TLS_KEYS = ['tls.crt', 'tls.key']

function missingRemedy({ file, target, secret }: MissingFile): string {
  if (target !== undefined)
    return `Create the file that the link leads to, or point the link to another one. In a container, mount the directory of ${target}, too.`
  if (secret === undefined)
    return `Check the path ${file}, or write the file.${HINTS.find(([start]) => start.test(file))?.[1] ?? ''}`
  const { role, keys } = secret
  if (keys.length === 0) return `Check that the Secret is mounted there and has data. ${NOT_ISSUED}`
  const material = acceptedContent(role === 'clientCa' ? 'ca' : role)
  const name = `names: { ${role}: … }`
  const others = keys.filter((each) => !TLS_KEYS.includes(each))
  const isTls = role === 'ca' && keys.length === others.length + TLS_KEYS.length
  return isTls
    ? `Add the CA to the Secret as ca.crt, or mount it from a ConfigMap next to the Secret by a projected volume: the type kubernetes.io/tls requires no CA, and cert-manager writes one only if the issuer has it.${others.length === 0 ? '' : ` If another file holds ${material}, set the option "${name}".`}`
    : `If one of these holds ${material}, set the option "${name}" to it. Otherwise add it to the Secret.`
}

export const file = {
  'file/missing': error((d: MissingFile) => [
    d.target !== undefined
      ? `${fileText(d)} is a link to ${d.target}, which does not exist.`
      : `${fileText(d)} does not exist${d.secret === undefined ? '' : `: the directory ${d.secret.keys.length === 0 ? 'is empty' : `has ${listed(d.secret.keys)}`}`}.`,
    missingRemedy(d),
  ]),
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
    'permission denied': error((d: Unreadable) => [
      `${fileText(d)} cannot be read by this process (${d.reason}).`,
      `Run "namei -l ${inShell(d)}", then change owner, group or mode so that the user of the process can read it (a key: 0400, or 0440 with the group of the process).`,
    ]),
    failed: error((d: Unreadable) => [
      `${fileText(d)} cannot be read (${d.reason}).`,
      `Check the file and its file system: "cat ${inShell(d)}" must print it.`,
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
