/** What rotation and events mean to the process: they hold it up for nobody, and a rotation that is waited for comes to its end. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Compiled, compileSources, root } from '../../support/compiled.js'
import { scaled } from '../../support/long.js'
import { mintPki } from '../../support/etcd.js'
import { type WitnessPeer, witnessPeer } from '../../support/witness-peer.js'

const pki = mintPki()
let compiled: Compiled
let folder: string
let peer: WitnessPeer

beforeAll(async () => {
  compiled = await compileSources()
  folder = mkdtempSync(join(tmpdir(), 'rotation-'))
  writeFileSync(join(folder, 'ca.crt'), pki.root.pem)
  for (const name of ['alice', 'bob']) {
    const { chain, key } = pki.issueClient({ subject: name })
    writeFileSync(join(folder, `${name}.crt`), chain[0].toPem())
    writeFileSync(join(folder, `${name}.key`), key.exportPem())
  }
  peer = await witnessPeer(pki.server)
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await peer[Symbol.asyncDispose]()
})

/** Runs code with a `client` that is alice, and a function that gives the credentials of a name; ends it before the test times out. */
async function run(code: string): Promise<{ stdout: string; stderr: string }> {
  const prelude = `
    import { createSecureClient } from ${JSON.stringify(compiled.url('client/index.js'))}
    import { fromFiles } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const file = (name) => ${JSON.stringify(folder)} + '/' + name
    const of = (name) => fromFiles({ ca: file('ca.crt'), cert: file(name + '.crt'), key: file(name + '.key') })
    const client = await createSecureClient({ endpoints: '${peer.endpoint}', credentials: of('alice') })
  `
  const args = ['--input-type=module', '--eval', prelude + code]
  return promisify(execFile)(process.execPath, args, { cwd: root, timeout: 280_000 })
}

describe('the process', () => {
  it('ends automatically while the source is followed, events are waited for, and the expiry lies ahead', async () => {
    const code = `client.tls.events().next().then(console.log); console.log(client.tls.report.ok)`
    expect(await run(code)).toEqual({ stdout: 'true\n', stderr: '' })
  })

  it('waits for a rotation that somebody waits for', async () => {
    const code = `const { ok, path } = await client.tls.rotate(of('bob')); console.log(ok, path[0].subject)`
    expect(await run(code)).toEqual({ stdout: 'true CN=bob\n', stderr: '' })
  })

  it('ends automatically after a rotation, and no warning was given after many of them', async () => {
    const code = `
      for (let i = 0; i < ${String(scaled({ short: 15, long: 100 }))}; i += 1) await client.tls.rotate(of(i % 2 ? 'alice' : 'bob'))
      console.log(await client.get('a').string())
    `
    expect(await run(code)).toEqual({ stdout: 'null\n', stderr: '' })
  })
})
