/** Programs that dial an etcd and write why it failed: each as its users run it. */
import { writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startChild } from './child.js'

/** What a program dials, and the files that it is given. */
export interface Dialled {
  readonly host: string
  readonly port: number
  readonly ca: string
  /** Without a certificate if they are null. */
  readonly cert: string | null
  readonly key: string | null
  /** Default: https. */
  readonly scheme?: 'http' | undefined
  /** A folder for what the program needs. */
  readonly folder: string
}

export const WRITERS = ['etcdctl', 'openssl', 'curl', 'node', 'python', 'java'] as const
export type WriterName = (typeof WRITERS)[number]

/** What each program writes before it gives up, in milliseconds. */
const PATIENCE = 20_000

const PYTHON = fileURLToPath(new URL('python/tls_probe.py', import.meta.url))
const JAVA = fileURLToPath(new URL('java/TlsProbe.java', import.meta.url))

/** Compiles the client in Java into the folder in which it is run. */
export async function prepareJava(folder: string): Promise<void> {
  const { written, ended } = startChild(['javac', '-d', folder, JAVA])
  const { code } = await ended
  if (code !== 0) throw new Error(`javac: ${written.all}`)
}

/** The lines that the program writes about the failure. */
export async function linesOf(writer: WriterName, dialled: Dialled): Promise<string[]> {
  const text = await (writer === 'node' ? askNode(dialled) : runWriter(commandOf[writer](dialled)))
  return text.split('\n').filter((line) => line.trim() !== '')
}

type CommandOf = (dialled: Dialled) => string[]

const commandOf: Readonly<Record<Exclude<WriterName, 'node'>, CommandOf>> = {
  etcdctl: ({ host, port, ca, cert, key, scheme = 'https' }) => [
    'etcdctl',
    `--endpoints=${scheme}://${host}:${String(port)}`,
    ...(scheme === 'https' ? [`--cacert=${ca}`] : []),
    ...(cert === null ? [] : [`--cert=${cert}`, `--key=${key ?? ''}`]),
    '--dial-timeout=1s',
    '--command-timeout=2s',
    'get',
    'a',
  ],
  openssl: ({ host, port, ca, cert, key }) => [
    ...['openssl', 's_client', '-connect', `${host}:${String(port)}`, '-CAfile', ca, '-verify_return_error'],
    ...(/^[\d.]+$/.test(host) ? ['-verify_ip', host] : ['-verify_hostname', host]),
    ...['-alpn', 'h2', '-ign_eof'],
    ...(cert === null ? [] : ['-cert', cert, '-key', key ?? '']),
  ],
  curl: ({ host, port, ca, cert, key, scheme = 'https' }) => [
    ...['curl', '-sS', '--max-time', '5', '--cacert', ca],
    ...(cert === null ? [] : ['--cert', cert, '--key', key ?? '']),
    `${scheme}://${host}:${String(port)}/version`,
  ],
  python: ({ host, port, ca, cert, key }) => ['python3', PYTHON, host, String(port), ca, cert ?? '', key ?? ''],
  java: ({ host, port, ca, cert, key, folder }) => [
    ...['java', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-cp', folder, 'TlsProbe', host, String(port)],
    ...[ca, cert ?? '', key ?? ''],
  ],
}

async function runWriter(command: readonly string[]): Promise<string> {
  await using child = startChild(command)
  const over = new AbortController()
  try {
    await Promise.race([child.ended, delay(PATIENCE, undefined, { signal: over.signal, ref: false })])
  } finally {
    over.abort()
  }
  return child.written.all
}

/** An error of Node as its default output has it. */
async function askNode({ host, port, ca, cert, key }: Dialled): Promise<string> {
  const { readFileSync } = await import('node:fs')
  const own = cert === null ? {} : { cert: readFileSync(cert), key: readFileSync(key ?? '') }
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/version', ca: readFileSync(ca), agent: false, timeout: PATIENCE, ...own })
    request.on('timeout', () => request.destroy())
    request.on('response', (response) => {
      response.resume()
      resolve('')
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      resolve(
        `Error: ${error.message}${error.code === undefined ? '' : ` code: '${error.code}'`}`.replaceAll('\n', ' '),
      )
    })
  })
}

/** Writes files for the programs, and returns their paths. */
export function writeFiles(
  folder: string,
  files: { ca: string; cert: string; key: string },
): {
  ca: string
  cert: string
  key: string
} {
  const paths = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  for (const name of ['ca', 'cert', 'key'] as const) writeFileSync(paths[name], files[name])
  return paths
}
