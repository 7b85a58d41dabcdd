/** What Kubernetes, Docker and Compose leave in place of a file, and how the findings explain it. */
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromFiles, fromKubernetesSecret, fromPem, writeCredentials } from '../../../src/credentials/index.js'
import type { Finding } from '../../../src/report/finding.js'
import { runTool, temporaryFolder } from '../../support/openssl.js'
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

  it('names the files of a Secret that is mounted one directory deeper, and the remedy works', async () => {
    const directory = folder.file('deeper')
    mkdirSync(`${directory}/etcd`, { recursive: true })
    for (const [name, text] of Object.entries({ ...TLS, 'ca.crt': root.pem })) folder.file(`deeper/etcd/${name}`, text)
    const found = await findingsOf(fromKubernetesSecret(directory))
    expect(found[0]?.message).toContain('the directory has etcd/ca.crt, etcd/tls.crt and etcd/tls.key')
    const names = found.map(({ remedy }) => /names: \{ (\w+): '([^']+)' \}/.exec(remedy)?.slice(1))
    const given = Object.fromEntries(names as [string, string][])
    expect(await findingsOf(fromKubernetesSecret(directory, { names: given }))).toEqual([])
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

describe('the directory of a mounted Secret', () => {
  it.each(['', '/'])('says once that the Secret is not mounted there, for a path that ends in "%s"', async (end) => {
    const found = await findingsOf(fromKubernetesSecret(`${folder.file('not mounted')}${end}`))
    expect(found).toMatchObject([{ code: 'file/missing', details: { mount: 'missing' } }])
    expect(found[0]?.message).toMatch(/^The directory .* does not exist\.$/)
    expect(found[0]?.remedy).toContain('volumeMounts.mountPath')
  })

  it('names the directory of a file that is given in its place', async () => {
    await inDirectory('of a file', { 'ca.crt': root.pem, ...TLS })
    const found = await findingsOf(fromKubernetesSecret(folder.file('of a file/tls.crt')))
    expect(found).toMatchObject([{ code: 'file/missing', details: { mount: 'file' } }])
    const [, directory = ''] = /^Pass the directory that this file is in: "(.+)"\.$/.exec(found[0]?.remedy ?? '') ?? []
    expect(await findingsOf(fromKubernetesSecret(directory))).toEqual([])
  })

  it('recognizes the service account of the pod', async () => {
    const files = { 'ca.crt': root.pem, namespace: 'default', token: 'eyJhbGciOiJSUzI1NiJ9.e30.x' }
    const found = await inDirectory('service account', files)
    expect(found.map(({ code }) => code)).toEqual(['file/missing', 'file/missing'])
    for (const { remedy } of found) expect(remedy).toMatch(/^Mount the Secret.*service account of the pod/)
  })

  it('explains a Secret object of the API server', () => {
    const secret = { data: { 'tls.crt': 'LS0t' } }
    expect(() => fromKubernetesSecret(secret as unknown as string)).toThrow(
      /fromPem, such as cert: Buffer\.from\(secret\.data\['tls\.crt'\], 'base64'\)/,
    )
  })

  it('says to fix a value in the Secret itself, because the mount is read-only', async () => {
    const encoded = Object.fromEntries(
      Object.entries(TLS).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
    )
    const found = await inDirectory('encoded twice', { 'ca.crt': root.pem, ...encoded })
    expect(new Set(found.map(({ remedy }) => remedy)).size).toBe(1)
    expect(found[0]?.remedy).toMatch(/^The value was encoded once too often.*stringData/)
  })

  it('writes a converted value to the working directory, and names the key of the Secret that it replaces', async () => {
    const directory = folder.file('in DER')
    const found = await inDirectory('in DER', { 'ca.crt': '', ...TLS })
    expect(found[0]?.code).toBe('file/empty')
    folder.file('in DER/ca.crt', root.der)
    const [der] = await findingsOf(fromKubernetesSecret(directory))
    const [, command = '', file = ''] =
      /^Run "([^"]+)", and make (\S+) the value of ca\.crt in the Secret: "kubectl create secret generic NAME --from-file=ca\.crt=\2"/.exec(
        der?.remedy ?? '',
      ) ?? []
    const writable = folder.file('writable')
    mkdirSync(writable)
    runTool('sh', ['-euc', `cd "$0" && ${command}`, writable])
    expect(readFileSync(`${writable}/${file}`, 'utf8')).toContain('BEGIN CERTIFICATE')
  })

  it('treats files that the kubelet linked in the same way for fromFiles, and does not judge their modes', async () => {
    const directory = folder.file('linked')
    mkdirSync(`${directory}/..2026`, { recursive: true })
    symlinkSync('..2026', `${directory}/..data`)
    for (const [name, text] of Object.entries({ 'ca.crt': root.der, ...TLS })) {
      folder.file(`linked/..2026/${name}`, text)
      chmodSync(`${directory}/..2026/${name}`, 0o644)
      symlinkSync(`..data/${name}`, `${directory}/${name}`)
    }
    const file = (name: string): string => `${directory}/${name}`
    const found = await findingsOf(fromFiles({ ca: file('ca.crt'), cert: file('tls.crt'), key: file('tls.key') }))
    expect(found).toMatchObject([{ code: 'input/unexpected-content', details: { isSecret: true } }])
    expect(found[0]?.remedy).toContain('A mounted Secret is read-only.')
  })

  it('warns of a key that others can read in a directory that this package wrote, which has links of the same form', async () => {
    const directory = folder.file('written')
    await writeCredentials(directory, await fromPem(good).load())
    const file = (name: string): string => `${directory}/${name}`
    chmodSync(file('tls.key'), 0o644)
    const found = await findingsOf(fromFiles({ ca: file('ca.crt'), cert: file('tls.crt'), key: file('tls.key') }))
    expect(found).toMatchObject([{ code: 'file/key-readable-by-others', details: { file: file('tls.key') } }])
  })
})

it('lists the files with the ending of a missing file first', async () => {
  mkdirSync(folder.file('many'))
  for (const name of ['ca.key', 'etcd.pem', 'a.conf', 'tls.key', 'peer.key', 'peer.pem', 'zz.crt', 'server.crt'])
    folder.file(`many/${name}`, 'x')
  const path = folder.file('many/tls-server.crt')
  const [found] = await findingsOf(fromFiles({ ca: path, cert: path, key: path }))
  expect(found?.message).toContain('has server.crt, zz.crt, ca.key')
})

describe('a path that is not one', () => {
  const about = async (path: string): Promise<Finding | undefined> => {
    sourceOfFiles(folder, good)
    const [found] = await findingsOf(fromFiles({ ca: path, cert: folder.file('tls.crt'), key: folder.file('tls.key') }))
    return found
  }

  it.each<[string, (path: string) => string, RegExp]>([
    [
      'a line break at its end',
      (path) => `${path}\n`,
      /^Remove the line break from the end of the path: the file (.+) exists\./,
    ],
    [
      'a carriage return at its end',
      (path) => `${path}\r`,
      /^Remove the carriage return from the end of the path: the file (.+) exists\..*Windows/,
    ],
    [
      'quotation marks',
      (path) => `"${path}"`,
      /^Remove the quotation marks and spaces around the path: the file (.+) exists\./,
    ],
    ['spaces', (path) => ` ${path}`, /^Remove the quotation marks and spaces around the path: the file (.+) exists\./],
  ])('names %s, and the file that exists without', async (_, change, remedy) => {
    const found = await about(change(folder.file('ca.crt')))
    expect(found).toMatchObject({ code: 'file/missing', details: { corrected: folder.file('ca.crt') } })
    expect(remedy.exec(found?.remedy ?? '')?.[1]).toBe(folder.file('ca.crt'))
    expect(found?.message).toMatch(/ does not exist\.$/)
  })

  it.each([
    ['${CERT_DIR}/ca.crt', /"\$\{CERT_DIR\}", which only a shell or Docker Compose replaces/],
    ['{{ pki }}/ca.crt', /"\{\{ pki \}\}", a template/],
    ['undefined/ca.crt', /"undefined", which stands for a variable that is not set/],
    ['$(cat /run/ca.path)', /"\$\(cat \/run\/ca\.path\)", which only a shell replaces/],
    ['C:\\certs\\ca.crt', /a path of Windows/],
    ['certs\tls\\ca.crt', /^Write "\/" or "\\\\" for each "\\" of the path/],
    ['~/ca.crt', /"~" is not replaced/],
  ])('explains the path %s', async (path, remedy) => {
    expect((await about(path))?.remedy).toMatch(remedy)
  })

  it.each([
    ['C:\tls\new\ca.crt'],
    ['C:\temp\\ca.crt'],
    ['D:\\etcd\bca.crt'],
    ['certs\new\ca.crt'],
    ['..\\pki\root.pem'],
  ])('explains the path %j, in which a string made control characters of backslashes', async (path) => {
    const found = await about(path)
    expect(found?.message).toMatch(/^The option "ca" holds a path with control characters, |does not exist\.$/)
    expect(found?.remedy).toMatch(/^Write "\/" or "\\\\" for each "\\" of the path/)
  })

  it('reads a file whose name has a tab', async () => {
    expect(await about(folder.file('certs\tls.crt', root.pem))).toBeUndefined()
  })

  it('lists the files that the directory has instead, certificates first', async () => {
    const directory = folder.file('cfssl')
    mkdirSync(directory)
    for (const name of ['a.txt', 'b.txt', 'ca.pem', 'client-key.pem', 'client.pem']) folder.file(`cfssl/${name}`, '')
    const found = await about(`${directory}/ca.crt`)
    expect(found?.message).toBe(
      `The file ${directory}/ca.crt does not exist: the directory ${directory} has ca.pem, client-key.pem, client.pem, a.txt and b.txt.`,
    )
    expect((await about(`${directory}/none/ca.crt`))?.message).toContain(
      `the directory ${directory}/none does not exist`,
    )
    expect((await about(`${directory}/ca.pem/ca.crt`))?.message).toContain(`${directory}/ca.pem is a file`)
  })

  it('explains a link that leads to itself', async () => {
    symlinkSync('circle.crt', folder.file('circle.crt'))
    const found = await about(folder.file('circle.crt'))
    expect(found?.message).toContain('is a symbolic link that leads back to itself (ELOOP)')
    expect(found?.remedy).toMatch(/^Create the link again/)
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
