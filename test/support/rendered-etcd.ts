/** Starts the real etcd by what was rendered for it, and asks it over TLS. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request as requestPlain } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { join } from 'node:path'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import type { MemberConfig } from '../../src/config/model.js'
import type { ConfigForm } from '../../src/config/tables/options.js'
import { renderEtcdConfig } from '../../src/config/render/render.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { INSTALLED, IS_3_4, LOGGED_AS_LATER } from './etcd-version.js'

/** An etcd that runs; it is ended with the block that holds it. */
export interface RenderedEtcd extends AsyncDisposable {
  /** What it has written until now. */
  logs(): string
  /** Resolves with what it wrote, once it ended by itself. */
  readonly ended: Promise<string>
}

/**
 * Starts etcd: with a file for `--config-file`, with flags that a real `sh` takes apart, or with variables that a real
 * `sh` reads from a file. Nothing is waited for.
 *
 * @param folder Where the file goes; it is made.
 */
export function startRendered(config: MemberConfig, form: ConfigForm, folder: string): RenderedEtcd {
  const { extra } = config
  const logged = IS_3_4 && form === 'yaml' ? { ...config, extra: { logger: 'zap', ...extra } } : config
  return startText(renderEtcdConfig(logged, form, { version: INSTALLED }), form, folder)
}

/** As {@link startRendered}, by what was rendered already. */
export function startText(text: string, form: ConfigForm, folder: string): RenderedEtcd {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `etcd.${form}`)
  writeFileSync(file, text)
  const scripts: Readonly<Record<ConfigForm, string>> = {
    yaml: 'exec etcd --config-file "$0"',
    flags: `exec etcd ${text}`,
    env: 'set -a && . "$0" && exec etcd',
  }
  return run(scripts[form], file)
}

function run(script: string, file: string): RenderedEtcd {
  const env = { ...plainEnvironment(), ...LOGGED_AS_LATER }
  const child = spawn('sh', ['-c', script, file], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let logs = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => (logs += more))
  const ended = new Promise<string>((resolve) => {
    child.once('close', () => {
      resolve(logs)
    })
  })
  return {
    logs: () => logs,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Waits until etcd serves clients; fails with its log if it ends instead. */
export async function serving(etcd: RenderedEtcd): Promise<void> {
  await logged(etcd, IS_3_4 ? 'serving client' : 'ready to serve client requests')
}

/** Waits until etcd serves metrics on URLs of their own, which it begins with after it serves clients. */
export async function servingMetrics(etcd: RenderedEtcd): Promise<void> {
  await logged(etcd, 'serving metrics')
}

async function logged(etcd: RenderedEtcd, words: string): Promise<void> {
  const over = etcd.ended.then((logs) => new Error(`etcd ended:\n${logs}`))
  while (!etcd.logs().includes(words)) {
    const ended = await Promise.race([over, delay(10, null)])
    if (ended !== null) throw ended
  }
}

/** The environment without the variables that etcd and etcdctl take for flags. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^ETCD(CTL)?_/.test(name)))
}

/** What a peer answered, or how it refused. */
export interface Answer {
  status: number | null
  body: string
  /** `TLSv1.3` and the suite by IANA's name; empty without TLS. */
  protocol: string
  suite: string
  /** Subject and end of the certificate that was shown, where it was. */
  server: { organization: string; years: number } | null
  /** The error's code and message; null if there was none. */
  refused: string | null
}

/** One request over HTTP/1.1. TLS verifies the server by `trust`; null stands for a certificate that nobody can verify. */
export async function ask(
  url: string,
  as: Credentials | null,
  options: RequestOptions & { trust?: Credentials | null; json?: unknown } = {},
): Promise<Answer> {
  const { trust = as, json, ...tls } = options
  const all: RequestOptions = {
    ...(as === null ? {} : { cert: as.chain.map((each) => each.toPem()).join(''), key: as.key.exportPem() }),
    ...(trust === null ? { rejectUnauthorized: false } : { ca: trust.trustAnchors.map((each) => each.toPem()) }),
    method: json === undefined ? 'GET' : 'POST',
    agent: false,
    timeout: 60_000,
    ...tls,
  }
  const answer: Answer = { status: null, body: '', protocol: '', suite: '', server: null, refused: null }
  return new Promise((resolve) => {
    const sent = (url.startsWith('https:') ? request : requestPlain)(url, all, (response) => {
      answer.status = response.statusCode ?? null
      response.setEncoding('utf8').on('data', (more: string) => (answer.body += more))
      response.once('end', () => {
        resolve(answer)
      })
    })
    sent.on('socket', (socket: Socket) => {
      if (socket instanceof TLSSocket) {
        socket.once('secureConnect', () => {
          look(socket, answer)
        })
      }
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ ...answer, refused: `${error.code ?? ''}: ${error.message}` })
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.end(json === undefined ? undefined : JSON.stringify(json))
  })
}

function look(socket: TLSSocket, answer: Answer): void {
  const { subject, valid_from, valid_to } = socket.getPeerCertificate()
  answer.protocol = socket.getProtocol() ?? ''
  answer.suite = socket.getCipher().standardName
  const days = (Date.parse(valid_to) - Date.parse(valid_from)) / 86_400_000
  answer.server = { organization: String(subject.O), years: Math.round(days / 365) }
}
