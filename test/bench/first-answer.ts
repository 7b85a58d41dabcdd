/** Time from the call to the first answer of a real etcd, next to plain etcd3. */
import { Etcd3 } from 'etcd3'
import { createSecureClient, type SecureClientOptions } from '../../src/client/index.js'
import { fromPem } from '../../src/credentials/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { mintPki, pemsOf } from '../support/etcd.js'
import type { Bench, Contender } from './harness.js'

const PLAIN = 'plain etcd3'
const OURS = 'createSecureClient'
const NEW = 'createSecureClient, credentials as PEM'

function ofProcessor(name: string): string {
  return `${name}, processor`
}

function inBothClocks(name: string, run: () => Promise<void>): Contender[] {
  return [
    { name, run },
    { name: ofProcessor(name), base: ofProcessor(PLAIN), clock: 'cpu', run },
  ]
}

export const bench: Bench = {
  title: 'First answer',
  about:
    'From the start to the answer of one read over mutual TLS, with one member on loopback and a new client each ' +
    'time. etcd-mtls validates both chains and the connection before the read. Clients of one source share its key and ' +
    'TLS context; with PEM that is read for each client, they are made each time, as plain etcd3 does.',
  unit: 'first answer',
  base: PLAIN,
  clock: 'wall',
  promises: [
    { says: 'at most 1.15 × plain etcd3', holds: (measured) => measured(OURS).ratio <= 1.15 },
    {
      says: 'at most 1.15 × its processor time',
      clock: 'cpu',
      holds: (measured) => measured(ofProcessor(OURS)).ratio <= 1.15,
    },
  ],
  plots: [
    {
      title: 'Processor time to the first answer of a new client',
      bars: [
        { name: PLAIN, contender: ofProcessor(PLAIN) },
        { name: 'etcd-mtls, same source', contender: ofProcessor(OURS) },
        { name: 'etcd-mtls, PEM read again', contender: ofProcessor(NEW) },
      ],
    },
  ],
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
    const first = async (given: SecureClientOptions['credentials']): Promise<void> => {
      const client = await createSecureClient({ endpoints: etcd.endpoints, credentials: given })
      await client.get('key').string()
      client.close()
    }
    return {
      contenders: [
        ...inBothClocks(PLAIN, plain),
        ...inBothClocks(OURS, () => first(pki.client)),
        ...inBothClocks(NEW, () => first(fromPem({ ca, cert, key }))),
      ],
      dispose: () => etcd.close(),
    }
  },
}
