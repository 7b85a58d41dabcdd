/** Findings about key usage and extended key usage, and what etcd asks beyond TLS. */
import { type NoDetails, row, rowByKind, type Severity } from '../row.js'
import { listed } from '../words.js'

const WRONG_PURPOSE = { Node: 'INVALID_PURPOSE', OpenSSL: 'unsuitable certificate purpose' }

const INCOMPATIBLE = {
  Go: ['x509: certificate specifies an incompatible key usage', 'remote error: tls: bad certificate'],
}

function isRefused({ refused }: { refused: boolean }): boolean {
  return refused
}

function errorIfRefused({ refused }: { refused: boolean }): Severity {
  return refused ? 'error' : 'warning'
}

export const usage = {
  'usage/extended-key-usage-missing': rowByKind<
    | { kind: 'of the certificate'; wanted: string[]; missing: string[]; found: string[] }
    | { kind: 'of its CA'; missing: string; found: string[]; leaf: string }
  >({
    kinds: {
      'of the certificate': {
        refusals: [
          { ...INCOMPATIBLE, ...WRONG_PURPOSE },
          { Node: ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE'] },
        ],
        message: ({ missing, found }, who) =>
          `${who} does not have ${listed(missing)} in its extended key usage; it has ${listed(found)}.`,
        remedy: ({ wanted }) => `Reissue it with "extendedKeyUsage = ${wanted.join(', ')}".`,
      },
      'of its CA': {
        refusals: { ...INCOMPATIBLE, ...WRONG_PURPOSE },
        message: ({ missing, found, leaf }, who) =>
          `${who} limits the certificates below it to ${listed(found)}, and "${leaf}" needs ${missing}.`,
        remedy: ({ leaf }) =>
          `Reissue the CA certificate without extendedKeyUsage, or with serverAuth and clientAuth. Or reissue "${leaf}" from another CA.`,
      },
    },
  }),
  'usage/gateway-client-auth-missing': row<{ found: string[]; ofCa: boolean }>({
    severity: 'warning',
    refusals: {
      etcd: 'error reading server preface: remote error: tls: bad certificate',
      Go: 'x509: certificate specifies an incompatible key usage',
    },
    message: ({ found, ofCa }, who) =>
      `${who} ${ofCa ? `limits the certificates below it to ${listed(found)}` : 'has serverAuth but not clientAuth'}. etcd's gateway, which presents ${ofCa ? 'the server certificate' : 'it'} as a client, answers 503.`,
    remedy: ({ ofCa }) =>
      `Reissue ${ofCa ? 'the CA certificate without extendedKeyUsage, or' : 'it'} with "extendedKeyUsage = serverAuth, clientAuth". Or start etcd with --client-cert-file and --client-key-file of a clientAuth certificate, or with --enable-grpc-gateway=false.`,
  }),
  'usage/any-extended-key-usage': row<{ refused: boolean }>({
    severity: errorIfRefused,
    refusals: { ...WRONG_PURPOSE, when: isRefused },
    message: ({ refused }, who) =>
      refused
        ? `${who} relies on anyExtendedKeyUsage, which Node refuses for a server.`
        : `${who} is valid for every purpose (anyExtendedKeyUsage).`,
    remedy: () => 'Reissue it with "extendedKeyUsage = clientAuth" (for a member: serverAuth, clientAuth).',
  }),
  'usage/extension-absent': rowByKind<{ kind: 'extendedKeyUsage' | 'keyUsage' }>({
    kinds: {
      extendedKeyUsage: {
        severity: 'info',
        message: (_, who) => `${who} has no extended key usage, so it is valid for every purpose.`,
        remedy: () => 'Add "extendedKeyUsage = clientAuth" (for a member: serverAuth, clientAuth) at the next renewal.',
      },
      keyUsage: {
        severity: 'info',
        message: (_, who) => `${who} is a CA without a key usage.`,
        remedy: () => 'Add "keyUsage = critical, keyCertSign, cRLSign" at the next renewal of the CA.',
      },
    },
  }),
  'usage/anchor-extended-key-usage': row<{ found: string[] }>({
    severity: 'info',
    message: ({ found }, who) => `${who} is a root with an extended key usage (${listed(found)}).`,
    remedy: () => 'Omit extendedKeyUsage in the next root: it limits every certificate below.',
  }),
  'usage/key-usage-missing': rowByKind<
    { found: string[] } & ({ kind: 'keyCertSign' } | { kind: 'digitalSignature'; refused: boolean })
  >({
    kinds: {
      keyCertSign: {
        refusals: {
          Go: 'x509: invalid signature: parent certificate cannot sign this kind of certificate',
          Node: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
          OpenSSL: ['unable to get local issuer certificate', 'key usage does not include certificate signing'],
        },
        message: ({ found }, who) =>
          `${who} issued a certificate, but its key usage (${listed(found)}) lacks keyCertSign.`,
        remedy: () => 'Reissue the CA certificate with "keyUsage = critical, keyCertSign, cRLSign".',
      },
      digitalSignature: {
        severity: errorIfRefused,
        refusals: [
          { ...WRONG_PURPOSE, when: isRefused },
          { Node: 'ERR_SSL_ECC_CERT_NOT_FOR_SIGNING', when: ({ refused }) => !refused },
        ],
        message: ({ found, refused }, who) =>
          `${who} has a key usage (${listed(found)}) without digitalSignature, which ${refused ? 'a TLS server needs' : 'TLS 1.3 requires'}.`,
        remedy: () => 'Reissue it with "keyUsage = critical, digitalSignature" (and keyEncipherment for an RSA key).',
      },
    },
  }),
  'usage/netscape-type-unsuited': row<NoDetails>({
    refusals: WRONG_PURPOSE,
    message: (_, who) => `${who} has a Netscape certificate type (nsCertType) without "server".`,
    remedy: () => 'Reissue it without nsCertType.',
  }),
}
