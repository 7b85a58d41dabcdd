/** `etcd-mtls doctor` on real etcds: as a process, and in that of the test if only the output is asked for. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.js'
import type { MachineReport } from '../../src/doctor/index.js'
import { runInProcess } from '../support/call-command.js'
import { startChild } from '../support/child.js'
import { type CommandRun, documentComplaints, runCommand } from '../support/command.js'
import { serving, startEtcdProcess } from '../support/etcd-process.js'
import { mintPki, pemsOf, writePems } from '../support/etcd.js'
import { temporaryFolder } from '../support/openssl.js'
import { nextToEtcd, outOfSight } from '../support/own-processes.js'
import { heldPorts } from '../support/ports.js'
import { sharedCluster } from '../support/shared-etcd.js'
import { singleFile } from '../support/single.js'

const folder = temporaryFolder()
const { freeUrl } = heldPorts()
const shared = sharedCluster()

const doctor = (args: readonly string[], run?: CommandRun) =>
  runCommand(['doctor', ...args], { before: outOfSight, ...run })

function emptyRoot(): string {
  const path = folder.file('empty')
  mkdirSync(path, { recursive: true })
  return path
}

/** In this process, which does not read what runs on this machine: the etcds of other tests. */
const doctorOf = (args: readonly string[], run?: Pick<CommandRun, 'env'>) =>
  runInProcess(['doctor', '--root', emptyRoot(), ...args], run)

/** Flags for the cluster that all tests share. */
function flags(): string[] {
  const { ca, cert, key } = writePems(folder.file('.'), 'client', shared.pki.client)
  const endpoints = shared.cluster.endpoints.map((each) => each.replace('https://', ''))
  // On a busy machine a healthy member can need longer than the default.
  return ['--endpoints', endpoints.join(','), '--cacert', ca, '--cert', cert, '--key', key, '--dial-timeout', '30s']
}

it('prints a table of the members of a healthy cluster that fits 80 columns, and ends with 0', async () => {
  const { code, stdout, stderr } = await doctor(flags())
  expect([code, stderr]).toEqual([0, ''])
  const lines = stdout.split('\n')
  const title = lines.findIndex((line) => line.startsWith('MEMBER'))
  const rows = lines.slice(title + 1, title + 4)
  expect(rows.map((row) => row.split(' ', 1)[0]).sort()).toEqual(['m1', 'm2', 'm3'])
  expect(rows.filter((row) => row.includes('leader'))).toHaveLength(1)
  expect(rows.every((row) => /3\.\d+\.\d+ .* \d+ (?:d|h) .*Test root .*\d+ ms$/.test(row) && row.length <= 80)).toBe(
    true,
  )
  expect(stdout).toMatch(/^Forecast: a majority of the members can connect to each other until\s+\d{4}-/m)
  expect(stdout).toMatch(/^Evidence: /m)
})

it('The command that is one file examines a real cluster without packages', async () => {
  const file = folder.file('single/etcd-mtls.mjs')
  mkdirSync(dirname(file), { recursive: true })
  copyFileSync(await singleFile(), file)
  const child = startChild([...outOfSight, process.execPath, file, 'doctor', ...flags()], { cwd: dirname(file) })
  const { code } = await child.ended
  expect([code, child.written.err, child.written.out]).toEqual([0, '', expect.stringMatching(/^m1 .* 3\.\d+\.\d+ /m)])
})

it('takes the variables of etcdctl, and prints a document that its schema describes', async () => {
  const [, endpoints = '', , ca = '', , cert = '', , key = ''] = flags()
  const env = {
    ETCDCTL_ENDPOINTS: endpoints,
    ETCDCTL_CACERT: ca,
    ETCDCTL_CERT: cert,
    ETCDCTL_KEY: key,
    ETCDCTL_API: '2',
  }
  const { code, stdout } = await doctorOf(['--json'], { env })
  const document = JSON.parse(stdout) as MachineReport
  expect([code, documentComplaints('doctor', document)]).toEqual([0, []])
  expect(document.clusters[0]?.members.map(({ name, isReached }) => [name, isReached]).sort()).toEqual([
    ['m1', true],
    ['m2', true],
    ['m3', true],
  ])
})

it('finds the etcd that runs on this machine without an option', async () => {
  const { config } = await configured('alone')
  const { stdout, stderr } = await doctor(['--json'], {
    before: nextToEtcd([`--config-file=${config}`], `${config}.log`),
  })
  expect(stderr).toBe('')
  const { sources = [], members } = (JSON.parse(stdout) as MachineReport).clusters[0] ?? {}
  expect(sources.filter((each) => each.startsWith('process '))).toHaveLength(1)
  expect(members).toMatchObject([{ name: 'alone', isReached: true }])
})

it('runs the examples of its help in the directory of the files', async () => {
  const [, endpoints = ''] = flags()
  writePems(folder.file('.'), 'c', shared.pki.client)
  const { config } = await configured('examples')
  const before = nextToEtcd([`--config-file=${config}`], `${config}.log`)
  for (const example of COMMANDS.find(({ name }) => name === 'doctor')?.examples ?? []) {
    const args = example.replace('10.0.0.1', endpoints).split(' ')
    const { code, stdout, stderr } = await runCommand(args, { cwd: folder.file('.'), before })
    expect([code === 2, stderr, stdout]).toEqual([false, '', expect.stringContaining('MEMBER')])
  }
})

/** The configuration of an etcd, as a file. */
async function configured(name: string) {
  const pki = mintPki(`${name} CA`)
  const directory = join(folder.file('.'), name)
  mkdirSync(directory)
  const { ca, cert, key } = writePems(directory, 'server', pki.server)
  const client = writePems(directory, 'client', pki.client)
  const [url, peer] = [await freeUrl(), await freeUrl()]
  const side = { 'cert-file': cert, 'key-file': key, 'trusted-ca-file': ca, 'client-cert-auth': true }
  const config = join(directory, 'etcd.yml')
  writeFileSync(
    config,
    JSON.stringify({
      ...{ name, 'data-dir': join(directory, 'data'), 'initial-cluster': `${name}=${peer}` },
      ...{ 'listen-client-urls': url, 'advertise-client-urls': url, 'listen-peer-urls': peer },
      ...{ 'initial-advertise-peer-urls': peer, 'client-transport-security': side, 'peer-transport-security': side },
    }),
  )
  const flags = ['--config', config, '--cacert', client.ca, '--cert', client.cert, '--key', client.key]
  return { directory, config, pki, ca, flags }
}

it('reports a CA file that was replaced after the start with the commands that fix it, and --fail-on decides the exit code', async () => {
  const { directory, config, ca, flags, pki } = await configured('replaced')
  await using etcd = startEtcdProcess([`--config-file=${config}`], { cwd: directory })
  await serving(etcd)
  const own = join(directory, 'own-ca.crt')
  copyFileSync(ca, own)
  const given = flags.map((each) => (each === ca ? own : each))
  writeFileSync(ca, readFileSync(ca, 'utf8') + pemsOf(mintPki('New CA').server).ca)
  const found = await doctor(given)
  expect([found.code, found.stdout]).toEqual([0, expect.stringContaining('cluster/ca-not-reloaded')])
  expect(found.stdout).toContain('systemctl restart etcd')
  const failed = await doctor([...given, '--fail-on', 'warning', '--quiet'])
  expect([failed.code, failed.stdout]).toEqual([1, ''])
  expect(pki.root.pem).toContain('CERTIFICATE')
})

it('ends with 1 if no endpoint answers, and prints no password', async () => {
  const { code, stdout, stderr } = await doctorOf([
    ...flags(),
    '--endpoints',
    '127.0.0.1:1',
    '--user',
    'root',
    '--password',
    's3cret',
  ])
  expect([code, stdout]).toEqual([1, expect.stringContaining('no answer')])
  expect(stdout + stderr).not.toContain('s3cret')
})

it('names three ways to call it if it finds no etcd, and ends with 2', async () => {
  const { code, stdout, stderr } = await doctorOf([])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('No etcd was found on')
  expect(stderr.match(/^ {2}(?:sudo )?etcd-mtls doctor --/gm)).toHaveLength(3)
})

it.each([
  ['a configuration that does not exist', ['--config', '/no/such.yml']],
  ['a root that does not exist', ['--root', '/no/such']],
  ['a directory of kubeadm that does not exist', ['--kubeadm', '/no/such']],
  ['a duration without a unit', ['--lead', '7', '--endpoints', '127.0.0.1:1']],
  ['a user without credentials', ['--endpoints', '127.0.0.1:1', '--user', 'root:s3cret']],
  ['an endpoint without TLS', ['--endpoints', 'http://127.0.0.1:1']],
  ['a flag that turns verification off', ['--insecure-skip-tls-verify']],
])('ends a wrong call with 2, and prints nothing on stdout: %s', async (_name, args) => {
  const { code, stdout, stderr } = await runInProcess(['doctor', ...args])
  expect([code, stdout, stderr.trimEnd().split('\n').length]).toEqual([2, '', 2])
})
