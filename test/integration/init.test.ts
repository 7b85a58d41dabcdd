/** The lines that `etcd-mtls init` prints, run as they are: etcd, etcdctl and a client of this package. */
import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import type { InitDocument, InitializedMember } from '../../src/cli/documents.js'
import { fromFiles } from '../../src/credentials/index.js'
import { runCommand } from '../support/command.js'
import { compileSources, root } from '../support/compiled.js'
import { type EtcdProcess, serving, startScript } from '../support/etcd-process.js'
import { ask } from '../support/https.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'

const folder = temporaryFolder()
const { freePort } = heldPorts()
const started: EtcdProcess[] = []
afterEach(async () => {
  await Promise.all(started.map((etcd) => etcd.stop()))
})

it('The printed lines of init start a cluster, call it and grow it, and etcd serves renewed certificates without a restart', async () => {
  const cwd = folder.file('empty')
  mkdirSync(cwd)
  const ports = ['--client-port', String(await freePort()), '--peer-port', String(await freePort())]
  // A peer's address must be in its certificate, and on one machine each dials from 127.0.0.1.
  const member = (i: number, more = ''): string[] => [
    '--member',
    `etcd-${String(i)}=127.0.0.${String(i + 1)},127.0.0.1${more}`,
  ]
  const init = async (...args: readonly string[]): Promise<InitDocument> => {
    const { code, stdout, stderr } = await runCommand(['init', 'pki', '--client', 'app', ...ports, ...args, '--json'], {
      cwd,
    })
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as InitDocument
  }
  const start = ({ name, start: line }: InitializedMember): EtcdProcess => {
    const script = folder.file(`${name}.sh`, `exec ${line}\n`)
    const etcd = startScript(script, cwd)
    started.push(etcd)
    return etcd
  }
  const shell = async (line: string): Promise<string> =>
    (await promisify(execFile)('sh', ['-c', line], { cwd, timeout: 60_000 })).stdout

  const { members, clients } = await init(...member(0), ...member(1), ...member(2))
  await Promise.all(members.map((each) => serving(start(each))))
  const [app] = clients
  if (app === undefined) throw new TypeError('no client')
  expect((await shell(app.etcdctl)).match(/started, etcd-\d/g)?.sort()).toHaveLength(3)
  await installPackage(cwd)
  writeFileSync(join(cwd, 'app.mjs'), app.program)
  await promisify(execFile)(process.execPath, ['app.mjs'], { cwd })
  const get = app.etcdctl.replace(/member list$/, 'get --print-value-only greeting')
  expect(await shell(get)).toBe('hello\n')

  const grown = await init(...member(0), ...member(1), ...member(2), ...member(3))
  const [added] = grown.members.filter(({ result }) => result === 'issued')
  if (added === undefined || added.join === null) throw new TypeError('no line for the new member')
  const { join: joining } = added
  // etcd refuses a new member until the others have been connected for five seconds (HealthInterval).
  const add = (): Promise<string> => shell(joining).then(() => 'added', String)
  await expect.poll(add, { timeout: 60_000, interval: 500 }).toBe('added')
  await serving(start(added))
  expect((await shell(grown.clients[0]?.etcdctl ?? '')).match(/started, etcd-\d/g)?.sort()).toHaveLength(4)

  // Of a lifetime that begins five minutes early, two thirds are over.
  const names = [0, 1, 2, 3].flatMap((i) => member(i, ',localhost'))
  const short = await init(...names, '--validity', '140s')
  expect(short.members.map(({ result }) => result)).toEqual(Array(4).fill('reissued'))
  const served = async (): Promise<(string | undefined)[]> => {
    const credentials = await fromFiles(app.files).load()
    const urls = short.members.map(({ hosts }) => `https://${hosts[0] ?? ''}:${ports[1] ?? ''}/health`)
    return Promise.all(urls.map(async (url) => (await ask(url, credentials)).server?.serial))
  }
  const before = await served()
  expect((await runCommand(['renew', 'pki', '--dry-run'], { cwd })).code).toBe(3)
  const renewed = await runCommand(['renew', 'pki'], { cwd })
  expect([renewed.code, renewed.stdout]).toEqual([0, expect.stringContaining('members/etcd-3/peer')])
  const after = await served()
  expect(new Set([...before, ...after, undefined]).size).toBe(9)
  expect(await shell(get)).toBe('hello\n')
}, 300_000)

/** The package as `npm install etcd-mtls` leaves it. */
async function installPackage(project: string): Promise<void> {
  const home = join(project, 'node_modules/etcd-mtls')
  mkdirSync(home, { recursive: true })
  symlinkSync(join(root, 'package.json'), join(home, 'package.json'))
  symlinkSync((await compileSources()).path('.'), join(home, 'dist'))
}
