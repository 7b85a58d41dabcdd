/** Looks how far the roll of a CA has come, and which step is safe next. */
import { isIP } from 'node:net'
import { checkCredentials, checkDirectory } from '../../credentials/write.js'
import type { Credentials } from '../../credentials/credentials.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import type { Finding } from '../../report/finding.js'
import { worstFirst } from '../../report/severity.js'
import { Certificate } from '../../x509/certificate.js'
import { scanPem } from '../../x509/pem.js'
import { parseDuration } from '../../x509/time.js'
import { lookAtMembers, type NamedEndpoint, readFiles, type RollCas } from './evidence.js'
import type { RollEndpoint } from './look-endpoint.js'
import type { CaRollPlan, CaRollStepId } from './plan-types.js'
import { type Evidence, lockedOut, missingFor } from './progress.js'

/** Where a member is reached. */
export interface CaRollEndpoint {
  /** Its client URL, as `https://10.0.0.1:2379`. */
  client?: string | undefined
  /** Its peer URL, as `https://10.0.0.1:2380`. Needed where the peers' own CA is rolled. */
  peer?: string | undefined
}

/** What `checkCaRoll` looks at. */
export interface CheckCaRollOptions {
  /** The directory of the plan's files. Default: files are not looked at. */
  directory?: string | undefined
  /** Endpoints by the names of the members. Default: members are not looked at, so no restart is known to be done. */
  endpoints?: Readonly<Record<string, CaRollEndpoint>> | undefined
  /**
   * Client credentials to try where names do not tell which CA a member trusts, as for two CAs of one name: some of the
   * old CA, some of the new. Default: none.
   */
  credentials?: readonly Credentials[] | undefined
  /** For each connection. Default: `'5s'`. */
  timeout?: string | undefined
  /** Ends it. */
  signal?: AbortSignal | undefined
}

/** A step as it stands. */
export interface CaRollProgress {
  readonly id: CaRollStepId
  readonly state: 'done' | 'next' | 'waiting'
  /** What is not as it is after the step. For those that wait, what they wait for is that of the step before. */
  readonly missing: readonly string[]
}

/** What `checkCaRoll` found. */
export interface CaRollReport {
  /** False where something is wrong: somebody is locked out, or would be after a restart. Then no step is safe. */
  readonly ok: boolean
  /** True when every step is done. */
  readonly done: boolean
  /** The step that may be done now, or is under way; null when all are done, or an error has to be mended first. */
  readonly next: CaRollStepId | null
  readonly steps: readonly CaRollProgress[]
  /** Worst first. */
  readonly findings: readonly Finding[]
}

const KNOWN = ['directory', 'endpoints', 'credentials', 'timeout', 'signal'] as const

/**
 * Says how far a plan of `planCaRoll` has come, by the files and by one or two handshakes with each endpoint, over which
 * nothing is sent. Members show in TLS 1.2 which CAs they accept; one that speaks TLS 1.3 alone does not, so its restarts
 * have to be known otherwise. Whether clients elsewhere still hold certificates of the old CA cannot be seen.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws The reason of `signal`.
 */
export async function checkCaRoll(plan: CaRollPlan, options: CheckCaRollOptions): Promise<CaRollReport> {
  checkOptions('options', options, KNOWN)
  const cas = readCas(plan)
  const { directory, signal } = options
  if (directory === undefined && options.endpoints === undefined)
    throw valueInvalid('options.directory', directory, 'a directory, or endpoints, or both')
  if (directory !== undefined) checkDirectory(directory)
  const timeout = parseDuration(options.timeout ?? '5s', 'timeout')
  const credentials = readCredentials(options.credentials)
  const endpoints = options.endpoints === undefined ? null : readEndpoints(plan, options.endpoints)
  signal?.throwIfAborted()

  const seen: Evidence = {
    files: directory === undefined ? null : await readFiles(plan, directory, signal),
    live: endpoints === null ? null : await lookAtMembers(endpoints, cas, credentials, { timeout, signal }),
  }
  const findings = worstFirst([
    ...lockedOut(cas, seen),
    ...(seen.live?.findings ?? []),
    ...(seen.files?.findings ?? []),
  ])
  const ok = !findings.some(({ severity }) => severity === 'error')
  const missing = plan.steps.map(({ id }) => ({ id, missing: missingFor(id, plan, cas, seen) }))
  const first = missing.findIndex((step) => step.missing.length > 0)
  const steps = missing.map((step, index): CaRollProgress => {
    if (first === -1 || index < first) return { ...step, state: 'done' }
    return { ...step, state: index === first && ok ? 'next' : 'waiting' }
  })
  return { ok, done: ok && first === -1, next: ok ? (missing[first]?.id ?? null) : null, steps, findings }
}

function readCas(plan: CaRollPlan): RollCas {
  const given: unknown = plan
  const isPlan = typeof given === 'object' && given !== null && 'steps' in given && 'files' in given
  if (!isPlan) throw valueInvalid('plan', given, 'what planCaRoll returns')
  return {
    from: readPem(plan.from.pem, 'plan.from'),
    to: readPem(plan.to.pem, 'plan.to'),
    cross: plan.crossCertificate === null ? null : readPem(plan.crossCertificate, 'plan.crossCertificate'),
  }
}

function readPem(pem: unknown, option: string): Certificate {
  const [block] = typeof pem === 'string' ? scanPem(pem).blocks : []
  if (block === undefined) throw optionInvalid(option, 'must hold a certificate in PEM, as planCaRoll gives it')
  return Certificate.parse(block.bytes, option)
}

function readCredentials(given: readonly Credentials[] = []): readonly Credentials[] {
  const value: unknown = given
  if (!Array.isArray(value)) throw optionInvalid('credentials', 'must be a list of credentials')
  given.forEach((each, index) => {
    checkCredentials(each, `credentials[${String(index)}]`)
  })
  return given
}

function readEndpoints(
  { members, traffic }: CaRollPlan,
  given: Readonly<Record<string, CaRollEndpoint>>,
): NamedEndpoint[] {
  checkOptions('endpoints', given, members)
  return Object.entries(given).flatMap(([member, urls]) => {
    const option = `endpoints.${member}`
    checkOptions(option, urls, ['client', 'peer'])
    const sides = traffic === 'all' ? (['client', 'peer'] as const) : [traffic]
    return sides.flatMap((side) => {
      const url = urls[side]
      return url === undefined ? [] : [{ member, endpoint: readEndpoint(url, side, `${option}.${side}`) }]
    })
  })
}

/** etcd's own (server/embed/config.go). */
const PORTS = { client: '2379', peer: '2380' } as const

function readEndpoint(url: unknown, side: 'client' | 'peer', option: string): RollEndpoint {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : null
  if (parsed?.protocol !== 'https:' || parsed.hostname === '')
    throw textInvalid(option, url, 'a URL such as https://10.0.0.1:2379')
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  return { url: String(url), host, port: Number(parsed.port || PORTS[side]), isAddress: isIP(host) !== 0 }
}
