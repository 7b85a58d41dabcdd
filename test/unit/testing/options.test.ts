import { afterEach, describe, expect, it, vi } from 'vitest'
import { defaultImage, defaultVia, runLabel, checkEtcdOptions } from '../../../src/testing/options.js'
import { etcdFlags } from '../../../src/testing/machine.js'
import { startEtcd, startEtcdCluster } from '../../../src/testing/index.js'
import { mintPki } from '../../support/etcd.js'
import { refused } from '../../support/refused.js'

const { server } = mintPki()

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('startEtcd refuses at once', () => {
  it.each([
    ['no options', undefined, 'options'],
    ['no credentials', {}, 'server'],
    ['PEM text for credentials', { server: '-----BEGIN' }, 'server'],
    ['an option that it does not know', { server, servers: [] }, 'options.servers'],
    ['an unknown kind', { server, via: 'podman' }, 'via'],
    ['a file outside of its folder', { server, files: { '../key': '' } }, 'files.../key'],
    ['a number for a duration', { server, startTimeout: 5 }, 'startTimeout'],
  ])('%s', async (_, options, option) => {
    const { details } = await refused(startEtcd(options as never), 'ERR_OPTION_INVALID')
    expect(details.option).toBe(option)
  })
})

describe('startEtcdCluster refuses at once', () => {
  const member = (name: unknown) => ({ name, server, peer: server })
  it.each([
    ['no members', [], 'members'],
    ['members that are no list', 'etcd-0', 'members'],
    ['a name that is no host name', [member('etcd_0')], 'members[0].name'],
    ['a name used twice', [member('a'), member('a')], 'members[1].name'],
    ['a member without peer credentials', [{ name: 'a', server }], 'members[0].peer'],
  ])('%s', async (_, members, option) => {
    const { details } = await refused(startEtcdCluster({ members } as never), 'ERR_OPTION_INVALID')
    expect(details.option).toBe(option)
  })
})

describe('the environment', () => {
  it('has defaults', () => {
    expect(defaultVia({})).toBe('container')
    expect(defaultImage({})).toMatch(/^gcr\.io\/etcd-development\/etcd:v3\.5\./)
    expect(runLabel({})).toBe(String(process.pid))
  })

  it('chooses', () => {
    expect(defaultVia({ ETCD_MTLS_TEST_VIA: 'binary' })).toBe('binary')
    expect(defaultImage({ ETCD_MTLS_TEST_IMAGE: 'mirror/etcd:3' })).toBe('mirror/etcd:3')
    expect(runLabel({ ETCD_MTLS_TEST_RUN: 'ci-7' })).toBe('ci-7')
    expect(() => defaultVia({ ETCD_MTLS_TEST_VIA: 'vm' })).toThrow("must be 'container' or 'binary'")
  })

  it('gives way to an option', () => {
    vi.stubEnv('ETCD_MTLS_TEST_VIA', 'binary')
    expect(checkEtcdOptions({ server, via: 'container' }).via).toBe('container')
    expect(checkEtcdOptions({ server }).via).toBe('binary')
  })
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
