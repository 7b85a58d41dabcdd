import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { MaterialRole } from '../../../src/report/catalogue/place.js'
import type { Holds } from '../../../src/report/catalogue/contents.js'
import type { PemDamage } from '../../../src/report/catalogue/pem.js'
import type { Finding } from '../../../src/report/finding.js'
import { drawn } from '../../support/long.js'
import { pem } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { findingsOf, good, leaf, pemSource, root, sourceOfFiles } from './fixture.js'

/** Everything that a file or an option can hold that is no PEM, or no PEM any more; each as CA, certificate and key. */

const folder = temporaryFolder()

const utf16 = (text: string, mark = '\ufeff'): Buffer => Buffer.from(`${mark}${text}`, 'utf16le')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const LFS_POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1188\n'
const escaped = (text: string): string => text.replaceAll('\n', '\\n')

const armour = (checksum: string): string =>
  `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0RkXRYJKwYBBAHaRw8BAQdA\n${checksum}-----END PGP PUBLIC KEY BLOCK-----\n`

const sshPublicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Kk2T3cZ0n1lW4b2l3rY0sQ5m7u8h9d6f1g2e3c4b5 alice@host\n'
const sshPrivateKey = (kind: string): string => pem('OPENSSH PRIVATE KEY', Buffer.from(`openssh-key-v1\0${kind}`))

function keyStore(): Buffer {
  const cert = folder.file('p12.crt', leaf.pem)
  const key = folder.file('p12.key', leaf.keyPem)
  const store = folder.file('store.p12')
  openssl(['pkcs12', '-export', '-in', cert, '-inkey', key, '-passout', 'pass:x', '-out', store])
  return readFileSync(store)
}

type Row = [
  what: string,
  /** Null: depends on what was meant. */
  holds: Holds | PemDamage | null,
  content: (text: string, der: Buffer) => string | Uint8Array,
  remedy: RegExp,
]

const AGAIN = /Copy the whole file again/
const rows: Row[] = [
  ['DER', null, (_, der) => der, /openssl (?:pkey|x509) -inform der -in \S+ -out/],
  ['DER that was read as UTF-8', 'other DER', (_, der) => der.toString('utf8'), /^Pass the/],
  ['a PKCS#12 key store', 'PKCS#12 key store', keyStore, /openssl pkcs12 -in/],
  ['UTF-16 little-endian', 'UTF-16 text', (text) => utf16(text), /iconv -f UTF-16 -t UTF-8/],
  ['UTF-16 big-endian', 'UTF-16 text', (text) => utf16(text).swap16(), /iconv -f UTF-16 -t UTF-8/],
  ['UTF-16 little-endian, unmarked', 'UTF-16LE text', (text) => utf16(text, ''), /iconv -f UTF-16LE -t UTF-8/],
  ['UTF-16 big-endian, unmarked', 'UTF-16BE text', (text) => utf16(text, '').swap16(), /iconv -f UTF-16BE -t UTF-8/],
  ['UTF-16 that was read as UTF-8', 'UTF-16 text', (text) => utf16(text).toString('utf8'), /iconv -f UTF-16 -t UTF-8/],
  ['white space', 'nothing', () => ' \n\t\r\n', /^Pass the/],
  ['a byte order mark alone', 'nothing', () => '\ufeff', /^Pass the/],
  ['prose', 'other text', () => 'to be done\n', /^Pass the/],
  ['binary data', 'other binary data', () => Buffer.from('7f454c46000102', 'hex'), /^Pass the/],
  ['JSON of cfssl', 'cfssl output', (text) => JSON.stringify({ cert: text, key: text }), /cfssljson -f/],
  ['JSON of Vault', 'Vault output', (text) => JSON.stringify({ data: { issuing_ca: text } }), /jq -r '\(\.data/],
  ['other JSON', 'JSON', (text) => `\n${JSON.stringify([{ data: text }], null, 2)}`, /jq/],
  ['an OpenSSH public key', 'SSH public key', () => sshPublicKey, /TLS does not use/],
  [
    'an RSA key of OpenSSH',
    'SSH private key',
    () => sshPrivateKey('ssh-rsa'),
    /ssh-keygen -q -p -N '' -m PKCS8 -f|^Pass the c|^Pass the CA/,
  ],
  [
    'an Ed25519 key of OpenSSH',
    'SSH-only private key',
    () => sshPrivateKey('ssh-ed25519'),
    /openssl genpkey|^Pass the c|^Pass the CA/,
  ],
  ['base64 of base64', 'PEM', (text) => base64(base64(text)), /base64 -d \| base64 -d|^Decode it before/],
  ['a pointer of Git LFS', 'Git LFS pointer', () => LFS_POINTER, /git lfs pull/],
  [
    'YAML of SOPS',
    'SOPS file',
    () => 'data: ENC[AES256_GCM,data:Ag==,iv:x,tag:y,type:str]\nsops: {}\n',
    /sops --decrypt/,
  ],
  ['a file of ansible-vault', 'ansible-vault file', () => '$ANSIBLE_VAULT;1.1;AES256\n6162\n', /ansible-vault view/],
  ['a template of Helm', 'template', () => '{{ .Values.etcd.tls | b64dec }}\n', /Helm, vault-agent/],
  ['a template that Go did not fill in', 'template', () => '<no value>\n', /Helm, vault-agent/],
  ['a variable that nothing replaced', 'template', () => '${ETCD_PEM}\n', /envsubst/],
  ['an attribute of Terraform', 'template', () => '${tls_locally_signed_cert.etcd.cert_pem}\n', /Terraform/],
  ['a command of a shell', 'shell command', () => '$(cat /certs/tls.crt)\n', /the output of the command/],
  ['a kubeconfig', 'kubeconfig', () => 'apiVersion: v1\nkind: Config\nclusters: []\n', /\/etc\/kubernetes\/pki\//],
  ['a PKCS#11 URI', 'PKCS#11 URI', () => 'pkcs11:token=etcd;object=client\n', /a separate key/],
  ['OpenPGP armour', 'OpenPGP block', () => armour('=abcd\n'), /gpg --decrypt/],
  ['OpenPGP armour without a checksum', 'OpenPGP block', () => armour(''), /gpg --decrypt/],
  ['base64 of PEM', 'PEM', (text) => Buffer.from(text).toString('base64'), /base64 -d > \S+|^Decode it before/],
  ['base64 of DER', null, (_, der) => der.toString('base64'), /base64 -d \| openssl/],
  ['the inner lines', null, (text) => text.replaceAll(/^-.*\n/gm, ''), /\| openssl \w+ -inform/],
  ['escaped line breaks', 'escaped line breaks', escaped, /Replace them|awk/],
  ['escaped line breaks in quotes', 'escaped line breaks', (text) => `"${escaped(text)}"\n`, /Replace them|awk/],
  ['spaces for line breaks', 'lost line breaks', (text) => text.replaceAll('\n', ' '), /quote the variable/],
  ['nothing for line breaks', 'lost line breaks', (text) => text.replaceAll('\n', ''), /quote the variable/],
  ['the path of a file', 'file name', () => '/etc/etcd/pki/tls', /fromFiles|Pass the file/],
  ['the name of a file', 'file name', () => 'tls.pem\n', /fromFiles|Pass the file/],
  ['half of the bytes', 'no END line', (text) => text.slice(0, text.length / 2), AGAIN],
  ['all lines but the last', 'no END line', (text) => text.replace(/-----END.*\n/, ''), AGAIN],
  ['a foreign character', 'a character that is not base64', (text) => text.replace(/\nM/, '\n*'), AGAIN],
  ['a character lost', 'missing characters', (text) => text.replace(/\nM/, '\n'), AGAIN],
  ['another END', 'another label in END', (text) => text.replace(/END \w+/, 'END FOO'), AGAIN],
  ['no BEGIN', 'no BEGIN line', (text) => text.replace(/^.*\n/, ''), /again as a whole/],
  ['four dashes in BEGIN', 'a malformed boundary', (text) => text.replace('-----', '----'), /five plain dashes/],
  ['four dashes', 'a malformed boundary', (text) => text.replaceAll('-----', '----'), /five plain dashes/],
  ['base64 next to BEGIN', 'a boundary that shares its line', (text) => text.replace('\n', ''), /separate line/],
]

function holdsOf(finding: Finding | undefined): Holds | undefined {
  return finding?.code === 'input/unexpected-content' ? finding.details.holds : undefined
}

describe.each<[MaterialRole & ('ca' | 'cert' | 'key'), string, Buffer]>([
  ['ca', root.pem, root.der],
  ['cert', leaf.pem, leaf.der],
  ['key', leaf.keyPem, leaf.key.export({ type: 'pkcs8', format: 'der' })],
])('given as %s', (role, text, der) => {
  it.each(drawn(rows, 25))('reports an input in a wrong format: %s', async (_, holds, content, remedy) => {
    const contents = { ...good, [role]: content(text, der) }
    for (const source of [pemSource(contents), sourceOfFiles(folder, contents)]) {
      const errors = (await findingsOf(source)).filter(({ severity }) => severity === 'error')
      const [first, ...others] = errors
      expect(new Set(others.map(({ code }) => code))).toEqual(new Set(others.length === 0 ? [] : [first?.code]))
      const reported = first?.code === 'pem/damaged' ? first.details.damage : holdsOf(first)
      expect(reported).toBe(holds ?? (role === 'key' ? 'private key' : 'certificate'))
      const file = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' }[role]
      const origin = source.origin === 'PEM text' ? `The option "${role}"` : `The file ${folder.file(file)}`
      expect(errors[0]?.message).toContain(origin)
      expect(errors[0]?.remedy).toMatch(remedy)
      expect(errors[0]?.details).toMatchObject({ file: source.origin === 'PEM text' ? null : folder.file(file) })
    }
  })
})

describe('limits', () => {
  it('a text has a limit of size', async () => {
    const [found] = await findingsOf(pemSource({ ...good, ca: root.pem.padEnd(4 * 1024 * 1024 + 1) }))
    expect(found).toMatchObject({
      code: 'input/too-much',
      details: { count: 4_194_305, limit: 4_194_304, wanted: 'ca' },
    })
    expect(await findingsOf(pemSource({ ...good, ca: root.pem.padEnd(4 * 1024 * 1024) }))).toEqual([])
  })

  it('a text has a limit of blocks', async () => {
    const [found] = await findingsOf(pemSource({ ...good, ca: root.pem.repeat(4097) }))
    expect(found).toMatchObject({ code: 'input/too-much', details: { unit: 'blocks', limit: 2000 } })
  })
})
