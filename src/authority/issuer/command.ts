/** An issuer that is a program: `step`, `vault`, a script. */
import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { codeOf } from '../../report/errors.js'
import { type Issuer, IssuerError, shownWords } from './issuer.js'

/** Options of {@link command}. */
export interface CommandOptions {
  /** The program: a path, or a name that is looked up in PATH. No shell reads it. */
  file: string
  /** Its arguments. @default none */
  args?: readonly string[] | undefined
  /** Variables in addition to those of this process. @default none */
  env?: Readonly<Record<string, string>> | undefined
  /** `csr`: it reads the certificate request on its standard input. `none`: it makes the key itself, and writes it too. */
  input: 'csr' | 'none'
}

/** Bytes of its output that are read. */
const MAX_OUTPUT = 1024 * 1024
/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 2000

interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: Buffer
  readonly err: string
}

/**
 * An issuer that is a program. Its output is the certificate in PEM, with the intermediates after it, or an ExecCredential of Kubernetes
 * (client.authentication.k8s.io). If it fails, the last line of its error output is the reason. At the time-out its process group gets
 * SIGTERM, and SIGKILL two seconds later.
 *
 * @example
 * ```ts
 * const issuer = command({ file: '/usr/local/bin/sign-for-etcd', args: ['--ttl', '24h'], input: 'csr' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @experimental It may change in a minor release.
 */
export function command(options: CommandOptions): Issuer {
  checkOptions('options', options, ['file', 'args', 'env', 'input'])
  const { file, args = [], env = {}, input } = options
  if (typeof file !== 'string' || file === '') throw textInvalid('file', file, 'a path')
  if (!Array.isArray(args) || !args.every((each) => typeof each === 'string'))
    throw valueInvalid('args', args, 'an array of strings')
  if (!['csr', 'none'].includes(input)) throw valueInvalid('input', input, "'csr' or 'none'")
  if (typeof env !== 'object') throw optionInvalid('env', 'must be an object of strings')
  return {
    origin: `the command ${basename(file)}`,
    async sign(csr, { signal }) {
      const {
        code,
        signal: killed,
        out,
        err,
      } = await run({ file, args: [...args], env, text: input === 'csr' ? csr : '' }, signal)
      if (code === 0) return readOutput(out, input)
      const ended = code === null ? `it was ended by ${String(killed)}` : `it ended with exit code ${String(code)}`
      throw new IssuerError(`${ended}: ${shownWords(err.trim().split('\n').at(-1) ?? '')}`)
    },
  }
}

interface Run {
  readonly file: string
  readonly args: string[]
  readonly env: Readonly<Record<string, string>>
  readonly text: string
}

function run({ file, args, env, text }: Run, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(file, args, { env: { ...process.env, ...env }, detached: true, stdio: 'pipe' })
    const out: Buffer[] = []
    let [bytes, err] = [0, '']
    let killTimer: NodeJS.Timeout | undefined
    const kill = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name)
      } catch (error) {
        // It has ended meanwhile.
        if (codeOf(error) !== 'ESRCH') throw error
      }
    }
    const end = (): void => {
      kill('SIGTERM')
      killTimer = setTimeout(kill, GRACE, 'SIGKILL').unref()
    }
    const settle = (): void => {
      signal.removeEventListener('abort', end)
      clearTimeout(killTimer)
    }
    signal.addEventListener('abort', end, { once: true })
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes <= MAX_OUTPUT) out.push(piece)
      else kill('SIGKILL')
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      err = (err + piece).slice(-MAX_OUTPUT)
    })
    child.on('error', (error) => {
      settle()
      reject(new IssuerError(`it cannot be run (${codeOf(error) ?? error.name})`))
    })
    child.on('close', (code, killed) => {
      settle()
      if (bytes > MAX_OUTPUT) reject(new IssuerError(`it wrote more than ${String(MAX_OUTPUT)} bytes`))
      else resolve({ code, signal: killed, out: Buffer.concat(out), err })
    })
    // A program that ends without reading makes the pipe fail; its exit code says more.
    child.stdin.on('error', () => undefined).end(text)
  })
}

function readOutput(out: Buffer, input: CommandOptions['input']): { chain: string; key?: string } {
  const text = out.toString('utf8')
  const { cert: chain = text, key } = /^\s*\{/.test(text) ? readExecCredential(text) : pemOf(text)
  if (input === 'csr') return { chain }
  if (key === undefined) throw new IssuerError('it wrote no private key, which `input: "none"` requires')
  return { chain, key }
}

/** The key may be in the same output. */
function pemOf(text: string): { cert?: string; key?: string } {
  const [key] =
    /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]{1,100000}-----END [A-Z ]{0,20}PRIVATE KEY-----/.exec(text) ?? []
  return key === undefined ? {} : { key, cert: text.replace(key, '') }
}

function readExecCredential(text: string): { cert: string; key?: string } {
  let status: { clientCertificateData?: unknown; clientKeyData?: unknown } | undefined
  try {
    status = (JSON.parse(text) as { status?: typeof status }).status
  } catch {
    throw new IssuerError('it wrote JSON that cannot be read')
  }
  const { clientCertificateData: cert, clientKeyData: key } = status ?? {}
  if (typeof cert !== 'string') throw new IssuerError('its JSON has no status.clientCertificateData')
  return typeof key === 'string' ? { cert, key } : { cert }
}
