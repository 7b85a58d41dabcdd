import { getEventListeners } from 'node:events'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createPublicKey } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  type CredentialSource,
  fromEnv,
  fromFiles,
  fromKubernetesSecret,
  fromPem,
  isEtcdMtlsError,
} from '../../../src/credentials/index.js'
import { MaterialSource, readSource } from '../../../src/credentials/source.js'
import { chainPem, mintLeaf, pem } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import {
  chain,
  codesOf,
  crl,
  findingsOf,
  good,
  intermediate,
  leaf,
  otherLeaf,
  PASSPHRASE,
  printed,
  refuseSecrets,
  root,
  sourceOfFiles,
} from './fixture.js'
import { nameOf, textsOf, writeSecret } from './watch-fixture.js'

const folder = temporaryFolder()

const encrypted = openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', `pass:${PASSPHRASE}`], leaf.keyPem)
const auto = mintLeaf({ subject: [['O', 'etcd']] })

describe('good material', () => {
  it('fromPem reads PEM text', async () => {
    const credentials = await fromPem({ ...good, crl: crl.pem }).load()
    expect(credentials.trustAnchors.map((each) => each.toPem())).toEqual([root.pem])
    expect(credentials.chain.map((each) => each.toPem())).toEqual([leaf.pem, intermediate.pem])
    expect(credentials.key.exportPem()).toBe(leaf.keyPem)
    expect(credentials.crls.map(({ raw }) => Buffer.from(raw))).toEqual([crl.der])
    expect(credentials.origin).toBe('PEM text')
    expect(credentials.key.origin).toBe('option "key"')
    expect(credentials.chain[0].origin).toBe('option "cert"')
    expect(await findingsOf(fromPem({ ...good, crl: crl.pem }))).toEqual([])
  })

  it('fromPem reads Buffers, which are copied', async () => {
    const key = Buffer.from(encrypted)
    const passphrase = Buffer.from(PASSPHRASE)
    const source = fromPem({ ca: Buffer.from(root.pem), cert: new Uint8Array(Buffer.from(chain)), key, passphrase })
    key.fill(0)
    passphrase.fill(0)
    expect(await codesOf(source)).toEqual([])
  })

  it('fromPem parses PEM text once for all callers, and gives each its own lists', async () => {
    const source = fromPem({ ...good, crl: crl.pem })
    const [one, other] = [await source.load(), await source.load()]
    expect(other.chain[0]).toBe(one.chain[0])
    expect(other.key).toBe(one.key)
    one.trustAnchors.pop()
    one.chain.pop()
    one.crls.pop()
    expect([other.trustAnchors.length, other.chain.length, other.crls.length]).toEqual([1, 2, 1])
    expect((await source.load()).trustAnchors).toHaveLength(1)
  })

  it('fromFiles reads files, with a CRL in DER', async () => {
    const credentials = await sourceOfFiles(folder, { ...good, crl: crl.der }).load()
    const files = ['ca.crt', 'tls.crt', 'tls.key'].map((each) => folder.file(each))
    expect(credentials.origin).toBe(`files ${files.join(', ')}`)
    expect([credentials.key.origin, credentials.crls.length]).toEqual([files[2], 1])
  })

  it.each<[string, Partial<Parameters<typeof fromPem>[0]>]>([
    ['an encrypted key with its passphrase', { key: encrypted, passphrase: PASSPHRASE }],
    ['a certificate of another key among the intermediates', { cert: chainPem(leaf, otherLeaf) }],
    ['a self-signed CA as its own anchor', { ca: root.pem, cert: root.pem, key: root.keyPem }],
    // As etcd --auto-tls makes it: not a CA.
    ['a self-signed certificate as its own anchor', { ca: auto.pem, cert: auto.pem, key: auto.keyPem }],
    ['an empty passphrase for a key that is not encrypted', { passphrase: '' }],
    ['parameters of the curve next to the key', { key: pem('EC PARAMETERS', Buffer.from([6, 0])) + leaf.keyPem }],
    ['a CA under an old label', { ca: pem('X509 CERTIFICATE', root.der) }],
    ['the same text as certificate and key', { cert: chain + leaf.keyPem, key: chain + leaf.keyPem }],
    ['the same text, key first', { cert: leaf.keyPem + chain, key: leaf.keyPem + chain }],
  ])('reads without a finding: %s', async (_, contents) => {
    expect(await findingsOf(fromPem({ ...good, ...contents }))).toEqual([])
  })
})

describe('material that is read, with a finding', () => {
  const rows: [string, Partial<Parameters<typeof fromPem>[0]>, string][] = [
    ['a byte order mark', { ca: `\ufeff${root.pem}` }, 'warning pem/layout-unusual'],
    ['CRLF', { cert: chain.replaceAll('\n', '\r\n') }, 'info pem/layout-unusual'],
    ['CR alone', { cert: chain.replaceAll('\n', '\r') }, 'warning pem/layout-unusual'],
    ['indentation', { key: leaf.keyPem.replaceAll(/^/gm, '  ') }, 'warning pem/layout-unusual'],
    ['a blank line inside', { ca: root.pem.replace('\n', '\n\n') }, 'warning pem/layout-unusual'],
    ['text around the blocks', { cert: `subject=CN=alice\n${chain}` }, 'info pem/layout-unusual'],
    ['a certificate twice', { ca: root.pem + root.pem }, 'info credentials/duplicate-certificate'],
    ['a key next to the certificate', { cert: chain + otherLeaf.keyPem }, 'warning input/other-block'],
    ['a certificate next to the key', { key: leaf.keyPem + leaf.pem }, 'info input/other-block'],
    ['parameters next to the certificate', { cert: chain + pem('DH PARAMETERS', leaf.der) }, 'info input/other-block'],
    ['a CRL next to the key', { key: leaf.keyPem + crl.pem }, 'info input/other-block'],
    ['a certificate next to the CRL', { crl: crl.pem + root.pem }, 'info input/other-block'],
    [
      'the certificate of the other side as the only anchor',
      { ca: otherLeaf.pem },
      'warning credentials/anchor-is-no-ca',
    ],
    ['two keys', { key: leaf.keyPem + otherLeaf.keyPem }, 'warning input/several'],
    ['a passphrase for nothing', { passphrase: PASSPHRASE }, 'warning key/passphrase-refused'],
    [
      'a key in the encryption of old',
      {
        key: openssl(['ec', '-aes256', '-passout', `pass:${PASSPHRASE}`], leaf.keyPem),
        passphrase: PASSPHRASE,
      },
      'warning key/encryption-refused',
    ],
  ]

  it.each(rows)('reads with a finding: %s', async (_, contents, expected) => {
    for (const source of [fromPem({ ...good, ...contents }), sourceOfFiles(folder, { ...good, ...contents })]) {
      const found = await findingsOf(source)
      expect(found.map(({ severity, code }) => `${severity} ${code}`)).toEqual([expected])
      const { chain: read, trustAnchors } = await source.load()
      expect([read.length, trustAnchors.length]).toEqual([2, 1])
    }
  })

  it('the own certificate next to a pinned one as anchors', async () => {
    expect(await codesOf(fromPem({ ...good, ca: leaf.pem + otherLeaf.pem }))).toEqual(['credentials/anchor-is-no-ca'])
  })

  it('one finding about one file that is both certificate and key', async () => {
    const both = folder.file('both.pem', (chain + leaf.keyPem).replaceAll('\n', '\r\n'))
    chmodSync(both, 0o600)
    const ca = folder.file('ca.crt', root.pem)
    expect(await codesOf(fromFiles({ ca, cert: both, key: both }))).toEqual(['pem/layout-unusual'])
    folder.file('both.pem', '')
    expect(await codesOf(fromFiles({ ca, cert: both, key: both }))).toEqual(['file/empty'])
  })
})

describe('fromEnv', () => {
  const files = (): Record<string, string> => {
    sourceOfFiles(folder, good)
    return { CACERT: folder.file('ca.crt'), CERT: folder.file('tls.crt'), KEY: folder.file('tls.key') }
  }
  const prefixed = (prefix: string, values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]))

  it("reads etcdctl's variables, from process.env too", async () => {
    const env = prefixed('ETCDCTL_', files())
    expect(await codesOf(fromEnv(env))).toEqual([])
    Object.assign(process.env, env)
    try {
      const source = fromEnv()
      expect(source.origin).toBe('environment variables ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY')
      expect(await codesOf(source)).toEqual([])
    } finally {
      for (const name of Object.keys(env)) Reflect.deleteProperty(process.env, name)
    }
    expect(await codesOf(fromEnv())).toEqual(Array.from({ length: 3 }, () => 'credentials/variable-missing'))
  })

  it('reads variables of another prefix, with a passphrase and a CRL', async () => {
    const env = { ...prefixed('APP_', files()), APP_KEY: folder.file('encrypted.key', encrypted) }
    chmodSync(folder.file('encrypted.key'), 0o600)
    const source = fromEnv(env, { prefix: 'APP_', passphrase: PASSPHRASE, crl: folder.file('list.crl', crl.pem) })
    expect(await codesOf(source)).toEqual([])
    expect((await source.load()).crls).toHaveLength(1)
  })

  it('names every variable that is not set or empty', async () => {
    const found = await findingsOf(fromEnv({ APP_CERT: '', APP_KEY: folder.file('absent') }, { prefix: 'APP_' }))
    expect(found.map(({ code, details }) => ({ code, ...details }))).toEqual([
      { code: 'credentials/variable-missing', variable: 'APP_CACERT', role: 'ca', empty: false, instead: null },
      { code: 'credentials/variable-missing', variable: 'APP_CERT', role: 'cert', empty: true, instead: null },
      expect.objectContaining({ code: 'file/missing', file: folder.file('absent'), variable: 'APP_KEY' }),
    ])
    expect(found[0]?.message).toContain('APP_CACERT')
    expect(found[2]?.message).toContain(`${folder.file('absent')} (from APP_KEY)`)
  })

  it('names the variable of etcdctl v2, or of etcd itself, that is set instead', async () => {
    const env = {
      ETCDCTL_CA_FILE: 'ca.crt',
      ETCDCTL_CERT_FILE: 'tls.crt',
      ETCDCTL_KEY_FILE: 'tls.key',
      ETCD_KEY_FILE: 'x',
    }
    const found = await findingsOf(fromEnv(env))
    const instead = ['ETCDCTL_CA_FILE', 'ETCDCTL_CERT_FILE', 'ETCDCTL_KEY_FILE']
    expect(found.map(({ details }) => 'instead' in details && details.instead)).toEqual(instead)
    expect(found[0]?.message).toBe('The environment variable ETCDCTL_CACERT is not set, but ETCDCTL_CA_FILE is.')
    expect(found[0]?.remedy).toBe('Rename ETCDCTL_CA_FILE to ETCDCTL_CACERT: etcdctl has other names since its v3 API.')
    const [ofEtcd] = await findingsOf(fromEnv({ ETCD_TRUSTED_CA_FILE: 'ca.crt' }))
    expect(ofEtcd?.remedy).toMatch(/^Set ETCDCTL_CACERT to the path.*ETCD_TRUSTED_CA_FILE is a variable of the server/)
  })

  it('names the variable next to the file whose contents are wrong', async () => {
    const env = { ...prefixed('ETCDCTL_', files()), ETCDCTL_CACERT: folder.file('ca.der', root.der) }
    const [found] = await findingsOf(fromEnv(env))
    expect(found?.code).toBe('input/unexpected-content')
    expect(found?.message).toContain(`${folder.file('ca.der')} (from ETCDCTL_CACERT)`)
    expect(found?.remedy).toContain(`-in ${folder.file('ca.der')} -out`)
  })

  it('does not show a key that a variable holds', async () => {
    const found = await findingsOf(fromEnv({ ...prefixed('ETCDCTL_', files()), ETCDCTL_KEY: leaf.keyPem }))
    expect(found.map(({ code }) => code)).toEqual(['input/unexpected-content'])
    expect(found[0]?.message).toContain('environment variable ETCDCTL_KEY')
  })
})

describe('fromKubernetesSecret', () => {
  const mount = (name: string): string => {
    writeSecret(folder.file(name), 1, textsOf('1'))
    return folder.file(name)
  }

  it('reads the files of the current generation', async () => {
    const directory = mount('secret')
    const source = fromKubernetesSecret(directory)
    expect(await codesOf(source)).toEqual([])
    expect(nameOf(await source.load())).toBe('1')
    writeSecret(directory, 2, textsOf('2'))
    expect(nameOf(await source.load())).toBe('2')
  })

  it('reads a plain directory with other names and CRLs, and does not check the modes', async () => {
    mkdirSync(folder.file('plain'))
    const contents = { 'root.pem': root.pem, 'pair.pem': chain + leaf.keyPem, 'list.crl': crl.pem }
    for (const [name, text] of Object.entries(contents)) folder.file(`plain/${name}`, text)
    const names = { ca: 'root.pem', cert: 'pair.pem', key: 'pair.pem', crl: 'list.crl' }
    const source = fromKubernetesSecret(folder.file('plain'), { names, passphrase: '' })
    expect(await codesOf(source)).toEqual([])
    expect((await source.load()).crls).toHaveLength(1)
  })

  it('names files as they are seen in the mount', async () => {
    const directory = mount('incomplete')
    for (const name of ['ca.crt', 'tls.key']) rmSync(`${directory}/${name}`)
    for (const name of ['ca.crt', 'tls.key']) rmSync(`${directory}/..1/${name}`)
    const found = await findingsOf(fromKubernetesSecret(directory))
    expect(found.map(({ code, details }) => [code, 'file' in details && details.file])).toEqual([
      ['file/missing', `${directory}/ca.crt`],
      ['file/missing', `${directory}/tls.key`],
    ])
    expect(await codesOf(fromKubernetesSecret(`${directory}/tls.crt`))).toEqual(['file/missing'])
  })
})

describe('load', () => {
  it('rejects with every finding, the worst first, and the first one is its message', async () => {
    const error: unknown = await fromPem({ ...good, ca: 'x', key: leaf.keyPem.replaceAll('\n', '\r\n') })
      .load()
      .catch((reason: unknown) => reason)
    if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw new Error('Not the error expected')
    expect(error.details.origin).toBe('PEM text')
    expect(error.details.findings.map(({ code }) => code)).toEqual(['input/unexpected-content', 'pem/layout-unusual'])
    expect(error.message).toMatch(/^\[input\/unexpected-content\] The option "ca"/)
  })

  it('heeds a signal that was aborted before', async () => {
    const reason = new Error('not any more')
    await expect(fromPem(good).load(AbortSignal.abort(reason))).rejects.toBe(reason)
    const untouched = new MaterialSource('nowhere', () => Promise.reject(new Error('It was read')))
    await expect(untouched.load(AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  it('heeds a signal while it waits, and leaves no listener behind', async () => {
    const controller = new AbortController()
    const reason = new Error('not any more')
    const loading = new MaterialSource('nowhere', () => new Promise<never>(() => undefined)).load(controller.signal)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort(reason)
    await expect(loading).rejects.toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])

    const { signal } = new AbortController()
    await sourceOfFiles(folder, good).load(signal)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('readSource', () => {
  const foreign = (load: CredentialSource['load']): CredentialSource => ({ origin: 'elsewhere', load })

  it('takes sources of others: credentials, findings of their error, other errors as they are', async () => {
    const credentials = await fromPem(good).load()
    expect(await readSource(foreign(() => Promise.resolve(credentials)))).toEqual({ credentials, findings: [] })
    const broken = fromPem({ ...good, ca: 'x' })
    const reading = await readSource(foreign((signal) => broken.load(signal)))
    expect(reading).toMatchObject({ credentials: null, findings: [{ code: 'input/unexpected-content' }] })
    const error = new Error('the vault is sealed')
    await expect(readSource(foreign(() => Promise.reject(error)))).rejects.toBe(error)
  })
})

describe('secrets', () => {
  it('the check of these tests finds secrets', () => {
    for (const value of [{ text: leaf.keyPem }, leaf.key.export({ format: 'jwk' }), [`x ${PASSPHRASE}`]]) {
      expect(() => {
        refuseSecrets(value)
      }).toThrow('A secret is printed')
    }
  })

  it('no source shows key or passphrase, however it is printed', () => {
    for (const source of [fromPem({ ...good, passphrase: PASSPHRASE }), sourceOfFiles(folder, good), fromEnv({})]) {
      refuseSecrets(source)
      expect(printed(source)).toContain(source.origin)
    }
    expect(inspect(fromPem(good))).toBe('CredentialSource { PEM text }')
  })

  it('credentials show their kind, and survive structuredClone without the key', async () => {
    const credentials = await fromPem(good).load()
    refuseSecrets(credentials)
    expect(printed(credentials)).toContain('ECDSA P-256')
    refuseSecrets(structuredClone({ key: credentials.key }))
    expect(structuredClone(credentials.key)).toEqual({ algorithm: 'ECDSA P-256', origin: 'option "key"' })
    expect(createPublicKey(credentials.key.toKeyObject()).equals(credentials.key.publicKey)).toBe(true)
  })
})
