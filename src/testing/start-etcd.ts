import { binaryMachine } from './binary.js'
import { containerMachine } from './container.js'
import { defaultImage } from './environment.js'
import { materialFiles } from './files.js'
import { etcdFlags } from './flags.js'
import { checkEtcdOptions, type EtcdOptions, type Plan } from './options.js'
import { freePort, isPortTaken } from './ports.js'
import { TestEtcd } from './test-etcd.js'

/** How often a start is tried again because somebody took the port in between. */
const PORT_TRIES = 3

/**
 * Starts a real etcd for a test, with TLS and client certificates, reachable on 127.0.0.1 only. Resolves when it serves.
 * A start that fails leaves nothing behind.
 *
 * ```ts
 * await using etcd = await startEtcd({ server })
 * const client = await createSecureClient({ endpoints: etcd.endpoints, credentials })
 * ```
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_ETCD_NOT_STARTED` with etcd's last log lines
 */
export async function startEtcd(options: EtcdOptions): Promise<TestEtcd> {
  const plan = checkEtcdOptions(options)
  return withFreePorts(async () => {
    const machine = await makeMachine(plan)
    const flags = etcdFlags({
      name: 'etcd',
      place: machine.place,
      clientCertAuth: plan.clientCertAuth,
      peerTls: false,
      members: [{ name: 'etcd', peerUrl: machine.place.peerUrl }],
      token: 'etcd',
    })
    const etcd = new TestEtcd({
      name: 'etcd',
      machine,
      flags: [...flags, ...plan.args(machine.place)],
      readyLine: plan.readyLine,
      startTimeout: plan.startTimeout,
    })
    return closeUnless(etcd, async () => {
      const trusted = plan.clientCa ?? options.server.trustAnchors
      await machine.writeFiles({ ...materialFiles('server', options.server, trusted), ...plan.files })
      await etcd.start({ signal: plan.signal })
      return etcd
    })
  })
}

async function makeMachine(plan: Plan): ReturnType<typeof containerMachine> {
  const port = await freePort()
  if (plan.via === 'container') {
    return containerMachine({ image: plan.image ?? defaultImage(process.env), name: 'etcd', port })
  }
  return binaryMachine({ binary: plan.binary ?? 'etcd', port, peerPort: await freePort(), peerTls: false })
}

/** Does the work; when that fails, takes down what it was done on, and throws what it threw. */
export async function closeUnless<T>(what: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await what.close()
    throw error
  }
}

/** Runs a start that uses ports found free; once more when one of them was taken in between. */
export async function withFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === PORT_TRIES || !(error instanceof Error) || !isPortTaken(error.message)) throw error
    }
  }
}
