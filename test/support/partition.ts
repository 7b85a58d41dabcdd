/** An etcd in a network namespace of its own, which packets reach or do not, as a test decides. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filterPackets, Member, Network } from '../chaos/network.js'
import { type MintedPki, writePems } from './etcd.js'
import { ip } from './mint.js'

export interface PartitionedEtcd extends AsyncDisposable {
  readonly endpoint: string
  readonly address: string
  /** Drops every packet from and to etcd. The kernels on both sides do not notice. */
  partition(): void
  /** Does this with packets to etcd, and with those from it: statements of nft. */
  filter(statements: { readonly to?: string; readonly from?: string }): void
  heal(): void
}

export async function partitionedEtcd(pki: MintedPki): Promise<PartitionedEtcd> {
  const folder = mkdtempSync(join(tmpdir(), 'partition-'))
  const network = new Network(`f${process.pid.toString(36)}`)
  // Reserved for measurements of networks (RFC 2544), so it is no address of a real host.
  const prefix = `198.18.${String(100 + (process.pid % 100))}`
  const address = `${prefix}.2`
  let member: Member | null = null
  const dispose = async (): Promise<void> => {
    await member?.end('SIGKILL')
    network.close()
    rmSync(folder, { recursive: true })
  }
  try {
    network.reach(`${prefix}.1`)
    writePems(folder, 'server', pki.issueServer({ names: [ip(address), ip('127.0.0.1')] }))
    member = new Member(network, { name: 'etcd', address, cluster: `etcd=http://${address}:2380`, folder })
    const { endpoint, space } = member
    await member.start()
    const filter: PartitionedEtcd['filter'] = ({ to = 'accept', from = 'accept' }) => {
      filterPackets(space, [`iifname eth0 ${to}`], [`oifname eth0 ${from}`])
    }
    const partition = (): void => {
      filter({ to: 'drop', from: 'drop' })
    }
    const heal = (): void => {
      filter({})
    }
    return { endpoint, address, partition, filter, heal, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** How many TCP sockets of this machine have, or still send to, this address. */
export function socketsTo(address: string): number {
  return linesTo(address).length
}

/** Those of them that are connected, or were: one that still waits for the answer to its SYN has nothing to deliver. */
export function connectionsTo(address: string): number {
  return linesTo(address).filter((line) => !line.startsWith('SYN-SENT')).length
}

function linesTo(address: string): string[] {
  return execFileSync('ss', ['-tanH', 'dst', address], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
}
