/** Causes in front of etcd: proxies and load balancers, and clusters that have no leader. */
import type { SecureClientOptions } from '../../src/client/index.js'
import { mintedCredentials } from './etcd.js'
import { startGrpcProxy } from './grpc-proxy.js'
import { startLearner } from './learner.js'
import { mintCa, type Minted, mintLeaf } from './mint.js'
import { type CallHandler, defaultCertificatePeer, grpcPeer, refuseCall } from './peers.js'
import type { ProxyName } from './proxies.js'
import {
  type CauseGroup,
  connects,
  etcd,
  oursRefused,
  peer,
  refused,
  rowsOf,
  type SetUp,
  unanswered,
  unreachable,
} from './tls-cause.js'

function through(name: ProxyName, options: Partial<SecureClientOptions> = {}): SetUp {
  return ({ proxies }, pki) => ({ endpoint: proxies.endpoints[name], credentials: pki.client, options })
}

/** A proxy that chooses by server name, to which an address was given: with a name, the client connects. */
function unnamed(name: ProxyName): SetUp {
  return async (stage, pki) => ({ ...(await through(name)(stage, pki)), cure: { serverName: 'localhost' } })
}

/** A server that answers every call like this. */
function answering(answer: CallHandler): SetUp {
  return peer((pki) => grpcPeer(pki.server, answer, answer))
}

const CLOSED = ['endpoint/closed'] as const
const UNAVAILABLE = ['endpoint/unavailable'] as const
const NOT_ETCD = ['endpoint/not-etcd'] as const

export const PROXY_CAUSES: CauseGroup = {
  title: 'Proxies and load balancers in front of etcd',
  text: 'The tests use nginx and haproxy. A finding names a proxy only with evidence, such as an HTTP answer.',
  causes: [
    connects('haproxy forwards TCP', [], through('haproxyThrough')),
    unreachable('haproxy forwards TCP, and its etcd is down', CLOSED, through('haproxyDead'), {
      details: { answered: false, handshake: null },
    }),
    unreachable(
      'haproxy terminates TLS without requesting a certificate, and its etcd is down',
      CLOSED,
      through('haproxyTlsDead'),
      {
        certificate: 'server leaf CN=etcd',
        details: { handshake: { subject: 'CN=etcd', issuer: 'CN=Test root' } },
      },
    ),
    unreachable('haproxy forwards HTTP, and its etcd is down (503)', UNAVAILABLE, through('haproxyHttpDead'), {
      details: { httpStatus: 503, title: null },
    }),
    oursRefused(
      'haproxy verifies client certificates by another CA',
      ['handshake/client-ca-unknown'],
      through('haproxyVerify'),
      { details: { alert: 48, issuer: 'CN=Test root', accepts: ['CN=Other CA'] } },
    ),
    oursRefused(
      "haproxy's crl-file lists the client's certificate (alert 44)",
      ['handshake/client-certificate-refused'],
      ({ proxies, revoked }) => ({ endpoint: proxies.endpoints.haproxyCrl, credentials: revoked }),
      { details: { alert: 44 } },
    ),
    oursRefused(
      'haproxy verifies client certificates and forwards TCP, and its etcd is down',
      ['handshake/closed-without-alert'],
      through('haproxyVerifyDead'),
    ),
    unreachable('haproxy routes by server name, and the endpoint is an IP address', CLOSED, unnamed('haproxySni'), {
      details: { handshake: null },
      hints: ['handshake/server-name'],
    }),
    ...[
      ['ingress-nginx', 'Kubernetes Ingress Controller Fake Certificate'],
      ['Traefik', 'TRAEFIK DEFAULT CERT'],
    ].map(([product = '', subject = '']) =>
      refused(
        `${product} (a stand-in) has no route for the name, and presents its default certificate`,
        ['endpoint/default-certificate'],
        peer(() => defaultCertificatePeer(subject)),
        { certificate: `server leaf CN=${subject}`, details: { product } },
      ),
    ),
    connects(
      'haproxy routes by server name, and serverName is set',
      [],
      through('haproxySni', { serverName: 'localhost' }),
    ),
    rowsOf('ERR_ACCESS_DENIED')(
      "nginx (grpc_pass) terminates TLS, so etcd sees the user of nginx's certificate",
      ['access/permission-denied'],
      through('nginxOpen'),
      { details: { identity: 'hidden', user: null } },
    ),
    rowsOf('ERR_ACCESS_DENIED', 'client leaf CN=root')(
      'haproxy verifies client certificates and presents its own, so etcd sees the user of that one',
      ['access/permission-denied'],
      through('haproxyMutual'),
      { details: { identity: 'common-name', user: 'root' } },
    ),
    rowsOf('ERR_ACCESS_DENIED')(
      "etcd's grpc-proxy presents its own certificate, so etcd sees no user (gRPC status 2)",
      ['access/permission-denied'],
      async ({ etcds }, pki) => {
        const proxy = await startGrpcProxy(etcds.rbac.endpoint, pki)
        return { endpoint: proxy.endpoint, credentials: pki.client, end: proxy.close }
      },
      { details: { identity: 'hidden', user: null } },
    ),
    oursRefused(
      'nginx verifies client certificates by another CA (400)',
      ['handshake/client-ca-unknown'],
      through('nginxVerify'),
      { details: { alert: null, issuer: 'CN=Test root', accepts: ['CN=Other CA'], listed: false } },
    ),
    unreachable('nginx, and its etcd is down (502)', UNAVAILABLE, through('nginxDead'), {
      details: { httpStatus: 502 },
    }),
    refused('nginx forbids the client (403)', NOT_ETCD, through('nginxForbids'), {
      details: { httpStatus: 403, title: '403 Forbidden' },
    }),
    refused('nginx requires an HTTP login (401)', NOT_ETCD, through('nginxLogin'), {
      details: { httpStatus: 401, title: '401 Authorization Required' },
    }),
    refused('nginx redirects (301)', NOT_ETCD, through('nginxRedirects'), {
      details: { httpStatus: 301, location: 'https://login.example/' },
    }),
    refused(
      "the clock of nginx is two days slow, so the client's certificate is not valid there yet (400)",
      NOT_ETCD,
      through('nginxSlowClock'),
      {
        hints: ['handshake/clock-compared'],
        details: { httpStatus: 400, title: '400 The SSL certificate error' },
      },
    ),
    oursRefused(
      'the clock of an OpenSSL server such as haproxy is two days slow (alert 42)',
      ['handshake/client-certificate-refused'],
      through('opensslSlowClock'),
      { details: { alert: 42, commonName: 'root' } },
    ),
    oursRefused(
      'the clock of an OpenSSL server is a year fast (alert 45)',
      ['handshake/client-certificate-refused'],
      through('opensslFastClock'),
      { details: { alert: 45, validity: { here: 'valid' } } },
    ),
    unreachable('nginx limits the rate of calls (429)', UNAVAILABLE, through('nginxRate'), {
      details: { httpStatus: 429 },
    }),
    refused('nginx without HTTP/2', ['endpoint/wrong-protocol'], through('nginxHttp1'), {
      details: { expected: 'HTTP/2', alert: 120 },
    }),
    refused('nginx forwards calls by proxy_pass instead of grpc_pass', NOT_ETCD, through('nginxProxyPass'), {
      details: { httpStatus: 404 },
    }),
    refused(
      'nginx rejects connections without a server name, and the endpoint is an IP address (alert 112)',
      ['handshake/server-name'],
      unnamed('nginxNoName'),
      { details: { alert: 112, sent: false } },
    ),
    unreachable('nginx closes each call without an answer (444)', CLOSED, through('nginxCloses'), {
      certificate: 'server leaf CN=etcd',
      details: { handshake: { subject: 'CN=etcd' } },
    }),
    refused('haproxy uses HTTP/1.1 to etcd', NOT_ETCD, through('haproxyHttp1'), {
      details: { httpStatus: 404, server: null },
    }),
    unreachable('haproxy sends the PROXY protocol, which etcd does not support', CLOSED, through('haproxyPrefix'), {
      details: { answered: false, handshake: null },
    }),
    refused(
      'a service mesh refuses the client (gRPC status 7)',
      NOT_ETCD,
      answering((stream) => {
        refuseCall(stream, 7, 'RBAC: access denied')
      }),
      { details: { grpcStatus: 7, detail: 'RBAC: access denied' } },
    ),
    unreachable(
      'Envoy (a stand-in) does not accept the certificate of its etcd (gRPC status 14)',
      UNAVAILABLE,
      answering((stream) => {
        const reason = 'TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED'
        refuseCall(stream, 14, `upstream connect error or disconnect/reset before headers. reset reason: ${reason}`)
      }),
      { details: { grpcStatus: 14 } },
    ),
    refused(
      'a Kubernetes API server (403)',
      NOT_ETCD,
      answering((stream) => {
        stream.respond({ ':status': 403, 'content-type': 'application/json' })
        stream.end('{"kind":"Status","reason":"Forbidden"}')
      }),
      { details: { httpStatus: 403, contentType: 'application/json', server: null } },
    ),
    rowsOf('ERR_REQUEST_TOO_LARGE')(
      'a put is longer than nginx accepts (413)',
      NOT_ETCD,
      async (stage, pki) => ({
        ...(await through('nginxLimit')(stage, pki)),
        ask: (client) => client.put('a').value('x'.repeat(4096)).exec(),
      }),
      { details: { method: 'KV/Put', httpStatus: 413 } },
    ),
  ],
}

/** The client of an etcd that trusts another CA for clients. */
function ofTwoCas(issuer: (clientCa: Minted) => Minted): SetUp {
  return ({ etcds, clientCa }, pki) => {
    const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: issuer(clientCa) })
    return { endpoint: etcds.twoCas.endpoint, credentials: mintedCredentials({ leaf, trust: [pki.root] }) }
  }
}

function login(username: string, password: string, cure?: string): SetUp {
  return async (stage, pki) => ({
    ...(await etcd('rbac', { auth: { username, password } })(stage, pki)),
    plain: 'none',
    ...(cure === undefined ? {} : { cure: { auth: { username, password: cure } } }),
  })
}

export const CLUSTER_CAUSES: CauseGroup = {
  title: 'Two CAs, and a cluster without a leader',
  text: 'etcd can trust one CA for clients and have a certificate of another CA. Pass the CA of the clients as `clientCa`.',
  causes: [
    connects(
      'etcd trusts another CA for clients, and the certificate is of that CA',
      ['chain/client-ca-not-given'],
      ofTwoCas((clientCa) => clientCa),
      { certificate: 'client leaf CN=app' },
    ),
    refused(
      'etcd trusts another CA for clients, and the certificate is of a third one',
      ['handshake/client-ca-unknown'],
      ofTwoCas(() => mintCa({ subject: 'Third CA' })),
      {
        certificate: 'client leaf CN=app',
        details: { issuer: 'CN=Third CA', accepts: ['CN=Client CA'], listed: false },
      },
    ),
    oursRefused(
      "etcd trusts the client's CA by a CA certificate that has expired",
      ['handshake/client-ca-unknown'],
      etcd('expiredCa'),
      { codesOfOldGo: ['handshake/client-certificate-refused'], details: { listed: true } },
    ),
    rowsOf('ERR_ACCESS_DENIED', 'client leaf CN=app')(
      'the user of the common name has no role that allows the call',
      ['access/permission-denied'],
      ({ etcds }, pki) => ({ endpoint: etcds.rbac.endpoint, credentials: pki.issueClient({ subject: 'app' }) }),
      {
        details: {
          identity: 'common-name',
          user: 'app',
          required: [{ permission: 'read', key: 'a', rangeEnd: null }],
        },
      },
    ),
    refused('the password is wrong', ['login/failed'], login('deploy', 'wrong', 'secret'), {
      details: { username: 'deploy', refused: true },
    }),
    refused('the password ends with a line break', ['login/failed'], login('deploy', 'secret\n', 'secret'), {
      details: { username: 'deploy', refused: true, lineBreakIn: 'password' },
    }),
    refused('the user was added without a password', ['login/failed'], login('root', 'secret'), {
      details: { username: 'root', refused: true },
    }),
    unreachable(
      'the member is a learner',
      UNAVAILABLE,
      async (_stage, pki) => {
        const { learner, voter } = await startLearner(pki)
        const end = () => Promise.all([learner.close(), voter.close()])
        return { endpoint: learner.endpoint, credentials: pki.client, end }
      },
      { details: { learner: true }, isSlow: true },
    ),
    unanswered(
      'the cluster has no quorum',
      'endpoint/no-leader',
      ({ leaderless }, pki) => ({ endpoint: leaderless.member('etcd-0').endpoint, credentials: pki.client }),
      { dialTimeout: '1500ms', endpoint: null },
    ),
  ],
}
