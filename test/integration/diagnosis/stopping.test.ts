/** What a client reports of an etcd that is stopped in an orderly way while it has calls. */
import { expect, it } from 'vitest'
import { createSecureClient, isEtcdMtlsError } from '../../../src/client/index.js'
import type { Finding } from '../../../src/report/index.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../../support/etcd-process.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()

/** The findings of an error and of its causes. */
function findingsOf(error: unknown): Finding[] {
  if (!(error instanceof Error)) return []
  const own = isEtcdMtlsError(error) && 'report' in error.details ? error.details.report.findings : []
  return [...own, ...findingsOf(error.cause)]
}

async function startMember(): Promise<{ etcd: EtcdProcess; url: string }> {
  const [port, peerPort] = [await freePort(), await freePort()]
  const { cert, key, ca } = writePems(file(''), 'server', pki.server)
  const [url, peer] = [`https://127.0.0.1:${String(port)}`, `http://127.0.0.1:${String(peerPort)}`]
  const etcd = startEtcdProcess(
    [
      ...['--name=m', `--data-dir=${file('data')}`, `--initial-cluster=m=${peer}`],
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      ...['--client-cert-auth', `--cert-file=${cert}`, `--key-file=${key}`, `--trusted-ca-file=${ca}`],
    ],
    { cwd: file('') },
  )
  await serving(etcd)
  return { etcd, url }
}

it('reports that the member stopped for calls that etcd cuts off when SIGTERM stops it', async () => {
  const { etcd, url } = await startMember()
  await using client = await createSecureClient({ endpoints: url, credentials: pki.client, dialTimeout: '30s' })
  const found: Finding[] = []
  let isStopped = false
  // Long values, so that calls are in progress when it stops.
  const value = 'x'.repeat(100_000)
  const writers = Array.from({ length: 256 }, async (_, index) => {
    while (!isStopped) {
      try {
        await client
          .put(`key-${String(index)}`)
          .value(value)
          .exec()
      } catch (error) {
        found.push(...findingsOf(error))
        isStopped = true
      }
    }
  })
  await expect.poll(async () => Number((await client.get('a').exec()).header.revision)).toBeGreaterThan(256)
  etcd.kill('SIGTERM')
  await etcd.code
  await Promise.all(writers)
  const reasons = found.map(({ code, details }) => (code === 'endpoint/lost' ? details.reason : code))
  expect(reasons).toContain('stopped')
  expect(reasons).not.toContain('endpoint/not-etcd')
})
