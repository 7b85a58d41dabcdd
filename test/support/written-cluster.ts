/** A cluster that reads what `writeCluster` wrote, where it wrote it. */
import { type ClusterFiles, type issueCluster, writeCluster } from '../../src/authority/index.js'
import { startEtcdCluster, type TestEtcdCluster } from '../../src/testing/index.js'

export const MEMBERS = ['m1', 'm2', 'm3'] as const
type MemberName = (typeof MEMBERS)[number]
const HOSTS = ['127.0.0.1', 'localhost'] as const
/** For `issueCluster`: three members, and one client. */
export const PLAN = { members: MEMBERS.map((name) => ({ name, hosts: HOSTS })), clients: ['app'] } as const

type Issued = Awaited<ReturnType<typeof issueCluster<MemberName, 'app'>>>

export interface WrittenCluster extends AsyncDisposable {
  readonly cluster: TestEtcdCluster<MemberName>
  readonly files: ClusterFiles<MemberName, 'app'>
  /** URLs for peers, in the order of the members. */
  readonly peerUrls: readonly string[]
}

export async function startWrittenCluster(directory: string, issued: Issued): Promise<WrittenCluster> {
  const files = await writeCluster(directory, issued, { layout: 'etcd', caKey: false })
  const { m1, m2, m3 } = issued.members
  const peerUrls: string[] = []
  const args = ({ peerUrl }: { peerUrl: string }): string[] => {
    // Each member is asked for in its turn.
    const name = MEMBERS[peerUrls.length % MEMBERS.length] ?? 'm1'
    peerUrls.push(peerUrl)
    const { server, peer } = files.members[name]
    return [
      ...[`--cert-file=${server.cert}`, `--key-file=${server.key}`, `--trusted-ca-file=${server.ca}`],
      ...[`--peer-cert-file=${peer.cert}`, `--peer-key-file=${peer.key}`, `--peer-trusted-ca-file=${peer.ca}`],
    ]
  }
  const members = [
    { name: 'm1', ...m1 },
    { name: 'm2', ...m2 },
    { name: 'm3', ...m3 },
  ] as const
  const cluster = await startEtcdCluster({ via: 'binary', members, args })
  return { cluster, files, peerUrls: peerUrls.slice(-3), [Symbol.asyncDispose]: () => cluster.close() }
}
