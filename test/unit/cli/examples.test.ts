/** What holds for the help of every command, and that its examples run. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { COMMANDS } from '../../../src/cli/commands.js'
import { runInProcess } from '../../support/call-command.js'
import { commandPath, documentComplaints, runCommand } from '../../support/command.js'
import { chainPem, dns, mintLeaf } from '../../support/mint.js'
import { mintChain } from '../../support/minted-chain.js'
import { temporaryFolder } from '../../support/openssl.js'

/** Why another test runs the examples of a command, and not this one. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  doctor: 'It needs a cluster: cli-doctor.test.ts.',
  init: 'It needs a plan: pki-docs.test.ts.',
  issue: 'It needs the CA of init: pki-docs.test.ts.',
  renew: 'It needs the files of init and of kubeadm: pki-docs.test.ts.',
  roll: 'It needs a cluster: roll.test.ts.',
}
/** The exit code of an example that does not end with 0 in the folder below. */
const OTHER_CODES: Readonly<Record<string, number>> = {
  'expiry --within 30d pki': 3,
  'lint deploy/': 1,
  'lint etcd.conf.yml --no-read-files --format oneline': 1,
}

const DAY = 86_400_000
const folder = temporaryFolder()
const here = COMMANDS.filter(({ name }) => ELSEWHERE[name] === undefined)
const examples = here.flatMap((row) => row.examples)
const FIRST = here.map((row) => row.examples[0])

beforeAll(() => {
  const { root, intermediate } = mintChain()
  const notAfter = new Date(Date.now() + 20 * DAY)
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: intermediate, names: [dns('etcd-0.etcd')], notAfter })
  folder.file('ca.crt', root.pem)
  folder.file('server.crt', chainPem(leaf, intermediate))
  const config = 'listen-client-urls: http://10.0.0.1:2379\nadvertise-client-urls: http://10.0.0.1:2379\n'
  folder.file('etcd.conf.yml', config)
  mkdirSync(folder.file('deploy'))
  folder.file('deploy/etcd.yml', config)
  cpSync(folder.file('server.crt'), join(folder.file('pki'), 'server.crt'))
})

it.each(examples)('the example runs: etcd-mtls %s', async (example) => {
  // The first of each command as a process.
  const run = FIRST.includes(example) ? runCommand : runInProcess
  const { code, stdout, stderr } = await run(example.split(' '), { cwd: folder.file('.') })
  expect([code, stderr]).toEqual([OTHER_CODES[example] ?? 0, ''])
  expect(stdout).not.toBe('')
})

it.each(examples)('the document of the example is as its schema describes it: etcd-mtls %s', async (example) => {
  const [command = '', ...args] = example.split(' ')
  const { stdout } = await runInProcess([command, '--json', ...args], { cwd: folder.file('.') })
  expect(documentComplaints(command, JSON.parse(stdout))).toEqual([])
})

it.each([[], ...COMMANDS.map(({ name }) => [name])])('the help fits one screen of 80 columns: %s', async (...name) => {
  const { stdout } = await runInProcess([...name, '--help'])
  const lines = stdout.trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(40)
  expect(lines.filter((line) => line.length > 80)).toEqual([])
})

it('an answer whose reader has closed the pipe still has its exit code', async () => {
  const config = folder.file('wrong.yml', 'listen-client-urls: http://10.0.0.1:2379\n')
  const program = await commandPath()
  const script = '"$0" "$1" lint "$2" | exit 7; exit "${PIPESTATUS[0]}"'
  expect(spawnSync('bash', ['-c', script, process.execPath, program, config]).status).toBe(1)
})

it('an answer that cannot be written is an error, and the exit code is 2', async () => {
  const program = await commandPath()
  const script = '"$0" "$1" expiry "$2" > /dev/full'
  const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, program, folder.file('ca.crt')])
  expect([status, String(stderr)]).toEqual([2, 'etcd-mtls: the answer cannot be written (ENOSPC).\n'])
})

it('an error that no command catches is two lines, and the exit code is 2', async () => {
  const late = 'setInterval(() => { if (process.listenerCount("uncaughtException")) throw new Error("late") }, 1)'
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(late)}`
  const { code, stderr } = await runCommand(['inspect', 'pki'], { cwd: folder.file('.'), env: { NODE_OPTIONS } })
  expect([code, stderr.split('\n')[0]]).toEqual([2, expect.stringMatching(/^etcd-mtls: it crashed: late at /)])
})
