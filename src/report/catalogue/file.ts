/** Findings about files that cannot be read, before their contents are looked at. */
import { row } from '../row.js'
import { type FilePlace, inShell, octets, theFile } from './place.js'

export const file = {
  'file/missing': row<FilePlace>({
    severity: 'error',
    meaning: 'A file that was named does not exist.',
    source: 'open(2): ENOENT, ENOTDIR',
    message: (place) => `${theFile(place)} does not exist.`,
    remedy: ({ file }) =>
      `Check the path ${file}, or write the file. ${file.startsWith('~') ? '"~" is not replaced by the home directory' : 'A relative path starts from the working directory of the process'}.`,
  }),
  'file/is-directory': row<FilePlace>({
    severity: 'error',
    meaning: 'The path names a directory instead of a file.',
    source: 'read(2): EISDIR',
    message: (place) => `${theFile(place)} is a directory.`,
    remedy: ({ file }) =>
      `Name a file inside ${file}; for a mounted Kubernetes secret, use fromKubernetesSecret with the directory.`,
  }),
  'file/not-regular': row<FilePlace & { is: 'FIFO' | 'socket' | 'device' }>({
    severity: 'error',
    meaning:
      'A FIFO, socket or device is not read: it could block forever, and its contents would be gone at the next load.',
    source: 'stat(2): S_ISREG',
    message: ({ is, ...place }) => `${theFile(place)} is a ${is}, not a regular file.`,
    remedy: () => 'Write the contents to a regular file, or pass them to fromPem.',
  }),
  'file/permission-denied': row<FilePlace & { reason: string }>({
    severity: 'error',
    meaning: 'The process has no permission to read the file, or to enter a directory of its path.',
    source: 'open(2): EACCES, EPERM',
    message: ({ reason, ...place }) => `${theFile(place)} cannot be read by this process (${reason}).`,
    remedy: ({ file }) =>
      `Run "namei -l ${inShell({ file })}", then change owner, group or mode so that the user of the process can read it (a key: 0400, or 0440 with the group of the process).`,
  }),
  'file/unreadable': row<FilePlace & { reason: string }>({
    severity: 'error',
    meaning: 'The operating system refused to open or read the file.',
    source: 'open(2), read(2)',
    message: ({ reason, ...place }) => `${theFile(place)} cannot be read (${reason}).`,
    remedy: ({ file }) => `Check the file and its file system: "cat ${inShell({ file })}" must print it.`,
  }),
  'file/empty': row<FilePlace>({
    severity: 'error',
    meaning: 'A file is empty: its writer failed, or has not finished.',
    source: 'etcd: "failed to find any PEM data in certificate input"',
    message: (place) => `${theFile(place)} is empty.`,
    remedy: ({ file }) =>
      `Write ${file} again. A program that writes it must write a new file and rename that into place.`,
  }),
  'file/too-large': row<FilePlace & { size: number; limit: number }>({
    severity: 'error',
    meaning: 'The file is far larger than any certificate, key or bundle, so it is not read.',
    source: 'a limit of this package: 4 MiB',
    message: ({ size, limit, ...place }) => `${theFile(place)} has ${octets(size)}; at most ${octets(limit)} are read.`,
    remedy: ({ file }) =>
      `Check that ${file} is the right file. If it is a bundle, keep only the CAs that issued etcd's certificates.`,
  }),
  'file/key-readable-by-others': row<FilePlace & { mode: string }>({
    severity: 'warning',
    meaning: 'Other users can read a file with a private key, and act as this client.',
    source: 'CIS Kubernetes Benchmark 1.1.21; ssh refuses such keys',
    message: ({ mode, ...place }) =>
      `${theFile(place)} holds a private key and has mode ${mode}: other users can read it.`,
    remedy: ({ file }) => `Run "chmod 600 ${inShell({ file })}".`,
  }),
}
