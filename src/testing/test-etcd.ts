/** The public handle of one test etcd. */
import { checkCredentials } from '../credentials/internal.js'
import type { Credentials } from '../credentials/index.js'
import { asError, parseDuration, valueInvalid } from '../report/internal.js'
import { EtcdMtlsError } from '../report/index.js'
import { checkFiles } from './options.js'
import { type EtcdFiles, identityFiles, identityAndCaFiles, type ExecResult, type Machine } from './machine.js'
import { notStarted } from './log-buffer.js'

interface TestEtcdParts {
  readonly name: string
  readonly machine: Machine
  readonly flags: readonly string[]
  readonly readyLine: RegExp
  /** Milliseconds. */
  readonly startTimeout: number
  /** Releases the ports, which are held so that etcd can start again. */
  readonly release: () => void
}

/** A real etcd with TLS on 127.0.0.1, for a test. Dispose of it with `await using` or {@link close}. */
export class TestEtcd implements AsyncDisposable {
  /** The member's name. */
  readonly name: string
  /** Its client URL: `https://127.0.0.1:PORT`. {@link stop} and {@link start} do not change the port. */
  readonly endpoint: string
  readonly port: number
  readonly #machine: Machine
  readonly #parts: TestEtcdParts
  #closed = false

  /** @internal */
  constructor(parts: TestEtcdParts) {
    this.#parts = parts
    this.#machine = parts.machine
    this.name = parts.name
    this.endpoint = parts.machine.place.clientUrl
    this.port = Number(new URL(this.endpoint).port)
  }

  /** {@link endpoint} as an array, for `createSecureClient`. */
  get endpoints(): [string] {
    return [this.endpoint]
  }

  /**
   * Starts etcd again after {@link stop}, on the same port and with the same data. Resolves when it serves.
   *
   * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` with its last log lines
   */
  async start(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    this.#assertOpen()
    const { flags, readyLine, startTimeout } = this.#parts
    this.#machine.logs.clear()
    options.signal?.throwIfAborted()
    try {
      await this.#within(startTimeout, options.signal, 'etcd did not serve', async (signal) => {
        const { ended } = await this.#machine.start(flags, signal)
        const ready = this.#machine.logs.waitFor(readyLine, signal)
        const end = await Promise.race([ready.then(() => null), ended])
        if (end !== null) throw new Error(end)
      })
    } catch (error) {
      if (error instanceof EtcdMtlsError || options.signal?.aborted === true) throw error
      throw notStarted(`etcd could not be started. ${asError(error).message}`, this.logs(), error)
    }
  }

  /** Stops etcd. {@link start} uses the same data, files and port. */
  async stop(): Promise<void> {
    this.#assertOpen()
    await this.#machine.stop()
  }

  /** Freezes etcd: its port accepts connections, and etcd does not answer. */
  async pause(): Promise<void> {
    this.#assertOpen()
    await this.#machine.pause()
  }

  /** Continues a frozen etcd. */
  async resume(): Promise<void> {
    this.#assertOpen()
    await this.#machine.resume()
  }

  /** The lines of etcd's log since its last start. */
  logs(): string[] {
    return this.#machine.logs.lines()
  }

  /**
   * Resolves to the first log line that matches, now or later.
   *
   * @param options.timeout a duration such as `'5s'`; default `'10s'`
   * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` when no such line comes in time
   */
  async waitForLog(pattern: RegExp, options: { timeout?: string | undefined } = {}): Promise<string> {
    const { timeout: given = '10s' } = options
    const timeout = parseDuration(given, 'timeout')
    if (!((pattern as unknown) instanceof RegExp)) throw valueInvalid('pattern', pattern, 'a RegExp')
    return this.#within(timeout, undefined, `etcd wrote no line that matches ${String(pattern)}`, (signal) =>
      this.#machine.logs.waitFor(pattern, signal),
    )
  }

  /** Writes files to {@link EtcdPlace.directory}, by plain names. */
  async writeFiles(files: EtcdFiles): Promise<void> {
    this.#assertOpen()
    checkFiles(files)
    await this.#machine.writeFiles(files)
  }

  /**
   * Replaces the certificate and key that etcd presents to clients. etcd reads them at each handshake, so new
   * connections use them, and open ones do not change.
   */
  async replaceServer(server: Credentials): Promise<void> {
    checkCredentials(server, 'server')
    await this.writeFiles(identityFiles('server', server))
  }

  /** Runs `etcdctl` where etcd runs, with these credentials, against this etcd. */
  async etcdctl(args: readonly string[], as: Credentials): Promise<ExecResult> {
    checkCredentials(as, 'as')
    const given: unknown = args
    if (!Array.isArray(given)) throw valueInvalid('args', given, 'a list of arguments')
    const side = `etcdctl-${crypto.randomUUID()}`
    await this.writeFiles(identityAndCaFiles(side, as, as.trustAnchors))
    const { directory, localUrl } = this.#machine.place
    const file = `${directory}/${side}`
    const tls = [`--cacert=${file}-ca.crt`, `--cert=${file}.crt`, `--key=${file}.key`]
    return this.#machine.etcdctl([`--endpoints=${localUrl}`, ...tls, ...args])
  }

  /** Ends etcd at once and removes its files and containers. You can call it more than once. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#machine.remove()
    this.#parts.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The signal also aborts when the work is done, so that pending waits end. */
  async #within<T>(
    milliseconds: number,
    signal: AbortSignal | undefined,
    failure: string,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController()
    const timer = setTimeout(() => {
      over.abort(notStarted(`${failure} within ${String(milliseconds / 1000)} s.`, this.logs()))
    }, milliseconds)
    try {
      return await work(signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]))
    } finally {
      clearTimeout(timer)
      over.abort()
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new EtcdMtlsError('ERR_CLOSED', `The etcd "${this.name}" is closed`, { what: 'etcd' })
  }
}
