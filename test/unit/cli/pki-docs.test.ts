/** The help and the pages about init, issue and renew: their commands run, and their units and manifests are valid. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { createAuthority, issueCluster, writeCluster } from '../../../src/authority/index.js'
import { COMMANDS } from '../../../src/cli/commands.js'
import { runInProcess } from '../../support/call-command.js'
import { type CommandResult, commandPath } from '../../support/command.js'
import { root } from '../../support/compiled.js'
import { complaints } from '../../support/kubernetes-schemas.js'
import { type CodeBlock, readPage } from '../../support/markdown.js'
import { temporaryFolder } from '../../support/openssl.js'
import { unquoteUnitLine } from '../../support/systemd.js'

const folder = temporaryFolder()
const blocksOf = (page: string): CodeBlock[] => readPage(readFileSync(join(root, 'docs', page), 'utf8')).blocks
const codeOf = (page: string, has: string): string => {
  const found = blocksOf(page).find(({ code }) => code.includes(has))
  if (found === undefined) throw new Error(`docs/${page} has no block with ${has}`)
  return found.code
}

let count = 0
/** A directory with a plan, and with what a machine of kubeadm and one of the page about renewal have. */
async function machine(): Promise<string> {
  const cwd = folder.file(`machine-${String(++count)}`)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'cluster.yaml'), codeOf('init.md', 'memberDir:'))
  const node = { members: [{ name: 'node-1', hosts: ['10.0.0.1'] }], kubeadm: true }
  const cluster = await issueCluster(await createAuthority({ name: 'etcd-ca' }), node)
  await writeCluster(join(cwd, 'kubeadm'), cluster, { layout: 'kubeadm', caKey: true })
  await runInProcess(['init', 'etcd-pki', '--member', 'etcd-0=10.0.0.1', '--client', 'app'], { cwd })
  return cwd
}

/** The arguments of the command with the paths of this machine. */
function at(cwd: string, words: readonly string[]): string[] {
  const paths = { '/etc/etcd-pki': join(cwd, 'etcd-pki'), '/etc/kubernetes/pki': join(cwd, 'kubeadm') }
  return words.map((word) => Object.entries(paths).find(([path]) => path === word)?.[1] ?? word)
}

/** Runs a line by a shell in which `etcd-mtls` and `npx etcd-mtls` are the program. */
async function shell(cwd: string, line: string): Promise<CommandResult> {
  const program = `"${process.execPath}" "${await commandPath()}"`
  const own = line.replace(/(?:npx |\/usr\/local\/bin\/)?\betcd-mtls(?= )/, program)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', at(cwd, own.split(' ')).join(' ')], {
    cwd,
    encoding: 'utf8',
  })
  return { code: status, stdout, stderr }
}

/** The same without a shell, for a line of which a shell makes nothing else. */
function ownLine(cwd: string, line: string): Promise<CommandResult> {
  const [, args = ''] = /^(?:npx |\/usr\/local\/bin\/)?etcd-mtls ((?:'[^']*'|[^"'$\\|<>;&*])+)$/.exec(line) ?? []
  if (args === '') throw new Error(`A shell reads this line: ${line}`)
  const words = args.match(/'[^']*'|[^ ]+/g) ?? []
  return runInProcess(
    at(
      cwd,
      words.map((word) => word.replaceAll("'", '')),
    ),
    { cwd },
  )
}

it('The examples in the help of init, issue and renew end with 0 one after another', async () => {
  const cwd = await machine()
  for (const { examples } of COMMANDS.filter(({ name }) => ['init', 'issue', 'renew'].includes(name)))
    for (const example of examples)
      expect([example, await ownLine(cwd, `etcd-mtls ${example}`)]).toMatchObject([example, { code: 0, stderr: '' }])
})

it('The commands of the pages about a new cluster, the first steps and renewal run one after another without an error', async () => {
  const cwd = await machine()
  const lines = ['init.md', 'getting-started.md', 'renewal.md']
    .flatMap(blocksOf)
    .filter(({ language, code }) => language === 'sh' && code.includes('etcd-mtls'))
    .flatMap(({ code }) => code.trim().split('\n'))
  expect(lines.length).toBe(5)
  for (const line of lines) expect([line, await ownLine(cwd, line)]).toMatchObject([line, { code: 0, stderr: '' }])
  expect((await ownLine(cwd, 'npx etcd-mtls init pki-2 --plan cluster.yaml')).code).toBe(0)
})

it('The units of docs/renewal.md are valid for systemd, and the command of the service renews', async () => {
  const cwd = await machine()
  const program = folder.file('etcd-mtls', '#!/bin/sh\n')
  spawnSync('chmod', ['755', program])
  const service = codeOf('renewal.md', 'ExecStart=')
  writeFileSync(join(cwd, 'etcd-renew.service'), service.replace('/usr/local/bin/etcd-mtls', program))
  writeFileSync(join(cwd, 'etcd-renew.timer'), codeOf('renewal.md', 'OnCalendar='))
  const verify = ['verify', '--man=no', './etcd-renew.service', './etcd-renew.timer']
  const { error, status, stderr } = spawnSync('systemd-analyze', verify, { cwd, encoding: 'utf8' })
  // A machine without systemd has no such program; the line is parsed below all the same.
  if (error === undefined) expect([status, stderr]).toEqual([0, ''])
  else expect(error).toMatchObject({ code: 'ENOENT' })
  const [name = '', ...args] = unquoteUnitLine(/^ExecStart=(.*)$/m.exec(service)?.[1] ?? '')
  expect(name).toBe('/usr/local/bin/etcd-mtls')
  const { code, stdout } = await runInProcess(at(cwd, [...args, '--force']), { cwd })
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Renewed:/)])
})

it('The line for cron in docs/renewal.md runs as a shell reads it', async () => {
  const cwd = await machine()
  const [, , , , , , ...command] = codeOf('renewal.md', '* * *').trim().split(' ')
  expect(await shell(cwd, command.join(' '))).toEqual({ code: 0, stdout: '', stderr: '' })
})

it('The CronJob of docs/renewal.md is valid for Kubernetes, runs this version, and its command renews', async () => {
  const cwd = await machine()
  const manifest = parse(codeOf('renewal.md', 'kind: CronJob')) as object
  expect(complaints(manifest)).toEqual([])
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const [npx, yes, name, ...args] = JSON.stringify(manifest)
    .replace(/^.*"command":\[(.*?)\].*$/, '$1')
    .split(',')
    .map((word) => JSON.parse(word) as string)
  expect([npx, yes, name]).toEqual(['npx', '--yes', `etcd-mtls@${version}`])
  const { code, stdout } = await runInProcess(at(cwd, [...args, '--force']), { cwd })
  expect([code, stdout]).toEqual([0, expect.stringContaining('\n  apiserver-etcd-client ')])
})
