/** The etcds that run on this machine are found, with the disk that each of them sees. */
import { chmodSync, mkdirSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect, it as every } from 'vitest'
import { localEndpointsOf } from '../../src/config/read-etcd-config.js'
import { findLocalEvidence, type LocalEvidence } from '../../src/doctor/sources.js'
import { type Child, startChild } from '../support/child.js'
import { mintPki, writePems } from '../support/etcd.js'
import { serving, startEtcdProcess } from '../support/etcd-process.js'
import { oneIn } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'

const it = oneIn(2, every)

const folder = temporaryFolder()
const pki = mintPki()
const { freeUrl } = heldPorts()

async function argsOf(name: string): Promise<{ args: string[]; url: string }> {
  const [url, peers] = [await freeUrl(), await freeUrl('http')]
  const args = [
    ...[
      `--name=${name}`,
      `--data-dir=${folder.file(name)}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
    ],
    ...[`--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`, `--initial-cluster=${name}=${peers}`],
  ]
  return { args, url }
}

function configNamed(found: LocalEvidence | null, name: string) {
  return found?.configs.find(({ members }) => members[0].name === name)
}

it('finds an etcd that runs, by its own arguments and variables, and never a password of its environment', async () => {
  const { args, url } = await argsOf('found')
  const files = writePems(folder.file('.'), 'found', pki.server)
  const env = {
    ETCD_CERT_FILE: 'found.crt',
    ETCD_KEY_FILE: files.key,
    ETCD_ROOT_PASSWORD: 's3cret',
    ETCDCTL_PASSWORD: 's3cret',
  }
  const before = Date.now()
  await using etcd = startEtcdProcess([...args, '--trusted-ca-file=ca.crt'], { cwd: folder.file('.'), env })
  await serving(etcd)
  const found = await findLocalEvidence()
  const config = configNamed(found, 'found')
  expect(config).toMatchObject({ pid: etcd.pid, kind: 'process' })
  // The start of the machine is known to a second.
  expect(Math.abs((config?.startedAt?.getTime() ?? 0) - before)).toBeLessThan(5000)
  expect(config?.members[0].client.cert?.certificates[0]?.fingerprint256).toBe(pki.server.chain[0].fingerprint256)
  expect(config?.members.flatMap(localEndpointsOf)).toContain(url)
  expect(inspect(found, { depth: 20, showHidden: true })).not.toContain('s3cret')
})

/** Starts etcd in a mount namespace of its own, where a folder has other files. */
function startApart(script: string, args: readonly string[]): Child {
  return startChild(['unshare', '-m', 'sh', '-c', `${script} && exec etcd "$@"`, 'sh', ...args], {
    env: { PATH: process.env['PATH'] },
  })
}

it('reads the files that the process sees, and follows no link on its disk to the disk of this machine', async () => {
  const { args } = await argsOf('apart')
  const other = mintPki('Other CA')
  for (const [name, one] of [
    ['here', pki],
    ['there', other],
  ] as const) {
    mkdirSync(folder.file(name))
    writePems(folder.file(name), 'server', one.server)
  }
  const seen = folder.file('here')
  // The link leads to the path that is mounted over for etcd, and is on the disk of this machine too.
  const script = `mount --bind ${folder.file('there')} ${seen} && ln -s ${seen}/server.crt ${folder.file('there')}/link.crt`
  const files = [`--cert-file=${seen}/link.crt`, `--key-file=${seen}/server.key`, `--trusted-ca-file=${seen}/ca.crt`]
  await using etcd = startApart(script, [...args, ...files])
  await etcd.says((log) => /serving client|ready to serve client requests/.test(log))
  const { cert, ca } = configNamed(await findLocalEvidence(), 'apart')?.members[0].client ?? {}
  expect(cert?.certificates[0]?.fingerprint256).toBe(other.server.chain[0].fingerprint256)
  expect(ca?.certificates[0]?.subject.commonName).toBe('Other CA')
})

it('reports an etcd of another user as not checked, with the reason', async () => {
  const { args } = await argsOf('foreign')
  await using etcd = startEtcdProcess(
    args.map((each) => each.replaceAll('https:', 'http:')),
    { cwd: folder.file('.') },
  )
  await serving(etcd)
  // No other user is kept out of what an ordinary user runs.
  const isRoot = process.geteuid?.() === 0
  chmodSync(folder.file('.'), 0o755)
  if (isRoot) process.seteuid?.(65_534)
  const found = await findLocalEvidence().finally(() => {
    if (isRoot) process.seteuid?.(0)
  })
  const source = `process ${String(etcd.pid)}`
  const unchecked = found?.unchecked.find(({ place }) => place.file?.startsWith(source) === true)
  expect(found?.configs.some(({ pid }) => pid === etcd.pid)).toBe(!isRoot)
  if (isRoot)
    expect(unchecked).toMatchObject({ kind: 'permission', message: expect.stringContaining('as root') as string })
})
