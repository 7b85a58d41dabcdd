/** The CAs that etcd trusts for clients, in every source of credentials, and back in files. */
import { chmodSync, writeFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type CredentialSource,
  fromEnv,
  fromFiles,
  fromKubernetesSecret,
  fromPem,
  writeCredentials,
} from '../../../src/credentials/index.js'
import { mintCa } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { codesOf, good, leaf, root } from './fixture.js'

const servers = mintCa({ subject: 'server-ca' })
const folder = temporaryFolder()
let files = { ca: '', clientCa: '', cert: '', key: '' }

beforeAll(() => {
  files = {
    ca: folder.file('ca.crt', servers.pem),
    clientCa: folder.file('clients.crt', root.pem),
    cert: folder.file('tls.crt', String(good.cert)),
    key: folder.file('tls.key', leaf.keyPem),
  }
  chmodSync(files.key, 0o600)
})

function fromVariables(): CredentialSource {
  const env = { ETCDCTL_CACERT: files.ca, ETCDCTL_CERT: files.cert, ETCDCTL_KEY: files.key }
  return fromEnv(env, { clientCa: files.clientCa })
}

async function anchorsOf(source: CredentialSource): Promise<(string | undefined)[]> {
  const { trustAnchors, clientAnchors } = await source.load()
  return [trustAnchors, clientAnchors].map((list) => list?.map(({ subject }) => subject.toString()).join())
}

describe('the CAs for clients', () => {
  it.each<[string, () => CredentialSource]>([
    ['fromPem', () => fromPem({ ...good, ca: servers.pem, clientCa: root.pem })],
    ['fromFiles', () => fromFiles(files)],
    ['fromEnv', fromVariables],
    ['fromKubernetesSecret', () => fromKubernetesSecret(folder.file('.'), { names: { clientCa: 'clients.crt' } })],
  ])('the CAs for clients are read by %s', async (_name, source) => {
    expect(await anchorsOf(source())).toEqual(['CN=server-ca', 'CN=etcd-ca'])
  })

  it('the CAs for clients are written to client-ca.crt and read from there, and may be missing', async () => {
    const directory = folder.file('written')
    const credentials = await fromFiles(files).load()
    const written = await writeCredentials(directory, credentials)
    expect(written.clientCa).toBe(`${directory}/client-ca.crt`)
    expect(await anchorsOf(fromKubernetesSecret(directory))).toEqual(['CN=server-ca', 'CN=etcd-ca'])
    const without = folder.file('without')
    await writeCredentials(without, await fromPem(good).load())
    expect(await anchorsOf(fromKubernetesSecret(without))).toEqual(['CN=etcd-ca', undefined])
  })

  it('the CAs for clients are checked as the other certificates are', async () => {
    const options = { ...good, ca: servers.pem }
    expect(await codesOf(fromPem({ ...options, clientCa: 'x' }))).toEqual(['input/unexpected-content'])
    expect(await codesOf(fromPem({ ...options, clientCa: leaf.keyPem }))).toEqual(['input/unexpected-content'])
    expect(await codesOf(fromPem({ ...options, clientCa: leaf.pem }))).toEqual(['credentials/anchor-is-no-ca'])
    expect(await codesOf(fromFiles({ ...files, clientCa: folder.file('none') }))).toEqual(['file/missing'])
    const named = fromKubernetesSecret(folder.file('.'), { names: { clientCa: 'none' } })
    expect(await codesOf(named)).toEqual(['file/missing'])
    expect(() => fromPem({ ...options, clientCa: 5 as never })).toThrow(/"clientCa"/)
  })

  it('a change of the CAs for clients is a change of the credentials', async () => {
    const source = fromFiles({ ...files, watch: { settle: '1s', pollInterval: '100ms' } })
    const held = await source.load()
    const ended = new AbortController()
    const changes = source.watch(ended.signal, held)
    writeFileSync(files.clientCa, root.pem + servers.pem)
    const { value } = await changes.next()
    expect(value?.clientAnchors).toHaveLength(2)
    ended.abort()
    writeFileSync(files.clientCa, root.pem)
  })
})
