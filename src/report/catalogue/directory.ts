/** Findings about a folder of certificates and keys as a whole: what is loose, missing, or does not fit together. */
import { row } from '../row.js'
import { inShell, octets } from './place.js'

export interface InFolder {
  /** Path from the folder that was looked at. */
  file: string
}

export const directory = {
  'directory/unreachable': row<{ directory: string; reason: string }>({
    severity: 'error',
    meaning: 'The folder is not there, is no folder, or may not be entered, so nothing was looked at.',
    source: 'stat(2), opendir(3)',
    message: ({ directory: path, reason }) => `The folder ${path} cannot be looked at: ${reason}.`,
    remedy: ({ directory: path }) =>
      `Check the path and its permissions: "ls -la ${inShell({ file: path })}" must list it.`,
  }),
  'directory/unreadable': row<InFolder & { reason: string }>({
    severity: 'warning',
    meaning: 'A file or folder inside could not be read, so what it holds is not in the report.',
    source: 'open(2), opendir(3)',
    message: ({ file, reason }) => `${file} cannot be read (${reason}).`,
    remedy: () => 'Look as a user that may read it, such as the owner of the folder or root.',
  }),
  'directory/not-looked-at': row<InFolder & { is: string }>({
    severity: 'info',
    meaning:
      'Something in the folder was not opened: a FIFO, socket or device, a link that leads out of the folder or nowhere, or a file far larger than certificates, keys and lists are.',
    source: 'a rule of this package',
    message: ({ file, is }) => `${file} was not looked at: it is ${is}.`,
    remedy: () => 'Move it elsewhere if it does not belong among certificates and keys.',
  }),
  'directory/limit-reached': row<{ what: 'entries' | 'depth' | 'octets' | 'certificates' | 'keys'; limit: number }>({
    severity: 'warning',
    meaning: 'The folder holds more than is looked at, so the report does not show everything.',
    source:
      'limits of this package: 10,000 entries, 8 levels, 64 MiB, 2,000 certificates, and 2,000 keys, requests and lists together',
    message: ({ what, limit }) =>
      `The folder holds more than is looked at: the limit is ${what === 'octets' ? octets(limit) : `${limit.toLocaleString('en-US')} ${what === 'depth' ? 'levels of folders' : what === 'keys' ? 'keys, requests and lists' : what}`}.`,
    remedy: () => 'Look at its sub-folders one by one, and keep other files elsewhere.',
  }),
  'directory/key-of-another': row<InFolder & { beside: string; algorithm: string }>({
    severity: 'error',
    meaning: 'The key beside a certificate, by their names a pair, is the key of something else.',
    source: 'Go crypto/tls X509KeyPair',
    refusals: [{ by: 'Go', words: 'tls: private key does not match public key' }],
    message: ({ file, beside, algorithm }) =>
      `The key ${file} (${algorithm}) is not that of the certificate ${beside}.`,
    remedy: () => 'Put the right key beside the certificate, or issue a new certificate with a new key.',
  }),
  'directory/key-without-certificate': row<InFolder & { algorithm: string }>({
    severity: 'warning',
    meaning:
      'A private key belongs to no certificate, request or public key here: it was left behind by a renewal, or its certificate was lost. It may be in use elsewhere still.',
    source: 'a rule of this package',
    message: ({ file, algorithm }) => `The key ${file} (${algorithm}) belongs to no certificate in this folder.`,
    remedy: ({ file }) =>
      `Find its certificate by "openssl pkey -in ${inShell({ file })} -pubout", or remove the key where nothing uses it.`,
  }),
  'directory/certificate-without-key': row<InFolder & { subject: string }>({
    severity: 'info',
    meaning: 'The key of an end-entity certificate is not here, so nobody can use the certificate from this folder.',
    source: 'a rule of this package',
    message: ({ file, subject }) => `The key of the certificate "${subject}" (${file}) is not in this folder.`,
    remedy: () => 'Nothing needs to be done where the key is kept elsewhere on purpose.',
  }),
  'directory/file-missing': row<InFolder & { layout: string }>({
    severity: 'error',
    meaning: 'A file that belongs to the layout is not there, so etcd or a client of it does not start.',
    source: 'etcd --cert-file and others; kubernetes cmd/kubeadm/app/phases/certs',
    message: ({ file, layout }) => `${file} is missing, which belongs to the layout "${layout}".`,
    remedy: () => 'Issue what is missing (issueCluster, writeCluster), or restore it from a backup.',
  }),
  'directory/ca-key-here': row<InFolder & { subject: string }>({
    severity: 'warning',
    meaning:
      'The key of a CA lies unencrypted beside certificates in use: whoever comes into this machine can issue certificates for everybody.',
    source: 'CIS Kubernetes Benchmark 1.1.19 to 1.1.21; kubeadm external CA mode',
    message: ({ file, subject }) =>
      `The key of the CA "${subject}" (${file}) lies here unencrypted, beside certificates.`,
    remedy: ({ file }) =>
      `Keep it offline or in a key store, and encrypt it: "openssl pkcs8 -topk8 -v2 aes256 -in ${inShell({ file })} -out ca-key.encrypted", then remove it here.`,
  }),
  'directory/writable-by-others': row<InFolder & { mode: string; is: 'folder' | 'file' }>({
    severity: 'error',
    meaning:
      'Every user of the machine can replace a certificate, a trust anchor or a key here, and so let himself in or others out.',
    source: 'path_resolution(7); CIS Kubernetes Benchmark 1.1.20',
    message: ({ file, mode, is }) => `The ${is} ${file} has mode ${mode}: other users can write to it.`,
    remedy: ({ file }) => `Run "chmod o-w ${inShell({ file })}".`,
  }),
  'directory/owner-differs': row<InFolder & { owner: number; usual: number }>({
    severity: 'warning',
    meaning:
      'A file belongs to another user than the rest: that user can change it, and etcd, run as the usual one, may not be able to read it.',
    source: 'a rule of this package',
    message: ({ file, owner, usual }) =>
      `${file} belongs to the user ${String(owner)}, while most files here belong to ${String(usual)}.`,
    remedy: ({ file, usual }) => `Run "chown ${String(usual)} ${inShell({ file })}" if that is not meant.`,
  }),
  'directory/issuer-not-found': row<InFolder & { subject: string; issuer: string; sameName: boolean }>({
    severity: 'warning',
    meaning:
      'The CA that issued a certificate is not in the folder. Where a CA of its name is, that is another one, as after a CA was made anew and the certificates were not.',
    source: 'RFC 5280 section 6.1.3 (a)(4)',
    message: ({ file, subject, issuer, sameName }) =>
      `The certificate "${subject}" (${file}) was issued by "${issuer}", ${sameName ? 'but not by the CA of that name that is here' : 'which is not in this folder'}.`,
    remedy: ({ sameName }) =>
      sameName
        ? 'Issue the certificate anew from the CA that is here, or put the CA that issued it back.'
        : 'Put the CA certificate beside it if those who read the certificate from here need it.',
  }),
  'directory/serial-repeated': row<{ serialNumber: string; issuer: string; files: string[] }>({
    severity: 'warning',
    meaning:
      'Two certificates of one CA have the same serial number. To revoke one revokes the other: etcd compares nothing else.',
    source: 'RFC 5280 section 4.1.2.2; etcd client/pkg/transport/listener_tls.go checkCRL',
    message: ({ serialNumber, issuer, files }) =>
      `The CA "${issuer}" has issued several certificates with the serial number ${serialNumber}: ${files.join(', ')}.`,
    remedy: () =>
      'Issue all but one of them anew, and look at the CA’s file of serial numbers ("-CAserial", "-CAcreateserial").',
  }),
  'directory/ca-name-repeated': row<{ subject: string; files: string[] }>({
    severity: 'warning',
    meaning:
      'Two CAs with different keys have one name. Errors, logs and the names that a server asks for do not tell them apart.',
    source: 'RFC 5280 section 4.1.2.4: a CA is known by its name',
    message: ({ subject, files }) => `Several CAs with different keys are called "${subject}": ${files.join(', ')}.`,
    remedy: () => 'Give the next CA a name of its own, such as one with the year; see planCaRoll for the change.',
  }),
  'directory/left-over': row<InFolder>({
    severity: 'warning',
    meaning:
      'A run of this package or of the kubelet was killed and has left files behind. They may hold private keys. Nothing reads them.',
    source: 'writeCluster of this package; kubelet AtomicWriter',
    message: ({ file }) => `${file} was left by a run that was killed.`,
    remedy: ({ file }) =>
      `Do the same call again (writeCluster, renewDirectory), which removes it, or run "rm -r ${inShell({ file })}" when nothing is at work there.`,
  }),
  'directory/key-in-json': row<InFolder>({
    severity: 'warning',
    meaning:
      'A file of JSON, as cfssl prints it, holds a private key in the clear. It is easily taken for something harmless.',
    source: 'cfssl gencert, genkey: member "key"',
    message: ({ file }) => `${file} is JSON with a private key in it.`,
    remedy: () => 'Split it with cfssljson, keep the key with mode 0600, and remove the JSON.',
  }),
}
