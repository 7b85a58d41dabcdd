/** Credentials from an issuer elsewhere: the key is made here, and only a certificate request leaves the process. */
import type { Credentials, WatchableSource } from '../../credentials/credentials.js'
import { untilAborted } from '../../credentials/source.js'
import { backoffPause, parseDuration } from '../../report/duration.js'
import { EtcdMtlsError, isError, isEtcdMtlsError } from '../../report/errors.js'
import { loadDeferred } from '../../report/load-deferred.js'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import { summarize } from '../../report/report.js'
import { classifyHost } from '../../x509/names.js'
import { readName } from '../limits.js'
import { readSchedule, RenewingSource, RETRY, systemTiming, type Timing } from '../renewing-source.js'

/** What an issuer is asked. */
export interface IssuerRequest {
  /** The common name that the certificate must have. */
  readonly name: string
  /** The DNS names, IP addresses and URIs that it must have. */
  readonly hosts: readonly string[]
  /** The credentials in use, for issuers that authenticate by them; null at first, and after they have expired. */
  readonly current: Credentials | null
  /** Aborted at the time-out. */
  readonly signal: AbortSignal
}

/** Something that signs certificate requests. */
export interface Issuer {
  /** Names it in events and errors. */
  readonly origin: string
  /**
   * Signs a certificate request.
   *
   * @param csr The request, in PEM.
   * @returns `chain`: the certificate and the intermediates to send with it, in PEM. `key`: only if the issuer made the key itself.
   */
  sign(
    csr: string,
    request: IssuerRequest,
  ): Promise<{ chain: string | Uint8Array; key?: string | Uint8Array | undefined }>
}

/** Options of {@link fromIssuer}. */
export interface FromIssuerOptions {
  /** The common name, 1 to 64 characters: the name of the etcd user. */
  name: string
  /** DNS names, IP addresses and URIs of the certificate. @default none */
  hosts?: readonly string[] | undefined
  /** The CA certificates that verify etcd's servers, in PEM. */
  ca: string | Uint8Array
  /** The CA certificates that etcd trusts for clients, to which each certificate must lead. @default unknown */
  clientCa?: string | Uint8Array | undefined
  /** CRLs in PEM. @default none */
  crl?: string | Uint8Array | undefined
  /** The share of what is left of the lifetime on arrival, after which the next one is asked for, above 0 and below 1. @default 2/3 */
  fraction?: number | undefined
  /** The share of the rest by which that time is moved at random, 0 to 0.5. @default 0.1 */
  jitter?: number | undefined
  /** How long one request may take. @default '30s' */
  timeout?: string | undefined
}

/** The longest wait for a certificate that is not valid yet, in milliseconds: the clocks of issuers are not ours. */
const LONGEST_WAIT = 60_000
/** The longest pause between two attempts after the credentials have expired, in milliseconds. */
const EXPIRED_PAUSE = 5000
/** Milliseconds for what is done here: making a key, and the checks. */
const MARGIN = 30_000
/** Of an issuer's own words. */
const LONGEST_REASON = 200

/**
 * A source of credentials whose certificates an issuer elsewhere signs: the key never leaves the process. Each certificate has a new
 * key, and is checked before it is used: it has the key of the request, the name and the hosts that were asked for, and passes
 * `validateCredentials`. The next one is asked for after two thirds of what is left. After a failure, the credentials in use stay, and
 * the pauses grow to at most a tenth of what is left of them; after they have expired the pauses are at most 5 s. A certificate that is
 * not valid yet is held back, for at most a minute.
 *
 * @example
 * ```ts
 * const issuer = command({ file: 'step', args: ['ca', 'sign', '/dev/stdin'], input: 'csr' })
 * const credentials = fromIssuer(issuer, { name: 'app', ca: await readFile('ca.crt') })
 * const client = await createSecureClient({ endpoints: 'https://10.0.0.1:2379', credentials })
 * ```
 * @param issuer {@link command}, {@link cfssl}, or an object with `origin` and `sign`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call. `load()` rejects with `ERR_ISSUER_FAILED`.
 * @experimental It may change in a minor release.
 */
export function fromIssuer(issuer: Issuer, options: FromIssuerOptions): WatchableSource {
  return issuerSource(
    issuer,
    options,
    systemTiming(() => new Date()),
  )
}

/** {@link fromIssuer} by a clock of its own. */
export function issuerSource(issuer: Issuer, options: FromIssuerOptions, timing: Timing): WatchableSource {
  checkIssuer(issuer)
  const { name, hosts, trust, timeout, schedule } = readOptions(options)
  const origin = printable(issuer.origin)
  /** When the first of the failures in a row was. */
  let since: Date | null = null
  const failed = (error: unknown): Error => {
    if (isEtcdMtlsError(error, 'ERR_ISSUER_FAILED')) return error
    since ??= timing.now()
    const reason = reasonFor(error)
    return new EtcdMtlsError('ERR_ISSUER_FAILED', `${origin} failed: ${reason}`, { origin, reason, since })
  }
  const issue = async (held: { credentials: Credentials } | null, over: AbortSignal): Promise<Credentials> => {
    const { createRequest } = await loadDeferred(() => import('../create-csr.js'))
    const { csr, key: own } = await createRequest({ name, hosts })
    const asked = { name, hosts, current: held?.credentials ?? null }
    const answer = await within(timeout, timing, (signal) => issuer.sign(csr, { ...asked, signal }))
    const { chain, key = own.exportPem() } = readAnswer(answer)
    const { fromPem } = await loadDeferred(() => import('../../credentials/from-pem.js'))
    const credentials = await fromPem({ ...trust, cert: chain, key }).load()
    await untilValid(credentials, timing, over)
    await check(credentials, name, hosts, timing.now())
    since = null
    return credentials
  }
  const pause = (failures: number, left: number | null): number => {
    return Math.min(backoffPause(failures, RETRY), left === null ? EXPIRED_PAUSE : left / 10)
  }
  return new RenewingSource(
    origin,
    { issue, timeout: timeout + LONGEST_WAIT + MARGIN, failed, pause },
    schedule,
    timing,
  )
}

/** Aborts the signal after that time, and does not wait any longer. */
async function within<T>(timeout: number, timing: Timing, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const [over, done] = [new AbortController(), new AbortController()]
  void timing.wait(timeout, done.signal).then(() => {
    if (!done.signal.aborted) over.abort(new IssuerError(`it gave no answer within ${String(timeout / 1000)} s`))
  })
  try {
    return await untilAborted(work(over.signal), over.signal)
  } finally {
    done.abort()
  }
}

function checkIssuer(issuer: unknown): void {
  const { origin, sign } = Object(issuer) as Partial<Issuer>
  if (typeof sign !== 'function') throw valueInvalid('issuer', issuer, 'an object with `origin` and `sign`')
  if (typeof origin !== 'string' || origin === '') throw valueInvalid('issuer.origin', origin, 'a text')
}

function readOptions(options: FromIssuerOptions) {
  const {
    name,
    hosts = [],
    ca,
    clientCa,
    crl,
    fraction,
    jitter,
    timeout = '30s',
    ...others
  } = Object(options) as FromIssuerOptions
  checkOptions('options', others, [])
  const milliseconds = parseDuration(timeout, 'timeout')
  if (milliseconds === 0) throw optionInvalid('timeout', 'must be longer than 0')
  for (const [option, value] of Object.entries({ ca, clientCa: clientCa ?? ca, crl: crl ?? ca }))
    if (!isText(value)) throw valueInvalid(option, value, 'PEM as a string or bytes')
  if (!Array.isArray(hosts)) throw valueInvalid('hosts', hosts, 'an array of host names, IP addresses and URIs')
  return {
    name: readName(name, 'name'),
    hosts: hosts.map((each, i) => classifyHost(each, `hosts[${String(i)}]`).value),
    trust: { ca, clientCa, crl },
    timeout: milliseconds,
    schedule: readSchedule({ fraction, jitter }),
  }
}

function isText(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || value instanceof Uint8Array
}

function readAnswer(answer: unknown): { chain: string | Uint8Array; key?: string | Uint8Array } {
  const { chain, key } = Object(answer) as { chain?: unknown; key?: unknown }
  if (!isText(chain)) throw new IssuerError('it returned no chain')
  return isText(key) ? { chain, key } : { chain }
}

/** Why an issuer failed, in words that may be shown. */
export class IssuerError extends Error {}

/** The first line of what went wrong, without PEM: an issuer's own words may hold what it was sent. */
function reasonFor(error: unknown): string {
  if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE'))
    return `its answer cannot be read: ${summarize(error.details.findings)}`
  if (error instanceof IssuerError) return error.message
  return shownWords(isError(error) ? error.message : String(error))
}

/** What another program said, as far as it may be shown: one line, and no PEM or base64. */
export function shownWords(text: string): string {
  const [line = ''] = text.trim().split('\n')
  if (/-----|[A-Za-z0-9+/=_-]{40}/.test(line)) return 'its words are not shown, because they hold encoded data'
  return printable(line.slice(0, LONGEST_REASON))
}

/** The certificates of some issuers begin in the future of this machine. */
async function untilValid({ chain: [leaf] }: Credentials, timing: Timing, signal: AbortSignal): Promise<void> {
  const wait = leaf.notBefore.getTime() - timing.now().getTime()
  if (wait > LONGEST_WAIT)
    throw new IssuerError(`its certificate is valid only from ${leaf.notBefore.toISOString()} on`)
  if (wait > 0) await timing.wait(wait, signal)
}

async function check(credentials: Credentials, name: string, hosts: readonly string[], at: Date): Promise<void> {
  const { validateCredentials } = await loadDeferred(() => import('../../validate/validate.js'))
  const { commonName } = credentials.chain[0].subject
  if (commonName !== name)
    throw new IssuerError(
      `its certificate has the name ${JSON.stringify(commonName)} instead of ${JSON.stringify(name)}`,
    )
  const { ok, findings } = validateCredentials(credentials, { usage: 'client', hosts, at })
  if (!ok) throw new IssuerError(`its certificate is refused: ${summarize(findings)}`)
}
