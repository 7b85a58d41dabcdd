/** Causes in front of etcd: proxies and load balancers, and clusters that have no leader. */
import { mintedCredentials } from './etcd.js'
import { startLearner } from './learner.js'
import { mintCa, mintLeaf } from './mint.js'
import { type CallHandler, grpcPeer, refuseCall, serverTls } from './peers.js'
import type { ProxyName } from './proxies.js'
import type { Cause, CauseGroup } from './tls-cause.js'
import type { SecureClientOptions } from '../../src/client/index.js'

function through(name: ProxyName, options: Partial<SecureClientOptions> = {}): Cause['setUp'] {
  return ({ proxies }, pki) => ({ endpoint: proxies.endpoints[name], credentials: pki.client, options })
}

/** A proxy that chooses by server name, to which an address was given: with a name, the client connects. */
function unnamed(name: ProxyName): Cause['setUp'] {
  return ({ proxies }, pki) => ({
    endpoint: proxies.endpoints[name],
    credentials: pki.client,
    cure: { serverName: 'localhost' },
  })
}

/** A server that answers every call like this. */
function answering(answer: CallHandler): Cause['setUp'] {
  return async (_stage, pki) => {
    const peer = await grpcPeer(serverTls(pki.server), answer, answer)
    return { endpoint: peer.endpoint, credentials: pki.client, end: async () => peer[Symbol.asyncDispose]() }
  }
}

const REFUSED = { error: 'ERR_HANDSHAKE_FAILED', certificate: null } as const
const UNREACHABLE = { error: 'ERR_UNREACHABLE', certificate: null } as const

export const PROXY_CAUSES: CauseGroup = {
  title: 'Proxies and load balancers in front of etcd',
  text: 'nginx and haproxy. A proxy is asserted only with evidence, such as an HTTP answer; a certificate that the server did not request is never blamed.',
  causes: [
    {
      cause: 'haproxy passes TCP on',
      error: null,
      certificate: null,
      codes: [],
      setUp: through('haproxyThrough'),
    },
    {
      cause: 'haproxy passes TCP on, and its etcd is down',
      ...UNREACHABLE,
      codes: ['endpoint/closed'],
      details: { answered: false, handshake: null },
      setUp: through('haproxyDead'),
    },
    {
      cause: 'haproxy ends TLS without asking for a certificate, and its etcd is down',
      ...UNREACHABLE,
      certificate: 'server leaf CN=etcd',
      codes: ['endpoint/closed'],
      details: { handshake: { subject: 'CN=etcd', issuer: 'CN=Test root' } },
      setUp: through('haproxyTlsDead'),
    },
    {
      cause: 'haproxy speaks HTTP, and its etcd is down (503)',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { httpStatus: 503, title: null },
      setUp: through('haproxyHttpDead'),
    },
    {
      cause: 'haproxy verifies client certificates by another CA',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-ca-unknown'],
      setUp: through('haproxyVerify'),
    },
    {
      cause: 'haproxy verifies client certificates and passes TCP on, and its etcd is down',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: 'client leaf CN=root',
      codes: ['handshake/closed-without-alert'],
      setUp: through('haproxyVerifyDead'),
    },
    {
      cause: 'haproxy routes by server name, and the endpoint is an IP address',
      ...UNREACHABLE,
      codes: ['endpoint/closed'],
      details: { handshake: null },
      hints: ['handshake/server-name'],
      setUp: unnamed('haproxySni'),
    },
    {
      cause: 'haproxy routes by server name, and serverName is set',
      error: null,
      certificate: null,
      codes: [],
      setUp: through('haproxySni', { serverName: 'localhost' }),
    },
    {
      cause: 'nginx (grpc_pass) ends TLS: etcd’s users and roles see the certificate of nginx',
      error: 'ERR_ACCESS_DENIED',
      certificate: null,
      codes: ['access/permission-denied'],
      details: { identity: 'hidden', user: null },
      setUp: through('nginxOpen'),
    },
    {
      cause: 'nginx verifies client certificates by another CA (400)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 400, title: '400 The SSL certificate error' },
      setUp: through('nginxVerify'),
    },
    {
      cause: 'nginx, and its etcd is down (502)',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { httpStatus: 502 },
      setUp: through('nginxDead'),
    },
    {
      cause: 'nginx forbids the client (403)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 403, title: '403 Forbidden' },
      setUp: through('nginxForbids'),
    },
    {
      cause: 'nginx requires a log-in of HTTP (401)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 401, title: '401 Authorization Required' },
      setUp: through('nginxLogin'),
    },
    {
      cause: 'nginx redirects (301)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 301, location: 'https://login.example/' },
      setUp: through('nginxRedirects'),
    },
    {
      cause: 'nginx has a clock that is two days slow, so our certificate is not valid there yet (400)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      hints: ['handshake/clock-compared'],
      details: { httpStatus: 400, title: '400 The SSL certificate error' },
      setUp: through('nginxSlowClock'),
    },
    {
      cause: 'an OpenSSL server, as haproxy is one, has a clock that is two days slow (alert 42)',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-certificate-refused'],
      details: { alert: 42, commonName: 'root' },
      setUp: through('opensslSlowClock'),
    },
    {
      cause: 'an OpenSSL server has a clock that is a year fast (alert 45)',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-certificate-refused'],
      details: { alert: 45, validity: { here: 'valid' } },
      setUp: through('opensslFastClock'),
    },
    {
      cause: 'nginx limits the rate of calls (429)',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { httpStatus: 429 },
      setUp: through('nginxRate'),
    },
    {
      cause: 'nginx without HTTP/2',
      ...REFUSED,
      codes: ['endpoint/wrong-protocol'],
      details: { expected: 'HTTP/2', alert: 120 },
      setUp: through('nginxHttp1'),
    },
    {
      cause: 'nginx passes calls on by proxy_pass, not by grpc_pass',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 404 },
      setUp: through('nginxProxyPass'),
    },
    {
      cause: 'nginx rejects connections without a server name, and the endpoint is an IP address (alert 112)',
      ...REFUSED,
      codes: ['handshake/server-name'],
      details: { alert: 112, sent: false },
      setUp: unnamed('nginxNoName'),
    },
    {
      cause: 'nginx closes each call without an answer (444)',
      ...UNREACHABLE,
      certificate: 'server leaf CN=etcd',
      codes: ['endpoint/closed'],
      details: { handshake: { subject: 'CN=etcd' } },
      setUp: through('nginxCloses'),
    },
    {
      cause: 'haproxy speaks HTTP/1.1 to etcd',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 404, server: null },
      setUp: through('haproxyHttp1'),
    },
    {
      cause: 'haproxy sends the PROXY protocol, which etcd does not speak',
      ...UNREACHABLE,
      codes: ['endpoint/closed'],
      details: { answered: false, handshake: null },
      setUp: through('haproxyPrefix'),
    },
    {
      cause: 'a service mesh refuses the client (gRPC status 7)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { grpcStatus: 7, detail: 'RBAC: access denied' },
      setUp: answering((stream) => {
        refuseCall(stream, 7, 'RBAC: access denied')
      }),
    },
    {
      cause: 'a Kubernetes API server (403)',
      ...REFUSED,
      codes: ['endpoint/not-etcd'],
      details: { httpStatus: 403, contentType: 'application/json', server: null },
      setUp: answering((stream) => {
        stream.respond({ ':status': 403, 'content-type': 'application/json' })
        stream.end('{"kind":"Status","reason":"Forbidden"}')
      }),
    },
    {
      cause: 'a put is longer than nginx takes (413)',
      error: 'ERR_REQUEST_TOO_LARGE',
      certificate: null,
      codes: ['endpoint/not-etcd'],
      details: { method: 'KV/Put', httpStatus: 413 },
      setUp: ({ proxies }, pki) => ({
        endpoint: proxies.endpoints.nginxLimit,
        credentials: pki.client,
        ask: (client) => client.put('a').value('x'.repeat(4096)).exec(),
      }),
    },
  ],
}

export const CLUSTER_CAUSES: CauseGroup = {
  title: 'Two CAs, and a cluster without a leader',
  text: 'An etcd may trust another CA for clients than the one that signed its own certificate; `clientCa` names it.',
  causes: [
    {
      cause: 'etcd trusts another CA for clients, and the certificate is of that CA',
      error: null,
      certificate: 'client leaf CN=app',
      codes: ['chain/client-ca-not-given'],
      setUp: ({ etcds, clientCa }, pki) => {
        const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: clientCa })
        return { endpoint: etcds.twoCas.endpoint, credentials: mintedCredentials({ leaf, trust: [pki.root] }) }
      },
    },
    {
      cause: 'etcd trusts another CA for clients, and the certificate is of a third one',
      ...REFUSED,
      certificate: 'client leaf CN=app',
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-ca-unknown', 'handshake/client-certificate-refused'],
      details: { issuer: 'CN=Third CA', accepts: ['CN=Client CA'], listed: false },
      detailsOf34: { issuer: 'CN=Third CA', accepts: null, listed: null },
      setUp: ({ etcds }, pki) => {
        const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: mintCa({ subject: 'Third CA' }) })
        return { endpoint: etcds.twoCas.endpoint, credentials: mintedCredentials({ leaf, trust: [pki.root] }) }
      },
    },
    {
      cause: 'etcd trusts the CA of the client in a certificate that has expired',
      ...REFUSED,
      certificate: 'client leaf CN=root',
      codes: ['handshake/client-ca-unknown'],
      codesOfOldGo: ['handshake/client-certificate-refused'],
      details: { listed: true },
      setUp: ({ etcds }, pki) => ({ endpoint: etcds.expiredCa.endpoint, credentials: pki.client }),
    },
    {
      cause: 'the user of the common name has no role that allows the call',
      error: 'ERR_ACCESS_DENIED',
      certificate: 'client leaf CN=app',
      codes: ['access/permission-denied'],
      details: { identity: 'common-name', user: 'app', required: [{ permission: 'read', key: 'a', rangeEnd: null }] },
      setUp: ({ etcds }, pki) => ({
        endpoint: etcds.rbac.endpoint,
        credentials: pki.issueClient({ subject: 'app' }),
      }),
    },
    {
      cause: 'the password is wrong',
      ...REFUSED,
      codes: ['login/failed'],
      details: { username: 'deploy', refused: true },
      setUp: ({ etcds }, pki) => ({
        endpoint: etcds.rbac.endpoint,
        credentials: pki.client,
        options: { auth: { username: 'deploy', password: 'wrong' } },
        withoutPlain: true,
        cure: { auth: { username: 'deploy', password: 'secret' } },
      }),
    },
    {
      cause: 'the user was added without a password',
      ...REFUSED,
      codes: ['login/failed'],
      details: { username: 'root', refused: true },
      setUp: ({ etcds }, pki) => ({
        endpoint: etcds.rbac.endpoint,
        credentials: pki.client,
        options: { auth: { username: 'root', password: 'secret' } },
        withoutPlain: true,
      }),
    },
    {
      cause: 'the member is a learner',
      ...UNREACHABLE,
      codes: ['endpoint/unavailable'],
      details: { learner: true },
      setUp: async (_stage, pki) => {
        const { learner, voter } = await startLearner(pki)
        const end = async (): Promise<void> => {
          await Promise.all([learner.close(), voter.close()])
        }
        return { endpoint: learner.endpoint, credentials: pki.client, end }
      },
    },
    {
      cause: 'the cluster has no quorum',
      ...UNREACHABLE,
      codes: ['endpoint/no-leader'],
      details: { endpoint: null },
      setUp: ({ leaderless }, pki) => ({
        endpoint: leaderless.member('etcd-0').endpoint,
        credentials: pki.client,
        options: { dialTimeout: '1500ms' },
        plainHangs: true,
      }),
    },
  ],
}
