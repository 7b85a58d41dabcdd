/** The start of one etcd, or of several that form a cluster: the same steps for both. */
import type { Credentials } from '../credentials/credentials.js'
import { binaryHost } from './binary.js'
import { containerHost } from './container.js'
import { defaultImage } from './environment.js'
import { type EtcdFiles, materialFiles } from './files.js'
import { etcdFlags } from './flags.js'
import type { Host, Machine } from './machine.js'
import type { Plan } from './options.js'
import { freePort, isPortTaken } from './ports.js'
import { TestEtcd } from './test-etcd.js'

/** How often a start is tried, when somebody takes a port that was found free. */
const PORT_TRIES = 3

/** One etcd to start. */
export interface Member {
  readonly name: string
  readonly server: Credentials
  /** What it shows to the other members; null for an etcd that is alone. */
  readonly peer: Credentials | null
}

/** Etcds that serve. `close` removes them and what they shared. */
export interface Started {
  readonly etcds: readonly TestEtcd[]
  readonly close: () => Promise<void>
}

/** Starts the members and waits until each serves. A start that fails leaves nothing behind. */
export async function startMembers(plan: Plan, members: readonly Member[]): Promise<Started> {
  for (let tries = 1; ; tries++) {
    const host = await hostOf(plan, members)
    const machines: Machine[] = []
    const close = async (): Promise<void> => {
      await Promise.all(machines.map(async (each) => each.remove()))
      await host.close()
    }
    try {
      for (const member of members) machines.push(await prepare(plan, host, member))
      const etcds = describe(plan, members, machines)
      await startAll(etcds, plan.signal)
      return { etcds, close }
    } catch (error) {
      await close()
      if (tries === PORT_TRIES || !(error instanceof Error) || !isPortTaken(error.message)) throw error
    }
  }
}

async function hostOf(plan: Plan, members: readonly Member[]): Promise<Host> {
  if (plan.via === 'binary') return binaryHost(plan.binary ?? 'etcd')
  return containerHost(plan.image ?? defaultImage(process.env), members.some(hasPeers))
}

function hasPeers(member: Member): boolean {
  return member.peer !== null
}

async function prepare(plan: Plan, host: Host, member: Member): Promise<Machine> {
  const ports = { client: await freePort(), peer: await freePort() }
  const machine = host.machine(member.name, ports, hasPeers(member))
  try {
    await machine.writeFiles(filesOf(plan, member))
  } catch (error) {
    await machine.remove()
    throw error
  }
  return machine
}

function filesOf(plan: Plan, member: Member): EtcdFiles {
  return {
    ...materialFiles('server', member.server, plan.clientCa ?? member.server.trustAnchors),
    ...(member.peer === null ? {} : materialFiles('peer', member.peer, member.peer.trustAnchors)),
    ...plan.files,
  }
}

function describe(plan: Plan, members: readonly Member[], machines: readonly Machine[]): TestEtcd[] {
  const cluster = machines.map((machine, index) => ({
    name: members[index]?.name ?? '',
    peerUrl: machine.place.peerUrl,
    machine,
    peerTls: members[index]?.peer !== null,
  }))
  return cluster.map(({ name, machine, peerTls }) => {
    const { place } = machine
    const flags = etcdFlags({ name, place, clientCertAuth: plan.clientCertAuth, peerTls, members: cluster })
    const { readyLine, startTimeout } = plan
    return new TestEtcd({ name, machine, flags: [...flags, ...plan.args(place)], readyLine, startTimeout })
  })
}

/** The first that fails ends the start of the others, and its error is the one that is thrown. */
async function startAll(etcds: readonly TestEtcd[], signal: AbortSignal | undefined): Promise<void> {
  const failed = new AbortController()
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  await Promise.all(
    etcds.map(async (each) => {
      try {
        await each.start({ signal: stop })
      } catch (error) {
        failed.abort(error)
        throw error
      }
    }),
  )
}
