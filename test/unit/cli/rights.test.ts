/** What the command says of files and directories that it may not read. */
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import { runInProcess } from '../../support/call-command.js'
import { singleFile } from '../../support/single.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
/** The account of Debian for nobody. */
const OTHER = 65534

beforeAll(async () => {
  const { code } = await runInProcess(['init', 'pki', '--member', 'etcd-0=10.0.0.1'], { cwd: folder.file('.') })
  expect(code).toBe(0)
  chmodSync(folder.file('.'), 0o755)
  chmodSync(folder.file('pki'), 0o700)
})

it.each([
  ['renew', 'pki'],
  ['expiry', 'pki'],
  ['inspect', 'pki/ca/ca.key'],
])(
  'etcd-mtls %s of another user says whose directory it may not enter, and does not advise a new CA',
  async (command, path) => {
    const file = folder.file('etcd-mtls.mjs')
    copyFileSync(await singleFile(), file)
    chmodSync(file, 0o755)
    const { status, stderr } = spawnSync(process.execPath, [file, command, folder.file(path)], {
      ...{ uid: OTHER, gid: OTHER, cwd: '/', encoding: 'utf8' },
    })
    expect(status).toBe(2)
    expect(stderr).toMatch(
      /cannot be read: \S+ belongs to root and has the mode 0700, and this process runs as nobody\. Run the command as root\./,
    )
    expect(stderr).not.toMatch(/init|crashed/)
  },
)

it('a misspelt option of a connection is suggested, and -V prints the version', async () => {
  const { code, stderr } = await runInProcess(['doctor', '--endpoint', '10.0.0.1:2379'])
  expect([code, stderr.split('\n')[0]]).toEqual([
    2,
    "etcd-mtls: unknown option '--endpoint' (Did you mean --endpoints?)",
  ])
  expect(await runInProcess(['-V'])).toEqual(await runInProcess(['--version']))
})
