/** A service under a real Prometheus: the numbers of its client, the alerts and the dashboard of docs/examples. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { createAuthority, fromAuthority } from '../../src/authority/index.js'
import { createSecureClient, type TlsEvent } from '../../src/client/index.js'
import { prometheusText } from '../../src/metrics/index.js'
import { startEtcdCluster } from '../../src/testing/index.js'
import { startChild } from '../support/child.js'
import { root } from '../support/compiled.js'
import { isLong } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'

const { freePort } = heldPorts()
const folder = temporaryFolder()
const examples = join(root, 'docs/examples')
/** How long certificates live, how many renewals the run sees, and how many seconds are between two kills of a member. */
const RUN = isLong ? { validity: '2m', renewals: 40, killEach: 180 } : { validity: '9s', renewals: 3, killEach: 4 }

interface Answer {
  readonly data: { readonly result: { readonly metric: Record<string, string>; readonly value: [number, string] }[] }
}

it('Prometheus accepts the rules of docs/examples/alerts.yaml, and each alert fires when it should, and no earlier', () => {
  const promtool = (...args: string[]): string => execFileSync('promtool', args, { cwd: examples, encoding: 'utf8' })
  expect(promtool('check', 'rules', 'alerts.yaml')).toContain('SUCCESS: 5 rules found')
  expect(promtool('test', 'rules', 'alerts.test.yaml')).toContain('SUCCESS')
})

it(
  'the numbers of a service with short certificates are right under Prometheus while members are killed',
  async () => {
    const authority = await createAuthority({ name: 'etcd CA' })
    const hosts = ['127.0.0.1', 'localhost']
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts })
    const peer = await authority.issue({ role: 'peer', name: 'etcd', hosts })
    const member = <Name extends string>(name: Name) => ({ name, server, peer })
    await using cluster = await startEtcdCluster({ members: [member('a'), member('b'), member('c')] })
    const source = fromAuthority(
      authority,
      { role: 'client', name: 'app', validity: RUN.validity },
      { fraction: 1 / 3 },
    )
    const events: TlsEvent[] = []
    await using client = await createSecureClient({
      endpoints: cluster.endpoints,
      credentials: source,
      onEvent: (event) => events.push(event),
    })
    const service = createServer((_request, response) => response.end(prometheusText(client)))
    const port = await new Promise<number>((resolve) => {
      service.listen(0, '127.0.0.1', () => {
        resolve((service.address() as { port: number }).port)
      })
    })
    onTestFinished(() => void service.close())
    const ask = await prometheus(port)

    let [isOver, failed] = [false, 0]
    const work = (async () => {
      for (let i = 0; !isOver; i++) {
        await client
          .put(`key ${String(i % 10)}`)
          .value('x')
          .exec()
          .catch(() => (failed += 1))
        await client.get('key 1').string()
        // The pace of the load.
        await sleep(20)
      }
    })()
    const kills = (async () => {
      for (let i = 0; !isOver; i++) {
        const member = cluster.members[i % 3]
        await member?.stop()
        await member?.start()
        const until = performance.now() + RUN.killEach * 1000
        await expect.poll(() => isOver || performance.now() > until, { timeout: 600_000 }).toBe(true)
      }
    })()

    let passed = 0
    const isRenewed = async (): Promise<number> => {
      const { data } = await ask('etcd_mtls_certificate_expiry_timestamp_seconds{role="client"} - time()')
      for (const { value } of data.result)
        expect(Number(value[1]), 'seconds to the end of the gauge').toBeGreaterThan(0)
      passed += data.result.length
      return client.tls.metrics().rotations
    }
    await expect.poll(isRenewed, { timeout: 3_600_000, interval: 500 }).toBeGreaterThanOrEqual(RUN.renewals)
    expect(passed).toBeGreaterThan(1)
    isOver = true
    await Promise.all([work, kills])

    const { rotations, rotationsRefused, calls, attempts, repeats, hedgedReads, outcomeUnknown } = client.tls.metrics()
    expect(rotations).toBe(events.filter(({ type }) => type === 'rotated').length)
    expect(rotationsRefused).toEqual({})
    expect(events.map(({ type }) => type)).not.toContain('credentials-expired')
    const ofPuts = calls.filter(({ method, status }) => method === 'KV/Put' && status !== 'OK')
    expect(ofPuts.reduce((sum, { count }) => sum + count, 0)).toBe(failed)
    expect(outcomeUnknown).toBeLessThanOrEqual(failed)
    const ended = calls.filter(({ method }) => /^(?:KV|Maintenance|Cluster)\//.test(method))
    const first = ended.reduce((sum, { count }) => sum + count, 0)
    expect(attempts).toBe(first + Object.values(repeats).reduce((a, b) => a + b) + hedgedReads)

    const { panels } = JSON.parse(readFileSync(join(examples, 'dashboard.json'), 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const { data } = await ask(expr.replaceAll('$__rate_interval', '10s'))
        expect(data.result.length, `${title}: ${expr}`).toBeGreaterThan(0)
      }
    }
  },
  isLong ? 3_600_000 : 120_000,
)

/** Starts a Prometheus that reads the service each half second. Returns what asks it. */
async function prometheus(port: number): Promise<(query: string) => Promise<Answer>> {
  const own = await freePort()
  const config = folder.file('prometheus.yml')
  writeFileSync(
    config,
    `global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: ['${join(examples, 'alerts.yaml')}']
scrape_configs: [{ job_name: app, static_configs: [{ targets: ['127.0.0.1:${String(port)}'] }] }]
`,
  )
  const address = `127.0.0.1:${String(own)}`
  const data = folder.file('prometheus-data')
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`]
  const child = startChild(['prometheus', ...flags])
  onTestFinished(() => child.stop())
  await child.says('Server is ready to receive web requests')
  const ask = async (query: string): Promise<Answer> => {
    const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(query)}`)
    return (await response.json()) as Answer
  }
  await expect.poll(async () => (await ask('etcd_mtls_attempts_total')).data.result.length, { timeout: 30_000 }).toBe(1)
  return ask
}
