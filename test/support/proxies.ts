/** nginx and haproxy in front of etcd, one process of each: a port for each way to set one up, right or wrong. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Credentials } from '../../src/credentials/credentials.js'
import { HeldPorts } from '../../src/testing/ports.js'
import { pemsOf, writePems } from './etcd.js'

export interface Proxies<Name extends string> extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` each. */
  readonly endpoints: Readonly<Record<Name, string>>
}

const NAMES = [
  'nginxOpen',
  'nginxVerify',
  'nginxDead',
  'nginxForbids',
  'nginxLogin',
  'nginxRedirects',
  'nginxLimit',
  'nginxRate',
  'nginxHttp1',
  'nginxProxyPass',
  'nginxNoName',
  'nginxCloses',
  'nginxSlowClock',
  'opensslSlowClock',
  'opensslFastClock',
  'haproxyThrough',
  'haproxyDead',
  'haproxyTlsDead',
  'haproxyHttpDead',
  'haproxyVerify',
  'haproxyVerifyDead',
  'haproxySni',
  'haproxyHttp1',
  'haproxyPrefix',
] as const

export type ProxyName = (typeof NAMES)[number]

export interface ProxyParts {
  /** What the proxies present. */
  readonly server: Credentials
  /** What they present to etcd. */
  readonly client: Credentials
  /** A CA in PEM that issued nobody's certificate. */
  readonly otherCa: string
  /** Ports on this machine. */
  readonly etcd: number
  /** An etcd with users and roles. */
  readonly rbac: number
}

/** nginx that verifies client certificates and passes calls to the etcd on a port of this machine. */
export function startNginx(etcd: number, as: Pick<ProxyParts, 'server' | 'client'>): Promise<Proxies<'nginx'>> {
  return startAll(['nginx'], as, (folder, ports) => {
    const verify = `ssl_client_certificate ${folder}/ca.crt; ssl_verify_client on;`
    return [nginx(folder, [nginxServer(folder, ports.nginx, passing(folder, etcd), verify)])]
  })
}

export function startProxies(parts: ProxyParts): Promise<Proxies<ProxyName>> {
  // Nothing listens on the port `dead`.
  return startAll(NAMES, parts, (folder, ports, dead) => {
    write(folder, 'server.pem', pemsOf(parts.server).cert + pemsOf(parts.server).key)
    write(folder, 'client.pem', pemsOf(parts.client).cert + pemsOf(parts.client).key)
    write(folder, 'other-ca.crt', parts.otherCa)
    const slow = join(folder, 'slow')
    mkdirSync(slow)
    const verify = `ssl_client_certificate ${folder}/ca.crt; ssl_verify_client on;`
    const ofSlow = [nginxServer(folder, ports.nginxSlowClock, passing(folder, parts.etcd), verify)]
    return [
      nginx(folder, nginxServers(folder, ports, parts, dead)),
      clocked('-2d', nginx(slow, ofSlow)),
      clocked('-2d', opensslServer(folder, ports.opensslSlowClock)),
      clocked('+400d', opensslServer(folder, ports.opensslFastClock)),
      ['haproxy', '-db', '-f', write(folder, 'haproxy.cfg', haproxy(folder, ports, parts, dead))],
    ]
  })
}

/** Runs programs that listen on a port for each name. */
async function startAll<Name extends string>(
  names: readonly Name[],
  { server, client }: Pick<ProxyParts, 'server' | 'client'>,
  commands: (folder: string, ports: Readonly<Record<Name, number>>, dead: number) => string[][],
): Promise<Proxies<Name>> {
  const folder = mkdtempSync(join(tmpdir(), 'proxies-'))
  writePems(folder, 'server', server)
  writePems(folder, 'client', client)
  const held = new HeldPorts()
  const [dead = 0, ...taken] = await held.take(names.length + 1)
  const ports = Object.fromEntries(names.map((name, i) => [name, taken[i] ?? 0])) as Record<Name, number>
  const started = commands(folder, ports, dead).map(run)
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
  const endpoints = Object.fromEntries(names.map((name) => [name, `https://127.0.0.1:${String(ports[name])}`]))
  return { endpoints: endpoints as Record<Name, string>, [Symbol.asyncDispose]: close }
}

function run([program = '', ...args]: readonly string[]): { check(): void; stop(): Promise<void> } {
  // `openssl s_server` ends connections at the end of its input.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(child, 'close')
  return {
    check: () => {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${log}`)
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

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', answer(true)).once('error', answer(false))
  })
}

/** The same program with a clock of its own. */
function clocked(offset: string, command: readonly string[]): string[] {
  // nginx clears its environment, and libfaketime looks there for the offset again after ten seconds.
  return ['env', 'FAKETIME_CACHE_DURATION=100000', 'faketime', '--exclude-monotonic', '-f', offset, ...command]
}

/** A server of OpenSSL that verifies client certificates, as haproxy does it. */
function opensslServer(folder: string, port: number): string[] {
  const files = ['-cert', `${folder}/server.crt`, '-key', `${folder}/server.key`, '-CAfile', `${folder}/ca.crt`]
  const verify = ['-Verify', '2', '-verify_return_error']
  return ['openssl', 's_server', '-accept', `127.0.0.1:${String(port)}`, ...files, ...verify, '-alpn', 'h2', '-quiet']
}

function write(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

/** How nginx reaches an etcd. */
function passing(folder: string, port: number): string {
  return `
      grpc_pass grpcs://127.0.0.1:${String(port)};
      grpc_read_timeout 1h;
      grpc_ssl_certificate ${folder}/client.crt;
      grpc_ssl_certificate_key ${folder}/client.key;
      grpc_ssl_trusted_certificate ${folder}/ca.crt;
      grpc_ssl_verify on;
      grpc_ssl_name localhost;`
}

function nginxServer(folder: string, port: number, location: string, more = '', protocol = 'http2 on;'): string {
  return `
  server {
    listen 127.0.0.1:${String(port)} ssl;
    ${protocol}
    ssl_certificate ${folder}/server.crt;
    ssl_certificate_key ${folder}/server.key;
    ${more}
    location / {${location}
    }
  }`
}

type Ports = Readonly<Record<ProxyName, number>>

function nginxServers(folder: string, ports: Ports, { etcd, rbac }: ProxyParts, dead: number): string[] {
  const pass = (port: number): string => passing(folder, port)
  const server = (name: ProxyName, location: string, more?: string, protocol?: string): string =>
    nginxServer(folder, ports[name], location, more, protocol)
  return [
    server('nginxOpen', pass(rbac)),
    server('nginxVerify', pass(etcd), `ssl_client_certificate ${folder}/other-ca.crt; ssl_verify_client on;`),
    server('nginxDead', pass(dead)),
    server('nginxForbids', 'return 403;'),
    server('nginxLogin', `auth_basic "etcd"; auth_basic_user_file ${folder}/ca.crt;${pass(etcd)}`),
    server('nginxRedirects', 'return 301 https://login.example/;'),
    server('nginxLimit', pass(etcd), 'client_max_body_size 1k;'),
    server('nginxRate', 'return 429;'),
    server('nginxHttp1', pass(etcd), '', ''),
    server(
      'nginxProxyPass',
      `proxy_pass https://127.0.0.1:${String(etcd)}; proxy_ssl_certificate ${folder}/client.crt; proxy_ssl_certificate_key ${folder}/client.key; proxy_ssl_session_reuse off;`,
    ),
    `server { listen 127.0.0.1:${String(ports.nginxNoName)} ssl default_server; http2 on; ssl_reject_handshake on; }`,
    server('nginxNoName', pass(etcd), 'server_name localhost;'),
    server('nginxCloses', 'return 444;'),
  ]
}

function nginx(folder: string, servers: readonly string[]): string[] {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${folder}/${it};`)
  const text = `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${places.join(' ')}
  ${servers.join('\n')}
}
`
  return ['nginx', '-p', folder, '-e', 'stderr', '-c', write(folder, 'nginx.conf', text)]
}

function haproxy(folder: string, ports: Ports, { etcd }: ProxyParts, dead: number): string {
  const listen = (name: ProxyName, lines: readonly string[], bind = ''): string =>
    [`listen ${name}`, `  bind 127.0.0.1:${String(ports[name])} ${bind}`, ...lines.map((it) => `  ${it}`)].join('\n')
  const tls = `ssl crt ${folder}/server.pem alpn h2`
  const to = (port: number): string => `server etcd 127.0.0.1:${String(port)}`
  return `
global
  log stderr local0 emerg
defaults
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  retries 0
${listen('haproxyThrough', ['mode tcp', to(etcd)])}
${listen('haproxyDead', ['mode tcp', to(dead)])}
${listen('haproxyTlsDead', ['mode tcp', to(dead)], tls)}
${listen('haproxyHttpDead', ['mode http', to(dead)], tls)}
${listen('haproxyVerify', ['mode tcp', to(dead)], `${tls} verify required ca-file ${folder}/other-ca.crt`)}
${listen('haproxyVerifyDead', ['mode tcp', to(dead)], `${tls} verify required ca-file ${folder}/ca.crt`)}
${listen('haproxySni', [
  'mode tcp',
  'tcp-request inspect-delay 5s',
  'tcp-request content reject if { req.ssl_hello_type 1 } !{ req.ssl_sni localhost }',
  'tcp-request content accept if { req.ssl_hello_type 1 }',
  to(etcd),
])}
${listen('haproxyHttp1', ['mode http', `${to(etcd)} ssl verify none crt ${folder}/client.pem`], tls)}
${listen('haproxyPrefix', ['mode tcp', `${to(etcd)} send-proxy`])}
`
}
