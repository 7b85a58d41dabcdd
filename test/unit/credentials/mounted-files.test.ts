/** What Kubernetes, Docker and Compose leave in place of a file, and how the findings explain it. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromFiles, fromKubernetesSecret } from '../../../src/credentials/index.js'
import type { Finding } from '../../../src/report/finding.js'
import { temporaryFolder } from '../../support/openssl.js'
import { findingsOf, good, leaf, root, sourceOfFiles } from './fixture.js'

const folder = temporaryFolder()
const TLS = { 'tls.crt': leaf.pem, 'tls.key': leaf.keyPem }

/** The findings about a directory with these files. */
function inDirectory(
  name: string,
  files: Readonly<Record<string, string>>,
  names?: { ca: string },
): Promise<readonly Finding[]> {
  mkdirSync(folder.file(name))
  for (const [key, value] of Object.entries(files)) folder.file(`${name}/${key}`, value)
  return findingsOf(fromKubernetesSecret(folder.file(name), { names }))
}

describe('a mounted Secret', () => {
  it('lists the keys that are there, and names the option for them', async () => {
    const found = await inDirectory('other keys', {
      'ca.pem': root.pem,
      'client.pem': leaf.pem,
      'client-key.pem': leaf.keyPem,
    })
    expect(found.map(({ code }) => code)).toEqual(['file/missing', 'file/missing', 'file/missing'])
    expect(found[0]?.message).toContain('the directory has ca.pem, client-key.pem and client.pem')
    expect(found.map(({ remedy }) => /names: \{ (\w+): /.exec(remedy)?.[1])).toEqual(['ca', 'cert', 'key'])
    expect(found[0]?.details).toMatchObject({
      secret: { role: 'ca', keys: ['ca.pem', 'client-key.pem', 'client.pem'] },
    })
  })

  it('explains how to add the CA to a Secret of the type kubernetes.io/tls', async () => {
    const [found, ...more] = await inDirectory('no ca', TLS)
    expect(more).toEqual([])
    expect(found?.remedy).toMatch(/^Add the CA.*ConfigMap.*kubernetes\.io\/tls/)
  })

  it('does not list the names that the kubelet uses itself', async () => {
    const directory = folder.file('of the kubelet')
    mkdirSync(`${directory}/..2026`, { recursive: true })
    symlinkSync('..2026', `${directory}/..data`)
    folder.file('of the kubelet/..2026/tls.crt', leaf.pem)
    const found = await findingsOf(fromKubernetesSecret(directory))
    expect(found[0]?.message).toContain('the directory has tls.crt.')
  })

  it('explains an empty directory, and keys without a value, by the certificate that cert-manager has not issued', async () => {
    const [none] = await inDirectory('nothing', {})
    expect(none?.message).toContain('the directory is empty')
    expect(none?.remedy).toContain('kubectl get certificate')
    const found = await inDirectory('not filled', { 'ca.crt': '', 'tls.crt': '', 'tls.key': leaf.keyPem })
    expect(found.map(({ code }) => code)).toEqual(['file/empty', 'file/empty'])
    for (const { message, remedy } of found) {
      expect(message).toContain('has no value in the Secret')
      expect(remedy).toContain('kubectl get certificate')
    }
  })

  it('reports a file that the option names does not find like one of the usual names', async () => {
    const found = await inDirectory('names', { ...TLS, 'root.pem': root.pem }, { ca: 'roots.pem' })
    expect(found[0]?.message).toContain('the directory has root.pem, tls.crt and tls.key')
    expect(found[0]?.remedy).toContain('names: { ca: ')
  })
})

describe('a file that is not there', () => {
  it('names the target of a link that leads to nothing', async () => {
    sourceOfFiles(folder, good)
    symlinkSync('../../archive/etcd/fullchain1.pem', folder.file('fullchain.pem'))
    const [found] = await findingsOf(
      fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('fullchain.pem'), key: folder.file('tls.key') }),
    )
    expect(found).toMatchObject({ code: 'file/missing', details: { target: '../../archive/etcd/fullchain1.pem' } })
    expect(found?.message).toContain('is a link to ../../archive/etcd/fullchain1.pem, which does not exist')
    expect(found?.remedy).toMatch(/mount/)
  })

  it('explains the empty directory that Docker creates for a bind mount of a missing file', async () => {
    sourceOfFiles(folder, good)
    mkdirSync(folder.file('docker.crt'))
    const source = (): Promise<readonly Finding[]> =>
      findingsOf(
        fromFiles({ ca: folder.file('docker.crt'), cert: folder.file('tls.crt'), key: folder.file('tls.key') }),
      )
    const [found] = await source()
    expect(found).toMatchObject({ code: 'file/not-regular', details: { kind: 'directory', isEmpty: true } })
    expect(found?.message).toContain('Docker')
    expect(found?.remedy).toContain('--force-recreate')
    folder.file('docker.crt/ca.crt', root.pem)
    const [other] = await source()
    expect(other).toMatchObject({ code: 'file/not-regular', details: { kind: 'directory', isEmpty: false } })
    expect(other?.message).not.toContain('Docker')
  })
})

it('reports a PKCS#11 URI as the name of a key, and does not show the PIN in it', async () => {
  sourceOfFiles(folder, good)
  const key = 'pkcs11:token=etcd;object=client;type=private?pin-value=384729'
  const source = fromFiles({ ca: folder.file('ca.crt'), cert: folder.file('tls.crt'), key })
  const found = await findingsOf(source)
  expect(found).toMatchObject([{ code: 'input/unexpected-content', details: { holds: 'PKCS#11 URI', wanted: 'key' } }])
  expect(found[0]?.message).toContain('The option "key" holds a PKCS#11 URI')
  expect(JSON.stringify([found, source.origin])).not.toContain('384729')
})
