/**
 * The metrics of a client in the text format of Prometheus, without a dependency.
 *
 * @module
 */
export * from '../report/index.js'
import type { ClientMetrics } from '../client/index.js'
import { valueInvalid } from '../report/internal.js'
import { METRICS, type MetricRow } from './table.js'

/** The part of a client that is read. */
export interface MeasuredClient {
  readonly tls: { metrics(): ClientMetrics }
}

/**
 * Returns the metrics of a client in Prometheus's text format (version 0.0.4). Append it to what another registry writes: each name begins
 * with `etcd_mtls_`. Labels are methods, statuses, endpoints, subjects and codes, never keys.
 *
 * @example
 * ```ts
 * const text = prometheusText(client)
 * console.log(text)
 * ```
 *
 * @param clients A client, or several by name: the name is the label `client`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export function prometheusText(clients: MeasuredClient | Readonly<Record<string, MeasuredClient>>): string {
  const several = isClient(clients) ? [] : Object.entries(Object(clients) as Readonly<Record<string, MeasuredClient>>)
  const named = several.length === 0 ? [[null, clients] as const] : several
  const read = named.map(([name, client]) => {
    if (!isClient(client)) throw valueInvalid('clients', client, 'a client of createSecureClient, or several by name')
    return { common: name === null ? {} : { client: name }, metrics: client.tls.metrics() }
  })
  return METRICS.map((row) => textOf(row, read)).join('')
}

function isClient(value: unknown): value is MeasuredClient {
  const { tls } = (value ?? {}) as Partial<MeasuredClient>
  return typeof tls?.metrics === 'function'
}

type Read = readonly { readonly common: Readonly<Record<string, string>>; readonly metrics: ClientMetrics }[]

function textOf(row: MetricRow, read: Read): string {
  // Two certificates may have the same labels, and two series may not: the one that ends first counts.
  const series = new Map<string, number>()
  for (const { common, metrics } of read) {
    for (const [labels, value] of row.read(metrics)) {
      const key = labelText({ ...common, ...labels })
      series.set(key, Math.min(value, series.get(key) ?? Infinity))
    }
  }
  const lines = [...series].map(([labels, value]) => `${row.name}${labels} ${String(value)}\n`)
  return lines.length === 0 ? '' : `# HELP ${row.name} ${row.help}\n# TYPE ${row.name} ${row.type}\n${lines.join('')}`
}

/** Prometheus, exposition formats: a backslash, a quote and a line feed are escaped. */
function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    return `${name}="${escaped}"`
  })
  return pairs.length === 0 ? '' : `{${pairs.join()}}`
}
