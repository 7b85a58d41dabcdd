/** `examineCluster` on a machine whose configurations name URLs that cannot be dialled. */
import { expect, it } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { mintPki } from '../../support/etcd.js'
import { startChild } from '../../support/child.js'

it('examines a configuration, also if none of its URLs can be dialled', async () => {
  const urls = '--advertise-client-urls=https://127.0.0.1:0,http://127.0.0.1:2379'
  const report = await examineCluster({ configs: [{ args: ['--name=m1', urls] }] })
  expect([report.complete, report.members.some(({ isReached }) => isReached)]).toEqual([false, false])
  expect(report.sources).toEqual(['configs[0]'])
})

it('refuses a password without credentials, because a server that was found on this machine would get it', async () => {
  const configs = [{ args: ['--name=m1', '--advertise-client-urls=https://127.0.0.1:1'] }]
  const auth = { username: 'root', password: 's3cret' }
  await expect(examineCluster({ configs, auth })).rejects.toThrow('Option "auth" needs "credentials" or "ca"')
})

it('examines given endpoints that do not answer, and not another etcd that runs on this machine', async () => {
  const env = { PATH: process.env['PATH'], ETCD_NAME: 'local', ETCD_ADVERTISE_CLIENT_URLS: 'https://127.0.0.1:1' }
  await using _ = startChild(['sleep', '300'], { argv0: 'etcd', env })
  const { members } = await examineCluster({ endpoints: 'https://127.0.0.1:2' })
  expect(members.map(({ name, clientUrls }) => [name, clientUrls])).toEqual([[null, ['https://127.0.0.1:2']]])
})

it('reports a found endpoint whose host has no address here as not checked, and one that is given as an error', async () => {
  const url = 'https://etcd-0.etcd.invalid:2379'
  const credentials = mintPki().client
  const configs = [{ args: ['--name=m1', `--advertise-client-urls=${url}`] }]
  const found = await examineCluster({ configs, credentials, dialTimeout: '2s' })
  expect(found.findings.map(({ code }) => code)).not.toContain('endpoint/unreachable')
  expect(found.members).toMatchObject([{ name: 'm1', isDialled: false, isReached: false }])
  expect(found.unchecked.map(({ message }) => message).join()).toContain(`m1 did not answer at ${url}`)
  const given = await examineCluster({ endpoints: url, credentials, configs: [], dialTimeout: '2s' })
  expect(given.findings.map(({ code }) => code)).toContain('endpoint/unreachable')
})
