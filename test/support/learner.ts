/** An etcd with a learner next to it, which serves no calls until it is promoted. */
import { HeldPorts } from '../../src/testing/ports.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import type { MintedPki } from './etcd.js'

export async function startLearner(pki: MintedPki): Promise<{ voter: TestEtcd; learner: TestEtcd }> {
  let first = ''
  const voter = await startEtcd({
    server: pki.server,
    via: 'binary',
    args: ({ peerUrl }) => {
      first = peerUrl
      return []
    },
  })
  const held = new HeldPorts()
  const taken = await held.take(1)
  const url = `http://127.0.0.1:${String(taken[0])}`
  try {
    await voter.etcdctl(['member', 'add', 'learner', '--learner', `--peer-urls=${url}`], pki.client)
    const args = [
      '--name=learner',
      `--listen-peer-urls=${url}`,
      `--initial-advertise-peer-urls=${url}`,
      `--initial-cluster=etcd=${first},learner=${url}`,
      '--initial-cluster-state=existing',
    ]
    return { voter, learner: await startEtcd({ server: pki.server, via: 'binary', args }) }
  } catch (error) {
    await voter.close()
    throw error
  } finally {
    held.release(taken)
  }
}
