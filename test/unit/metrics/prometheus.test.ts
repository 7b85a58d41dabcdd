import { execFileSync } from 'node:child_process'
import { Registry, Counter } from 'prom-client'
import { describe, expect, it } from 'vitest'
import type { ClientMetrics } from '../../../src/client/index.js'
import { type MeasuredClient, prometheusText } from '../../../src/metrics/index.js'
import { METRICS } from '../../../src/metrics/table.js'

const CERTIFICATE = { role: 'client', subject: 'CN=a', endpoint: null, fingerprint256: 'AA', seconds: 1 } as const
const NOTHING: ClientMetrics = {
  certificates: [],
  rotations: 0,
  rotationsRefused: {},
  handshakes: {},
  calls: [],
  attempts: 0,
  repeats: { failed: 0, unprocessed: 0, 'token-refused': 0 },
  outcomeUnknown: 0,
  hedgedReads: 0,
  watchesResumed: 0,
  leasesLost: 0,
  endpoints: [],
}

function clientWith(metrics: Partial<ClientMetrics> = {}): MeasuredClient {
  return { tls: { metrics: () => ({ ...NOTHING, ...metrics }) } }
}

/** The lines of values. */
function samplesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('prometheusText', () => {
  it('writes a value for each number, with its help and its type', () => {
    const text = prometheusText(
      clientWith({
        rotations: 2,
        rotationsRefused: { 'validity/expired': 3 },
        calls: [{ method: 'KV/Put', status: 'OK', count: 5 }],
        endpoints: [{ endpoint: 'https://a:1', state: 'ready', connections: 1, streams: 2, streamLimit: null }],
      }),
    )
    expect(samplesOf(text)).toEqual([
      'etcd_mtls_rotations_total{outcome="done"} 2',
      'etcd_mtls_rotations_total{outcome="refused"} 3',
      'etcd_mtls_rotations_refused_total{reason="validity/expired"} 3',
      'etcd_mtls_handshakes_total{outcome="ok"} 0',
      'etcd_mtls_calls_total{method="KV/Put",status="OK"} 5',
      'etcd_mtls_attempts_total 0',
      'etcd_mtls_repeats_total{reason="failed"} 0',
      'etcd_mtls_repeats_total{reason="unprocessed"} 0',
      'etcd_mtls_repeats_total{reason="token-refused"} 0',
      'etcd_mtls_outcome_unknown_total 0',
      'etcd_mtls_hedged_reads_total 0',
      'etcd_mtls_watches_resumed_total 0',
      'etcd_mtls_leases_lost_total 0',
      ...['connecting', 'ready', 'leaderless', 'failed', 'closed'].map(
        (state) => `etcd_mtls_endpoint_state{endpoint="https://a:1",state="${state}"} ${state === 'ready' ? '1' : '0'}`,
      ),
      'etcd_mtls_connections{endpoint="https://a:1"} 1',
      'etcd_mtls_streams{endpoint="https://a:1"} 2',
    ])
    expect(text).toContain('# TYPE etcd_mtls_rotations_total counter\n')
  })

  it('gives one value for two certificates of one name: the first end', () => {
    const [first, second] = [new Date('2030-01-01T00:00:00Z'), new Date('2031-01-01T00:00:00Z')]
    const certificates = [second, first].map((notAfter) => ({ ...CERTIFICATE, notAfter }))
    const [line] = samplesOf(prometheusText(clientWith({ certificates })))
    expect(line).toBe(
      `etcd_mtls_certificate_expiry_timestamp_seconds{role="client",subject="CN=a",endpoint=""} ${String(first.getTime() / 1000)}`,
    )
  })

  it('names several clients', () => {
    const text = prometheusText({ orders: clientWith({ rotations: 1 }), users: clientWith() })
    expect(samplesOf(text)).toContain('etcd_mtls_rotations_total{client="orders",outcome="done"} 1')
    expect(samplesOf(text)).toContain('etcd_mtls_rotations_total{client="users",outcome="done"} 0')
    expect(text.split('# HELP etcd_mtls_rotations_total ')).toHaveLength(2)
  })

  it.each([[null], [undefined], [{}.constructor], [{ orders: {} }], [{ orders: null }]])('refuses %o', (wrong) => {
    const call = (): string => prometheusText(wrong as never)
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }))
  })

  it('promtool accepts its text after that of prom-client, with the subject of a hostile server', async () => {
    const registry = new Registry()
    new Counter({ name: 'requests_total', help: 'Requests.', registers: [registry] }).inc()
    const subject = 'CN=he said \\"\n# TYPE x gauge\nx{a="b"} 1\r\u2028ü'
    const certificates = [{ ...CERTIFICATE, subject, notAfter: new Date() }]
    const text = (await registry.metrics()) + prometheusText(clientWith({ certificates, attempts: 3 }))
    expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('')
    expect(text).not.toMatch(/^# TYPE x /m)
  })
})

it('the metrics have the names that Prometheus asks for', () => {
  for (const { name, type, help } of METRICS) {
    expect(name).toMatch(type === 'counter' ? /^etcd_mtls_[a-z_]+_total$/ : /^etcd_mtls_[a-z_]+(?<!_total)$/)
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
  }
})
