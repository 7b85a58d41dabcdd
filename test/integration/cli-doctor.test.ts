/** `etcd-mtls doctor` as a process, on real clusters. */
import { appendFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { pkiFolder } from '../support/member-flags.js'
import { runCommand } from '../support/command.js'
import { writePems, mintPki, threeMembers } from '../support/etcd.js'
import { startEtcdCluster } from '../../src/testing/index.js'
import { temporaryFolder } from '../support/openssl.js'

const folder = temporaryFolder()
const pki = mintPki()
void pkiFolder

it('x', async () => {
  await using cluster = await startEtcdCluster({ members: threeMembers(pki) })
  const { ca, cert, key } = writePems(folder.file('.'), 'client', pki.client)
  const creds = ['--cacert', ca, '--cert', cert, '--key', key]
  for (const args of [
    ['doctor', '--help'],
    ['doctor', ...creds, '--endpoints', cluster.endpoints.join(',')],
    ['doctor'],
    ['doctor', '--root', folder.file('.')],
    ['doctor', ...creds, '--endpoints', '127.0.0.1:1'],
    ['doctor', '--config', '/no/such'],
  ]) {
    const { code, stdout, stderr } = await runCommand(args)
    appendFileSync('/tmp/d1-out.txt', `$ ${args.join(' ')}\n${stdout}\n--- ${stderr} => ${String(code)}\n\n`)
  }
  expect(1).toBe(1)
})
