/** Causes on the client's side: its certificate, its key, the files they come in. */
import { fromPem, type Credentials } from '../../src/credentials/index.js'
import { mintedCredentials, type MintedPki, type Pems, pemsOf } from './etcd.js'
import { extendedKeyUsage, mintCa, type Minted, mintLeaf, type MintLeafOptions } from './mint.js'
import { type CauseGroup, etcd, oursRefused, rowsOf, type SetUp, connects } from './tls-cause.js'
import type { SetUpName } from './tls-stage.js'

export const PAST = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
export const FUTURE = { notBefore: new Date('2045-01-01'), notAfter: new Date('2046-01-01') }

/** Shows a certificate to an etcd of the stage. */
function shown(make: (pki: MintedPki) => Credentials, to: SetUpName = 'good'): SetUp {
  return ({ etcds }, pki) => ({ endpoint: etcds[to].endpoint, credentials: make(pki) })
}

/** A client certificate that differs from a good one in this. */
function client(options: Partial<MintLeafOptions>): SetUp {
  return shown((pki) => pki.issueClient(options))
}

function clientLeaf(issuer: Minted): Minted {
  return mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer })
}

/** Of a CA that etcd does not know; the client itself trusts both. */
function stranger(subject: string, to?: SetUpName): SetUp {
  return shown(({ root }) => {
    const ca = mintCa({ subject })
    return mintedCredentials({ leaf: clientLeaf(ca), trust: [ca, root] })
  }, to)
}

/** Of a CA that neither etcd nor the client has. */
function unknownTo(name: SetUpName): SetUp {
  return shown(
    ({ root }) => mintedCredentials({ leaf: clientLeaf(mintCa({ subject: 'Other root' })), trust: [root] }),
    name,
  )
}

/** Under an intermediate that is sent along. */
function under(options: Partial<Parameters<typeof mintCa>[0]>): SetUp {
  return shown(({ root }) => {
    const intermediate = mintCa({ subject: 'Intermediate', issuer: root, ...options })
    return mintedCredentials({ leaf: clientLeaf(intermediate), intermediates: [intermediate], trust: [root] })
  })
}

/** As files that do not hold what they should. */
function files(change: (pems: Pems) => Partial<Pems>): SetUp {
  return ({ etcds }, pki) => {
    const good = pemsOf(pki.client)
    const pems = { ...good, ...change(good) }
    return { endpoint: etcds.good.endpoint, credentials: fromPem(pems), plain: pems }
  }
}

function noneGiven(to: SetUpName): SetUp {
  return ({ etcds }, { root }) => ({
    endpoint: etcds[to].endpoint,
    credentials: fromPem({ ca: root.pem, cert: '', key: '' }),
    plain: { ca: root.pem },
  })
}

const KEYS = { ed448: 'Ed448', 'rsa-pss-2048': 'RSA-PSS', p224: 'ECDSA P-224', secp256k1: 'ECDSA secp256k1' } as const

function encryptedKey(): string {
  const { key } = mintLeaf({ subject: 'x' })
  return String(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }))
}

/** Before anything is dialled. */
const invalid = rowsOf('ERR_VALIDATION_FAILED', 'client leaf CN=root')
const invalidIntermediate = rowsOf('ERR_VALIDATION_FAILED', 'client intermediate CN=Intermediate')
const unreadable = rowsOf('ERR_CREDENTIALS_UNREADABLE')

const UNKNOWN = ['handshake/client-ca-unknown'] as const
/** What an old Go sends for any certificate. */
const OLD_GO = { codesOfOldGo: ['handshake/client-certificate-refused'] } as const
/** A second connection shows what etcd accepts. */
const UNLISTED = { issuer: 'CN=Other root', accepts: ['CN=Test root'], listed: false }

export const CLIENT_CAUSES: CauseGroup = {
  title: "The client's certificate",
  text: 'The client validates its own certificate before it dials. If only etcd can refuse it, etcd sends a TLS alert or closes the connection, and the report explains that.',
  causes: [
    oursRefused('of another CA', UNKNOWN, stranger('Other root'), { details: UNLISTED }),
    oursRefused('of another CA, in TLS 1.2', UNKNOWN, stranger('Other root', 'tls12'), { details: UNLISTED }),
    oursRefused('of another CA, in TLS 1.3, which encrypts the list of CAs', UNKNOWN, stranger('Other root', 'tls13'), {
      details: UNLISTED,
    }),
    oursRefused('of another CA, in TLS 1.2, and this client does not have that CA', UNKNOWN, unknownTo('tls12'), {
      details: UNLISTED,
    }),
    oursRefused(
      'of another CA, and etcd has --client-cert-auth without --trusted-ca-file',
      UNKNOWN,
      etcd('systemCas'),
      { ...OLD_GO, details: { alert: 48, accepts: [], listed: false } },
    ),
    oursRefused('of a CA with the same name and another key', UNKNOWN, stranger('Test root'), {
      ...OLD_GO,
      details: { ...UNLISTED, issuer: 'CN=Test root', listed: true },
    }),
    connects(
      'its intermediate is only in the CA file: OpenSSL sends it, etcdctl would fail',
      ['chain/intermediate-not-sent'],
      shown(({ root }) => {
        const intermediate = mintCa({ subject: 'Intermediate', issuer: root })
        return mintedCredentials({ leaf: clientLeaf(intermediate), trust: [intermediate, root] })
      }),
      { certificate: 'client anchor CN=Intermediate' },
    ),
    oursRefused(
      'its intermediate is not sent and not trusted',
      UNKNOWN,
      shown(({ root }) => {
        const intermediate = mintCa({ subject: 'Intermediate', issuer: root })
        return mintedCredentials({ leaf: clientLeaf(intermediate), trust: [root] })
      }),
    ),
    oursRefused(
      'another intermediate of the same name is sent',
      UNKNOWN,
      shown(({ root }) => {
        const mint = (): Minted => mintCa({ subject: 'Intermediate', issuer: root })
        return mintedCredentials({ leaf: clientLeaf(mint()), intermediates: [mint()], trust: [root] })
      }),
      {
        details: { issuer: 'CN=Intermediate', listed: false },
      },
    ),
    invalid('expired', ['validity/expired'], client(PAST)),
    invalid('not valid yet', ['validity/not-yet-valid'], client(FUTURE)),
    invalidIntermediate('its intermediate has expired', ['validity/expired'], under(PAST)),
    invalid('for servers only (serverAuth)', ['usage/extended-key-usage-missing'], client({ usages: ['serverAuth'] })),
    invalidIntermediate(
      'under an intermediate for servers only',
      ['usage/extended-key-usage-missing'],
      under({ extensions: [extendedKeyUsage(['serverAuth'])] }),
    ),
    ...(['ed448', 'rsa-pss-2048', 'p224', 'secp256k1'] as const).map((key) =>
      invalid(`its key is ${KEYS[key]}, so OpenSSL does not send it to etcd`, ['key/unsupported'], client({ key })),
    ),
    unreadable('no certificate', ['input/unexpected-content', 'input/unexpected-content'], noneGiven('good')),
    unreadable(
      'no certificate, in TLS 1.2',
      ['input/unexpected-content', 'input/unexpected-content'],
      noneGiven('tls12'),
    ),
    unreadable(
      'the key is of another certificate',
      ['key/mismatch'],
      files(() => ({ key: mintLeaf({ subject: 'x' }).keyPem })),
      { certificate: 'client leaf CN=root' },
    ),
    unreadable(
      'the key is encrypted, and there is no passphrase',
      ['key/passphrase-refused'],
      files(() => ({ key: encryptedKey() })),
    ),
    unreadable(
      'the CA file has no certificate',
      ['input/unexpected-content'],
      files(({ key }) => ({ ca: key })),
    ),
    unreadable(
      'the chain is in the wrong order, the CA first',
      ['credentials/leaf-not-first'],
      files(({ ca, cert }) => ({ cert: ca + cert })),
      { certificate: 'client leaf CN=root' },
    ),
    oursRefused(
      "etcd's --client-cert-allowed-hostname does not list it",
      ['handshake/client-certificate-refused'],
      etcd('allowedHostname'),
    ),
    oursRefused("etcd's allowed-cn does not list it", ['handshake/client-certificate-refused'], etcd('allowedCn')),
    oursRefused("revoked by etcd's --client-crl-file", ['handshake/closed-without-alert'], ({ etcds, revoked }) => ({
      endpoint: etcds.withCrl.endpoint,
      credentials: revoked,
    })),
    oursRefused(
      "revoked by etcd's --client-crl-file, in TLS 1.2",
      ['handshake/closed-without-alert'],
      ({ etcds, revoked }) => ({
        endpoint: etcds.withCrl.endpoint,
        credentials: revoked,
        options: { tls: { maxVersion: 'TLSv1.2' } },
      }),
    ),
    invalid('revoked, and the client has the CRL, too', ['revocation/revoked'], ({ etcds, revoked, crl }) => {
      const pems = pemsOf(revoked)
      return { endpoint: etcds.withCrl.endpoint, credentials: fromPem({ ...pems, crl }), plain: pems }
    }),
    oursRefused(
      "etcd's --client-crl-file is broken, so etcd refuses every client",
      ['handshake/closed-without-alert'],
      async ({ etcds: { withCrl }, crl }, pki) => {
        await withCrl.writeFiles({ 'list.crl': 'garbage' })
        const end = () => withCrl.writeFiles({ 'list.crl': crl })
        return { endpoint: withCrl.endpoint, credentials: pki.client, end }
      },
    ),
  ],
}
