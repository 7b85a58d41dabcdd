/** Findings about files of a configuration of etcd that do not match each other, or other options. */
import { type ConfigPlace, placed, spelledLike } from './config-place.js'
import { shellArgument } from './place.js'
import { listed, quoted } from '../words.js'
import { row } from '../row.js'

export const configTogether = {
  'config/crl-of-other-ca': row<ConfigPlace & { path: string; issuer: string; ca: string }>({
    severity: 'warning',
    meaning:
      'None of the CAs that are trusted there issued the CRL. Etcd compares only serial numbers, so it may accept a revoked certificate and refuse a good one of the same number. The CRL is right if an intermediate issues the certificates and the CRL.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} names ${details.path}, a CRL of "${details.issuer}", which is not one of the CAs of ${details.ca}.`,
    remedy: ({ ca }) => `Use the CRL that a CA of ${ca}, or an intermediate below it, issued.`,
  }),
  'config/crl-stale': row<ConfigPlace & { path: string; nextUpdate: Date }>({
    severity: 'warning',
    meaning:
      'The next update of the CRL is overdue. Etcd ignores that date and accepts certificates that were revoked since.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; RFC 5280 section 5.1.2.5',
    message: (details) =>
      `${placed(details)} names ${details.path}, whose next update was due on ${day(details.nextUpdate)}. Etcd ignores that date.`,
    remedy: ({ path }) =>
      `Write a new CRL to ${path}, for example with "openssl ca -gencrl -out ${shellArgument(path)}", and repeat it by a timer.`,
  }),
  'config/own-certificate-revoked': row<ConfigPlace & { subject: string; serialNumber: string; crl: string }>({
    severity: 'error',
    meaning:
      'The serial number of a certificate of this member is in its own CRL. Members with the same CRL refuse it, and so does its own client port, which the gateway dials. Etcd compares only the number.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'transport: certificate serial … revoked' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}" (serial number ${details.serialNumber}), which the CRL of ${details.crl} revokes.`,
    remedy: ({ option }) => `Issue a new certificate for ${option}, with another serial number.`,
  }),
  'config/own-name-not-allowed': row<ConfigPlace & { has: string; allowed: string[]; cert: string }>({
    severity: 'warning',
    meaning: 'The certificate of this member has none of the allowed names. Members with the same list refuse it.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) =>
      `${placed(details)} allows ${listed(details.allowed)}, but the certificate of the member itself, ${details.cert}, has ${details.has}.`,
    remedy: ({ option }) =>
      `Add the name to ${option} of all members, or reissue the certificate with an allowed name.`,
  }),
  'config/ca-expired': row<ConfigPlace & { subject: string; notAfter: Date }>({
    severity: 'warning',
    meaning:
      'One of several CAs has expired. Etcd refuses the certificates that it issued and accepts those of the others.',
    source: 'RFC 5280 section 6.1.3; Go crypto/x509 Verify',
    refusals: [{ by: 'Go', words: 'x509: certificate has expired or is not yet valid: …' }],
    message: (details) =>
      `${placed(details)} contains the CA "${details.subject}", which expired on ${day(details.notAfter)}.`,
    remedy: () => 'Reissue its certificates by a valid CA, and remove it from the file.',
  }),
  'config/cas-expired': row<ConfigPlace & { subjects: string[]; notAfter: Date; block: 'client' | 'peer' }>({
    severity: 'error',
    meaning: 'Every CA that etcd verifies certificates with has expired. Etcd starts and refuses every certificate.',
    source: 'RFC 5280 section 6.1.3; Go crypto/x509 Verify; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'x509: certificate has expired or is not yet valid: …' }],
    message: (details) =>
      `${placed(details)} contains no valid CA: ${quoted(details.subjects)} expired, the last on ${day(details.notAfter)}, so etcd refuses every ${details.block === 'client' ? 'client' : 'member'}.`,
    remedy: ({ option, block }) =>
      `Add a valid CA to the file of ${option}, restart etcd, and reissue the certificates of the ${block === 'client' ? 'clients' : 'members'} by that CA.`,
  }),
  'config/client-auth-by-public-cas': row<ConfigPlace & { path: string; count: number | null }>({
    severity: 'error',
    meaning: 'The trusted CAs are the public CAs of the machine, so etcd accepts anybody who can buy a certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; Go crypto/x509 root_linux.go',
    message: (details) =>
      `${placed(details)} names ${details.path}, ${details.count === null ? 'the public CAs of the machine' : `which contains ${String(details.count)} CAs, as many as a list of public CAs`}. Etcd accepts every certificate of any of them.`,
    remedy: ({ option }) => `Set ${option} to a file that contains only the CA of etcd’s own clients or members.`,
  }),
  'config/sides-exchanged': row<ConfigPlace & { subject: string; peerCa: string; peerCert: string; ca: string }>({
    severity: 'error',
    meaning:
      'The certificate for clients chains to the CA for members, and the certificate for members to the CA for clients. The certificates or the CAs of the two sides are swapped.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig, ClientConfig',
    refusals: [{ by: 'Go', words: 'x509: certificate signed by unknown authority' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}", which chains to a CA of ${details.peerCa}, and ${details.peerCert} chains to a CA of ${details.ca}. The two sides are swapped.`,
    remedy: ({ option, peerCert, ca, peerCa }) =>
      `Swap the files of ${option} and ${peerCert}, with their keys, or those of ${ca} and ${peerCa}.`,
  }),
  'config/keys-beyond-2030': row<ConfigPlace & { subjects: string[] }>({
    severity: 'info',
    meaning:
      'Certificates rely on RSA with 2048 bits beyond 2030, when NIST no longer allows it. Most cluster CAs do. Change the key when the CA is renewed.',
    source: 'NIST SP 800-57 part 1 revision 5, tables 2 and 4',
    message: ({ subjects }) =>
      `${listed(subjects)} ${subjects.length === 1 ? 'relies' : 'rely'} beyond 2030 on RSA keys that are too small by then.`,
    remedy: () => 'Create the next CA with ECDSA P-256 or RSA 3072.',
  }),
  'config/metrics-certificate-missing': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning: 'A metrics URL is https and uses the certificate for clients, but there is none. Etcd does not start.',
    source: 'server/embed/etcd.go v3.5.16 serveMetrics; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
      },
      { by: 'etcd', words: 'cannot listen on TLS for …: KeyFile and CertFile are not presented' },
    ],
    message: (details) =>
      `${placed(details)} has ${details.url}, but ${spelledLike(details.option, 'cert-file')} and ${spelledLike(details.option, 'key-file')} are not set.`,
    remedy: ({ option, url }) =>
      `Set ${spelledLike(option, 'cert-file')} and ${spelledLike(option, 'key-file')}, or write ${url.replace(/^https:/, 'http:')} if only this machine can reach it.`,
  }),
  'config/cluster-missing': row<ConfigPlace & { cluster: string; name: string; standard: string }>({
    severity: 'error',
    meaning:
      'A file sets the peer URLs of this member, but neither its name nor the list of members. The default list has other URLs. Etcd does not start.',
    source: 'server/embed/config.go v3.5.16 UpdateDefaultClusterFromName; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }],
    message: (details) =>
      `${placed(details)} is set, but ${details.cluster} and ${details.name} are not. Etcd uses ${details.standard} as the list of members.`,
    remedy: ({ cluster, name }) => `Set ${name}, and ${cluster} to "NAME=URL" of each member, separated by commas.`,
  }),
  'config/advertise-not-listened': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning:
      'The member advertises an address, but listens only on the loopback address or on a socket. This is right only behind a forwarder on this machine.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) =>
      `${placed(details)} has ${details.url}, but this member listens only on ${details.listen}, which other machines cannot reach.`,
    remedy: () =>
      'Listen on the advertised address, or on all addresses, unless a program on this machine forwards it.',
  }),
  'config/volume-missing': row<ConfigPlace & { paths: string[]; mounts: string[]; isOfficial: boolean }>({
    severity: ({ isOfficial }) => (isOfficial ? 'error' : 'warning'),
    meaning:
      'The configuration names files in directories of a container where no volume is mounted. Etcd finds them only if they are part of the image. The official image of etcd has none, and etcd does not start: an error. Another image may have them: a warning.',
    source: 'Kubernetes API: volumeMounts of a container; Compose specification: volumes of a service',
    refusals: [{ by: 'Go', words: 'open …: no such file or directory' }],
    message: (details) =>
      `${placed(details)} names a file in the container, but no volume is mounted there: ${listed(details.paths)}${details.mounts.length === 0 ? '' : ` (volumes are mounted at ${listed(details.mounts)})`}.`,
    remedy: () => 'Mount a volume with the files there (a volumeMount of the pod, or volumes of the service).',
  }),
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
