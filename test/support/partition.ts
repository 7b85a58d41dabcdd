/** An etcd in a network namespace of its own, which packets reach or do not, as a test decides. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EtcdProcess, serving, startEtcdProcess } from './etcd-process.js'
import { type MintedPki, writePems } from './etcd.js'
import { ip } from './mint.js'

export interface PartitionedEtcd extends AsyncDisposable {
  readonly endpoint: string
  readonly address: string
  /** Drops every packet from and to etcd. The kernels on both sides do not notice. */
  partition(): void
  /** Does this with packets to etcd, and with those from it: statements of nft, as `meta length > 600 drop`. */
  filter(statements: { readonly to?: string; readonly from?: string }): void
  heal(): void
}

const PORT = 2379

function sh(program: string, args: readonly string[], input = ''): string {
  return execFileSync(program, args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000 })
}

/** @throws If this process is not root, or the machine has no `ip` or `nft`: the message names what is missing. */
export async function partitionedEtcd(pki: MintedPki): Promise<PartitionedEtcd> {
  if (process.getuid?.() !== 0) throw new Error('A network namespace needs root: run this test as root.')
  for (const [program, from] of [
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
  ] as const) {
    try {
      sh(program, ['-V'])
    } catch (error) {
      throw new Error(`The command "${program}" is missing: install ${from}.`, { cause: error })
    }
  }
  const id = String(process.pid)
  const space = `emp${id}`
  // Reserved for measurements of networks (RFC 2544), so it is no address of a real host.
  const network = `198.18.${String(100 + (process.pid % 100))}`
  const address = `${network}.2`
  const folder = mkdtempSync(join(tmpdir(), 'partition-'))
  let etcd: EtcdProcess | null = null
  const dispose = async (): Promise<void> => {
    await etcd?.stop()
    // The link between the namespaces goes with one end of it.
    sh('ip', ['netns', 'delete', space])
    rmSync(folder, { recursive: true })
  }
  const filter = ({ to = 'accept', from = 'accept' }: { readonly to?: string; readonly from?: string }): void => {
    const rules = [
      'flush ruleset',
      'table ip cut {',
      ...['chain in {', 'type filter hook input priority 0;', `iifname eth0 ${to}`, '}'],
      ...['chain out {', 'type filter hook output priority 0;', `oifname eth0 ${from}`, '}'],
      '}',
      '',
    ]
    sh('ip', ['netns', 'exec', space, 'nft', '-f', '-'], rules.join('\n'))
  }
  sh('ip', ['netns', 'add', space])
  try {
    sh('ip', ['link', 'add', `v${id}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space])
    sh('ip', ['address', 'add', `${network}.1/30`, 'dev', `v${id}`])
    sh('ip', ['link', 'set', `v${id}`, 'up'])
    for (const args of ['address add 127.0.0.1/8 dev lo', `address add ${address}/30 dev eth0`, 'link set eth0 up']) {
      sh('ip', ['-n', space, ...args.split(' ')])
    }
    writePems(folder, 'server', pki.issueServer({ names: [ip(address)] }))
    const url = `https://${address}:${String(PORT)}`
    const flags = [
      ...['--data-dir', 'data', '--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', `http://${address}:2380`, '--initial-advertise-peer-urls', `http://${address}:2380`],
      ...['--initial-cluster', `default=http://${address}:2380`, '--client-cert-auth'],
      ...['--cert-file', 'server.crt', '--key-file', 'server.key', '--trusted-ca-file', 'ca.crt'],
    ]
    etcd = startEtcdProcess(flags, { cwd: folder, space })
    await serving(etcd)
    return {
      endpoint: url,
      address,
      partition: () => {
        filter({ to: 'drop', from: 'drop' })
      },
      filter,
      heal: () => {
        filter({})
      },
      [Symbol.asyncDispose]: dispose,
    }
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
  return sh('ss', ['-tanH', 'dst', address])
    .split('\n')
    .filter((line) => line !== '')
}
