/** What docs/config.md and docs/linting.md say is printed, is printed by their own code. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { formatReport } from '../../../src/config/index.js'
import { lintOne } from '../../support/lint-one.js'
import { root } from '../../support/compiled.js'
import { readPage, type CodeBlock } from '../../support/markdown.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
const blocks = ['config', 'starting-etcd', 'linting'].flatMap(
  (page) => readPage(readFileSync(join(root, `docs/${page}.md`), 'utf8')).blocks,
)

/** Snippets are run where vitest compiles them. */
let cache = ''
beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true })
  cache = mkdtempSync(join(root, '.cache/page-'))
})
afterAll(() => {
  rmSync(cache, { recursive: true })
})

function snippet(word: string): CodeBlock {
  const found = blocks.find(({ language, code }) => language === 'ts' && code.includes(word))
  if (found === undefined) throw new Error(`No snippet of the pages has ${word}`)
  return found
}

function after(block: CodeBlock, language: string): string {
  return blocks.slice(blocks.indexOf(block) + 1).find((each) => each.language === language)?.code ?? ''
}

/** What a snippet prints, with its room from the sources. */
async function run(word: string, edit: (code: string) => string = (code) => code): Promise<unknown[]> {
  const code = edit(snippet(word).code)
    .replaceAll(/'etcd-mtls\/(\w+)'/g, (_, room: string) => JSON.stringify(join(root, 'src', room, 'index.ts')))
    .replaceAll('console.log(', 'printed.push(')
  const file = join(cache, `${word.replaceAll(/\W/g, '')}.ts`)
  writeFileSync(file, `export const printed: unknown[] = []\n${code}\n`)
  const { printed } = (await import(file)) as { printed: unknown[] }
  return printed
}

it('docs/config.md shows the YAML of a member', async () => {
  expect(await run('const member = {')).toEqual([`${after(snippet('const member = {'), 'yaml')}\n`])
})

it('docs/config.md shows an option that a file cannot set, and the variable that sets it', async () => {
  const [code, remedy, text] = await run('option-not-in-version')
  expect(text).toContain('ETCD_CLIENT_CRL_FILE=/etc/etcd/clients.crl\n')
  expect(snippet('option-not-in-version').code).toContain(`// ${String(code)} ${String(remedy)}`)
})

it('docs/config.md shows other options', async () => {
  const [text] = await run('const tuned')
  expect(text).toContain(
    'quota-backend-bytes: 8589934592\nauto-compaction-mode: "periodic"\nauto-compaction-retention: "1h"\nsnapshot-count: 10000\n' +
      'heartbeat-interval: 200\ngrpc-keepalive-min-time: 5000000000\nlog-outputs:\n  - "stderr"\n  - "/var/log/etcd.log"\n',
  )
})

it('docs/config.md shows a whole cluster', async () => {
  // The CAs and the cluster are written to a temporary folder, not to the root of the repository.
  const printed = await run('renderCluster', (code) => code.replaceAll("'./", `'${folder.file('')}/`))
  expect(printed).toEqual([
    expect.stringMatching(/^ETCD_NAME=etcd-0\n[\s\S]*ETCD_INITIAL_CLUSTER_TOKEN=blue\n[\s\S]*ETCD_PEER_TRUSTED_CA_FILE=\/etc\/etcd\/peer-ca\.crt\n/),
  ]) // prettier-ignore
})

it('docs/config.md shows units, Compose files and etcdctl', async () => {
  expect(await run('network_mode')).toEqual([
    expect.stringContaining('--client-cert-auth=true'),
    expect.stringContaining('EnvironmentFile=/etc/default/etcd\n'),
    expect.stringContaining('{"services":{'),
  ])
  expect(await run('renderEtcdctl')).toEqual([
    expect.stringMatching(/^etcdctl --endpoints=https:\/\/10.0.0.1:2379,\S+ .* member list$/),
    expect.stringMatching(/^ETCDCTL_ENDPOINTS=/),
    expect.stringMatching(/^\["--endpoints=/),
  ])
})

it('shows the report that lintEtcdConfig makes of its example file', async () => {
  const block = snippet("file: 'etcd.conf.yml'")
  const file = folder.file('etcd.conf.yml', after(block, 'yaml'))
  // As many columns more as the name of the file is longer here.
  const width = 80 + file.length - 'etcd.conf.yml'.length
  const report = formatReport(await lintOne({ file }, { readFiles: false }), { width })
  const printed = report.replaceAll(file, 'etcd.conf.yml')
  const shown = after(block, 'text')
  // Lines are broken by their length.
  const words = (text: string): string[] =>
    text
      .replace(/as of [-0-9: ]+ UTC$/, '')
      .split(/\s+/)
      .filter(Boolean)
  expect(words(shown)).toEqual(words(printed))
})
