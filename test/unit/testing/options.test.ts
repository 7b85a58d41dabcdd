import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { checkEtcdOptions } from '../../../src/testing/options.js'
import { etcdFlags } from '../../../src/testing/machine.js'
import { startEtcd, startEtcdCluster } from '../../../src/testing/index.js'
import { mintPki } from '../../support/etcd.js'
import { refused } from '../../support/refused.js'

const { server } = mintPki()

afterEach(() => {
  vi.unstubAllEnvs()
})

const member = (name: unknown) => ({ name, server, peer: server })

it.each([
  ...['via', 'image', 'binary', 'clientCa', 'clientCertAuth', 'files', 'args', 'readyLine', 'startTimeout', 'signal'],
])('refuses null and a number for the option %s', async (option) => {
  for (const value of [null, 5])
    expect((await refused(startEtcd({ server, [option]: value }), 'ERR_OPTION_INVALID')).details.option).toBe(option)
})

it('shows no key that is passed instead of a program', async () => {
  const error = await refused(
    startEtcd({ server, via: 'binary', binary: server.key.exportPem() }),
    'ERR_OPTION_INVALID',
  )
  expect(inspect(error)).not.toContain('PRIVATE KEY')
})

it.each<[string, (options: never) => Promise<unknown>, unknown, string]>([
  ['no options', startEtcd, undefined, 'options'],
  ['no credentials', startEtcd, {}, 'server'],
  ['PEM text for credentials', startEtcd, { server: '-----BEGIN' }, 'server'],
  ['an option that it does not know', startEtcd, { server, servers: [] }, 'servers'],
  ['an unknown kind', startEtcd, { server, via: 'podman' }, 'via'],
  ['a file outside of its folder', startEtcd, { server, files: { '../key': '' } }, 'files.../key'],
  ['a number for a duration', startEtcd, { server, startTimeout: 5 }, 'startTimeout'],
  ['a cluster of no members', startEtcdCluster, { members: [] }, 'members'],
  ['members that are not a list', startEtcdCluster, { members: 'etcd-0' }, 'members'],
  ['a name that is not a host name', startEtcdCluster, { members: [member('etcd_0')] }, 'members[0].name'],
  ['a member without a name', startEtcdCluster, { members: [member(undefined)] }, 'members[0].name'],
  ['a name used twice', startEtcdCluster, { members: [member('a'), member('a')] }, 'members[1].name'],
  ['a member without peer credentials', startEtcdCluster, { members: [{ name: 'a', server }] }, 'members[0].peer'],
])('%s is refused at once', async (_, start, options, option) => {
  const { details } = await refused(start(options as never), 'ERR_OPTION_INVALID')
  expect(details.option).toBe(option)
})

it('an option wins over its environment variable, which wins over the default', () => {
  vi.stubEnv('ETCD_MTLS_TEST_VIA', undefined)
  vi.stubEnv('ETCD_MTLS_TEST_IMAGE', undefined)
  expect(checkEtcdOptions({ server })).toMatchObject({
    via: 'container',
    image: expect.stringMatching(/^gcr\.io\/etcd-development\/etcd:v3\.5\./) as string,
  })
  vi.stubEnv('ETCD_MTLS_TEST_VIA', 'binary')
  vi.stubEnv('ETCD_MTLS_TEST_IMAGE', 'mirror/etcd:3')
  expect(checkEtcdOptions({ server })).toMatchObject({ via: 'binary', image: 'mirror/etcd:3' })
  const options = { server, via: 'container', image: 'own' } as const
  expect(checkEtcdOptions(options)).toMatchObject({ via: 'container', image: 'own' })
  vi.stubEnv('ETCD_MTLS_TEST_VIA', 'vm')
  expect(() => checkEtcdOptions({ server })).toThrow("must be 'container' or 'binary'")
})

describe('the command line', () => {
  const place = {
    directory: '/tls',
    dataDirectory: '/data',
    clientListenUrl: 'https://0.0.0.0:2379',
    clientUrl: 'https://127.0.0.1:4001',
    localUrl: 'https://127.0.0.1:2379',
    peerListenUrl: 'https://0.0.0.0:2380',
    peerUrl: 'https://etcd-0:2380',
  }
  const options = { name: 'etcd-0', place, cluster: 'etcd-0=https://etcd-0:2380,etcd-1=https://etcd-1:2380' }

  it('asks for certificates on both sides', () => {
    expect(etcdFlags({ ...options, clientCertAuth: true, peerTls: true })).toEqual([
      '--name=etcd-0',
      '--data-dir=/data',
      '--listen-client-urls=https://0.0.0.0:2379',
      '--advertise-client-urls=https://127.0.0.1:4001',
      '--listen-peer-urls=https://0.0.0.0:2380',
      '--initial-advertise-peer-urls=https://etcd-0:2380',
      '--initial-cluster=etcd-0=https://etcd-0:2380,etcd-1=https://etcd-1:2380',
      '--initial-cluster-state=new',
      '--logger=zap',
      '--cert-file=/tls/server.crt',
      '--key-file=/tls/server.key',
      '--client-cert-auth=true',
      '--trusted-ca-file=/tls/server-ca.crt',
      '--peer-cert-file=/tls/peer.crt',
      '--peer-key-file=/tls/peer.key',
      '--peer-client-cert-auth=true',
      '--peer-trusted-ca-file=/tls/peer-ca.crt',
    ])
  })

  it('names no CA if no certificate is asked for, because etcd would ask for one then', () => {
    const flags = etcdFlags({ ...options, clientCertAuth: false, peerTls: false })
    expect(flags.filter((flag) => /ca-file|cert-auth|peer-cert/.test(flag))).toEqual([])
  })
})
