/** Causes that are no certificate: parameters of TLS, the port, the network, this machine, the environment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createHttpsServer } from 'node:https'
import type { Credentials } from '../../src/credentials/index.js'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blackHole } from './black-hole.js'
import { dnsServer } from './dns-server.js'
import { mintedCredentials, pemsOf } from './etcd.js'
import { ip, mintCa, mintLeaf } from './mint.js'
import { newKey } from './mint-keys.js'
import {
  alertingPeer,
  answeringPeer,
  type CallHandler,
  gonePeer,
  grpcPeer,
  plaintextHttp1Peer,
  postgresPeer,
  refuseCall,
  serverTls,
  silentPeer,
  slowProxyTo,
  strangePeer,
  tlsPeer,
} from './peers.js'
import { resolveBy } from './resolver.js'
import {
  type CauseGroup,
  connects,
  etcd,
  type Outcome,
  peer,
  refused,
  rowsOf,
  type SetUp,
  type Situation,
  unanswered,
  unreachable,
} from './tls-cause.js'
import type { TlsStage } from './tls-stage.js'

/** A good etcd, and a variable in the environment of this process. */
function environment(name: string, value: string): SetUp {
  return (stage, pki) => {
    const before = process.env[name]
    process.env[name] = value
    const end = (): void => {
      if (before === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = before
    }
    return { endpoint: stage.etcds.good.endpoint, credentials: pki.client, end }
  }
}

/** The etcd in a network of its own, with rules in the way. Plain etcd3 would dial again once they are gone. */
function filtered(statements: { readonly to?: string; readonly from?: string }): SetUp {
  return ({ far }, pki) => {
    far.filter(statements)
    const end = (): void => {
      far.heal()
    }
    return { endpoint: far.endpoint, credentials: pki.client, plain: 'none', end }
  }
}

/** A client in a process of its own, started by a command, with code before it connects. */
function inProcess(
  { etcds, startModule }: TlsStage,
  credentials: Credentials,
  command: readonly string[],
  before = '',
): Situation {
  const { endpoint } = etcds.good
  const code = `
    const { createSecureClient } = await load('client')
    const { fromPem } = await load('credentials')
    let said
    ${before}
    try {
      const credentials = fromPem(${JSON.stringify(pemsOf(credentials))})
      const client = await createSecureClient({ endpoints: ${JSON.stringify(endpoint)}, credentials })
      said = { error: null, findings: client.tls.report.findings }
      client.close()
    } catch ({ code, details }) {
      said = { error: code, findings: details.report.findings }
    }
    process.stdout.write(JSON.stringify(said))`
  const elsewhere = async () => JSON.parse(await startModule(code, command).ended) as Outcome
  return { endpoint, credentials, plain: 'none', elsewhere }
}

/** The section of openssl.cnf that Node reads, with the security level of a strict crypto policy. */
const STRICT = `nodejs_conf = node
[node]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
CipherString = DEFAULT:@SECLEVEL=3
`

/** A server whose key, or whose CA's, is below the security level of the client's OpenSSL. */
function strictly(isCa: boolean): SetUp {
  return async (stage, pki) => {
    const { good } = stage.etcds
    const ca = isCa ? mintCa({ subject: 'Weak CA', key: newKey('rsa-2048') }) : pki.root
    const names = [ip('127.0.0.1')]
    const leaf = mintLeaf({ subject: 'etcd', names, issuer: ca, key: isCa ? 'p256' : 'rsa-2048' })
    const server = mintedCredentials({ leaf, trust: [ca] })
    await good.replaceServer(server)
    const folder = mkdtempSync(join(tmpdir(), 'policy-'))
    writeFileSync(join(folder, 'openssl.cnf'), STRICT)
    const credentials = { ...pki.client, trustAnchors: server.trustAnchors }
    const policy = `NODE_OPTIONS=--openssl-config=${join(folder, 'openssl.cnf')}`
    const end = async (): Promise<void> => {
      rmSync(folder, { recursive: true })
      await good.replaceServer(pki.server)
    }
    return { ...inProcess(stage, credentials, ['env', policy]), end }
  }
}

const ignore: CallHandler = (stream) => stream.resume()

const PARAMETERS = ['handshake/no-common-parameters'] as const
const PROTOCOL = ['endpoint/wrong-protocol'] as const
const NOT_ETCD = ['endpoint/not-etcd'] as const
const UNREACHABLE = ['endpoint/unreachable'] as const

export const PARAMETER_CAUSES: CauseGroup = {
  title: 'Versions, cipher suites, and what the server answers',
  text: 'The client uses the number of a TLS alert, because the messages change with the version of OpenSSL.',
  causes: [
    refused(
      'etcd allows only TLS 1.3, the client only TLS 1.2',
      PARAMETERS,
      etcd('tls13', { tls: { maxVersion: 'TLSv1.2' } }),
      { details: { versions: { min: 'TLSv1.2', max: 'TLSv1.2' } } },
    ),
    refused(
      'etcd allows only TLS 1.2, the client only TLS 1.3',
      PARAMETERS,
      etcd('tls12', { tls: { minVersion: 'TLSv1.3' } }),
      { details: { versions: { min: 'TLSv1.3', max: 'TLSv1.3' } } },
    ),
    refused("etcd's --cipher-suites do not fit its own certificate", PARAMETERS, etcd('rsaSuites'), {
      details: { versions: null },
    }),
    refused(
      'a server answers the first message of the handshake with an alert about a certificate (alert 45)',
      ['handshake/failed'],
      peer(() => alertingPeer(45)),
      { details: { alert: 45, certificateSent: null } },
    ),
    connects(
      "etcd's key and certificate do not match for a moment, as in a renewal (alert 80)",
      [],
      async ({ etcds: { good } }, pki) => {
        const refusals = (): number => good.logs().filter((line) => line.includes('rejected connection')).length
        const before = refusals()
        await good.writeFiles({ 'server.key': 'half' })
        const isOver = new AbortController()
        const whole = (async () => {
          while (refusals() === before && !isOver.signal.aborted) await sleep(25)
          await good.replaceServer(pki.server)
        })()
        const end = async (): Promise<void> => {
          isOver.abort()
          await whole
        }
        return { endpoint: good.endpoint, credentials: pki.client, end }
      },
    ),
    refused(
      'a TLS proxy has no certificate for the name (alert 112)',
      ['handshake/server-name'],
      peer(() => alertingPeer(112)),
      { details: { alert: 112 } },
    ),
    refused(
      'the server does not support HTTP/2 (alert 120)',
      PROTOCOL,
      peer((pki) => tlsPeer(serverTls(pki.server, { ALPNProtocols: ['http/1.1'] }))),
      { details: { expected: 'HTTP/2', alert: 120 } },
    ),
    connects(
      'etcd does not request a client certificate (no --trusted-ca-file)',
      ['handshake/client-certificate-not-asked'],
      etcd('open'),
      { certificate: 'server leaf CN=etcd' },
    ),
  ],
}

export const NETWORK_CAUSES: CauseGroup = {
  title: 'The port and the network',
  text: 'Each attempt ends within `dialTimeout`.',
  causes: [
    refused('etcd serves plaintext there (http://)', PROTOCOL, etcd('plaintext'), {
      details: { expected: 'TLS', spoken: 'plaintext HTTP/2' },
    }),
    refused('a plaintext HTTP/1.1 server', PROTOCOL, peer(plaintextHttp1Peer), {
      details: { expected: 'TLS', spoken: 'plaintext HTTP/1.1' },
    }),
    refused('the metrics port of etcd, plaintext', PROTOCOL, etcd('metricsPlaintext'), {
      details: { expected: 'TLS', spoken: 'plaintext HTTP/1.1' },
    }),
    refused('the metrics port of etcd, https', NOT_ETCD, etcd('metrics')),
    refused("the port of etcd's --listen-client-http-urls", NOT_ETCD, etcd('httpOnly')),
    refused(
      'a web server that answers everything with a page',
      NOT_ETCD,
      peer((pki) => strangePeer(serverTls(pki.server), 200)),
      { details: { httpStatus: 200, contentType: 'text/html' } },
    ),
    refused(
      'a gRPC server that is not etcd',
      NOT_ETCD,
      peer((pki) => {
        const unknown: CallHandler = (stream) => {
          refuseCall(stream, 12, 'unknown service etcdserverpb.KV')
        }
        return grpcPeer(pki.server, unknown, unknown)
      }),
      { details: { grpcStatus: 12 } },
    ),
    ...([502, 503] as const).map((httpStatus) =>
      unreachable(
        { 502: 'a proxy whose etcd is down (502)', 503: 'a load balancer without a backend (503)' }[httpStatus],
        ['endpoint/unavailable'],
        peer((pki) => strangePeer(serverTls(pki.server), httpStatus)),
        { details: { httpStatus } },
      ),
    ),
    unanswered(
      'a server that accepts the connection and answers no call',
      'endpoint/silent',
      peer((pki) => grpcPeer(pki.server, ignore, ignore)),
      { after: 'settings' },
    ),
    refused('the peer port of etcd', PROTOCOL, etcd('peer'), { details: { expected: 'HTTP/2', alert: null } }),
    refused(
      'an HTTPS server that is not etcd',
      PROTOCOL,
      peer((pki) => {
        const tls = serverTls(pki.server, { ALPNProtocols: [] })
        const https = createHttpsServer(tls, (_request, response) => response.end())
        return tlsPeer(tls, (socket) => https.emit('secureConnection', socket))
      }),
      { details: { expected: 'HTTP/2' } },
    ),
    rowsOf('ERR_HANDSHAKE_FAILED', 'server leaf CN=es01')(
      'an HTTPS server that is not etcd, with a certificate of another CA and without names',
      PROTOCOL,
      peer(() => {
        const ca = mintCa({ subject: 'Elastic CA' })
        const server = mintedCredentials({ leaf: mintLeaf({ subject: 'es01', issuer: ca }), trust: [ca] })
        return tlsPeer(serverTls(server, { ALPNProtocols: [] }))
      }),
      { details: { foreign: { subject: 'CN=es01', issuer: 'CN=Elastic CA' } }, isOfClient: true },
    ),
    refused(
      'a server of another kind (SSH)',
      PROTOCOL,
      peer(() => answeringPeer(Buffer.from('SSH-2.0-OpenSSH_9\r\n'))),
      { details: { expected: 'TLS', spoken: 'SSH' } },
    ),
    refused(
      'a server of another kind (Redis)',
      PROTOCOL,
      peer(() =>
        answeringPeer(Buffer.from("-ERR unknown command 'PRI', with args beginning with: '*' 'HTTP/2.0'\r\n")),
      ),
      { details: { expected: 'TLS', spoken: 'Redis' } },
    ),
    refused(
      'a server of another kind (PostgreSQL)',
      PROTOCOL,
      peer(() => postgresPeer('N')),
      { details: { expected: 'TLS', spoken: 'PostgreSQL' } },
    ),
    refused(
      'a forward proxy (squid)',
      PROTOCOL,
      peer(() => answeringPeer(Buffer.from('HTTP/1.1 400 Bad Request\r\nServer: squid/5.7\r\n\r\n'))),
      { details: { spoken: 'plaintext HTTP/1.1', server: 'squid/5.7' } },
    ),
    refused(
      'a captive portal, which redirects to its login page',
      PROTOCOL,
      peer(() => answeringPeer(Buffer.from('HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n'))),
      { details: { spoken: 'plaintext HTTP/1.1', location: 'http://login.example/' } },
    ),
    unreachable(
      'connections are accepted and closed, as by a TCP proxy without its etcd',
      ['endpoint/closed'],
      peer(() => answeringPeer()),
      { details: { answered: false } },
    ),
    unreachable(
      'nothing listens',
      UNREACHABLE,
      async (_stage, pki) => {
        return { endpoint: (await gonePeer()).endpoint, credentials: pki.client }
      },
      { details: { stage: 'connect', errorCode: 'ECONNREFUSED' } },
    ),
    unreachable(
      'the name is not in DNS',
      UNREACHABLE,
      (_stage, pki) => ({ endpoint: 'https://no-such-host.invalid:2379', credentials: pki.client }),
      { details: { stage: 'lookup', errorCode: 'ENOTFOUND' } },
    ),
    unanswered(
      'the name server does not answer',
      'endpoint/unreachable',
      async (_stage, pki) => {
        const name = 'etcd-0.etcd.test'
        const server = await dnsServer({ [name]: 'silent' })
        const resolver = resolveBy(server.address)
        const end = async (): Promise<void> => {
          resolver[Symbol.dispose]()
          await server[Symbol.asyncDispose]()
        }
        return { endpoint: `https://${name}:2379`, credentials: pki.client, end }
      },
      { stage: 'lookup', errorCode: null },
    ),
    unanswered(
      'packets are dropped: a firewall, or a host that is off',
      'endpoint/unreachable',
      async (_stage, pki) => {
        const hole = await blackHole()
        return { endpoint: hole.endpoint, credentials: pki.client, end: () => hole[Symbol.asyncDispose]() }
      },
      { stage: 'connect', errorCode: null, timeout: 1000 },
    ),
    unanswered(
      'the port accepts connections and stays silent',
      'endpoint/silent',
      peer(() => silentPeer()),
      { after: 'connect', answered: false, timeout: 1000, protocol: null },
    ),
    unanswered(
      'the server stays silent after the handshake',
      'endpoint/silent',
      peer((pki) => tlsPeer(serverTls(pki.server))),
      { after: 'handshake', protocol: 'TLSv1.3' },
    ),
  ],
}

export const MACHINE_CAUSES: CauseGroup = {
  title: 'This machine and its network',
  text: 'The tests use rules of nft, a slow network, a wrong clock, and a process without free file descriptors.',
  causes: [
    unanswered('a firewall drops packets (nft drop)', 'endpoint/unreachable', filtered({ to: 'drop' }), {
      dialTimeout: '2s',
      stage: 'connect',
      errorCode: null,
    }),
    unreachable(
      'a firewall rejects the connection (nft reject with tcp reset)',
      UNREACHABLE,
      filtered({ to: 'reject with tcp reset' }),
      { details: { stage: 'connect', errorCode: 'ECONNREFUSED' } },
    ),
    unreachable(
      'a router has no route to the host (nft reject with icmp host-unreachable)',
      UNREACHABLE,
      filtered({ to: 'reject with icmp type host-unreachable' }),
      { details: { errorCode: 'EHOSTUNREACH' } },
    ),
    unanswered(
      'long packets do not arrive (path MTU), so that the handshake stops after the first message',
      'endpoint/silent',
      filtered({ from: 'meta length > 600 drop' }),
      { dialTimeout: '2s', after: 'connect', answered: false },
    ),
    unanswered(
      'the network is so slow that the handshake takes longer than dialTimeout',
      'endpoint/silent',
      async ({ etcds }, pki) => {
        const relay = await slowProxyTo(etcds.good.port, { rate: 1000 })
        const end = () => relay[Symbol.asyncDispose]()
        return { endpoint: relay.endpoint, credentials: pki.client, end, cure: { dialTimeout: '60s' } }
      },
    ),
    rowsOf('ERR_HANDSHAKE_FAILED', 'server leaf CN=etcd')(
      "the clock of this machine is 60 days fast, so the server's certificate seems to be expired",
      ['validity/expired'],
      (stage, pki) => {
        const credentials = pki.issueClient({ notAfter: new Date(Date.now() + 365 * 86_400_000) })
        return inProcess(stage, credentials, ['faketime', '--exclude-monotonic', '-f', '+60d'])
      },
      { hints: ['handshake/clock-compared'] },
    ),
    ...(
      [
        ["the server's", 'EE certificate key too weak'],
        ["its CA's", 'CA certificate key too weak'],
      ] as const
    ).map(([whose, reason]) =>
      rowsOf('ERR_HANDSHAKE_FAILED', 'server leaf CN=etcd')(
        `the OpenSSL policy of this machine (SECLEVEL=3) refuses ${whose} RSA key of 2048 bits`,
        ['handshake/server-certificate-refused'],
        strictly(whose === "its CA's"),
        { details: { reason } },
      ),
    ),
    unreachable(
      'the process has no file descriptor left (EMFILE)',
      UNREACHABLE,
      (stage, pki) => {
        // A call before has loaded the code of the client, which takes descriptors, too.
        const before = `
          const nowhere = { endpoints: 'https://127.0.0.1:1', credentials: fromPem(${JSON.stringify(pemsOf(pki.client))}) }
          await createSecureClient(nowhere).catch(() => undefined)
          const { openSync } = await import('node:fs')
          try { for (;;) openSync('/dev/null') } catch {}`
        return inProcess(stage, pki.client, ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh'], before)
      },
      { details: { errorCode: 'EMFILE' } },
    ),
  ],
}

const IGNORED = ['environment/ignored'] as const

export const ENVIRONMENT_CAUSES: CauseGroup = {
  title: 'The environment',
  text: 'Environment variables have no effect on this client, and `client.tls.report` reports that.',
  causes: [
    connects(
      '`https_proxy` names a proxy that does not exist',
      IGNORED,
      environment('https_proxy', 'http://127.0.0.1:9'),
      { details: { kind: 'proxy' } },
    ),
    connects('`NODE_TLS_REJECT_UNAUTHORIZED=0`', IGNORED, environment('NODE_TLS_REJECT_UNAUTHORIZED', '0'), {
      details: { kind: 'verification-off' },
    }),
    connects(
      '`NODE_EXTRA_CA_CERTS` names more CAs',
      IGNORED,
      environment('NODE_EXTRA_CA_CERTS', '/etc/ssl/certs/ca-certificates.crt'),
      { details: { kind: 'extra-cas' } },
    ),
  ],
}
