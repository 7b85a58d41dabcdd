/** Causes on the server's side: the certificate that etcd shows. Each row replaces it, and restores the good one. */
import type { Credentials } from '../../src/credentials/index.js'
import { mintedCredentials, type MintedPki } from './etcd.js'
import { startFullEtcd } from './full-etcd.js'
import { dns, extendedKeyUsage, ip, mintCa, type Minted, mintLeaf, type MintLeafOptions } from './mint.js'
import { type CauseGroup, connects, refused, rowsOf, type SetUp, type Situation } from './tls-cause.js'
import { FUTURE, PAST } from './tls-causes-client.js'

interface ShowOptions extends Pick<Situation, 'options' | 'cure'> {
  /** What the client dials. Default: `127.0.0.1`. */
  host?: string
}

/** Lets the etcd `good` show this. */
function showing(make: (pki: MintedPki) => Credentials, { host = '127.0.0.1', ...more }: ShowOptions = {}): SetUp {
  return async ({ etcds: { good } }, pki) => {
    await good.replaceServer(make(pki))
    const endpoint = good.endpoint.replace('127.0.0.1', host)
    return { endpoint, credentials: pki.client, ...more, end: () => good.replaceServer(pki.server) }
  }
}

/** A server certificate that differs from a good one in this. */
function server(options: Partial<MintLeafOptions>, more?: ShowOptions): SetUp {
  return showing((pki) => pki.issueServer(options), more)
}

const NAMES = [ip('127.0.0.1'), dns('localhost')]

function serverLeaf(issuer: Minted): Minted {
  return mintLeaf({ subject: 'etcd', names: NAMES, issuer })
}

/** A certificate of another CA, with what is sent along. */
function ofCa(subject: string, isSent = false): SetUp {
  return showing(() => {
    const ca = mintCa({ subject })
    return mintedCredentials({ leaf: serverLeaf(ca), intermediates: isSent ? [ca] : [], trust: [ca] })
  })
}

/** A certificate under an intermediate that is sent along. */
function under(options: Partial<Parameters<typeof mintCa>[0]>): SetUp {
  return showing(({ root }) => {
    const ca = mintCa({ subject: 'Intermediate', issuer: root, ...options })
    return mintedCredentials({ leaf: serverLeaf(ca), intermediates: [ca], trust: [root] })
  })
}

/** Alert 80 is retried; rows in which it persists need not wait for long. */
const SHORT = { options: { dialTimeout: '1s' } }
const NOT_COVERED = ['san/host-not-covered'] as const
const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0'
const CLOCK = { hints: ['handshake/clock-compared'] } as const

const wrong = rowsOf('ERR_HANDSHAKE_FAILED', 'server leaf CN=etcd')
const wrongIntermediate = rowsOf('ERR_HANDSHAKE_FAILED', 'server intermediate CN=Intermediate')

export const SERVER_CAUSES: CauseGroup = {
  title: "The server's certificate",
  text: 'Node refuses the certificate, or this client does. If Node refuses it, the client reads the chain again, so that the report has every fault.',
  causes: [
    wrong('of another CA', ['chain/issuer-not-found'], ofCa('Other root')),
    wrong('of a CA with the same name and another key', ['chain/issuer-key-differs'], ofCa('Test root')),
    wrong('issued by another CA, which the server sends, too', ['chain/root-not-trusted'], ofCa('Other root', true), {
      certificate: 'server intermediate CN=Other root',
    }),
    wrong(
      'self-signed',
      ['chain/root-not-trusted'],
      showing(({ root }) => mintedCredentials({ leaf: mintLeaf({ subject: 'etcd', names: NAMES }), trust: [root] })),
    ),
    wrong(
      'created by etcd (--auto-tls)',
      ['chain/root-not-trusted', 'san/host-not-covered'],
      ({ etcds }, pki) => ({ endpoint: etcds.autoTls.endpoint, credentials: pki.client }),
      { certificate: 'server leaf O=etcd' },
    ),
    wrong(
      'its intermediate is not sent',
      ['chain/issuer-not-found'],
      showing(({ root }) =>
        mintedCredentials({ leaf: serverLeaf(mintCa({ subject: 'Intermediate', issuer: root })), trust: [root] }),
      ),
    ),
    connects(
      'its intermediate is trusted, but not the root',
      ['chain/anchor-not-self-signed', 'chain/anchor-not-self-signed'],
      async (stage, pki) => {
        const ca = mintCa({ subject: 'Intermediate', issuer: pki.root })
        const shown = mintedCredentials({ leaf: serverLeaf(ca), intermediates: [ca], trust: [pki.root] })
        const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: ca })
        return {
          ...(await showing(() => shown)(stage, pki)),
          credentials: mintedCredentials({ leaf, trust: [ca] }),
        }
      },
      { certificate: 'client anchor CN=Intermediate' },
    ),
    wrong(
      'for other names (DNS)',
      NOT_COVERED,
      server({ names: [dns('etcd-0.etcd'), ip('127.0.0.1')] }, { host: 'localhost' }),
    ),
    wrong(
      'a port-forward or a tunnel leads to it, so it does not cover the dialled name',
      NOT_COVERED,
      server({ names: [dns('etcd-0.etcd.svc')] }, { host: 'localhost', cure: { serverName: 'etcd-0.etcd.svc' } }),
      { hints: ['handshake/server-name'] },
    ),
    connects(
      'its intermediates are sent in another order',
      [],
      showing(({ root }) => {
        const upper = mintCa({ subject: 'Upper CA', issuer: root })
        const lower = mintCa({ subject: 'Lower CA', issuer: upper })
        return mintedCredentials({ leaf: serverLeaf(lower), intermediates: [upper, lower], trust: [root] })
      }),
    ),
    wrong('for another address', NOT_COVERED, server({ names: [ip('10.0.0.1')] })),
    wrong('the address is written as a DNS name', NOT_COVERED, server({ names: [dns('127.0.0.1')] })),
    wrong(
      'the name is only in the common name',
      NOT_COVERED,
      showing(
        ({ root }) => mintedCredentials({ leaf: mintLeaf({ subject: 'localhost', issuer: root }), trust: [root] }),
        { host: 'localhost' },
      ),
      { certificate: 'server leaf CN=localhost', details: { reason: 'only-in-common-name' } },
    ),
    wrong(
      'the wildcard covers only one label',
      NOT_COVERED,
      server({ names: [dns('*.etcd.example')] }, { options: { serverName: 'a.b.etcd.example' } }),
    ),
    wrong(
      'it covers another member, not this one',
      NOT_COVERED,
      server({ names: [dns('etcd-1.etcd.example')] }, { options: { serverName: 'etcd-0.etcd.example' } }),
    ),
    wrong('expired', ['validity/expired'], server(PAST), CLOCK),
    wrong('not valid yet', ['validity/not-yet-valid'], server(FUTURE), CLOCK),
    wrongIntermediate('its intermediate has expired', ['validity/expired'], under(PAST), CLOCK),
    wrong('for clients only (clientAuth)', ['usage/extended-key-usage-missing'], server({ usages: ['clientAuth'] })),
    wrong(
      'for any use (anyExtendedKeyUsage), which etcdctl accepts and Node refuses',
      ['usage/any-extended-key-usage'],
      server({ usages: [ANY_EXTENDED_KEY_USAGE] }),
    ),
    wrongIntermediate(
      'under an intermediate for clients only',
      ['usage/extended-key-usage-missing'],
      under({ extensions: [extendedKeyUsage(['clientAuth'])] }),
    ),
    wrong('signed with SHA-1', ['signature/algorithm-refused'], server({ signature: 'ecdsa-sha1' })),
    refused(
      'key and certificate do not match',
      ['handshake/failed'],
      showing(({ root }) => {
        const [leaf, key] = [serverLeaf(root), serverLeaf(root)]
        return mintedCredentials({ leaf, key, trust: [root] })
      }, SHORT),
      { details: { alert: 80 } },
    ),
    refused(
      'its file is empty',
      ['handshake/failed'],
      async ({ etcds: { good } }, pki) => {
        await good.writeFiles({ 'server.crt': '' })
        const end = () => good.replaceServer(pki.server)
        return { endpoint: good.endpoint, credentials: pki.client, ...SHORT, end }
      },
      { details: { alert: 80 } },
    ),
    refused(
      'etcd has no file descriptor left, so it cannot read its file (EMFILE)',
      ['handshake/failed'],
      async (_stage, pki) => {
        const { etcd, fill, close } = await startFullEtcd(pki.server)
        await fill()
        return { endpoint: etcd.endpoint, credentials: pki.client, ...SHORT, end: close }
      },
      { details: { alert: 80, certificateSent: null } },
    ),
    refused('its key is Ed448, which Go does not support', ['handshake/failed'], server({ key: 'ed448' }, SHORT), {
      details: { alert: 80 },
    }),
  ],
}
