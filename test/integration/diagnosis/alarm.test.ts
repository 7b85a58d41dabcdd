/** The alarm NOSPACE of a real etcd, and its remedy. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { serving, startEtcdProcess } from '../../support/etcd-process.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf } from '../../support/refused.js'

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()

it('reports that the database is full at the first refused write and in a probe, with a remedy that works', async () => {
  const [port, peerPort] = [await freePort(), await freePort()]
  const [server, client] = [writePems(file(''), 'server', pki.server), writePems(file(''), 'client', pki.client)]
  const [url, peer] = [`https://127.0.0.1:${String(port)}`, `http://127.0.0.1:${String(peerPort)}`]
  await using etcd = startEtcdProcess(
    [
      ...['--name=m', `--data-dir=${file('data')}`, '--unsafe-no-fsync', `--initial-cluster=m=${peer}`],
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, '--quota-backend-bytes=1000000'],
      ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      ...[
        '--client-cert-auth',
        `--cert-file=${server.cert}`,
        `--key-file=${server.key}`,
        `--trusted-ca-file=${server.ca}`,
      ],
    ],
    { cwd: file('') },
  )
  await serving(etcd)
  await using etcd3 = await createSecureClient({ endpoints: url, credentials: pki.client, dialTimeout: '30s' })
  const put = (): Promise<unknown> => etcd3.put('a').value('x'.repeat(100_000)).exec()
  const filled = async (): Promise<void> => {
    for (let writes = 0; writes < 100; writes += 1) await put()
  }
  const { cause } = await filled().then(
    () => ({ cause: null }),
    (error: unknown) => error as Error,
  )
  expect(cause).toMatchObject({ code: 'ERR_CLUSTER_ALARM' })
  const { findings = [] } = etcd3.tls.endpoints[0] ?? {}
  expect(findingOf(findings, 'endpoint/alarm').details).toEqual({ endpoint: url, alarm: 'NOSPACE' })

  await using other = await createSecureClient({ endpoints: url, credentials: pki.client, dialTimeout: '30s' })
  expect(errorCodes((await other.tls.probe()).findings)).toEqual(['endpoint/alarm'])

  const etcdctl = async (...args: string[]): Promise<string> => {
    const flags = [`--endpoints=${url}`, `--cacert=${client.ca}`, `--cert=${client.cert}`, `--key=${client.key}`]
    return (await promisify(execFile)('etcdctl', [...flags, ...args])).stdout
  }
  const [, revision = ''] = /"revision":(\d+)/.exec(await etcdctl('endpoint', 'status', '-w', 'json')) ?? []
  await etcdctl('compact', revision)
  await etcdctl('defrag', '--cluster')
  await etcdctl('alarm', 'disarm')
  expect(errorCodes((await other.tls.probe()).findings)).toEqual([])
  await put()
  expect(errorCodes(etcd3.tls.endpoints[0]?.findings ?? [])).toEqual([])
})
