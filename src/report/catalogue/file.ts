/** Findings about files that cannot be read, before their contents are looked at. */
import { row, rowByKind, type Wording } from '../row.js'
import { type FilePlace, inShell, byteCount, theFile } from './place.js'

const NOT_REGULAR = {
  message: ({ kind, ...place }: FilePlace & { kind: string }) => `${theFile(place)} is a ${kind}, not a regular file.`,
  remedy: (_: FilePlace, { isEtcd }: Wording) =>
    `Write the contents to a regular file${isEtcd ? ', and name that' : ', or pass them to fromPem'}.`,
} as const

export const file = {
  'file/missing': row<FilePlace>({
    message: (place) => `${theFile(place)} does not exist.`,
    remedy: ({ file }) =>
      `Check the path ${file}, or write the file. ${file.startsWith('~') ? '"~" is not replaced by the home directory' : 'A relative path starts from the working directory of the process'}.`,
  }),
  'file/not-regular': rowByKind<FilePlace & { kind: 'directory' | 'FIFO' | 'socket' | 'device' }>({
    kinds: {
      directory: {
        message: (place) => `${theFile(place)} is a directory.`,
        remedy: ({ file }, { isEtcd }) =>
          `Name a file inside ${file}; ${isEtcd ? 'of a mounted Secret, for example tls.crt' : 'for a mounted Kubernetes secret, use fromKubernetesSecret with the directory'}.`,
      },
      FIFO: NOT_REGULAR,
      socket: NOT_REGULAR,
      device: NOT_REGULAR,
    },
  }),
  'file/unreadable': rowByKind<FilePlace & { kind: 'permission denied' | 'failed'; reason: string }>({
    kinds: {
      'permission denied': {
        message: ({ reason, ...place }) => `${theFile(place)} cannot be read by this process (${reason}).`,
        remedy: ({ file }) =>
          `Run "namei -l ${inShell({ file })}", then change owner, group or mode so that the user of the process can read it (a key: 0400, or 0440 with the group of the process).`,
      },
      failed: {
        message: ({ reason, ...place }) => `${theFile(place)} cannot be read (${reason}).`,
        remedy: ({ file }) => `Check the file and its file system: "cat ${inShell({ file })}" must print it.`,
      },
    },
  }),
  'file/empty': row<FilePlace>({
    message: (place) => `${theFile(place)} is empty.`,
    remedy: ({ file }) =>
      `Write ${file} again. A program that writes it must write a new file and rename that into place.`,
  }),
  'file/too-large': row<FilePlace & { size: number; limit: number }>({
    message: ({ size, limit, ...place }) =>
      `${theFile(place)} has ${byteCount(size)}; at most ${byteCount(limit)} are read.`,
    remedy: ({ file }) =>
      `Check that ${file} is the right file. If it is a bundle, keep only the CAs that issued etcd's certificates.`,
  }),
  'file/key-readable-by-others': row<FilePlace & { mode: string }>({
    severity: 'warning',
    message: ({ mode, ...place }) =>
      `${theFile(place)} holds a private key and has mode ${mode}: other users can read it.`,
    remedy: ({ file }) => `Run "chmod 600 ${inShell({ file })}".`,
  }),
}
