/** nginx and haproxy in front of etcd, one process of each: a port for each way to set one up, right or wrong. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Credentials } from '../../src/credentials/credentials.js'
import { HeldPorts } from '../../src/testing/ports.js'
import { startChild } from './child.js'
import { pemsOf, writePems } from './etcd.js'

export interface Proxies<Name extends string> extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` each. */
  readonly endpoints: Readonly<Record<Name, string>>
}

interface Parties {
  /** What the proxies present. */
  readonly server: Credentials
  /** What they present to etcd. */
  readonly client: Credentials
}

interface ProxyParts extends Parties {
  /** A CA in PEM that issued nobody's certificate. */
  readonly otherCa: string
  /** In PEM. */
  readonly crl: string
  /** Ports on this machine. */
  readonly etcd: number
  /** An etcd with users and roles. */
  readonly rbac: number
}

/** Ports of what is behind a proxy; `dead` has no listener. */
type Behind = Pick<ProxyParts, 'etcd' | 'rbac'> & { readonly dead: number }

const here = (port: number): string => `127.0.0.1:${String(port)}`

/** How nginx reaches an etcd. */
const passing = (port: number): string => `
      grpc_pass grpcs://${here(port)};
      grpc_read_timeout 1h;
      grpc_ssl_certificate client.crt;
      grpc_ssl_certificate_key client.key;
      grpc_ssl_trusted_certificate ca.crt;
      grpc_ssl_verify on;
      grpc_ssl_name localhost;`
const verifying = (ca: string): string => `ssl_client_certificate ${ca}; ssl_verify_client on;`

/** What stands in the location of a `server`, and next to the location; `http2`: whether it speaks it. */
type NginxServer = readonly [location: string, more?: string, http2?: boolean]

const PROXY_PASS =
  'proxy_ssl_certificate client.crt; proxy_ssl_certificate_key client.key; proxy_ssl_session_reuse off;'
const NGINX = {
  nginxOpen: ({ rbac }) => [passing(rbac)],
  nginxVerify: ({ etcd }) => [passing(etcd), verifying('other-ca.crt')],
  nginxDead: ({ dead }) => [passing(dead)],
  nginxForbids: () => ['return 403;'],
  nginxLogin: ({ etcd }) => [`auth_basic "etcd"; auth_basic_user_file ca.crt;${passing(etcd)}`],
  nginxRedirects: () => ['return 301 https://login.example/;'],
  nginxLimit: ({ etcd }) => [passing(etcd), 'client_max_body_size 1k;'],
  nginxRate: () => ['return 429;'],
  nginxHttp1: ({ etcd }) => [passing(etcd), '', false],
  nginxProxyPass: ({ etcd }) => [`proxy_pass https://${here(etcd)}; ${PROXY_PASS}`],
  nginxNoName: ({ etcd }) => [passing(etcd), 'server_name localhost;'],
  nginxCloses: () => ['return 444;'],
} satisfies Readonly<Record<string, (behind: Behind) => NginxServer>>

/** What a `listen` of haproxy passes on, and how; `tls`: it ends TLS, with more options. */
interface HaproxyListener {
  readonly to: number
  readonly mode?: string
  readonly options?: string
  readonly lines?: readonly string[]
  readonly tls?: string
}

const HAPROXY = {
  haproxyThrough: ({ etcd }) => ({ to: etcd }),
  haproxyDead: ({ dead }) => ({ to: dead }),
  haproxyTlsDead: ({ dead }) => ({ to: dead, tls: '' }),
  haproxyHttpDead: ({ dead }) => ({ to: dead, tls: '', mode: 'http' }),
  haproxyVerify: ({ dead }) => ({ to: dead, tls: 'verify required ca-file other-ca.crt' }),
  haproxyCrl: ({ dead }) => ({ to: dead, tls: 'verify required ca-file ca.crt crl-file list.crl' }),
  haproxyVerifyDead: ({ dead }) => ({ to: dead, tls: 'verify required ca-file ca.crt' }),
  haproxySni: ({ etcd }) => ({
    to: etcd,
    lines: [
      'tcp-request inspect-delay 5s',
      'tcp-request content reject if { req.ssl_hello_type 1 } !{ req.ssl_sni localhost }',
      'tcp-request content accept if { req.ssl_hello_type 1 }',
    ],
  }),
  haproxyHttp1: ({ etcd }) => ({ to: etcd, tls: '', mode: 'http', options: 'ssl verify none crt client.pem' }),
  /** It verifies client certificates, and presents its own to etcd. */
  haproxyMutual: ({ rbac }) => ({
    to: rbac,
    tls: 'verify required ca-file ca.crt',
    mode: 'http',
    options: 'ssl verify none crt client.pem alpn h2',
  }),
  haproxyPrefix: ({ etcd }) => ({ to: etcd, options: 'send-proxy' }),
} satisfies Readonly<Record<string, (behind: Behind) => HaproxyListener>>

const CLOCKS = ['nginxSlowClock', 'opensslSlowClock', 'opensslFastClock'] as const
const [NGINX_NAMES, HAPROXY_NAMES] = [Object.keys(NGINX), Object.keys(HAPROXY)] as [
  (keyof typeof NGINX)[],
  (keyof typeof HAPROXY)[],
]
export type ProxyName = keyof typeof NGINX | keyof typeof HAPROXY | (typeof CLOCKS)[number]

/**
 * nginx that verifies client certificates and passes calls to the etcd on a port of this machine. `more`: further
 * directives of the server.
 */
export function startNginx(etcd: number, as: Parties, more = ''): Promise<Proxies<'nginx'>> {
  return startAll(['nginx'], as, (write, ports) => [
    nginx(write, 'nginx', [nginxServer(ports.nginx, [passing(etcd), `${verifying('ca.crt')} ${more}`])]),
  ])
}

/** haproxy that verifies client certificates, and presents its own to the etcd on a port of this machine. */
export function startHaproxy(etcd: number, as: Parties): Promise<Proxies<'haproxy'>> {
  return startAll(['haproxy'], as, (write, ports) => {
    writeBundles(write, as)
    return [haproxy(write, [['haproxy', ports.haproxy, HAPROXY.haproxyMutual({ etcd, rbac: etcd, dead: etcd })]])]
  })
}

export function startProxies(parts: ProxyParts): Promise<Proxies<ProxyName>> {
  return startAll<ProxyName>([...NGINX_NAMES, ...HAPROXY_NAMES, ...CLOCKS], parts, (write, ports, dead) => {
    writeBundles(write, parts)
    write('other-ca.crt', parts.otherCa)
    write('list.crl', parts.crl)
    const behind = { ...parts, dead }
    const servers = NGINX_NAMES.map((name) => nginxServer(ports[name], NGINX[name](behind)))
    const nameless = `server { listen ${here(ports.nginxNoName)} ssl default_server; http2 on; ssl_reject_handshake on; }`
    const slow = nginxServer(ports.nginxSlowClock, [passing(parts.etcd), verifying('ca.crt')])
    return [
      nginx(write, 'nginx', [nameless, ...servers]),
      clocked('-2d', nginx(write, 'slow', [slow])),
      clocked('-2d', opensslServer(ports.opensslSlowClock)),
      clocked('+400d', opensslServer(ports.opensslFastClock)),
      haproxy(
        write,
        HAPROXY_NAMES.map((name) => [name, ports[name], HAPROXY[name](behind)]),
      ),
    ]
  })
}

type Write = (name: string, text: string) => string

/** Runs programs that listen on a port for each name. */
async function startAll<Name extends string>(
  names: readonly Name[],
  { server, client }: Parties,
  commands: (write: Write, ports: Readonly<Record<Name, number>>, dead: number) => string[][],
): Promise<Proxies<Name>> {
  const folder = mkdtempSync(join(tmpdir(), 'proxies-'))
  writePems(folder, 'server', server)
  writePems(folder, 'client', client)
  const held = new HeldPorts()
  const [dead = 0, ...taken] = await held.take(names.length + 1)
  const ports = Object.fromEntries(names.map((name, i) => [name, taken[i] ?? 0])) as Record<Name, number>
  const write: Write = (name, text) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const started = commands(write, ports, dead).map((command) => run(folder, command))
  const close = async (): Promise<void> => {
    await Promise.all(started.map((each) => each.stop()))
    held.release()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const port of taken) {
      while (!(await isOpen(port))) {
        for (const each of started) each.check()
        await delay(20)
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  const endpoints = Object.fromEntries(names.map((name) => [name, `https://${here(ports[name])}`]))
  return { endpoints: endpoints as Record<Name, string>, [Symbol.asyncDispose]: close }
}

function run(cwd: string, command: readonly string[]): { check(): void; stop(): Promise<void> } {
  // `openssl s_server` ends connections at the end of its input.
  const { process: child, written, ended } = startChild(command, { cwd, stdio: 'pipe', detached: true })
  return {
    check: () => {
      if (child.exitCode !== null) throw new Error(`${String(command[0])} ended: ${written.all}`)
    },
    stop: async () => {
      // With the group: `faketime` waits for a child of its own.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
      await ended
      // What it shares with that child is left then, and another one of the same process id would not start.
      for (const name of ['faketime_shm_', 'sem.faketime_sem_']) {
        rmSync(`/dev/shm/${name}${String(child.pid)}`, { force: true })
      }
    },
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isConnected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isConnected
}

/** The same program with a clock of its own. */
function clocked(offset: string, command: readonly string[]): string[] {
  // nginx clears its environment, and libfaketime looks there for the offset again after ten seconds.
  return ['env', 'FAKETIME_CACHE_DURATION=100000', 'faketime', '--exclude-monotonic', '-f', offset, ...command]
}

/** A server of OpenSSL that verifies client certificates, as haproxy does it. */
function opensslServer(port: number): string[] {
  const options = '-cert server.crt -key server.key -CAfile ca.crt -Verify 2 -verify_return_error -alpn h2 -quiet'
  return ['openssl', 's_server', '-accept', here(port), ...options.split(' ')]
}

function nginxServer(port: number, [location, more = '', http2 = true]: NginxServer): string {
  return `
  server {
    listen ${here(port)} ssl;
    ${http2 ? 'http2 on;' : ''}
    ssl_certificate server.crt;
    ssl_certificate_key server.key;
    ${more}
    location / {${location}
    }
  }`
}

function nginx(write: Write, name: string, servers: readonly string[]): string[] {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${name}-${it};`)
  const text = `
daemon off;
master_process off;
pid ${name}.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${places.join(' ')}
  ${servers.join('\n')}
}
`
  const file = write(`${name}.conf`, text)
  return ['nginx', '-p', dirname(file), '-e', 'stderr', '-c', file]
}

function writeBundles(write: Write, parties: Parties): void {
  for (const name of ['server', 'client'] as const) {
    const { cert, key } = pemsOf(parties[name])
    write(`${name}.pem`, cert + key)
  }
}

function haproxy(write: Write, listening: readonly (readonly [string, number, HaproxyListener])[]): string[] {
  const listeners = listening.map(([name, port, { to, mode = 'tcp', options = '', lines = [], tls }]) => {
    const bind = `bind ${here(port)} ${tls === undefined ? '' : `ssl crt server.pem alpn h2 ${tls}`}`
    return [`listen ${name}`, bind, `mode ${mode}`, ...lines, `server etcd ${here(to)} ${options}`].join('\n  ')
  })
  const text = `
global
  log stderr local0 emerg
defaults
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  retries 0
${listeners.join('\n')}
`
  return ['haproxy', '-db', '-f', write('haproxy.cfg', text)]
}
