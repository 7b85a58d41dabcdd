/** The contract of the authority, as types. Nothing here runs: the compiler is the test. */
import { expectTypeOf } from 'vitest'
import {
  createAuthority,
  createRequest,
  fromAuthority,
  inspectRequest,
  issueCluster,
  renewCredentials,
  renewalDue,
  renewDirectory,
  type Authority,
  type Certificate,
  type CertificateRequest,
  type DirectoryRenewal,
  type IssueRequest,
  type PrivateKey,
  type Report,
  type WatchableSource,
} from 'etcd-mtls/authority'
import { certManagerResources, kubeApiserverFlags } from 'etcd-mtls/config'
import type { Credentials } from 'etcd-mtls/credentials'

const hosts: readonly string[] = []

export async function certificatesBecomeCredentials(authority: Authority, request: IssueRequest): Promise<void> {
  expectTypeOf(await createAuthority({ name: 'etcd CA', permittedNames: hosts })).toEqualTypeOf<Authority>()
  expectTypeOf(await authority.issue({ role: 'server', name: 'etcd-0', hosts })).toEqualTypeOf<Credentials>()
  await authority.issue({ role: 'peer', name: 'etcd-0', hosts: ['etcd-0.etcd'], validity: '90d' })
  await authority.issue({ role: 'client', name: 'root' })
  await authority.issue({ role: 'client', name: 'root', hosts: ['spiffe://cluster/etcd/client'] })
  // @ts-expect-error -- an authority needs a name
  await createAuthority({})
  // @ts-expect-error -- a server without a name to reach it by
  await authority.issue({ role: 'server', name: 'etcd-0' })
  // @ts-expect-error -- a role that does not exist
  await authority.issue({ role: 'admin', name: 'root' })
  // @ts-expect-error -- an option that does not exist
  await authority.issue({ role: 'client', name: 'root', days: 90 })
  // @ts-expect-error -- durations are strings with a unit
  await authority.issue({ role: 'client', name: 'root', validity: 90 })
  // @ts-expect-error -- an algorithm that is not offered
  await authority.issue({ role: 'client', name: 'root', algorithm: 'rsa-1024' })
  if (request.role === 'client') expectTypeOf(request.hosts).toEqualTypeOf<readonly string[] | undefined>()
  else expectTypeOf(request.hosts).toEqualTypeOf<readonly string[]>()
}

export function hostsOfConfigurationsAreAnyListOfStrings(): void {
  certManagerResources({ name: 'etcd', namespace: 'etcd', members: [{ name: 'etcd', hosts, peerHosts: hosts }] })
  kubeApiserverFlags({ endpoints: hosts, ca: '', cert: '', key: '', overrides: { events: hosts } })
}

export async function requestsAreMadeAndSigned(authority: Authority): Promise<void> {
  const made = await createRequest({ name: 'etcd-0', hosts, subject: { organization: 'Example' } })
  expectTypeOf(made).toEqualTypeOf<{ csr: string; key: PrivateKey }>()
  const signed = await authority.sign(made.csr, { role: 'server', name: 'etcd-0', hosts: ['etcd-0.etcd'] })
  expectTypeOf(signed.chain).toEqualTypeOf<[Certificate, ...Certificate[]]>()
  await authority.sign(Buffer.alloc(0), { role: 'client', allow: { name: hosts, hosts } })
  // @ts-expect-error -- a certificate is for a role
  await authority.sign(made.csr, { name: 'etcd-0' })
  const report = inspectRequest(made.csr)
  expectTypeOf(report).toExtend<Report>()
  expectTypeOf(report.request).toEqualTypeOf<CertificateRequest | null>()
}

export async function clustersAreTypedByTheirNames(authority: Authority): Promise<void> {
  const cluster = await issueCluster(authority, {
    members: [
      { name: 'etcd-0', hosts },
      { name: 'etcd-1', hosts, peerHosts: hosts },
    ],
    clients: ['root', { name: 'app', validity: '30d' }],
  })
  expectTypeOf(cluster.members['etcd-1'].peer).toEqualTypeOf<Credentials>()
  expectTypeOf(cluster.clients.app).toEqualTypeOf<Credentials>()
  expectTypeOf<keyof typeof cluster.clients>().toEqualTypeOf<'root' | 'app'>()
  expectTypeOf<keyof typeof cluster.members>().toEqualTypeOf<'etcd-0' | 'etcd-1'>()
  const onProgress = (step: { readonly done: number }): void => {
    expectTypeOf(step.done).toBeNumber()
  }
  const { clients } = await issueCluster(authority, { members: [{ name: 'etcd-0', hosts }] }, { onProgress })
  expectTypeOf(Object.keys(clients)).toEqualTypeOf<string[]>()
  // @ts-expect-error -- there are no clients
  expectTypeOf(clients.root)
  // @ts-expect-error -- a member without hosts
  await issueCluster(authority, { members: [{ name: 'etcd-0' }] })
  // @ts-expect-error -- a client does not choose its role
  await issueCluster(authority, { members: [], clients: [{ name: 'x', role: 'server' }] })
}

export async function whatWasIssuedIsRenewed(authority: Authority, credentials: Credentials): Promise<void> {
  expectTypeOf(await renewCredentials(authority, credentials, { key: 'same' })).toEqualTypeOf<Credentials>()
  expectTypeOf(renewalDue(credentials).at).toEqualTypeOf<Date>()
  expectTypeOf(fromAuthority(authority, { role: 'client', name: 'a' })).toEqualTypeOf<WatchableSource>()
  const both = { client: authority, peer: authority }
  expectTypeOf(await renewDirectory(both, 'pki', { layout: 'kubeadm' })).toEqualTypeOf<DirectoryRenewal>()
  // @ts-expect-error -- a directory has a layout
  await renewDirectory(authority, 'pki', {})
  // @ts-expect-error -- a server without a name to reach it by
  fromAuthority(authority, { role: 'server', name: 'a' })
  // @ts-expect-error -- a key is new or the same
  await renewCredentials(authority, credentials, { key: 'old' })
}
