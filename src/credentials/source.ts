/** The sources of this room: they gather their inputs again at each load, and print nothing but their origin. */
import { once } from 'node:events'
import { inspect } from 'node:util'
import { EtcdMtlsError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { summarize } from '../report/report.js'
import { worstFirst } from '../report/severity.js'
import { assemble, type Inputs, type MaterialReading } from './assemble.js'
import type { Credentials, CredentialSource } from './credentials.js'

/** A source that is read from inputs: texts or files. */
export class MaterialSource implements CredentialSource {
  readonly origin: string
  /** Private, since it holds passphrases and keys. */
  readonly #gather: () => Promise<Inputs>
  /** A source of texts gathers the same inputs each time: many clients then share what was parsed once. */
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

  /** As `load`, with what was found in any case: warnings have no place in `Credentials`. */
  async read(signal?: AbortSignal): Promise<MaterialReading> {
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

/** A copy of the lists: the caller may change them. Certificates and keys do not change. */
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

/**
 * Reads any source without rejecting for bad material: the credentials, or null, and everything that was found. For sources
 * of this package that includes warnings about material that can be used.
 *
 * @throws Errors of a source other than `ERR_CREDENTIALS_UNREADABLE`, and the signal's reason, come through as they are.
 */
export async function readSource(source: CredentialSource, signal?: AbortSignal): Promise<MaterialReading> {
  if (source instanceof MaterialSource) return source.read(signal)
  try {
    return { credentials: await source.load(signal), findings: [] }
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw error
    return { credentials: null, findings: error.details.findings }
  }
}

/** The error for material that cannot be used. */
export function credentialsUnreadable(
  origin: string,
  findings: readonly Finding[],
): EtcdMtlsError<'ERR_CREDENTIALS_UNREADABLE'> {
  const [first, ...rest] = worstFirst(findings)
  if (first === undefined) throw new TypeError('Credentials were refused without a finding')
  const message = `The credentials from ${origin} cannot be read: ${summarize(findings)}`
  return new EtcdMtlsError('ERR_CREDENTIALS_UNREADABLE', message, { origin, findings: [first, ...rest] })
}

/** Waits no longer than until the signal is aborted; what was begun ends by itself and cleans up behind itself. */
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
