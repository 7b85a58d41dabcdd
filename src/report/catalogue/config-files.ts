/** Findings about the files that a configuration of etcd names. */
import { type ConfigPlace, placed, spelledLike } from './config-place.js'
import { shellArgument } from './place.js'
import { listed } from '../words.js'
import { row } from '../row.js'

/** Why etcd 3.6 does not read a CRL that older releases read. */
export type CrlFlaw = 'PEM' | 'version 1' | 'two algorithms' | 'critical key identifier'

const FLAWS: Readonly<Record<CrlFlaw, { has: string; wants: string; remedy: string }>> = {
  PEM: { has: 'is PEM', wants: 'DER', remedy: 'Convert it to DER.' },
  'version 1': {
    has: 'is a CRL of version 1',
    wants: 'version 2',
    remedy: 'Issue it with a number, which makes it version 2 ("crlnumber" in the configuration of openssl ca).',
  },
  'two algorithms': {
    has: 'names one signature algorithm inside and another one outside',
    wants: 'the same twice',
    remedy: 'Issue the CRL again, with another program.',
  },
  'critical key identifier': {
    has: 'has a critical authority key identifier',
    wants: 'one that is not critical',
    remedy: 'Issue it with "authorityKeyIdentifier = keyid:always", without "critical".',
  },
}

export const configFiles = {
  'config/byte-order-mark': row<ConfigPlace & { path: string; of: 'certificate' | 'key' | 'CA' }>({
    severity: 'error',
    meaning:
      'A file begins with a byte order mark, so etcd does not see its first block: the certificate or the key, with which etcd does not start, or the only CA, without which it refuses every client.',
    source: 'Go encoding/pem Decode; etcd 3.5.16, run',
    refusals: [
      {
        by: 'Go',
        words: 'tls: failed to find any PEM data in certificate input',
        when: ({ of }) => of === 'certificate',
      },
      { by: 'Go', words: 'tls: failed to find any PEM data in key input', when: ({ of }) => of === 'key' },
      { by: 'Go', words: 'x509: certificate signed by unknown authority', when: ({ of }) => of === 'CA' },
    ],
    message: (details) =>
      `${placed(details)} names ${details.path}, which begins with a byte order mark: etcd does not see the ${details.of}.`,
    remedy: ({ path }) => `Remove it: "sed -i '1s/^\\xEF\\xBB\\xBF//' ${shellArgument(path)}".`,
  }),
  'config/crl-form': row<ConfigPlace & { path: string; version: string; is: CrlFlaw }>({
    severity: 'error',
    meaning:
      'Since 3.6 etcd reads a CRL of version 2 in DER alone. The authority key identifier must not be critical, and the CRL must name one signature algorithm. With any other CRL, etcd refuses every client. Before, it read all of these.',
    source:
      'client/pkg/transport/listener_tls.go v3.6.14 checkCRL, run alone; v3.5.16 checkCRL; Go crypto/x509 ParseRevocationList',
    refusals: [
      { by: 'Go', words: 'x509: malformed crl', when: ({ is }) => is === 'PEM' },
      { by: 'Go', words: 'x509: unsupported crl version', when: ({ is }) => is === 'version 1' },
      {
        by: 'Go',
        words: "x509: inner and outer signature algorithm identifiers don't match",
        when: ({ is }) => is === 'two algorithms',
      },
      {
        by: 'Go',
        words: 'x509: authority key identifier incorrectly marked critical',
        when: ({ is }) => is === 'critical key identifier',
      },
    ],
    message: (details) =>
      `${placed(details)} names ${details.path}, which ${FLAWS[details.is].has}, and etcd ${details.version} requires ${FLAWS[details.is].wants}: it refuses every client.`,
    remedy: ({ path, is }) =>
      is === 'PEM'
        ? `Convert it: "openssl crl -in ${shellArgument(path)} -outform DER -out crl.der".`
        : FLAWS[is].remedy,
  }),
  'config/crl-several': row<ConfigPlace & { path: string; count: number }>({
    severity: 'error',
    meaning:
      'A file contains several CRLs. Etcd reads the first one and accepts the certificates that the others revoke.',
    source: 'Go crypto/x509 ParseCRL; client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} names ${details.path}, which contains ${String(details.count)} CRLs. Etcd reads only the first one.`,
    remedy: () => 'Write one CRL with all serial numbers: etcd compares only these, not the issuer.',
  }),
  'config/crl-form-ahead': row<ConfigPlace & { path: string; is: CrlFlaw }>({
    severity: 'info',
    meaning:
      'Etcd up to 3.5 reads the CRL. Etcd 3.6 and later does not, and refuses every client: it is PEM, of version 1, names two signature algorithms, or has a critical authority key identifier.',
    source: 'client/pkg/transport/listener_tls.go v3.6.14 checkCRL, run alone; v3.5.16 checkCRL',
    message: (details) =>
      `${placed(details)} names ${details.path}, which ${FLAWS[details.is].has}; etcd 3.6 requires ${FLAWS[details.is].wants}.`,
    remedy: ({ path, is }) =>
      is === 'PEM'
        ? `Convert it before the update: "openssl crl -in ${shellArgument(path)} -outform DER -out crl.der". 3.5 reads it, too.`
        : `Before the update to 3.6: ${FLAWS[is].remedy}`,
  }),
  'config/crl-unreadable': row<ConfigPlace & { path: string; reason: string; isOther?: boolean }>({
    severity: 'error',
    meaning:
      'A CRL is missing or damaged. Etcd starts, and closes every connection after the handshake without an alert.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCRL; etcd 3.5.16, run',
    message: (details) => `${placed(details)} names ${details.path}, which cannot be used: ${details.reason}`,
    // A file that is not a CRL may be a certificate, which must not be overwritten.
    remedy: ({ option, path, isOther }) =>
      isOther === true
        ? `Set ${option} to a CRL, which "openssl ca -gencrl" writes to a new file, or remove ${option}. Do not overwrite ${path}.`
        : `Write the CRL again, for example with "openssl ca -gencrl -out ${shellArgument(path)}", or remove ${option}.`,
  }),
  'config/crl-bypassed': row<ConfigPlace & { httpUrls: string; fixed: string[] }>({
    severity: 'error',
    meaning:
      'With a separate URL for HTTP, the gRPC port of these releases does not check the CRL. Etcd accepts revoked certificates there.',
    source: 'GHSA-3wh4-j44w-pg92; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is not checked on the gRPC port, because ${details.httpUrls} is set.`,
    remedy: ({ fixed, httpUrls }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}, or remove ${httpUrls}.`,
  }),
  'config/gateway-untrusted': row<ConfigPlace & { path: string; ca: string; subject: string; issuer: string | null }>({
    severity: 'warning',
    meaning:
      'The gateway dials its own client port with the server certificate. The CA of that certificate is not one of those for clients, so the gateway answers 503. Other clients are affected only if they do not trust that CA: if an intermediate is missing in the file, or the certificate is self-signed.',
    source: 'server/embed/serve.go v3.5.16; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'remote error: tls: unknown certificate authority' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}", which ${details.issuer === null ? 'is self-signed and' : `"${details.issuer}" issued, and which`} does not chain to a CA of ${details.ca}. Etcd’s own gateway fails, and so do clients that trust only these CAs.`,
    remedy: ({ option, path, issuer, ca }) =>
      `${issuer === null ? `Reissue it by a CA of ${ca}` : `Append the certificate of "${issuer}" to ${path}, if it is an intermediate of a CA of ${ca}`}. If clients trust another CA for servers, set ${spelledLike(option, 'client-cert-file')} and ${spelledLike(option, 'client-key-file')} (since 3.5.0) to a certificate of the clients’ CA, or ${spelledLike(option, 'enable-grpc-gateway')} to false.`,
  }),
  'config/peer-address-unprovable': row<ConfigPlace & { names: string[]; addresses: string[] }>({
    severity: 'warning',
    meaning:
      'Etcd accepts a connecting member only if a name in its certificate is its address, resolves to it, or is the reverse DNS name of the address. Wildcards are not resolved, so this certificate depends on reverse DNS.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16 checkCertSAN; etcd issues 8268, 8797, 12327',
    refusals: [{ by: 'Go', words: 'tls: "…" does not match any of DNSNames […]' }],
    message: (details) =>
      `${placed(details)} names a certificate with ${listed(details.names)}. None of these names covers the address of this member (${listed(details.addresses)}).`,
    remedy: () => 'Reissue it with the address or the host name of the member in addition.',
  }),
  'config/file-elsewhere': row<ConfigPlace & { paths: string[] }>({
    severity: 'info',
    meaning: 'A path inside a container does not lead to a folder of this machine. The file was not read.',
    source: 'Kubernetes API: volumes of the kind hostPath',
    message: ({ paths }) => `These files are inside the container and were not read: ${listed(paths)}.`,
    remedy: () => 'Check them inside the container, for example with "openssl x509 -noout -text -in FILE".',
  }),
  'config/key-encrypted': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning: 'Etcd cannot read an encrypted private key and has no option for a passphrase. It does not start.',
    source: 'Go crypto/tls X509KeyPair; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: failed to parse private key' }],
    message: (details) => `${placed(details)} names ${details.path}, which is encrypted.`,
    remedy: ({ path }) =>
      `Decrypt it: "openssl pkey -in ${shellArgument(path)} -out new.key", and make new.key readable only for the user of etcd.`,
  }),
  'config/key-not-readable': row<
    ConfigPlace & {
      path: string
      onHost: string
      user: string
      mode: string
      barredBy: string | null
      isDynamic?: boolean
    }
  >({
    severity: 'error',
    meaning:
      'Etcd runs as a user who may not read its private key, or may not enter a directory on the path to it. It does not start.',
    source: 'open(2): EACCES; path_resolution(7)',
    refusals: [{ by: 'Go', words: 'open …: permission denied' }],
    message: (details) =>
      details.barredBy === null
        ? `${placed(details)} names ${details.path} (mode ${details.mode}), which the user ${details.user} may not read.`
        : `${placed(details)} names ${details.path}, but the user ${details.user} may not enter ${details.barredBy} (mode ${details.mode}).`,
    remedy: ({ onHost, user, barredBy, isDynamic }) => {
      if (isDynamic === true) {
        return `Pass it by LoadCredential=, set User= to a user that owns ${barredBy ?? onHost}, or SupplementaryGroups= to a group that may use it.`
      }
      return barredBy === null
        ? `Run "chown ${shellArgument(user)} ${shellArgument(onHost)}".`
        : `Run "chmod o+x ${shellArgument(barredBy)}", or move the key to a directory that ${user} may enter.`
    },
  }),
}
