/** Findings about files, apart from their contents. */
import { error, type Row, warning } from '../row.js'
import { type FilePlace, inShell, byteCount, fileText } from './place.js'

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

export const file = {
  'file/missing': error((d: FilePlace) => [
    `${fileText(d)} does not exist.`,
    `Check the path ${d.file}, or write the file.${HINTS.find(([start]) => start.test(d.file))?.[1] ?? ''}`,
  ]),
  'file/not-regular': {
    directory: error((d: FilePlace, _who, { isEtcd }) => [
      `${fileText(d)} is a directory.`,
      `Name a file inside ${d.file}; ${isEtcd ? 'of a mounted Secret, for example tls.crt' : 'for a mounted Kubernetes secret, use fromKubernetesSecret with the directory'}.`,
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
  'file/empty': error((d: FilePlace) => [
    `${fileText(d)} is empty.`,
    `Write ${d.file} again. A program that writes it must write a new file and rename that into place.`,
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
