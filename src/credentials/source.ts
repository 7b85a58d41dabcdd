/** The sources of this room: they read their inputs again at each load, and print only their origin. */
import { once } from 'node:events'
import { inspect } from 'node:util'
import { EtcdMtlsError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { summarize } from '../report/report.js'
import { worstFirst } from '../report/row.js'
import { assemble, type Inputs, type MaterialReading } from './assemble.js'
import { checkSignal } from './checks.js'
import type { Credentials, CredentialSource } from './credentials.js'

export class MaterialSource implements CredentialSource {
  readonly origin: string
  /** Private, since it holds passphrases and keys. */
  readonly #gather: () => Promise<Inputs>
  /** A source of PEM text has the same inputs each time: many clients share what was parsed once. */
  readonly #readings = new WeakMap<Inputs, MaterialReading>()

  constructor(origin: string, gather: () => Promise<Inputs>) {
    this.origin = origin
    this.#gather = gather
  }

  async load(signal?: AbortSignal): Promise<Credentials> {
    const { credentials, findings } = await this.read(signal)
    if (credentials === null) throw credentialsUnreadable(this.origin, findings)
    return credentials
  }

  /** As `load`, with all findings: `Credentials` have no warnings. */
  async read(signal?: AbortSignal): Promise<MaterialReading> {
    checkSignal(signal)
    signal?.throwIfAborted()
    const inputs = await untilAborted(this.#gather(), signal)
    const reading = this.#readings.get(inputs) ?? assemble(inputs, this.origin)
    this.#readings.set(inputs, reading)
    const { credentials, findings } = reading
    return { credentials: credentials === null ? null : copyCredentials(credentials), findings: [...findings] }
  }

  toJSON(): { origin: string } {
    return { origin: this.origin }
  }

  [inspect.custom](): string {
    return `CredentialSource { ${this.origin} }`
  }
}

/** A copy whose arrays the caller may change. */
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

/** Reads any source. It rejects with errors other than `ERR_CREDENTIALS_UNREADABLE`, and with the signal's reason. */
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
  const message = `The credentials from ${origin} cannot be read: ${summarize(findings)}`
  return new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', message, { origin, findings: [first, ...rest] })
}

/** Waits until the signal is aborted at most. The work itself continues to its end. */
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
