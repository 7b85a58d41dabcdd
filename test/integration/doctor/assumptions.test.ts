/** What an examination does not see is no fault: who answers at a URL, what a user may not read, what another program is. */
import { expect, it as every } from 'vitest'
import type { MachineReport } from '../../../src/doctor/index.js'
import { commandPath } from '../../support/command.js'
import { oneIn } from '../../support/long.js'
import { Machine } from '../../support/machine.js'
import { Cluster, type MemberPlan } from '../../support/machine-cluster.js'
import { one, onMachines, running, three } from '../../support/machine-plans.js'

const it = oneIn(2, every)

type Examined = Pick<MachineReport, 'clusters' | 'findings' | 'unchecked'>

async function examine(machine: Machine, args?: readonly string[]): Promise<Examined> {
  const { stdout, stderr } = await machine.doctor(args)
  expect(stdout, stderr).not.toBe('')
  return JSON.parse(stdout) as Examined
}

function alarmsOf({ clusters, findings }: Examined): string[] {
  const all = [...findings, ...clusters.flatMap((each) => each.findings)]
  return all.flatMap(({ code, severity }) => (severity === 'info' ? [] : [`${severity} ${code}`]))
}

const uncheckedOf = ({ clusters, unchecked }: Examined): string =>
  [...unchecked, ...clusters.flatMap((each) => each.unchecked)].map(({ message }) => message).join('\n')

it('does not take the answer of one member for that of another', async () => {
  await using machine = await Machine.boot()
  const plan = await onMachines(machine, 'A', [2379, 2380])
  await running(machine, { ...plan, flags: { 'advertise-client-urls': 'https://127.0.0.1:2379' } })
  const report = await examine(machine)
  expect(alarmsOf(report)).toEqual(['warning config/advertise-unreachable'])
  expect(uncheckedOf(report)).toContain('A-1 did not answer at https://127.0.0.1:2379 (A-0 answers there).')
})

it('blames no certificate if a name leads to another member', async () => {
  await using machine = await Machine.boot()
  const { label, members } = await onMachines(machine, 'A', [2379, 2380])
  const hosts = members.map(({ address = '' }, i): [string, string] => [address, `m${String(i)}.etcd.test`])
  const named = members.map((each, i): MemberPlan => {
    const [address, host] = hosts[i] ?? ['', '']
    const flags = {
      'advertise-client-urls': `https://${host}:2379`,
      'initial-advertise-peer-urls': `https://${host}:2380`,
      'listen-client-urls': `https://${address}:2379`,
      'listen-peer-urls': `https://${address}:2380`,
    }
    return { ...each, address: host, flags }
  })
  const write = (space: MemberPlan['space'], lines: typeof hosts): unknown =>
    space?.write('/etc/hosts', `127.0.0.1 localhost\n${lines.map((line) => line.join(' ')).join('\n')}\n`, 0o644)
  for (const { space } of members) write(space, hosts)
  await running(machine, { label, members: named })
  const [first = ['', ''], [, second] = ['', ''], [address] = ['', '']] = hosts
  write(machine, [first, [address, second], [address, 'm2.etcd.test']])
  const report = await examine(machine)
  expect(alarmsOf(report)).toEqual([])
  expect(uncheckedOf(report)).toContain('it shows the certificate of A-2')
})

it('reports the arguments of another program that is called etcd as an info', async () => {
  await using machine = await Machine.boot()
  await running(machine, one('A'))
  await machine.start(['sleep', '1000'], { name: 'etcd' })
  expect(alarmsOf(await examine(machine))).toEqual([])
})

it('reports files that the user of the examination may not read as not checked', async () => {
  await using machine = await Machine.boot()
  const [cluster] = await running(machine, one('A'))
  const { folder } = cluster.member('A-0')
  const side = (name: string): object => ({
    'cert-file': `${folder}/${name}.crt`,
    'key-file': `${folder}/${name}.key`,
    'trusted-ca-file': `${folder}/ca.crt`,
    'client-cert-auth': true,
  })
  const config = { name: 'A-0', 'client-transport-security': side('server'), 'peer-transport-security': side('peer') }
  machine.write('/etc/etcd/A.yml', JSON.stringify(config), 0o644)
  const command = [process.execPath, await commandPath(), 'doctor', '--json', '--config', '/etc/etcd/A.yml']
  const { stdout, code } = await machine.run(['setpriv', '--reuid=65534', '--clear-groups', ...command])
  const report = JSON.parse(stdout) as Examined
  expect(alarmsOf(report).filter((each) => each.includes('file/'))).toEqual([])
  expect(uncheckedOf(report)).toContain(`${folder}/server.key`)
  expect(code).toBe(3)
})

it('warns of a member that was added and has not joined', async () => {
  await using machine = await Machine.boot()
  const cluster = new Cluster(machine, three('A', 5001))
  const [first, second] = cluster.members
  await first?.start({ 'initial-cluster': `A-0=${first.peerUrl}` })
  await first?.serving()
  await cluster.etcdctl('member', 'add', 'A-1', '--learner', `--peer-urls=${second?.peerUrl ?? ''}`)
  const report = await examine(machine)
  expect(alarmsOf(report)).toEqual(['warning cluster/member-down'])
  expect(uncheckedOf(report)).toContain('has not joined the cluster')
})
