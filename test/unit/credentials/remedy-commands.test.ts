/** Runs the command of a remedy with a POSIX shell, and loads the credentials from the file that it wrote. */
import { spawnSync } from 'node:child_process'

import { createPrivateKey } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { describe, expect, it as every } from 'vitest'
import { fromFiles, fromPem } from '../../../src/credentials/index.js'
import type { Finding } from '../../../src/report/finding.js'
import { isLong, oneIn } from '../../support/long.js'
import { chainPem, mintCa, mintLeaf } from '../../support/mint.js'
import { openssl, runTool, temporaryFolder } from '../../support/openssl.js'
import { findingsOf, PASSPHRASE } from './fixture.js'

const it = oneIn(3, every)

const folder = temporaryFolder()
const root = mintCa({ subject: 'etcd-ca' })
const issuing = mintCa({ subject: 'etcd-issuing-ca', issuer: root, pathLength: 0 })
const leaf = mintLeaf({ issuer: issuing, subject: 'alice' })
const chain = chainPem(leaf, issuing)
const TEXT = { ca: root.pem, cert: chain, key: leaf.keyPem }
type Role = keyof typeof TEXT
const ROLES = ['ca', 'cert', 'key'] as const

/** Files by their role: the contents, and for a key that is not the leaf's own the certificate that belongs to it. */
type Contents = Readonly<Partial<Record<Role, string | Uint8Array>>>

let count = 0

/** A new directory with the contents as `ca.crt`, `tls.crt` and `tls.key`, or as one file with the given name. */
function written(contents: Contents, name?: string): Record<Role, string> {
  const directory = folder.file(`case ${String(count++)}`)
  mkdirSync(directory)
  const names = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' }
  const write = (role: Role): string =>
    folder.file(
      `case ${String(count - 1)}/${name !== undefined && role in contents ? name : names[role]}`,
      contents[role] ?? TEXT[role],
    )
  const files = { ca: write('ca'), cert: write('cert'), key: write('key') }
  for (const file of Object.values(files)) runTool('chmod', ['600', file])
  return files
}

const COMMAND = /^(?:.*: |.*\. )?Run "([^"]+)"(?: \([^)]*\))?, and pass (.+?) instead\./s

/** Runs the command of the remedy. Returns the file that the remedy says to pass. */
function follow({ remedy }: Finding, answers: string, env: NodeJS.ProcessEnv = {}): string {
  const [, command = '', output = ''] = COMMAND.exec(remedy) ?? []
  if (command === '') throw new Error(`No command: ${remedy}`)
  // A session without a terminal, so that a tool reads passphrases from its input.
  const { status, stderr } = spawnSync('setsid', ['-w', 'sh', '-eu', '-c', `umask 022; ${command}`], {
    input: answers,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  if (status !== 0) throw new Error(`${command}\n${stderr}`)
  return output
}

/** Follows the remedies of all faulty files, and loads the credentials from what the commands wrote. */
async function repaired(files: Record<Role, string>, answers = '', env: NodeJS.ProcessEnv = {}): Promise<void> {
  const before = ROLES.map((role) => readFileSync(files[role]))
  const found = (await findingsOf(fromFiles(files))).filter(({ severity }) => severity !== 'info')
  expect(found.length).toBeGreaterThan(0)
  const fixed = { ...files }
  for (const each of found) {
    const role = roleOf(each, files)
    expect(fixed[role], 'one fault for each file').toBe(files[role])
    fixed[role] = follow(each, answers, env)
  }
  expect(new Set(Object.values(fixed)).size, 'no output overwrites another one').toBe(3)
  expect(ROLES.map((role) => readFileSync(files[role]))).toEqual(before)
  expect((await findingsOf(fromFiles(fixed))).filter(({ severity }) => severity !== 'info')).toEqual([])
  const { trustAnchors, chain: loaded, key } = await fromFiles(fixed).load()
  expect(trustAnchors.map(({ subject }) => subject.commonName)).toContain('etcd-ca')
  expect(loaded.length, 'the intermediate is not lost').toBeGreaterThan(1)
  expect(key.matches(loaded[0])).toBe(true)
  expect(statSync(fixed.key).mode & 0o077, 'only the owner reads the key').toBe(0)
}

function roleOf({ details, remedy }: Finding, files: Record<Role, string>): Role {
  if ('wanted' in details && ROLES.some((each) => each === details.wanted)) return details.wanted as Role
  const role = ROLES.find((each) => 'file' in details && details.file === files[each])
  if (role === undefined) throw new Error(`No file: ${remedy}`)
  return role
}

const all = (change: (text: string) => string | Uint8Array): Contents => ({
  ca: change(TEXT.ca),
  cert: change(TEXT.cert),
  key: change(TEXT.key),
})
const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64')
const lines = (text: string): string => text.replace(/.{76}/g, '$&\n')
const one = (content: string | Uint8Array): Contents => ({ ca: content, cert: content, key: content })
const keyDer = leaf.key.export({ type: 'pkcs8', format: 'der' })
const encryptedKeyDer = leaf.key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })

describe('text in another encoding', () => {
  it.each<[string, (text: string) => string | Uint8Array]>([
    ['base64 of PEM', base64],
    ['base64 of PEM in lines of Windows', (text) => lines(base64(text)).replaceAll('\n', '\r\n')],
    ['base64 of base64 of PEM', (text) => base64(base64(text))],
    ['base64 of base64 of PEM in lines', (text) => lines(base64(lines(base64(text))))],
    ['PEM with \\n for its line breaks', (text) => text.replaceAll('\n', '\\n')],
    ['the same in quotation marks', (text) => JSON.stringify(text)],
    ['the same with \\r\\n', (text) => `"${text.replaceAll('\n', '\\r\\n')}"\n`],
    ['the same as a line of an .env file', (text) => `ETCD_PEM='${text.replaceAll('\n', '\\n')}'\n`],
    ['spaces for line breaks', (text) => text.replaceAll('\n', ' ')],
    ['no line breaks', (text) => text.replaceAll('\n', '')],
    ['UTF-16 with a byte order mark', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 without one', (text) => Buffer.from(text, 'utf16le')],
    ['UTF-16 of the other byte order', (text) => Buffer.from(text, 'utf16le').swap16()],
    ['a UTF-8 byte order mark', (text) => `\ufeff${text}`],
    ['indented blocks', (text) => text.replaceAll(/^/gm, '  ')],
    ['carriage returns alone', (text) => text.replaceAll('\n', '\r')],
    ['header lines', (text) => text.replace('\n', '\nA: 1\n\n')],
  ])('converts files with %s by the command of the remedy', async (_, change) => {
    await repaired(written(all(change)))
  })

  it('converts joined blocks by the command of the remedy', async () => {
    await repaired(written({ cert: leaf.pem.trimEnd() + issuing.pem }))
  })
})

describe('DER and containers', () => {
  it.each<[string, Contents, string?]>([
    ['DER', { ca: root.der, key: keyDer }],
    ['an encrypted key in DER', { key: encryptedKeyDer }, `${PASSPHRASE}\n`],
    ['base64 of DER', { ca: lines(base64(root.der)), key: lines(base64(keyDer)) }],
    ['base64 of base64 of DER', { ca: base64(base64(root.der)), key: base64(base64(keyDer)) }],
  ])('converts %s by the command of the remedy', async (_, contents, answers = '') => {
    await repaired(written(contents), answers)
  })

  const store = (...options: string[]): Buffer => {
    const [own, key, cas] = [
      folder.file('own', leaf.pem),
      folder.file('own.key', leaf.keyPem),
      folder.file('cas', issuing.pem + root.pem),
    ]
    const out = folder.file('made.p12')
    openssl([
      'pkcs12',
      '-export',
      '-in',
      own,
      '-inkey',
      key,
      '-certfile',
      cas,
      '-passout',
      `pass:${PASSPHRASE}`,
      '-out',
      out,
      ...options,
    ])
    return readFileSync(out)
  }
  it.each<[string, () => string | Uint8Array]>([
    ['a PKCS#12 key store', () => store()],
    ['a PKCS#12 key store of an old program', () => store('-legacy')],
    ['a PKCS#12 key store in base64', () => lines(base64(store()))],
    ['a PKCS#12 key store in double base64', () => base64(base64(store('-legacy')))],
  ])('writes CA, certificate and key of %s as PEM by the commands of the remedies', async (_, content) => {
    await repaired(written(one(content()), 'store.p12'), `${PASSPHRASE}\n`)
  })

  const bundle = (form: 'PEM' | 'DER', ...certificates: string[]): Buffer => {
    const out = folder.file('made.p7b')
    openssl([
      'crl2pkcs7',
      '-nocrl',
      '-certfile',
      folder.file('of-p7', certificates.join('')),
      '-outform',
      form,
      '-out',
      out,
    ])
    return readFileSync(out)
  }
  it.each<[string, (pem: string) => string | Uint8Array]>([
    ['a PKCS#7 bundle in PEM', (pem) => bundle('PEM', pem)],
    ['a PKCS#7 bundle in PEM as CMS', (pem) => String(bundle('PEM', pem)).replaceAll('PKCS7', 'CMS')],
    ['a PKCS#7 bundle in DER', (pem) => bundle('DER', pem)],
    ['a PKCS#7 bundle in base64', (pem) => lines(base64(bundle('DER', pem)))],
  ])('writes the certificates of %s as PEM by the command of the remedy', async (_, make) => {
    await repaired(written({ ca: make(root.pem), cert: make(chain) }))
  })

  it('converts certificates under an old label, and keeps the others of the file', async () => {
    const trusted = openssl(['x509', '-trustout'], root.pem)
    await repaired(written({ ca: issuing.pem + trusted, cert: chain.replaceAll('CERTIFICATE', 'X509 CERTIFICATE') }))
  })

  it('moves the certificate of the key to the front of the file by the command of the remedy', async () => {
    await repaired(written({ cert: `# comment\n${root.pem}${issuing.pem}${leaf.pem}` }))
  })
})

describe('archives, key stores and other wrappings', () => {
  const dataUri = (text: string): string => `data:application/x-pem-file;base64,${base64(text)}\n`
  it.each<[string, (text: string) => string | Uint8Array]>([
    ['gzip', (text) => gzipSync(text)],
    ['base64 of gzip in lines', (text) => lines(base64(gzipSync(text)))],
    ['a data: URI in base64', dataUri],
    ['a data: URI with escapes', (text) => `data:,${encodeURIComponent(text)}`],
  ])('unpacks %s by the command of the remedy', async (_, change) => {
    await repaired(written(all(change)))
  })

  it.each([
    ['tar', ['tar', '-cf']],
    ['zip', ['zip', '-q']],
  ] as const)(
    'unpacks a %s archive by the command of the remedy, with the name of the file in it',
    async (kind, [tool, option]) => {
      const own = folder.file(`in-${kind}`)
      mkdirSync(own)
      const archive = folder.file(`of-${kind}.${kind}`)
      const names = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' }
      for (const role of ROLES) folder.file(`in-${kind}/${names[role]}`, TEXT[role])
      runTool('sh', ['-euc', `cd '${own}' && ${tool} ${option} '${archive}' *`])
      const files = written(one(readFileSync(archive)), 'archive')
      const found = await findingsOf(fromFiles(files))
      const fixed = Object.fromEntries(
        found.map((each) => {
          const role = roleOf(each, files)
          const [, command = '', output = ''] =
            /Run "([^"]+)" with .*, and pass (.+?) instead\./.exec(each.remedy) ?? []
          expect(each.message).toContain(`a ${kind} archive`)
          runTool('sh', ['-euc', `umask 022; ${command.replace('MEMBER', names[role])}`])
          return [role, output]
        }),
      ) as Record<Role, string>
      expect(await findingsOf(fromFiles(fixed))).toEqual([])
      expect(statSync(fixed.key).mode & 0o077, 'only the owner reads the key').toBe(0)
    },
  )

  it('converts a JSON Web Key by the command of the remedy', async () => {
    const jwk = leaf.key.export({ format: 'jwk' })
    for (const each of [jwk, { keys: [jwk] }]) await repaired(written({ key: JSON.stringify(each, null, 1) }))
  })

  const keyStores = isLong ? ['a Java key store'] : []
  it.each(keyStores)('writes CA, certificate and key of %s as PEM by the commands of the remedies', async () => {
    const p12 = folder.file('java.p12')
    const jks = folder.file('java.jks')
    const chainFile = folder.file('java.crt', chain + root.pem)
    const inputs = ['-in', chainFile, '-inkey', folder.file('java.key', leaf.keyPem), '-out', p12]
    openssl(['pkcs12', '-export', '-name', 'own', '-passout', `pass:${PASSPHRASE}`, ...inputs])
    const passwords = ['-srcstorepass', PASSPHRASE, '-deststorepass', PASSPHRASE]
    const stores = ['-srckeystore', p12, '-destkeystore', jks, '-deststoretype', 'JKS']
    runTool('keytool', ['-importkeystore', '-noprompt', ...passwords, ...stores])
    const files = written(one(readFileSync(jks)), 'store.jks')
    const fixed = { ...files }
    for (const each of await findingsOf(fromFiles(files))) {
      const [, command = '', output = ''] = COMMAND.exec(each.remedy) ?? []
      // keytool reads its whole input, so that each program gets its own: the new password twice and the old one.
      const [, imports = '', extracts = ''] = /^\(umask 077; (.*) && (.*)\)$/.exec(command) ?? []
      for (const part of [imports, extracts]) {
        const input = `${PASSPHRASE}\n`.repeat(part === imports ? 3 : 1)
        spawnSync('setsid', ['-w', 'sh', '-eu', '-c', `umask 077; ${part}`], { input, encoding: 'utf8' })
      }
      fixed[roleOf(each, files)] = output
    }
    const left = await findingsOf(fromFiles(fixed))
    expect(left.filter(({ severity }) => severity !== 'info')).toEqual([])
  })

  it.each(
    ['ssh-rsa', 'ecdsa-sha2-nistp256', 'ssh-ed25519'].map(
      (kind) => [kind, kind === 'ssh-ed25519' ? 'No command' : 'puttygen'] as const,
    ),
  )('names a key of PuTTY of the kind %s and the command that makes PEM of it', async (kind, remedy) => {
    const key = `PuTTY-User-Key-File-3: ${kind}\nEncryption: none\nComment: alice\nPublic-Lines: 2\n`
    const [found] = await findingsOf(fromFiles(written({ key })))
    expect(found?.message).toMatch(/a private key in (?:the format of PuTTY|SSH format)/)
    expect(found?.remedy).toContain(remedy)
  })

  it.each([
    [
      'the output of "kubectl describe secret"',
      'Name:         etcd-client\nNamespace:    default\n\nType:  Opaque\n\nData\n====\ntls.crt:  1164 bytes\n',
    ],
    [
      'of which a controller in the cluster makes a Secret ("SealedSecret")',
      'apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    tls.crt: AgBy8hC\n',
    ],
  ])('says in which Secret the certificate is if a file has another object: %s', async (what, content) => {
    const [found] = await findingsOf(fromFiles(written({ cert: content })))
    expect(found?.message).toContain(what)
    expect(found?.remedy).toContain("kubectl get secret NAME -o jsonpath='{.data.tls\\.crt}' | base64 -d > tls.crt")
  })

  it('says that the description of a certificate is not the certificate', async () => {
    const text = openssl(['x509', '-noout', '-text'], leaf.pem)
    const [found] = await findingsOf(fromFiles(written({ cert: text })))
    expect(found?.message).toContain('openssl x509 -text')
  })
})

describe('private keys', () => {
  it.each(['rsa', 'ecdsa'])('converts an OpenSSH key of the kind %s by the command of the remedy', async (kind) => {
    const ssh = folder.file(`ssh-${kind}`)
    runTool('ssh-keygen', ['-q', '-t', kind, '-N', '', '-C', 'alice@host', '-f', ssh])
    const key = readFileSync(ssh)
    await repaired(written({ key, cert: chainFor(ssh) }))
    runTool('ssh-keygen', ['-q', '-p', '-N', PASSPHRASE, '-f', ssh])
    const askpass = folder.file('askpass', `#!/bin/sh\necho '${PASSPHRASE}'\n`)
    runTool('chmod', ['700', askpass])
    await repaired(written({ key: readFileSync(ssh), cert: chainFor(ssh, key) }), '', {
      SSH_ASKPASS: askpass,
      SSH_ASKPASS_REQUIRE: 'force',
    })
  })

  /** A chain for the key in the OpenSSH file, or for its unencrypted contents. */
  function chainFor(ssh: string, contents?: Buffer): string {
    const plain = folder.file('ssh-plain', contents ?? readFileSync(ssh))
    runTool('chmod', ['600', plain])
    runTool('ssh-keygen', ['-q', '-p', '-N', '', '-m', 'PKCS8', '-f', plain])
    return chainPem(
      mintLeaf({ issuer: issuing, subject: 'alice', key: createPrivateKey(readFileSync(plain)) }),
      issuing,
    )
  }

  it('says to create a new key for an OpenSSH key of the kind Ed25519, which no command converts', async () => {
    const ssh = folder.file('ssh-ed25519')
    runTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', ssh])
    const files = written({ key: readFileSync(ssh) })
    const [found] = await findingsOf(fromFiles(files))
    expect(found?.message).toContain('Ed25519')
    expect(found?.remedy).toContain('No command converts it')
    const [, command = '', output = ''] = /"([^"]+)" to create the new key (.+?), /.exec(found?.remedy ?? '') ?? []
    runTool('sh', ['-euc', command])
    expect(openssl(['pkey', '-noout', '-text', '-in', output])).toContain('prime256v1')
    expect(statSync(output).mode & 0o077).toBe(0)
  })

  it('decrypts a key by the command of the remedy', async () => {
    const key = leaf.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
    await repaired(written({ key }), `${PASSPHRASE}\n`)
  })

  it.each<[string, string[]]>([
    ['MD5 and DES', ['-provider', 'legacy', '-provider', 'default', '-v1', 'PBE-MD5-DES']],
    ['too many iterations', ['-v2', 'aes256', '-iter', '2000001']],
  ])('encrypts a key again that was encrypted with %s, by the command of the remedy', async (_, options) => {
    const key = openssl(['pkcs8', '-topk8', '-passout', `pass:${PASSPHRASE}`, ...options], leaf.keyPem)
    const files = written({ key })
    const [found] = await findingsOf(fromFiles({ ...files, passphrase: PASSPHRASE }))
    expect(found?.code).toBe('key/encryption-refused')
    if (found === undefined) throw new Error('Nothing was found')
    const fixed = follow(found, `${PASSPHRASE}\n`.repeat(3))
    expect(
      (await findingsOf(fromFiles({ ...files, key: fixed, passphrase: PASSPHRASE }))).map(({ code }) => code),
    ).toEqual([])
    expect(statSync(fixed).mode & 0o077).toBe(0)
  })
})

describe('files of other programs', () => {
  const vault = {
    certificate: leaf.pem.trimEnd(),
    issuing_ca: issuing.pem.trimEnd(),
    ca_chain: [issuing.pem.trimEnd(), root.pem.trimEnd()],
    private_key: leaf.keyPem.trimEnd(),
    private_key_type: 'ec',
  }
  it.each<[string, string]>([
    ['vault write -format=json', JSON.stringify({ request_id: 'x', data: vault }, null, 2)],
    ['the members of data alone', JSON.stringify(vault)],
  ])('writes CA, certificate and key of the JSON of Vault as PEM: %s', async (_, text) => {
    await repaired(written(one(text), 'vault.json'))
  })

  it('writes certificate and key of the JSON of cfssl as PEM', async () => {
    const text = JSON.stringify({ cert: chain, key: leaf.keyPem, csr: '' })
    await repaired(written({ cert: text, key: text }, 'cfssl.json'))
    await repaired(written({ ca: JSON.stringify({ cert: root.pem, key: root.keyPem, csr: '' }) }, 'ca.json'))
  })

  const data = { 'ca.crt': base64(root.pem), 'tls.crt': base64(chain), 'tls.key': base64(leaf.keyPem) }
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'etcd' }, type: 'kubernetes.io/tls', data }
  const yaml = (quote = ''): string =>
    `apiVersion: v1\nkind: Secret\nmetadata:\n  name: etcd\ndata:\n${Object.entries(data)
      .map(([key, value]) => `  ${key}: ${quote}${value}${quote}\n`)
      .join('')}type: kubernetes.io/tls\n`
  it.each([
    ['YAML', yaml()],
    ['YAML with quotation marks', yaml('"')],
    ['JSON', JSON.stringify(secret, null, 2)],
  ])('writes CA, certificate and key of the manifest of a Secret in %s as PEM', async (_, text) => {
    await repaired(written(one(text), 'secret'))
  })
})

it('passes the path of a file with a quotation mark to the shell as one argument', async () => {
  await repaired(written({ ca: root.der }, "it's $HOME; (a).crt"))
})

it.each([
  ['base64', base64(root.pem)],
  ['base64 of base64', base64(base64(root.pem))],
])('decodes %s in a string by the expression of the remedy', async (_, value) => {
  const [found] = await findingsOf(fromPem({ ...TEXT, ca: value }))
  const [expression = ''] = /Buffer\.from\(.*\.toString\(\)/.exec(found?.remedy ?? '') ?? []
  const ca = String(runInNewContext(expression, { value, Buffer }))
  expect(await findingsOf(fromPem({ ...TEXT, ca }))).toEqual([])
})

it('names the file that the command of the remedy reads for a string', async () => {
  const [found] = await findingsOf(fromPem({ ...TEXT, ca: base64(root.der) }))
  const [, command = ''] =
    /^Write the value to FILE, run "([^"]+)", and pass the contents of FILE\.pem instead\.$/.exec(
      found?.remedy ?? '',
    ) ?? []
  mkdirSync(folder.file('of a string'))
  folder.file('of a string/FILE', base64(root.der))
  runTool('sh', ['-euc', `cd "$0" && ${command}`, folder.file('of a string')])
  expect(await findingsOf(fromPem({ ...TEXT, ca: readFileSync(folder.file('of a string/FILE.pem')) }))).toEqual([])
})

it('compares a key with its certificate by the commands of the remedy, and names the CA that the key belongs to', async () => {
  const files = written({ key: root.keyPem })
  const [found] = await findingsOf(fromFiles(files))
  expect(found?.message).toContain(`that is the key of the CA "CN=etcd-ca" in ${files.ca}`)
  const commands = [...(found?.remedy ?? '').matchAll(/"(openssl [^"]+)"/g)].map(([, command = '']) => command)
  expect(commands).toHaveLength(2)
  const printed = commands.map((command) => spawnSync('sh', ['-euc', command], { encoding: 'utf8' }).stdout)
  expect(printed[0]).toContain('BEGIN PUBLIC KEY')
  expect(printed[1]).toContain('BEGIN PUBLIC KEY')
  expect(printed[0]).not.toBe(printed[1])
})

it('replaces \\n in a string by the expression of the remedy', async () => {
  const text = JSON.stringify(root.pem)
  const [found] = await findingsOf(fromPem({ ...TEXT, ca: text }))
  const [expression = ''] = /text\.replaceAll.*\)/.exec(found?.remedy ?? '') ?? []
  const ca = String(runInNewContext(expression, { text }))
  expect(await findingsOf(fromPem({ ...TEXT, ca }))).toEqual([])
})
