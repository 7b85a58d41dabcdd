/** Healthy clusters of several kinds: the examination finds nothing that somebody must do. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it as every } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { editConfig, faultsOf, memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { pemsOf } from '../../support/etcd.js'
import { oneIn } from '../../support/long.js'
import { mintCa } from '../../support/mint.js'

const it = oneIn(2, every)

it('finds nothing above info in a healthy cluster of three members', async () => {
  await using cluster = await startDoctorCluster(onePki())
  const report = await cluster.examine()
  expect(faultsOf(report)).toEqual([])
  expect(report).toMatchObject({ ok: true, complete: true, unchecked: [], path: null })
  expect(report.members.map(({ name, isReached }) => [name, isReached]).sort()).toEqual([
    ['m1', true],
    ['m2', true],
    ['m3', true],
  ])
  expect(report.forecast).toMatchObject({ hasQuorum: true, assumed: [] })
})

it('finds nothing above info in a healthy cluster that supports only TLS 1.3', async () => {
  await using cluster = await startDoctorCluster({ ...onePki(), yaml: ['tls-min-version: TLS1.3'] })
  expect(faultsOf(await cluster.examine())).toEqual([])
})

it('finds nothing above info in a healthy cluster with separate CAs for clients and members', async () => {
  const [clients, peers] = [onePki(mintCa({ subject: 'Client CA' })), mintCa({ subject: 'Peer CA' })]
  const member = (name: string) => ({ server: memberOf(clients.ca, name), peer: memberOf(peers, name) })
  await using cluster = await startDoctorCluster({ ...clients, member })
  const report = await cluster.examine()
  expect(faultsOf(report)).toEqual([])
  expect(report.members[0]).toMatchObject({
    acceptedAuthorities: ['CN=Client CA'],
    peerAcceptedAuthorities: ['CN=Peer CA'],
  })
})

it('finds nothing above info in a cluster that runs if --initial-cluster and its token differ: they count at the first start only', async () => {
  await using cluster = await startDoctorCluster(onePki())
  for (const member of cluster.members) {
    const own = `${member.name}=${member.peerUrl}`
    editConfig(member, (text) => text.replace(/initial-cluster: .*/, `initial-cluster: ${own}`))
    editConfig(member, (text) => `${text}initial-cluster-token: ${member.name}\n`)
    await member.stop()
    await member.start()
  }
  await expect.poll(async () => faultsOf(await cluster.examine({ dialTimeout: '2s' })), { timeout: 20_000 }).toEqual([])
})

it('finds nothing above info on a node of kubeadm, and needs no option but the directory', async () => {
  const pki = onePki(mintCa({ subject: 'etcd-ca' }))
  await using cluster = await startDoctorCluster({ ...pki, names: ['node'] })
  const [member] = cluster.members
  const folder = mkdtempSync(join(tmpdir(), 'kubeadm-'))
  mkdirSync(join(folder, 'manifests'))
  mkdirSync(join(folder, 'pki/etcd'), { recursive: true })
  const { ca, cert, key } = pemsOf(pki.client)
  writeFileSync(join(folder, 'pki/etcd/ca.crt'), ca)
  writeFileSync(join(folder, 'pki/etcd/healthcheck-client.crt'), cert)
  writeFileSync(join(folder, 'pki/etcd/healthcheck-client.key'), key, { mode: 0o600 })
  writeFileSync(join(folder, 'manifests/etcd.yaml'), manifest(member?.folder ?? '', member?.clientUrl, member?.peerUrl))
  const report = await examineCluster({ kubeadm: folder })
  rmSync(folder, { recursive: true })
  expect(faultsOf(report)).toEqual([])
  expect(report.members).toMatchObject([{ name: 'node', isReached: true, config: join(folder, 'manifests/etcd.yaml') }])
})

/** As kubeadm writes it, for the files of a member. */
function manifest(folder: string, clientUrl = '', peerUrl = ''): string {
  const flags = [
    ...[`--name=node`, `--data-dir=${folder}/data`],
    ...[`--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`],
    ...[
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=node=${peerUrl}`,
    ],
    ...[`--cert-file=${folder}/server.crt`, `--key-file=${folder}/server.key`, `--trusted-ca-file=${folder}/ca.crt`],
    ...[`--peer-cert-file=${folder}/peer.crt`, `--peer-key-file=${folder}/peer.key`],
    ...[`--peer-trusted-ca-file=${folder}/peer-ca.crt`, '--client-cert-auth=true', '--peer-client-cert-auth=true'],
  ]
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'etcd', namespace: 'kube-system' },
    spec: {
      containers: [
        {
          name: 'etcd',
          image: 'registry.k8s.io/etcd:3.5.16-0',
          command: ['etcd', ...flags],
          volumeMounts: [{ mountPath: folder, name: 'etcd-certs' }],
        },
      ],
      hostNetwork: true,
      volumes: [{ name: 'etcd-certs', hostPath: { path: folder, type: 'DirectoryOrCreate' } }],
    },
  })
}
