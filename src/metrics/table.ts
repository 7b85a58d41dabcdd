/** The metrics, by the names and the units of Prometheus. Names and labels change only in a major version. */
import type { ClientMetrics, EndpointStatus } from '../client/index.js'

/** The values of one metric, each with its labels. */
export type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]

export interface MetricRow {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly labels: readonly string[]
  /** For `# HELP`, and for the table of the docs. */
  readonly help: string
  read(metrics: ClientMetrics): Samples
}

const STATES: readonly EndpointStatus['state'][] = ['connecting', 'ready', 'leaderless', 'failed', 'closed']

function counter(name: string, help: string, read: (metrics: ClientMetrics) => number): MetricRow {
  return { name, type: 'counter', labels: [], help, read: (metrics) => [[{}, read(metrics)]] }
}

function counters(
  name: string,
  label: string,
  help: string,
  read: (metrics: ClientMetrics) => Readonly<Record<string, number>>,
): MetricRow {
  const samples = (metrics: ClientMetrics): Samples =>
    Object.entries(read(metrics)).map(([key, value]) => [{ [label]: key }, value])
  return { name, type: 'counter', labels: [label], help, read: samples }
}

function perEndpoint(
  name: string,
  help: string,
  read: (endpoint: ClientMetrics['endpoints'][number]) => number | null,
): MetricRow {
  const samples = ({ endpoints }: ClientMetrics): Samples =>
    endpoints.flatMap((each) => {
      const value = read(each)
      return value === null ? [] : [[{ endpoint: each.endpoint }, value] as const]
    })
  return { name, type: 'gauge', labels: ['endpoint'], help, read: samples }
}

export const METRICS: readonly MetricRow[] = [
  {
    name: 'etcd_mtls_certificate_expiry_timestamp_seconds',
    type: 'gauge',
    labels: ['role', 'subject', 'endpoint'],
    help: 'When a certificate in use expires, in seconds since 1970. role: client, client-ca, server or server-ca.',
    read: ({ certificates }) =>
      certificates.map(({ role, subject, endpoint, notAfter }) => [
        { role, subject, endpoint: endpoint ?? '' },
        notAfter.getTime() / 1000,
      ]),
  },
  counters(
    'etcd_mtls_rotations_total',
    'outcome',
    'Credentials that the client was given to switch to. outcome: done or refused.',
    ({ rotations, rotationsRefused }) => ({
      done: rotations,
      refused: Object.values(rotationsRefused).reduce((a, b) => a + b, 0),
    }),
  ),
  counters(
    'etcd_mtls_rotations_refused_total',
    'reason',
    'Credentials that were refused, by the code of the first finding.',
    ({ rotationsRefused }) => rotationsRefused,
  ),
  counters(
    'etcd_mtls_handshakes_total',
    'outcome',
    'Attempts to connect to an endpoint: ok, or the code of the first finding.',
    ({ handshakes }) => ({ ok: 0, ...handshakes }),
  ),
  {
    name: 'etcd_mtls_calls_total',
    type: 'counter',
    labels: ['method', 'status'],
    help: 'Calls that have ended, by the method of etcd and the gRPC status.',
    read: ({ calls }) => calls.map(({ method, status, count }) => [{ method, status }, count]),
  },
  counter(
    'etcd_mtls_attempts_total',
    'Attempts of calls with one answer, the first of each included.',
    (metrics) => metrics.attempts,
  ),
  counters(
    'etcd_mtls_repeats_total',
    'reason',
    'Attempts that followed a failed one. reason: failed, unprocessed or token-refused.',
    ({ repeats }) => repeats,
  ),
  counter(
    'etcd_mtls_outcome_unknown_total',
    'Writes that failed and may have been applied.',
    (metrics) => metrics.outcomeUnknown,
  ),
  counter(
    'etcd_mtls_hedged_reads_total',
    'Reads that were also sent to a second endpoint.',
    (metrics) => metrics.hedgedReads,
  ),
  counter(
    'etcd_mtls_watches_resumed_total',
    'Watches that continued over another stream.',
    (metrics) => metrics.watchesResumed,
  ),
  counter('etcd_mtls_leases_lost_total', 'Leases that were reported as lost.', (metrics) => metrics.leasesLost),
  {
    name: 'etcd_mtls_endpoint_state',
    type: 'gauge',
    labels: ['endpoint', 'state'],
    help: '1 for the state that an endpoint is in, 0 for the others.',
    read: ({ endpoints }) =>
      endpoints.flatMap(({ endpoint, state }) =>
        STATES.map((each) => [{ endpoint, state: each }, Number(each === state)]),
      ),
  },
  perEndpoint('etcd_mtls_connections', 'Open connections.', ({ connections }) => connections),
  perEndpoint('etcd_mtls_streams', 'Open streams of watches and keep-alives.', ({ streams }) => streams),
  perEndpoint(
    'etcd_mtls_streams_limit',
    'How many of them the endpoint accepts on one connection; missing without a limit.',
    ({ streamLimit }) => streamLimit,
  ),
]
