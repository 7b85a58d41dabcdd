/** Causes on the client's side: its certificate, its key, the files they come in. */
import { fromPem, type Credentials } from '../../src/credentials/index.js'
import { mintedCredentials, type MintedPki } from './etcd.js'
import { extendedKeyUsage, mintCa, type Minted, mintLeaf, type MintLeafOptions } from './mint.js'
import { plainCredentials } from './plain-etcd3.js'
import type { Cause, CauseGroup, Situation } from './tls-cause.js'
import type { SetUpName, TlsStage } from './tls-stage.js'

export const PAST = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
export const FUTURE = { notBefore: new Date('2045-01-01'), notAfter: new Date('2046-01-01') }

/** Shows a certificate to an etcd of the stage, `good` unless told otherwise. */
function shown(make: (pki: MintedPki) => Credentials, to: SetUpName = 'good'): Cause['setUp'] {
  return ({ etcds }, pki) => ({ endpoint: etcds[to].endpoint, credentials: make(pki) })
}

/** A client certificate that differs from a good one in this. */
function client(options: Partial<MintLeafOptions>): (pki: MintedPki) => Credentials {
  return (pki) => pki.issueClient(options)
}

function clientLeaf(issuer: Minted): Minted {
  return mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer })
}

/** Of a CA that etcd does not know; the client itself trusts both. */
function stranger(subject: string): (pki: MintedPki) => Credentials {
  return ({ root }) => {
    const ca = mintCa({ subject })
    return mintedCredentials({ leaf: clientLeaf(ca), trust: [ca, root] })
  }
}

/** As files that do not hold what they should. */
function files(
  change: (pems: { ca: string; cert: string; key: string }) => Partial<Record<'ca' | 'cert' | 'key', string>>,
) {
  return ({ etcds }: TlsStage, pki: MintedPki): Situation => {
    const { rootCertificate, certChain, privateKey } = plainCredentials(pki.client)
    const good = { ca: String(rootCertificate), cert: String(certChain), key: String(privateKey) }
    const pems = { ...good, ...change(good) }
    return {
      endpoint: etcds.good.endpoint,
      credentials: fromPem(pems),
      plain: {
        rootCertificate: Buffer.from(pems.ca),
        certChain: Buffer.from(pems.cert),
        privateKey: Buffer.from(pems.key),
      },
    }
  }
}

const KEYS = { ed448: 'Ed448', 'rsa-pss-2048': 'RSA-PSS', p224: 'ECDSA P-224', secp256k1: 'ECDSA secp256k1' } as const

function encryptedKey(): string {
  const { key } = mintLeaf({ subject: 'x' })
  return String(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }))
}

/** A row that is refused before anything is dialled. */
const REFUSED = { error: 'ERR_VALIDATION_FAILED', certificate: 'client leaf CN=root' } as const
/** A row that etcd refuses. */
const BY_ETCD = { error: 'ERR_HANDSHAKE_FAILED', certificate: 'client leaf CN=root' } as const

/** What etcd accepts is told by a look at its TLS 1.2, whatever version the connection had. */
const UNLISTED = { alert: 48, issuer: 'CN=Other root', accepts: ['CN=Test root'], listed: false }

export const CLIENT_CAUSES: CauseGroup = {
  title: 'The client’s certificate',
  text: 'The client validates its own certificate before it dials anything. What only etcd knows comes back as a TLS alert or a closed connection, which the report explains.',
  causes: [
    {
      cause: 'of another CA',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-certificate-refused'],
      details: UNLISTED,
      setUp: shown(stranger('Other root')),
    },
    {
      cause: 'of another CA, in TLS 1.2',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      details: UNLISTED,
      setUp: shown(stranger('Other root'), 'tls12'),
    },
    {
      cause: 'of another CA, and etcd speaks TLS 1.3 alone, so it does not say whom it accepts',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      details: { ...UNLISTED, accepts: null, listed: null },
      setUp: shown(stranger('Other root'), 'tls13'),
    },
    {
      cause: 'of a CA with the same name and another key',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-certificate-refused'],
      details: { ...UNLISTED, issuer: 'CN=Test root', listed: true },
      setUp: shown(stranger('Test root')),
    },
    {
      cause: 'its intermediate stands in the CA file alone: OpenSSL sends it by itself, etcdctl would fail',
      error: null,
      certificate: 'client anchor CN=Intermediate',
      codes: ['chain/anchor-not-self-signed'],
      setUp: shown(({ root }) => {
        const intermediate = mintCa({ subject: 'Intermediate', issuer: root })
        return mintedCredentials({ leaf: clientLeaf(intermediate), trust: [intermediate, root] })
      }),
    },
    {
      cause: 'its intermediate is neither sent along nor trusted',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-ca-unknown', 'handshake/client-certificate-refused'],
      setUp: shown(({ root }) => {
        const intermediate = mintCa({ subject: 'Intermediate', issuer: root })
        return mintedCredentials({ leaf: clientLeaf(intermediate), trust: [root] })
      }),
    },
    {
      cause: 'another intermediate of the same name is sent along',
      ...BY_ETCD,
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-ca-unknown', 'handshake/client-certificate-refused'],
      details: { issuer: 'CN=Intermediate', listed: false },
      detailsOf34: { issuer: 'CN=Intermediate', listed: null },
      setUp: shown(({ root }) => {
        const [intermediate, other] = [1, 2].map(() => mintCa({ subject: 'Intermediate', issuer: root }))
        if (intermediate === undefined || other === undefined) throw new Error('No CA was made')
        return mintedCredentials({ leaf: clientLeaf(intermediate), intermediates: [other], trust: [root] })
      }),
    },
    { cause: 'expired', ...REFUSED, codes: ['validity/expired'], setUp: shown(client(PAST)) },
    { cause: 'not valid yet', ...REFUSED, codes: ['validity/not-yet-valid'], setUp: shown(client(FUTURE)) },
    {
      cause: 'its intermediate has expired',
      ...REFUSED,
      certificate: 'client intermediate CN=Intermediate',
      codes: ['validity/expired'],
      setUp: shown(({ root }) => {
        const intermediate = mintCa({ subject: 'Intermediate', issuer: root, ...PAST })
        return mintedCredentials({ leaf: clientLeaf(intermediate), intermediates: [intermediate], trust: [root] })
      }),
    },
    {
      cause: 'for servers only (serverAuth)',
      ...REFUSED,
      codes: ['usage/extended-key-usage-missing'],
      setUp: shown(client({ usages: ['serverAuth'] })),
    },
    {
      cause: 'under an intermediate for servers only',
      ...REFUSED,
      certificate: 'client intermediate CN=Intermediate',
      codes: ['usage/extended-key-usage-missing'],
      setUp: shown(({ root }) => {
        const intermediate = mintCa({
          subject: 'Intermediate',
          issuer: root,
          extensions: [extendedKeyUsage(['serverAuth'])],
        })
        return mintedCredentials({ leaf: clientLeaf(intermediate), intermediates: [intermediate], trust: [root] })
      }),
    },
    ...(['ed448', 'rsa-pss-2048', 'p224', 'secp256k1'] as const).map((key): Cause => ({
      cause: `its key is ${KEYS[key]}, which OpenSSL then does not show to etcd`,
      ...REFUSED,
      codes: ['key/unsupported'],
      setUp: shown(client({ key })),
    })),
    {
      cause: 'none given',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: null,
      codes: ['input/unexpected-content', 'input/unexpected-content'],
      setUp: ({ etcds }, pki) => ({
        endpoint: etcds.good.endpoint,
        credentials: fromPem({ ca: pki.root.pem, cert: '', key: '' }),
        plain: { rootCertificate: Buffer.from(pki.root.pem) },
      }),
    },
    {
      cause: 'none given, in TLS 1.2',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: null,
      codes: ['input/unexpected-content', 'input/unexpected-content'],
      setUp: ({ etcds }, pki) => ({
        endpoint: etcds.tls12.endpoint,
        credentials: fromPem({ ca: pki.root.pem, cert: '', key: '' }),
        plain: { rootCertificate: Buffer.from(pki.root.pem) },
      }),
    },
    {
      cause: 'the key is of another certificate',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: 'client leaf CN=root',
      codes: ['key/mismatch'],
      setUp: files(() => ({ key: mintLeaf({ subject: 'x' }).keyPem })),
    },
    {
      cause: 'the key is encrypted, and there is no passphrase',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: null,
      codes: ['key/passphrase-refused'],
      setUp: files(() => ({ key: encryptedKey() })),
    },
    {
      cause: 'the CA file holds no certificate',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: null,
      codes: ['input/unexpected-content'],
      setUp: files(({ key }) => ({ ca: key })),
    },
    {
      cause: 'the chain stands in the wrong order, the CA first',
      error: 'ERR_CREDENTIALS_UNREADABLE',
      certificate: 'client leaf CN=root',
      codes: ['credentials/leaf-not-first'],
      setUp: files(({ ca, cert }) => ({ cert: ca + cert })),
    },
    {
      cause: 'etcd’s --client-cert-allowed-hostname does not list it',
      ...BY_ETCD,
      codes: ['handshake/client-certificate-refused'],
      setUp: shown(({ client }) => client, 'allowedHostname'),
    },
    {
      cause: 'etcd’s allowed-cn does not list it',
      ...BY_ETCD,
      codes: ['handshake/client-certificate-refused'],
      setUp: shown(({ client }) => client, 'allowedCn'),
    },
    {
      cause: 'revoked by etcd’s --client-crl-file',
      ...BY_ETCD,
      codes: ['handshake/closed-without-alert'],
      setUp: ({ etcds, revoked }) => ({ endpoint: etcds.withCrl.endpoint, credentials: revoked }),
    },
    {
      cause: 'revoked by etcd’s --client-crl-file, in TLS 1.2',
      ...BY_ETCD,
      codes: ['handshake/closed-without-alert'],
      setUp: ({ etcds, revoked }) => ({
        endpoint: etcds.withCrl.endpoint,
        credentials: revoked,
        options: { tls: { maxVersion: 'TLSv1.2' } },
      }),
    },
    {
      cause: 'revoked, and the client has the list, too',
      ...REFUSED,
      codes: ['revocation/revoked'],
      setUp: ({ etcds, revoked, crl }) => {
        const { rootCertificate, certChain, privateKey } = plainCredentials(revoked)
        const source = fromPem({
          ca: String(rootCertificate),
          cert: String(certChain),
          key: String(privateKey),
          crl,
        })
        return { endpoint: etcds.withCrl.endpoint, credentials: source, plain: plainCredentials(revoked) }
      },
    },
    {
      cause: 'etcd’s --client-crl-file is broken: every client is closed out',
      ...BY_ETCD,
      codes: ['handshake/closed-without-alert'],
      setUp: async ({ etcds, crl }, pki) => {
        await etcds.withCrl.writeFiles({ 'list.crl': 'garbage' })
        const end = (): Promise<void> => etcds.withCrl.writeFiles({ 'list.crl': crl })
        return { endpoint: etcds.withCrl.endpoint, credentials: pki.client, end }
      },
    },
  ],
}
