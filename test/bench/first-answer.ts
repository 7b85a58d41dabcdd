/** Time from the call to the first answer of a real etcd, next to plain etcd3. */
import { Etcd3 } from 'etcd3'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { mintPki, pemsOf } from '../support/etcd.js'
import type { Bench } from './harness.js'

const PLAIN = 'plain etcd3'
const OURS = 'createSecureClient'

export const bench: Bench = {
  title: 'First answer',
  about:
    'From the start to the answer of one read over mutual TLS, with one member on loopback and a new client each ' +
    'time. etcd-mtls validates both chains and the connection before the read. Plain etcd3 gets its credentials as ' +
    'PEM.',
  unit: 'first answer',
  base: PLAIN,
  clock: 'wall',
  promises: [{ says: 'at most 1.2 × plain etcd3', holds: (measured) => measured(OURS).ratio <= 1.2 }],
  prepare: async () => {
    const pki = mintPki()
    const etcd = await startEtcd({ server: pki.server })
    const { ca, cert, key } = pemsOf(pki.client)
    const credentials = { rootCertificate: Buffer.from(ca), certChain: Buffer.from(cert), privateKey: Buffer.from(key) }
    const plain = async (): Promise<void> => {
      const client = new Etcd3({ hosts: etcd.endpoint, credentials })
      await client.get('key').string()
      client.close()
    }
    const ours = async (): Promise<void> => {
      const client = await createSecureClient({ endpoints: etcd.endpoints, credentials: pki.client })
      await client.get('key').string()
      client.close()
    }
    return {
      contenders: [
        { name: PLAIN, run: plain },
        { name: OURS, run: ours },
      ],
      dispose: () => etcd.close(),
    }
  },
}
