/** Base class of the sources. They read their inputs at each load, and print only their origin. */
import { once } from 'node:events'
import { inspect } from 'node:util'
import { EtcdMtlsError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { errorMessage } from '../report/report.js'
import { worstFirst } from '../report/row.js'
import { assemble, type Inputs, type MaterialReading } from './assemble.js'
import { checkSignal } from './checks.js'
import type { Credentials, CredentialSource } from './credentials.js'
import { readingHash } from './fingerprint.js'

export class MaterialSource implements CredentialSource {
  readonly origin: string
  /** Private, because it holds passphrases and keys. */
  readonly #gather: () => Promise<Inputs>
  /** Inputs that have not changed are parsed once for all clients, which then share what is made of the key. */
  #last: { readonly inputs: WeakRef<Inputs>; readonly hash: string; readonly reading: MaterialReading } | null = null

  constructor(origin: string, gather: () => Promise<Inputs>) {
    // A path in it may come from a manifest.
    this.origin = printable(origin)
    this.#gather = gather
  }

  async load(signal?: AbortSignal): Promise<Credentials> {
    const { credentials, findings } = await this.read(signal)
    if (credentials === null) throw credentialsUnreadable(this.origin, findings)
    return credentials
  }

  /** Like `load`, but returns the findings too. */
  async read(signal?: AbortSignal): Promise<MaterialReading> {
    checkSignal(signal)
    signal?.throwIfAborted()
    const inputs = await untilAborted(this.#gather(), signal)
    const { credentials, findings } = this.#parse(inputs)
    return { credentials: credentials === null ? null : copyCredentials(credentials), findings: [...findings] }
  }

  #parse(inputs: Inputs): MaterialReading {
    // A source of PEM text has the same inputs at each load.
    if (this.#last?.inputs.deref() === inputs) return this.#last.reading
    const hash = readingHash(inputs)
    const reading = this.#last?.hash === hash ? this.#last.reading : assemble(inputs, this.origin)
    this.#last = { inputs: new WeakRef(inputs), hash, reading }
    return reading
  }

  toJSON(): { origin: string } {
    return { origin: this.origin }
  }

  [inspect.custom](): string {
    return `CredentialSource { ${this.origin} }`
  }
}

/** Copies the arrays, which the caller may change. */
export function copyCredentials(credentials: Credentials): Credentials {
  const { trustAnchors, clientAnchors, chain, crls } = credentials
  const [leaf, ...intermediates] = chain
  return {
    ...credentials,
    trustAnchors: [...trustAnchors],
    ...(clientAnchors === undefined ? {} : { clientAnchors: [...clientAnchors] }),
    chain: [leaf, ...intermediates],
    crls: [...crls],
  }
}

/** Reads any source. `ERR_CREDENTIALS_UNREADABLE` becomes findings; other errors and the signal's reason reject. */
export async function readSource(source: CredentialSource, signal?: AbortSignal): Promise<MaterialReading> {
  if (source instanceof MaterialSource) return source.read(signal)
  try {
    return { credentials: await source.load(signal), findings: [] }
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw error
    return { credentials: null, findings: error.details.findings }
  }
}

export function credentialsUnreadable(
  origin: string,
  findings: readonly Finding[],
): EtcdMtlsError<'ERR_CREDENTIALS_UNREADABLE'> {
  const [first, ...rest] = worstFirst(findings)
  if (first === undefined) throw new TypeError('Credentials were refused without a finding')
  return new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', errorMessage([first]), { origin, findings: [first, ...rest] })
}

/** Waits for the work or the abort of the signal. The abort does not stop the work. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const done = new AbortController()
  try {
    await Promise.race([work, once(signal, 'abort', { signal: done.signal })])
    signal.throwIfAborted()
    return await work
  } finally {
    done.abort()
  }
}
