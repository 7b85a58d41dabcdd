/** Findings about a folder of certificates and keys as a whole: what is loose, missing, or does not fit together. */
import { row } from '../row.js'
import { inShell, octets } from './place.js'
import { listed } from '../words.js'

export interface InFolder {
  /** Path from the folder that was looked at. */
  file: string
}

export const directory = {
  'directory/unreachable': row<{ directory: string; reason: string }>({
    severity: 'error',
    meaning: 'The folder is missing, is not a folder, or cannot be entered, so nothing was read.',
    source: 'stat(2), opendir(3)',
    message: ({ directory: path, reason }) => `The folder ${path} cannot be read: ${reason}.`,
    remedy: ({ directory: path }) =>
      `Check the path and its permissions: "ls -la ${inShell({ file: path })}" must list it.`,
  }),
  'directory/unreadable': row<InFolder & { reason: string }>({
    severity: 'warning',
    meaning: 'A file or folder inside could not be read, so what it holds is not in the report.',
    source: 'open(2), opendir(3)',
    message: ({ file, reason }) => `${file} cannot be read (${reason}).`,
    remedy: () => 'Run the command as a user that can read it, such as the owner of the folder or root.',
  }),
  'directory/not-looked-at': row<InFolder & { is: string }>({
    severity: 'info',
    meaning:
      'Something in the folder was not opened: a FIFO, socket or device, a link that leads out of the folder or nowhere, or a file far larger than certificates, keys and lists are.',
    source: 'a rule of this package',
    message: ({ file, is }) => `${file} was not read: it is ${is}.`,
    remedy: () => 'Move it to another folder if it is not a certificate or key.',
  }),
  'directory/limit-reached': row<{ what: 'entries' | 'depth' | 'octets' | 'certificates' | 'keys'; limit: number }>({
    severity: 'warning',
    meaning: 'The folder holds more than is read, so the report does not show everything.',
    source:
      'limits of this package: 10,000 entries, 8 levels, 64 MiB, 2,000 certificates, and 2,000 keys, requests and lists together',
    message: ({ what, limit }) =>
      `The folder holds more than is read: the limit is ${what === 'octets' ? octets(limit) : `${limit.toLocaleString('en-US')} ${what === 'depth' ? 'levels of folders' : what === 'keys' ? 'keys, requests and lists' : what}`}.`,
    remedy: () => 'Describe its sub-folders one by one, and move other files elsewhere.',
  }),
  'directory/key-of-another': row<InFolder & { certificate: string; algorithm: string }>({
    severity: 'error',
    meaning: 'A key and a certificate are a pair by their file names, but the key is another one.',
    source: 'Go crypto/tls X509KeyPair',
    refusals: [{ by: 'Go', words: 'tls: private key does not match public key' }],
    message: ({ file, certificate, algorithm }) =>
      `The key ${file} (${algorithm}) does not belong to the certificate ${certificate}.`,
    remedy: () => 'Restore the key of the certificate, or issue a new certificate with a new key.',
  }),
  'directory/key-without-certificate': row<InFolder & { algorithm: string }>({
    severity: 'warning',
    meaning:
      'A private key belongs to no certificate, request or public key here: a renewal left it, or its certificate was lost. It may still be in use elsewhere.',
    source: 'a rule of this package',
    message: ({ file, algorithm }) => `The key ${file} (${algorithm}) belongs to no certificate in this folder.`,
    remedy: ({ file }) =>
      `Find its certificate by "openssl pkey -in ${inShell({ file })} -pubout", or remove the key if nothing uses it.`,
  }),
  'directory/certificate-without-key': row<InFolder & { subject: string }>({
    severity: 'info',
    meaning: 'The key of an end-entity certificate is not here, so the certificate cannot be used from this folder.',
    source: 'a rule of this package',
    message: ({ file, subject }) => `The key of the certificate "${subject}" (${file}) is not in this folder.`,
    remedy: () => 'No action is needed if the key is kept elsewhere on purpose.',
  }),
  'directory/file-missing': row<InFolder & { layout: string }>({
    severity: 'error',
    meaning: 'A file of the layout is missing, so etcd or a client does not start.',
    source: 'etcd --cert-file and others; kubernetes cmd/kubeadm/app/phases/certs',
    message: ({ file, layout }) => `The file ${file} of the layout "${layout}" is missing.`,
    remedy: () => 'Restore the file from a backup, or issue it again (issueCluster, writeCluster).',
  }),
  'directory/ca-key-here': row<InFolder & { subject: string }>({
    severity: 'warning',
    meaning:
      'The unencrypted key of a CA is next to certificates in use. An attacker who can read it can issue any certificate.',
    source: 'CIS Kubernetes Benchmark 1.1.19 to 1.1.21; kubeadm external CA mode',
    message: ({ file, subject }) =>
      `The key of the CA "${subject}" (${file}) is not encrypted and is next to certificates in use.`,
    remedy: ({ file }) =>
      `Keep it offline or in a key store, and encrypt it: "openssl pkcs8 -topk8 -v2 aes256 -in ${inShell({ file })} -out ca-key.encrypted", then remove it here.`,
  }),
  'directory/writable-by-others': row<InFolder & { mode: string; is: 'folder' | 'file' }>({
    severity: 'error',
    meaning:
      'Every user of the machine can replace a certificate, a trust anchor or a key here, and so get access or lock others out.',
    source: 'path_resolution(7); CIS Kubernetes Benchmark 1.1.20',
    message: ({ file, mode, is }) => `The ${is} ${file} has mode ${mode}: other users can write to it.`,
    remedy: ({ file }) => `Run "chmod o-w ${inShell({ file })}".`,
  }),
  'directory/owner-differs': row<InFolder & { owner: number; usual: number }>({
    severity: 'warning',
    meaning:
      'A file belongs to another user than the rest. That user can change it, and etcd may not be able to read it.',
    source: 'a rule of this package',
    message: ({ file, owner, usual }) =>
      `${file} belongs to the user ${String(owner)}, while most files here belong to ${String(usual)}.`,
    remedy: ({ file, usual }) => `Run "chown ${String(usual)} ${inShell({ file })}" if that is not intended.`,
  }),
  'directory/issuer-not-found': row<InFolder & { subject: string; issuer: string; sameName: boolean }>({
    severity: 'warning',
    meaning:
      'The CA that issued a certificate is not in the folder. A CA of its name has another key: the CA was created again, and the certificates were not reissued.',
    source: 'RFC 5280 section 6.1.3 (a)(4)',
    message: ({ file, subject, issuer, sameName }) =>
      `The certificate "${subject}" (${file}) was issued by "${issuer}", ${sameName ? 'but not by the CA of that name that is here' : 'which is not in this folder'}.`,
    remedy: ({ sameName }) =>
      sameName
        ? 'Reissue the certificate from the CA that is here, or put the CA that issued it back.'
        : 'Add the CA certificate to the folder if users of the certificate need it.',
  }),
  'directory/serial-repeated': row<{ serialNumber: string; issuer: string; files: string[] }>({
    severity: 'warning',
    meaning:
      'Two certificates of one CA have the same serial number. Revoking one revokes the other: etcd compares only the number.',
    source: 'RFC 5280 section 4.1.2.2; etcd client/pkg/transport/listener_tls.go checkCRL',
    message: ({ serialNumber, issuer, files }) =>
      `The CA "${issuer}" has issued several certificates with the serial number ${serialNumber}: ${listed(files)}.`,
    remedy: () =>
      'Reissue all but one of them, and check the CA’s file of serial numbers ("-CAserial", "-CAcreateserial").',
  }),
  'directory/ca-name-repeated': row<{ subject: string; files: string[] }>({
    severity: 'warning',
    meaning: 'Two CAs with different keys have one name. Errors, logs and handshakes name a CA by its subject only.',
    source: 'RFC 5280 section 4.1.2.4: a CA is known by its name',
    message: ({ subject, files }) => `Several CAs with different keys have the subject "${subject}": ${listed(files)}.`,
    remedy: () => 'Give the next CA another name, such as one with the year. planCaRoll plans the change.',
  }),
  'directory/left-over': row<InFolder>({
    severity: 'warning',
    meaning:
      'A process of this package or of the kubelet was killed and left files. They may hold private keys. Nothing reads them.',
    source: 'writeCluster of this package; kubelet AtomicWriter',
    message: ({ file }) => `${file} was left by a process that was killed.`,
    remedy: ({ file }) =>
      `Repeat the call (writeCluster, renewDirectory), which removes it. Or run "rm -r ${inShell({ file })}" when no process writes there.`,
  }),
  'directory/key-in-json': row<InFolder>({
    severity: 'warning',
    meaning: 'A JSON file, as cfssl prints it, holds an unencrypted private key.',
    source: 'cfssl gencert, genkey: member "key"',
    message: ({ file }) => `${file} is JSON that holds an unencrypted private key.`,
    remedy: () => `Split it ("cfssljson -f FILE -bare NAME"), set mode 0600 on the key, and remove the JSON.`,
  }),
}
