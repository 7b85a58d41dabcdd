/** Causes that are no certificate: parameters of TLS, the port, the network, the environment. */
import { createServer as createHttpsServer } from 'node:https'
import { blackHole } from './black-hole.js'
import { dnsServer } from './dns-server.js'
import { resolveBy } from './resolver.js'
import type { Cause, CauseGroup } from './tls-cause.js'
import {
  alertingPeer,
  answeringPeer,
  type CallHandler,
  grpcPeer,
  type Peer,
  plaintextHttp1Peer,
  refuseCall,
  serverTls,
  silentPeer,
  strangePeer,
  tlsPeer,
} from './peers.js'
import type { MintedPki } from './etcd.js'
import type { SetUpName } from './tls-stage.js'
import type { SecureClientOptions } from '../../src/client/index.js'

function etcd(name: SetUpName, options: Partial<SecureClientOptions> = {}): Cause['setUp'] {
  return ({ etcds }, pki) => ({ endpoint: etcds[name].endpoint, credentials: pki.client, options })
}

function peer(make: (pki: MintedPki) => Promise<Peer>, options: Partial<SecureClientOptions> = {}): Cause['setUp'] {
  return async (_stage, pki) => {
    const made = await make(pki)
    return { endpoint: made.endpoint, credentials: pki.client, options, end: async () => made[Symbol.asyncDispose]() }
  }
}

/** A peer on which plain etcd3 waits without an end, and this client for a second. */
function silent(make: (pki: MintedPki) => Promise<Peer>): Cause['setUp'] {
  const setUp = peer(make, { dialTimeout: '1s' })
  return async (stage, pki) => ({ ...(await setUp(stage, pki)), plainHangs: true })
}

/** A good etcd, and variables in the environment of this process. */
function environment(variables: Readonly<Record<string, string>>): Cause['setUp'] {
  return ({ etcds }, pki) => {
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
    Object.assign(process.env, variables)
    const end = (): Promise<void> => {
      for (const [name, value] of before) {
        if (value === undefined) Reflect.deleteProperty(process.env, name)
        else process.env[name] = value
      }
      return Promise.resolve()
    }
    return { endpoint: etcds.good.endpoint, credentials: pki.client, end }
  }
}

const HANGS = { options: { dialTimeout: '1s' }, plainHangs: true } as const

const ignore: CallHandler = (stream) => stream.resume()

const REFUSED = { error: 'ERR_HANDSHAKE_FAILED', certificate: null } as const
const UNREACHABLE = { error: 'ERR_UNREACHABLE', certificate: null } as const
const CONNECTS = { error: null, certificate: null } as const

export const PARAMETER_CAUSES: CauseGroup = {
  title: 'Versions, cipher suites, and what the server answers',
  text: 'TLS alerts go by their number: texts change with the version of OpenSSL. etcd is the server where it can be brought to say so; a small TLS server of the tests where it cannot.',
  causes: [
    {
      cause: 'etcd speaks TLS 1.3 alone, the client TLS 1.2 alone',
      ...REFUSED,
      codes: ['handshake/no-common-parameters'],
      details: { versions: { min: 'TLSv1.2', max: 'TLSv1.2' } },
      setUp: etcd('tls13', { tls: { maxVersion: 'TLSv1.2' } }),
    },
    {
      cause: 'etcd speaks TLS 1.2 alone, the client TLS 1.3 alone',
      ...REFUSED,
      codes: ['handshake/no-common-parameters'],
      details: { versions: { min: 'TLSv1.3', max: 'TLSv1.3' } },
      setUp: etcd('tls12', { tls: { minVersion: 'TLSv1.3' } }),
    },
    {
      cause: 'etcd’s --cipher-suites do not fit its own certificate',
      ...REFUSED,
      codes: ['handshake/no-common-parameters'],
      details: { versions: null },
      setUp: etcd('rsaSuites'),
    },
    {
      cause: 'the server’s clock is wrong: it takes a valid client certificate for expired (alert 45)',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-certificate-refused'],
      details: { alert: 45, validity: { edge: 'not-before' } },
      setUp: peer(() => alertingPeer(45)),
    },
    {
      cause: 'etcd’s key and certificate are out of step for a moment, as in a renewal (alert 80)',
      ...CONNECTS,
      codes: [],
      setUp: async ({ etcds: { good } }, pki) => {
        await good.writeFiles({ 'server.key': 'half' })
        let healed: Promise<void> = Promise.resolve()
        const timer = setTimeout(() => {
          healed = good.replaceServer(pki.server)
        }, 500)
        const end = async (): Promise<void> => {
          clearTimeout(timer)
          await healed
          await good.replaceServer(pki.server)
        }
        return { endpoint: good.endpoint, credentials: pki.client, end }
      },
    },
    {
      cause: 'the server says that the client’s certificate is revoked (alert 44)',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-certificate-refused'],
      details: { alert: 44 },
      setUp: peer(() => alertingPeer(44)),
    },
    {
      cause: 'a TLS proxy does not know the name (alert 112)',
      ...REFUSED,
      codes: ['handshake/server-name'],
      details: { alert: 112 },
      setUp: peer(() => alertingPeer(112)),
    },
    {
      cause: 'the server does not speak HTTP/2 (alert 120)',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'HTTP/2', alert: 120 },
      setUp: peer((pki) => tlsPeer(serverTls(pki.server, { ALPNProtocols: ['http/1.1'] }))),
    },
    {
      cause: 'etcd does not ask for a client certificate (no --trusted-ca-file)',
      ...CONNECTS,
      certificate: 'server leaf CN=etcd',
      codes: ['handshake/client-certificate-not-asked'],
      setUp: etcd('open'),
    },
  ],
}

export const NETWORK_CAUSES: CauseGroup = {
  title: 'The port and the network',
  text: 'Each ends within the dial time-out, whatever stands behind the port.',
  causes: [
    {
      cause: 'etcd speaks plaintext there (http://)',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'TLS', spoken: 'plaintext HTTP/2' },
      setUp: etcd('plaintext'),
    },
    {
      cause: 'a plaintext HTTP/1.1 server',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'TLS', spoken: 'plaintext HTTP/1.1' },
      setUp: peer(plaintextHttp1Peer),
    },
    {
      cause: 'the metrics port of etcd, plaintext',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'TLS', spoken: 'plaintext HTTP/1.1' },
      setUp: etcd('metricsPlaintext'),
    },
    { cause: 'the metrics port of etcd, https', ...REFUSED, codes: ['endpoint/not-etcd'], setUp: etcd('metrics') },
    {
      cause: 'the port of etcd’s --listen-client-http-urls',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      setUp: etcd('httpOnly'),
    },
    {
      cause: 'a web server that answers everything with a page',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 200, contentType: 'text/html' },
      setUp: peer((pki) => strangePeer(serverTls(pki.server), 200)),
    },
    {
      cause: 'a gRPC server that is not etcd',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { grpcStatus: 12 },
      setUp: peer((pki) => {
        const unknown: CallHandler = (stream) => {
          refuseCall(stream, 12, 'unknown service etcdserverpb.KV')
        }
        return grpcPeer(serverTls(pki.server), unknown, unknown)
      }),
    },
    {
      cause: 'a proxy whose etcd is down (502)',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { httpStatus: 502 },
      setUp: peer((pki) => strangePeer(serverTls(pki.server), 502)),
    },
    {
      cause: 'a load balancer without a back end (503)',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { httpStatus: 503 },
      setUp: peer((pki) => strangePeer(serverTls(pki.server), 503)),
    },
    {
      cause: 'a server that takes the connection and answers no call',
      ...UNREACHABLE,
      codes: ['endpoint/silent'],
      details: { after: 'settings' },
      setUp: silent((pki) => grpcPeer(serverTls(pki.server), ignore, ignore)),
    },
    {
      cause: 'the peer port of etcd',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'HTTP/2', alert: null },
      setUp: etcd('peer'),
    },
    {
      cause: 'an HTTPS server that is not etcd',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'HTTP/2' },
      setUp: peer((pki) => {
        const tls = serverTls(pki.server, { ALPNProtocols: [] })
        const https = createHttpsServer(tls, (_request, response) => response.end())
        return tlsPeer(tls, (socket) => https.emit('secureConnection', socket))
      }),
    },
    {
      cause: 'a server of another kind (SSH)',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'TLS', spoken: null },
      setUp: peer(() => answeringPeer(Buffer.from('SSH-2.0-OpenSSH_9\r\n'))),
    },
    {
      cause: 'connections are accepted and closed, as by a TCP proxy without its etcd',
      ...UNREACHABLE,
      codes: ['endpoint/closed'],
      details: { answered: false },
      setUp: peer(() => answeringPeer()),
    },
    {
      cause: 'nothing listens',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'connect', errorCode: 'ECONNREFUSED' },
      setUp: async (_stage, pki) => {
        const gone = await silentPeer()
        await gone[Symbol.asyncDispose]()
        return { endpoint: gone.endpoint, credentials: pki.client }
      },
    },
    {
      cause: 'the name is not in DNS',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'lookup', errorCode: 'ENOTFOUND' },
      setUp: (_stage, pki) => ({ endpoint: 'https://no-such-host.invalid:2379', credentials: pki.client }),
    },
    {
      cause: 'the name server does not answer',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'lookup', errorCode: null },
      setUp: async (_stage, pki) => {
        const name = 'etcd-0.etcd.test'
        const server = await dnsServer({ [name]: 'silent' })
        const resolver = resolveBy(server.address)
        const end = async (): Promise<void> => {
          resolver[Symbol.dispose]()
          await server[Symbol.asyncDispose]()
        }
        return { endpoint: `https://${name}:2379`, credentials: pki.client, ...HANGS, end }
      },
    },
    {
      cause: 'packets are dropped: a firewall, or a host that is off',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'connect', errorCode: null },
      setUp: async (_stage, pki) => {
        const hole = await blackHole()
        const end = async (): Promise<void> => hole[Symbol.asyncDispose]()
        return { endpoint: hole.endpoint, credentials: pki.client, ...HANGS, end }
      },
    },
    {
      cause: 'the port accepts connections and stays silent',
      ...UNREACHABLE,
      codes: ['endpoint/silent'],
      details: { after: 'connect', answered: false },
      setUp: silent(() => silentPeer()),
    },
    {
      cause: 'the server stays silent after the handshake',
      ...UNREACHABLE,
      codes: ['endpoint/silent'],
      details: { after: 'handshake' },
      setUp: silent((pki) => tlsPeer(serverTls(pki.server))),
    },
  ],
}

export const ENVIRONMENT_CAUSES: CauseGroup = {
  title: 'The environment',
  text: 'Variables of the environment have no effect on this client, and it says so in `client.tls.report`.',
  causes: [
    {
      cause: '`https_proxy` names a proxy that is not there',
      ...CONNECTS,
      codes: ['environment/ignored'],
      details: { kind: 'proxy' },
      setUp: environment({ https_proxy: 'http://127.0.0.1:9' }),
    },
    {
      cause: '`NODE_TLS_REJECT_UNAUTHORIZED=0`',
      ...CONNECTS,
      codes: ['environment/ignored'],
      details: { kind: 'verification-off' },
      setUp: environment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
    },
    {
      cause: '`NODE_EXTRA_CA_CERTS` names more CAs',
      ...CONNECTS,
      codes: ['environment/ignored'],
      details: { kind: 'extra-cas' },
      setUp: environment({ NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt' }),
    },
  ],
}
