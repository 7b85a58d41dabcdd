/** Findings about key usage and extended key usage. */
import { error, info, warning, type Wording } from '../row.js'
import { listed, quoted } from '../words.js'

const WRONG_PURPOSE = { Node: 'INVALID_PURPOSE', OpenSSL: 'unsuitable certificate purpose' }

const INCOMPATIBLE = {
  Go: ['x509: certificate specifies an incompatible key usage', 'remote error: tls: bad certificate'],
}

function isRefused({ refused }: { refused: boolean }): boolean {
  return refused
}

function usageFor(side: Wording['side']): string {
  const ofMember = '"extendedKeyUsage = serverAuth, clientAuth"'
  if (side === undefined) return `"extendedKeyUsage = clientAuth" for a client, or ${ofMember} for a member`
  return side === 'client' ? '"extendedKeyUsage = clientAuth"' : ofMember
}

export const usage = {
  'usage/extended-key-usage-missing': {
    'of the certificate': error((d: { wanted: string[]; missing: string[]; found: string[] }, who) => [
      `${who} does not have ${listed(d.missing)} in its extended key usage; it has ${listed(d.found)}.`,
      `Reissue it with "extendedKeyUsage = ${d.wanted.includes('serverAuth') ? 'serverAuth, clientAuth' : 'clientAuth'}".`,
    ]).refusedAs([
      { ...INCOMPATIBLE, ...WRONG_PURPOSE },
      { Node: ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE'] },
    ]),
    'server gated': warning((d: { gated: string }, who) => [
      `${who} has the purpose ${d.gated} (Server Gated Cryptography) instead of serverAuth. Node accepts that; etcd and other programs in Go refuse it.`,
      'Reissue it with "extendedKeyUsage = serverAuth, clientAuth".',
    ]).refusedAs(INCOMPATIBLE),
    'of its CA': error((d: { missing: string; found: string[]; leaf: string }, who) => [
      `${who} limits the certificates below it to ${listed(d.found)}, and "${d.leaf}" needs ${d.missing}.`,
      `Reissue the CA certificate without extendedKeyUsage, or with serverAuth and clientAuth. Or reissue "${d.leaf}" from another CA.`,
    ]).refusedAs({ ...INCOMPATIBLE, ...WRONG_PURPOSE }),
  },
  'usage/gateway-client-auth-missing': warning((d: { found: string[]; ofCa: boolean }, who) => [
    `${who} ${d.ofCa ? `limits the certificates below it to ${listed(d.found)}` : 'has serverAuth but not clientAuth'}. etcd's gateway, which presents ${d.ofCa ? 'the server certificate' : 'it'} as a client, answers 503.`,
    `Reissue ${d.ofCa ? 'the CA certificate without extendedKeyUsage, or' : 'it'} with "extendedKeyUsage = serverAuth, clientAuth". Or start etcd with --client-cert-file and --client-key-file of a clientAuth certificate, or with --enable-grpc-gateway=false.`,
  ]).refusedAs({
    etcd: 'error reading server preface: remote error: tls: bad certificate',
    Go: 'x509: certificate specifies an incompatible key usage',
  }),
  'usage/any-extended-key-usage': warning((d: { refused: boolean }, who, { side }) => [
    d.refused
      ? `${who} relies on anyExtendedKeyUsage, which Node refuses for a server.`
      : `${who} is valid for every purpose (anyExtendedKeyUsage).`,
    `Reissue it with ${usageFor(side)}.`,
  ])
    .or('error', isRefused)
    .refusedAs({ ...WRONG_PURPOSE, when: isRefused }),
  'usage/extension-absent': {
    extendedKeyUsage: info((_, who, { side }) => [
      `${who} has no extended key usage, so it is valid for every purpose.`,
      `Add ${usageFor(side)} at the next renewal.`,
    ]),
    keyUsage: info((_, who) => [
      `${who} is a CA without a key usage.`,
      'Add "keyUsage = critical, keyCertSign, cRLSign" at the next renewal of the CA.',
    ]),
  },
  'usage/anchor-extended-key-usage': info((d: { found: string[] }, who) => [
    `${who} is a root with an extended key usage (${listed(d.found)}).`,
    'Omit extendedKeyUsage in the next root: it limits every certificate below.',
  ]),
  'usage/key-usage-missing': {
    keyCertSign: error((d: { found: string[] }, who) => [
      `${who} issued a certificate, but its key usage (${listed(d.found)}) lacks keyCertSign.`,
      'Reissue the CA certificate with "keyUsage = critical, keyCertSign, cRLSign".',
    ]).refusedAs({
      Go: 'x509: invalid signature: parent certificate cannot sign this kind of certificate',
      Node: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
      OpenSSL: ['unable to get local issuer certificate', 'key usage does not include certificate signing'],
    }),
    digitalSignature: warning((d: { found: string[]; refused: boolean }, who) => [
      `${who} has a key usage (${listed(d.found)}) without digitalSignature, which ${d.refused ? 'a TLS server needs' : 'TLS 1.3 requires'}.`,
      'Reissue it with "keyUsage = critical, digitalSignature" (and keyEncipherment for an RSA key).',
    ])
      .or('error', isRefused)
      .refusedAs([
        { ...WRONG_PURPOSE, when: isRefused },
        { Node: 'ERR_SSL_ECC_CERT_NOT_FOR_SIGNING', when: ({ refused }) => !refused },
      ]),
  },
  'usage/netscape-type-unsuited': warning((d: { missing: string[]; refused: boolean }, who) => [
    `${who} has a Netscape certificate type (nsCertType) without ${quoted(d.missing)}${d.refused ? '' : ', which OpenSSL checks and etcd does not'}.`,
    'Reissue it without nsCertType.',
  ])
    .or('error', isRefused)
    .refusedAs(WRONG_PURPOSE),
}
