/** Causes on the server's side: the certificate that etcd shows. Each row replaces it, and gives the good one back. */
import type { Credentials } from '../../src/credentials/index.js'
import type { SecureClientOptions } from '../../src/client/index.js'
import { mintedCredentials, type MintedPki } from './etcd.js'
import { dns, extendedKeyUsage, ip, mintCa, type Minted, mintLeaf, type MintLeafOptions } from './mint.js'
import type { Cause, CauseGroup } from './tls-cause.js'
import { FUTURE, PAST } from './tls-causes-client.js'

interface ShowOptions {
  /** What the client dials, `127.0.0.1` where left out. */
  host?: string
  options?: Partial<SecureClientOptions>
  /** The client's credentials, where they differ from the usual ones. */
  client?: (pki: MintedPki) => Credentials
  /** With these options the client connects. */
  cure?: Partial<SecureClientOptions>
}

/** Lets the etcd `good` show this. */
function showing(
  make: (pki: MintedPki) => Credentials,
  { host, options, client, cure }: ShowOptions = {},
): Cause['setUp'] {
  return async ({ etcds: { good } }, pki) => {
    await good.replaceServer(make(pki))
    return {
      endpoint: host === undefined ? good.endpoint : good.endpoint.replace('127.0.0.1', host),
      credentials: client?.(pki) ?? pki.client,
      ...(options === undefined ? {} : { options }),
      ...(cure === undefined ? {} : { cure }),
      end: () => good.replaceServer(pki.server),
    }
  }
}

/** A server certificate that differs from a good one in this. */
function server(options: Partial<MintLeafOptions>): (pki: MintedPki) => Credentials {
  return (pki) => pki.issueServer(options)
}

const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0'
const NAMES = [ip('127.0.0.1'), dns('localhost')]

function serverLeaf(issuer: Minted): Minted {
  return mintLeaf({ subject: 'etcd', names: NAMES, issuer })
}

function under(intermediate: (root: Minted) => Minted, sent: boolean): (pki: MintedPki) => Credentials {
  return ({ root }) => {
    const ca = intermediate(root)
    return mintedCredentials({ leaf: serverLeaf(ca), intermediates: sent ? [ca] : [], trust: [root] })
  }
}

const WRONG = { error: 'ERR_HANDSHAKE_FAILED', certificate: 'server leaf CN=etcd' } as const
/** Alert 80 is waited out; rows in which it stays need not wait for long. */
const SHORT: ShowOptions = { options: { dialTimeout: '1s' } }
const REFUSED = 'handshake/server-certificate-refused'

export const SERVER_CAUSES: CauseGroup = {
  title: 'The server’s certificate',
  text: 'Node refuses the certificate, or the rules of this client do. If Node refuses it, the client reads the chain once more, so that the report has every fault and not only the first.',
  causes: [
    {
      cause: 'of another CA',
      ...WRONG,
      codes: ['chain/issuer-not-found', REFUSED],
      setUp: showing(() => {
        const ca = mintCa({ subject: 'Other root' })
        return mintedCredentials({ leaf: serverLeaf(ca), trust: [ca] })
      }),
    },
    {
      cause: 'of a CA with the same name and another key',
      ...WRONG,
      codes: ['chain/issuer-key-differs', REFUSED],
      setUp: showing(() => {
        const ca = mintCa({ subject: 'Test root' })
        return mintedCredentials({ leaf: serverLeaf(ca), trust: [ca] })
      }),
    },
    {
      cause: 'of another CA, which is sent along',
      ...WRONG,
      certificate: 'server intermediate CN=Other root',
      codes: ['chain/root-not-trusted', REFUSED],
      setUp: showing(() => {
        const ca = mintCa({ subject: 'Other root' })
        return mintedCredentials({ leaf: serverLeaf(ca), intermediates: [ca], trust: [ca] })
      }),
    },
    {
      cause: 'self-signed',
      ...WRONG,
      codes: ['chain/root-not-trusted', REFUSED],
      setUp: showing(({ root }) =>
        mintedCredentials({ leaf: mintLeaf({ subject: 'etcd', names: NAMES }), trust: [root] }),
      ),
    },
    {
      cause: 'made by etcd itself (--auto-tls)',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: 'server leaf O=etcd',
      codes: ['san/host-not-covered', 'chain/root-not-trusted', REFUSED],
      setUp: ({ etcds }, pki) => ({ endpoint: etcds.autoTls.endpoint, credentials: pki.client }),
    },
    {
      cause: 'its intermediate is not sent along',
      ...WRONG,
      codes: ['chain/issuer-not-found', REFUSED],
      setUp: showing(under((root) => mintCa({ subject: 'Intermediate', issuer: root }), false)),
    },
    {
      cause: 'only its intermediate is trusted, not the root',
      error: null,
      certificate: 'client anchor CN=Intermediate',
      codes: ['chain/anchor-not-self-signed', 'chain/anchor-not-self-signed'],
      setUp: async ({ etcds: { good } }, pki) => {
        const ca = mintCa({ subject: 'Intermediate', issuer: pki.root })
        await good.replaceServer(mintedCredentials({ leaf: serverLeaf(ca), intermediates: [ca], trust: [pki.root] }))
        const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: ca })
        return {
          endpoint: good.endpoint,
          credentials: mintedCredentials({ leaf, trust: [ca] }),
          end: () => good.replaceServer(pki.server),
        }
      },
    },
    {
      cause: 'for other names (DNS)',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(server({ names: [dns('etcd-0.etcd'), ip('127.0.0.1')] }), { host: 'localhost' }),
    },
    {
      cause: 'a port-forward or a tunnel leads to it, so it covers another name than the one that is dialled',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      hints: ['handshake/server-name'],
      setUp: showing(server({ names: [dns('etcd-0.etcd.svc')] }), {
        host: 'localhost',
        cure: { serverName: 'etcd-0.etcd.svc' },
      }),
    },
    {
      cause: 'its intermediates are sent in another order',
      error: null,
      certificate: null,
      codes: [],
      setUp: showing(({ root }) => {
        const upper = mintCa({ subject: 'Upper CA', issuer: root })
        const lower = mintCa({ subject: 'Lower CA', issuer: upper })
        return mintedCredentials({ leaf: serverLeaf(lower), intermediates: [upper, lower], trust: [root] })
      }),
    },
    {
      cause: 'for another address',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(server({ names: [ip('10.0.0.1')] })),
    },
    {
      cause: 'the address is written as a DNS name',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(server({ names: [dns('127.0.0.1')] })),
    },
    {
      cause: 'the name stands in the common name only',
      ...WRONG,
      certificate: 'server leaf CN=localhost',
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(
        ({ root }) => mintedCredentials({ leaf: mintLeaf({ subject: 'localhost', issuer: root }), trust: [root] }),
        { host: 'localhost' },
      ),
    },
    {
      cause: 'the wildcard does not reach so deep',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(server({ names: [dns('*.etcd.example')] }), { options: { serverName: 'a.b.etcd.example' } }),
    },
    {
      cause: 'it covers another member, not this one',
      ...WRONG,
      codes: ['san/host-not-covered', REFUSED],
      setUp: showing(server({ names: [dns('etcd-1.etcd.example')] }), {
        options: { serverName: 'etcd-0.etcd.example' },
      }),
    },
    { cause: 'expired', ...WRONG, codes: ['validity/expired', REFUSED], setUp: showing(server(PAST)) },
    { cause: 'not valid yet', ...WRONG, codes: ['validity/not-yet-valid', REFUSED], setUp: showing(server(FUTURE)) },
    {
      cause: 'its intermediate has expired',
      ...WRONG,
      certificate: 'server intermediate CN=Intermediate',
      codes: ['validity/expired', REFUSED],
      setUp: showing(under((root) => mintCa({ subject: 'Intermediate', issuer: root, ...PAST }), true)),
    },
    {
      cause: 'for clients only (clientAuth)',
      ...WRONG,
      codes: ['usage/extended-key-usage-missing', REFUSED],
      setUp: showing(server({ usages: ['clientAuth'] })),
    },
    {
      cause: 'for any use (anyExtendedKeyUsage), which etcdctl takes and Node does not',
      ...WRONG,
      codes: ['usage/any-extended-key-usage', REFUSED],
      setUp: showing(server({ usages: [ANY_EXTENDED_KEY_USAGE] })),
    },
    {
      cause: 'under an intermediate for clients only',
      ...WRONG,
      certificate: 'server intermediate CN=Intermediate',
      codes: ['usage/extended-key-usage-missing', REFUSED],
      setUp: showing(
        under(
          (root) => mintCa({ subject: 'Intermediate', issuer: root, extensions: [extendedKeyUsage(['clientAuth'])] }),
          true,
        ),
      ),
    },
    {
      cause: 'signed with SHA-1',
      ...WRONG,
      codes: ['signature/algorithm-refused', REFUSED],
      setUp: showing(server({ signature: 'ecdsa-sha1' })),
    },
    {
      cause: 'key and certificate out of step, and they stay so',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: null,
      codes: ['handshake/failed'],
      details: { alert: 80 },
      setUp: showing(({ root }) => {
        const [leaf, key] = [serverLeaf(root), serverLeaf(root)]
        return mintedCredentials({ leaf, key, trust: [root] })
      }, SHORT),
    },
    {
      cause: 'its file is empty',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: null,
      codes: ['handshake/failed'],
      details: { alert: 80 },
      setUp: async ({ etcds: { good } }, pki) => {
        await good.writeFiles({ 'server.crt': '' })
        return {
          endpoint: good.endpoint,
          credentials: pki.client,
          options: { dialTimeout: '1s' },
          end: () => good.replaceServer(pki.server),
        }
      },
    },
    {
      cause: 'its key is Ed448, which Go does not know',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: null,
      codes: ['handshake/failed'],
      details: { alert: 80 },
      setUp: showing(server({ key: 'ed448' }), SHORT),
    },
  ],
}
