/** Findings about the files of a configuration of etcd as they stand together, and with the rest of it. */
import { type ConfigPlace, placed, spelledLike } from './config-place.js'
import { listed, quoted } from '../words.js'
import { row } from '../row.js'

export const configTogether = {
  'config/crl-of-other-ca': row<ConfigPlace & { path: string; issuer: string; ca: string }>({
    severity: 'warning',
    meaning:
      'A revocation list was issued by none of the CAs that are trusted there. Etcd compares serial numbers alone: what the list revokes may be in use still, and a good certificate of the same number is refused. It is right where an intermediate issues the certificates and the list.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} names ${details.path}, a list of "${details.issuer}", which is none of the CAs of ${details.ca}.`,
    remedy: ({ ca }) => `Name the list that a CA of ${ca}, or an intermediate below it, has issued.`,
  }),
  'config/crl-stale': row<ConfigPlace & { path: string; nextUpdate: Date }>({
    severity: 'warning',
    meaning:
      'A newer revocation list was due. Etcd does not look at that date and goes on with this one, so what was revoked since is let in.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; RFC 5280 section 5.1.2.5',
    message: (details) =>
      `${placed(details)} names ${details.path}, whose next update was due on ${day(details.nextUpdate)}; etcd does not look at it.`,
    remedy: ({ path }) =>
      `Write the list of today to ${path}, and let a timer do it, as with "openssl ca -gencrl -out ${path}".`,
  }),
  'config/own-certificate-revoked': row<ConfigPlace & { subject: string; serialNumber: string; crl: string }>({
    severity: 'error',
    meaning:
      'The serial number of a certificate of this member is in its own revocation list. Members with the same list refuse it, and so does the gateway’s port. Etcd compares nothing but the number.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}" (serial number ${details.serialNumber}), which the list of ${details.crl} revokes.`,
    remedy: ({ option }) => `Issue the member a new certificate, with a serial number of its own, for ${option}.`,
  }),
  'config/own-name-not-allowed': row<ConfigPlace & { has: string; allowed: string[]; cert: string }>({
    severity: 'warning',
    meaning:
      'Members have one list of names that are allowed, and the certificate of this one has none of them, so that others refuse it.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) =>
      `${placed(details)} allows ${listed(details.allowed)}, and the member’s own certificate, ${details.cert}, has ${details.has}.`,
    remedy: ({ option }) =>
      `Add the name to ${option} of all members, or issue the certificate with one that is allowed.`,
  }),
  'config/ca-expired': row<ConfigPlace & { subject: string; notAfter: Date }>({
    severity: 'warning',
    meaning: 'One of several CAs has ended: whatever it has issued is refused, whereas the others go on.',
    source: 'RFC 5280 section 6.1.3; Go crypto/x509 Verify',
    refusals: [{ by: 'Go', words: 'x509: certificate has expired or is not yet valid: …' }],
    message: (details) =>
      `${placed(details)} holds the CA "${details.subject}", which expired on ${day(details.notAfter)}.`,
    remedy: () => 'Issue anew what it has issued, from a CA that is valid, and take it out of the file.',
  }),
  'config/cas-expired': row<ConfigPlace & { subjects: string[]; notAfter: Date; block: 'client' | 'peer' }>({
    severity: 'error',
    meaning:
      'Every CA that certificates are verified with has expired: etcd starts, and refuses every certificate of those who connect.',
    source: 'RFC 5280 section 6.1.3; Go crypto/x509 Verify; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'x509: certificate has expired or is not yet valid: …' }],
    message: (details) =>
      `${placed(details)} holds no valid CA: ${quoted(details.subjects)} expired, the last on ${day(details.notAfter)}, so etcd refuses every ${details.block === 'client' ? 'client' : 'member'}.`,
    remedy: ({ option, block }) =>
      `Add a valid CA to the file of ${option}, restart etcd, and issue the ${block === 'client' ? 'clients' : 'members'} certificates of that CA.`,
  }),
  'config/client-auth-by-public-cas': row<ConfigPlace & { path: string; count: number | null }>({
    severity: 'error',
    meaning:
      'The CAs of those who are let in are the machine’s list of public CAs, so everybody who can buy a certificate is let in.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; Go crypto/x509 root_linux.go',
    message: (details) =>
      `${placed(details)} names ${details.path}, ${details.count === null ? 'the machine’s list of public CAs' : `which holds ${String(details.count)} CAs, as a list of public ones does`}: it lets in whoever has a certificate of any of them.`,
    remedy: ({ option }) => `Name a file in ${option} that holds the CA of etcd’s own clients and members alone.`,
  }),
  'config/sides-exchanged': row<ConfigPlace & { subject: string; peerCa: string; peerCert: string; ca: string }>({
    severity: 'error',
    meaning:
      'The certificate for clients leads to a CA of the members, and that for members to a CA of the clients: the files of the two sides are exchanged, certificates or CAs.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig, ClientConfig',
    refusals: [{ by: 'Go', words: 'x509: certificate signed by unknown authority' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}", which leads to a CA of ${details.peerCa}, and ${details.peerCert} leads to one of ${details.ca}: they are exchanged.`,
    remedy: ({ option, peerCert, ca, peerCa }) =>
      `Exchange the files of ${option} and ${peerCert}, with their keys, or those of ${ca} and ${peerCa}.`,
  }),
  'config/keys-beyond-2030': row<ConfigPlace & { subjects: string[] }>({
    severity: 'info',
    meaning:
      'Certificates rely on RSA with 2048 bits beyond 2030, when NIST stops to allow it. Most CAs of clusters do; it is time to change when the CA is renewed.',
    source: 'NIST SP 800-57 part 1 revision 5, tables 2 and 4',
    message: ({ subjects }) =>
      `${listed(subjects)} ${subjects.length === 1 ? 'relies' : 'rely'} beyond 2030 on RSA keys that are too small by then.`,
    remedy: () => 'Make the next CA with ECDSA P-256 or RSA 3072.',
  }),
  'config/metrics-certificate-missing': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'A URL for metrics is https, which is served by the certificate for clients, and there is none. Etcd does not start.',
    source: 'server/embed/etcd.go v3.5.16 serveMetrics; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
      },
    ],
    message: (details) =>
      `${placed(details)} has ${details.url}, and ${spelledLike(details.option, 'cert-file')} and ${spelledLike(details.option, 'key-file')} are not set.`,
    remedy: ({ option, url }) =>
      `Set ${spelledLike(option, 'cert-file')} and ${spelledLike(option, 'key-file')}, or write ${url.replace(/^https:/, 'http:')} where only this machine reaches it.`,
  }),
  'config/cluster-missing': row<ConfigPlace & { cluster: string; name: string; standard: string }>({
    severity: 'error',
    meaning:
      'A file says by which URLs members reach this one, and neither who it is nor who the members are. Etcd takes its default for the latter, which has other URLs, and does not start.',
    source: 'server/embed/config.go v3.5.16 UpdateDefaultClusterFromName; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }],
    message: (details) =>
      `${placed(details)} is set, and ${details.cluster} and ${details.name} are not, so etcd takes ${details.standard} for the members.`,
    remedy: ({ cluster, name }) => `Set ${name}, and ${cluster} to "NAME=URL" of each member, with commas between.`,
  }),
  'config/advertise-not-listened': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning:
      'Others are told an address, and this member listens on the loopback address or on a socket alone, which is right behind a forwarder alone.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) =>
      `${placed(details)} has ${details.url}, and this member listens on ${details.listen} alone, which no other machine reaches.`,
    remedy: () => 'Listen on the address that is advertised, or on all, unless something on this machine forwards it.',
  }),
  'config/volume-missing': row<ConfigPlace & { paths: string[]; mounts: string[]; isOfficial: boolean }>({
    severity: ({ isOfficial }) => (isOfficial ? 'error' : 'warning'),
    meaning:
      'The configuration names files in folders of a container where no volume is mounted, so etcd finds them only if they are part of the image. An image of etcd has none, and etcd does not start; another image may have them, which is a warning.',
    source: 'Kubernetes API: volumeMounts of a container; Compose specification: volumes of a service',
    refusals: [{ by: 'Go', words: 'open …: no such file or directory' }],
    message: (details) =>
      `${placed(details)} names a file in the container, and no volume is mounted where it would be: ${listed(details.paths)}${details.mounts.length === 0 ? '' : ` (volumes are mounted at ${listed(details.mounts)})`}.`,
    remedy: () =>
      'Mount a volume with the files at their folder (a volumeMount of the pod, or volumes of the service).',
  }),
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
