/** The report of `etcd-mtls doctor` in the README is that of a real cluster: `init` sets it up, and one CA file is replaced. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import type { InitDocument } from '../../../src/cli/documents.js'
import { runCommand } from '../../support/command.js'
import { root } from '../../support/compiled.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../../support/etcd-process.js'
import { mintCa } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'

const folder = temporaryFolder()
const { freePort } = heldPorts()
const started: EtcdProcess[] = []
afterEach(async () => {
  await Promise.all(started.map((etcd) => etcd.stop()))
})

it('The README shows the report of doctor after the CA file of one member was replaced', async () => {
  const cwd = folder.file('readme')
  mkdirSync(cwd)
  const [client, peer] = [String(await freePort()), String(await freePort())]
  const hosts = (i: number): string => `etcd-${String(i)}=127.0.0.${String(i + 1)},127.0.0.1`
  const plan = [0, 1, 2].flatMap((i) => ['--member', hosts(i)])
  const init = ['init', 'pki', ...plan, '--client', 'my-app', '--client-port', client, '--peer-port', peer, '--json']
  const { stdout } = await runCommand(init, { cwd })
  const { members } = JSON.parse(stdout) as InitDocument
  await Promise.all(
    members.map(({ name }) => {
      const etcd = startEtcdProcess(['--config-file', join(cwd, 'pki/members', name, 'etcd.conf.yml')], { cwd })
      started.push(etcd)
      return serving(etcd)
    }),
  )
  writeFileSync(join(cwd, 'pki/members/etcd-2/ca.crt'), mintCa({ subject: 'etcd-ca-2' }).pem)
  const pki = (file: string): string => join('pki/clients/my-app', file)
  const flags = ['--cacert', pki('ca.crt'), '--cert', pki('tls.crt'), '--key', pki('tls.key'), '--dial-timeout', '30s']
  const examine = () => runCommand(['doctor', '--endpoints', `127.0.0.1:${client}`, ...flags], { cwd })
  let found = await examine()
  // Other tests may have more etcds at this moment than doctor examines.
  await expect
    .poll(
      async () => {
        if (found.stdout.includes('etcd processes')) found = await examine()
        return [found.code, found.stderr, found.code === 1 ? '' : found.stdout]
      },
      { timeout: 120_000, interval: 1000 },
    )
    .toEqual([1, '', ''])

  const page = readFileSync(join(root, 'README.md'), 'utf8')
  const [, shown = ''] = /^```text\n(Failed: .*?)^```$/ms.exec(page) ?? []
  // The README shows a release without advisories.
  const printed = found.stdout
    .replace(/\ninfo: By its version number,.*? info cluster\/release-outdated\n/s, '')
    .replace('Failed: 1 error, 1 info,', 'Failed: 1 error,')
    .replaceAll(`${cwd}/`, '')
    .replaceAll(new RegExp(String.raw`127\.0\.0\.(\d):${client}\b`, 'g'), '10.0.0.$1:2379')
    .replaceAll(new RegExp(String.raw`127\.0\.0\.(\d):${peer}\b`, 'g'), '10.0.0.$1:2380')
  const parts = shown.split(/^ {2}…$/m).map(comparable)
  expect(parts).toHaveLength(2)
  let rest = comparable(printed)
  for (const part of parts) {
    expect(rest).toContain(part)
    rest = rest.slice(rest.indexOf(part) + part.length)
  }
})

/** One line, without what differs from run to run: times, versions, roles, and other etcds of this machine. */
function comparable(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\d\s+\d\d:\d\d(?::\d\d)? UTC/g, 'DATE')
    .replaceAll(/\b(?:leader|follower)\b/g, 'ROLE')
    .replaceAll(/\b3\.\d+\.\d+\b/g, 'VERSION')
    .replaceAll(/\b\d+ ms\b/g, 'LATENCY')
    .replaceAll(/CN=etcd-\d\s+ends/g, 'CN=etcd-N ends')
    .replaceAll(/, \d+ not checked/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}
