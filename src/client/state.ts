/** What `client.tls.metrics()` and `client.tls.health()` return. */
import type { CertificateRef } from '../report/finding.js'
import { summarize } from '../report/report.js'
import type { CertificateMetric, ClientMetrics, Health, HealthCheck } from './base/tls-session.js'
import type { EndpointPool } from './endpoint-pool.js'
import type { Due } from './expiry.js'
import { methodOf } from './transport/call-policy.js'
import { status } from './transport/channel.js'

/** Servers may send long names, and each is a label of a time series. */
const LONGEST_SUBJECT = 200
/** Longer paths of a hostile server are cut. */
const LONGEST_PATH = 10
/** Servers without a limit announce this or nothing (RFC 9113 section 6.5.2). */
const UNLIMITED = 2 ** 31 - 1

export function metricsOf({ endpoints, meter, validated, carried }: EndpointPool): ClientMetrics {
  const own = certificatesOf(validated.report.path, 'client', null)
  const ofServers = endpoints.flatMap(({ endpoint, validation }) =>
    certificatesOf(validation?.report.path ?? [], 'server', endpoint.url),
  )
  const open = [...carried].filter((call) => call.openEnded)
  return {
    certificates: [...own, ...ofServers],
    rotations: meter.rotations,
    rotationsRefused: Object.fromEntries(meter.rotationsRefused),
    handshakes: Object.fromEntries(meter.handshakes),
    calls: [...meter.calls].flatMap(([path, counts]) =>
      counts.flatMap((count, code) => [{ method: methodOf(path), status: status[code] ?? String(code), count }]),
    ),
    attempts: meter.attempts,
    repeats: { ...meter.repeats },
    outcomeUnknown: meter.outcomeUnknown,
    hedgedReads: meter.hedgedReads,
    watchesResumed: meter.watchesResumed,
    leasesLost: meter.leasesLost,
    endpoints: endpoints.map((each) => {
      const { url } = each.endpoint
      const limit = each.connection?.lastingLimit ?? Infinity
      const streams = open.filter(({ carriedBy }) => carriedBy === url).length
      const { state, connections } = each.status
      return { endpoint: url, state, connections, streams, streamLimit: limit < UNLIMITED ? limit : null }
    }),
  }
}

function certificatesOf(
  path: readonly CertificateRef[],
  role: 'client' | 'server',
  endpoint: string | null,
): CertificateMetric[] {
  return path.slice(0, LONGEST_PATH).map(({ subject, fingerprint256, notAfter, role: place }) => ({
    role: place === 'leaf' ? role : `${role}-ca`,
    subject: subject.slice(0, LONGEST_SUBJECT),
    endpoint,
    fingerprint256,
    notAfter: new Date(notAfter),
    seconds: (notAfter.getTime() - Date.now()) / 1000,
  }))
}

/** A server's certificate is reported when less of its lifetime is left than this. */
const LEFT = 1 / 10
const RANK = { pass: 0, warn: 1, fail: 2 }

/** @param reached The last event about the expiry of the client's credentials; null if there was none. */
export function healthOf(pool: EndpointPool, reached: Due | null): Health {
  const checks = [ofEndpoints(pool), ofLeader(pool), ofCredentials(reached), ofServers(pool)]
  const worst = checks.reduce((a, b) => (RANK[b.status] > RANK[a.status] ? b : a))
  return { status: worst.status, checks }
}

function ofEndpoints({ endpoints, findings }: EndpointPool): HealthCheck {
  const ready = endpoints.filter((each) => each.isReady).length
  const status = ready === endpoints.length ? 'pass' : ready > 0 ? 'warn' : 'fail'
  const why = status === 'pass' ? '' : ` ${summarize(findings)}`
  return { name: 'endpoints', status, message: `${String(ready)} of ${String(endpoints.length)} are ready.${why}` }
}

function ofLeader({ endpoints }: EndpointPool): HealthCheck {
  const ready = endpoints.filter((each) => each.isReady)
  const without = ready.filter((each) => each.isLeaderless).map((each) => each.endpoint.url)
  const status = without.length === 0 ? 'pass' : without.length < ready.length ? 'warn' : 'fail'
  const message =
    status === 'pass' ? 'No ready member is without a leader.' : `Without a leader: ${without.join(', ')}.`
  return { name: 'leader', status, message }
}

/** Open connections go on after the end, so it is no failure of its own: without a ready endpoint, `endpoints` fails. */
function ofCredentials(reached: Due | null): HealthCheck {
  if (reached === null)
    return { name: 'credentials', status: 'pass', message: 'They are valid, and not near their end.' }
  return { name: 'credentials', status: 'warn', message: endOf(reached.certificate) }
}

function ofServers({ endpoints }: EndpointPool): HealthCheck {
  const near = endpoints.flatMap(({ validation }) => (validation?.report.path ?? []).filter(isNearEnd))
  const message = near.length === 0 ? 'None is near its end.' : near.map(endOf).join(' ')
  return { name: 'server-certificates', status: near.length === 0 ? 'pass' : 'warn', message }
}

function isNearEnd({ notBefore, notAfter }: CertificateRef): boolean {
  return notAfter.getTime() - Date.now() < (notAfter.getTime() - notBefore.getTime()) * LEFT
}

function endOf({ subject, notAfter, origin }: CertificateRef): string {
  const verb = notAfter.getTime() < Date.now() ? 'expired' : 'expires'
  return `"${subject}" (${origin}) ${verb} at ${notAfter.toISOString()}.`
}
