/** The table of contents that are not PEM (recognize.ts): a test for each row. */
import { createPublicKey } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { KINDS, recognize } from '../../../src/credentials/recognize.js'
import { scanPem } from '../../../src/x509/pem/pem.js'
import { integer, oid, sequence, tlv } from '../../support/der-writer.js'
import { mintCa, mintCrl, mintCsr, newKey } from '../../support/mint.js'

const ca = mintCa({ subject: 'CA' })
const key = newKey('p256')
const encrypted = { cipher: 'aes-256-cbc', passphrase: 'x', type: 'pkcs8', format: 'der' } as const
const DER: readonly (readonly [holds: string, der: Buffer])[] = [
  ['certificate', ca.der],
  ['certificate request', mintCsr({ subject: 'a' }).der],
  ['CRL', mintCrl({ issuer: ca }).der],
  ['private key', key.export({ type: 'pkcs8', format: 'der' })],
  ['encrypted private key', key.export(encrypted)],
  ['public key', createPublicKey(key).export({ type: 'spki', format: 'der' })],
  ['PKCS#12 key store', sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1')))],
  [
    'old PKCS#12 key store',
    sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1')), oid('1.2.840.113549.1.12.1.6')),
  ],
  ['PKCS#7 bundle', sequence(oid('1.2.840.113549.1.7.2'), tlv(0xa0, sequence()))],
]

/** In the order of the table. */
const ROWS: readonly (readonly [holds: string | null, form: string | null, content: string | Buffer])[] = [
  ['UTF-16 text', null, Buffer.from(`\ufeff${ca.pem}`, 'utf16le')],
  ['UTF-16LE text', null, Buffer.from(ca.pem, 'utf16le')],
  ['UTF-16BE text', null, Buffer.from(ca.pem, 'utf16le').swap16()],
  ['empty string', null, ''],
  ['NUL bytes', null, Buffer.alloc(1024)],
  ...DER.map(([holds, der]) => [holds, 'DER', der] as const),
  ['other DER', 'DER', ca.der.toString('utf8')],
  ['nothing', null, '\ufeff \n'],
  ['gzip file', null, gzipSync(ca.pem)],
  ['zip archive', null, Buffer.from('504b03040a000000', 'hex')],
  ['tar archive', null, Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.from(ca.pem)])],
  ['Java key store', null, Buffer.from('feedfeed00000002', 'hex')],
  ['data URI', null, `data:application/x-pem-file,${encodeURIComponent(ca.pem)}`],
  [null, null, `{}\n${ca.pem}`],
  ['Git LFS pointer', null, 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1188\n'],
  ['PuTTY private key', null, 'PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n'],
  ['SSH-only private key', null, 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n'],
  ['description of a certificate', null, 'Certificate:\n    Data:\n        Version: 3 (0x2)\n'],
  ['description of a Secret', null, 'Name:  etcd\nType:  Opaque\n\nData\n====\ntls.crt:  1164 bytes\n'],
  ['ansible-vault file', null, '$ANSIBLE_VAULT;1.1;AES256\n6162\n'],
  ['age file', null, 'age-encryption.org/v1\n-> X25519 x\n'],
  ['SOPS file', null, 'data: ENC[AES256_GCM,data:Ag==,iv:x,tag:y,type:str]\nsops: {}\n'],
  ['PKCS#11 URI', null, 'pkcs11:token=etcd;object=client'],
  ['template', null, '{{ with secret "pki/issue/etcd" }}{{ .Data.certificate }}{{ end }}'],
  ['shell command', null, '$(cat /certs/tls.crt)\n'],
  ['placeholder', null, 'null\n'],
  ['reference', null, 'vault:secret/data/etcd#key\n'],
  ['kubeconfig', null, 'apiVersion: v1\nclusters: []\nkind: Config\n'],
  ['source of a Secret', null, 'apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n'],
  ['web page', null, '<!DOCTYPE html>\n<title>Sign in</title>\n'],
  ['Secret manifest in JSON', null, JSON.stringify({ apiVersion: 'v1', kind: 'Secret', data: {} })],
  ['Secret manifest', null, 'apiVersion: v1\nkind: "Secret"\ndata: {}\n'],
  ['Vault output', null, JSON.stringify({ data: { issuing_ca: ca.pem } })],
  ['cfssl output', null, JSON.stringify({ cert: ca.pem })],
  ['JWK', null, JSON.stringify({ kty: 'EC', crv: 'P-256' })],
  ['JSON', null, '["x"]'],
  ['SSH public key', null, 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 alice@host\n'],
  ['escaped line breaks', null, ca.pem.replaceAll('\n', '\\n')],
  ['lost line breaks', null, ca.pem.replaceAll('\n', ' ')],
  [null, null, ca.pem.replace(/-----END.*/, '')],
  ['PEM', 'base64', Buffer.from(ca.pem).toString('base64')],
  ['gzip file', 'base64', gzipSync(ca.pem).toString('base64')],
  ...DER.map(([holds, der]) => [holds, 'base64', der.toString('base64')] as const),
  ['file name', null, '/etc/etcd/pki/tls'],
  ['other binary data', null, Buffer.from('7f454c46000102', 'hex')],
  ['other text', null, 'to be done\n'],
]

it.each(ROWS)('the table recognizes %s, form %s', (holds, form, content) => {
  const bytes = Buffer.from(content)
  const found = recognize(bytes, () => scanPem(bytes))
  expect('scan' in found ? [null, null] : [found.holds, found.form]).toEqual([holds, form])
  expect('line' in found ? found.line : null).toBe(holds === 'lost line breaks' ? 1 : null)
})

it.each([
  ['***', '***'],
  ['<REDACTED>\n', '<REDACTED>'],
  ['undefined', 'undefined'],
  ['ref+awssecrets://etcd/tls#/key', 'ref+awssecrets:'],
  ['op://vault/etcd/key', 'op:'],
  ['@Microsoft.KeyVault(SecretUri=https://etcd.vault.azure.net/)', '@Microsoft.KeyVault('],
])('shows the part of %j that is not a secret, and no more', (content, shown) => {
  const bytes = Buffer.from(content)
  const found = recognize(bytes, () => scanPem(bytes))
  expect(found).toMatchObject({ text: shown })
  expect(shown.length).toBeLessThanOrEqual(20)
})

it.each(['hunter2', 'correct horse', '<a placeholder that is longer than twenty characters>', 'hunter2:null'])(
  'shows nothing of %j, which may be a secret',
  (content) => {
    const bytes = Buffer.from(content)
    expect(recognize(bytes, () => scanPem(bytes))).not.toHaveProperty('text')
  },
)

it.each([
  ...['$CERT', '${CERT}', '${tls_private_key.etcd.private_key_pem}', '$(CERT)', '#{CERT}', '#{CERT}#', '%CERT%'],
  ...['<%= @cert %>', '{% include "cert" %}', '__CERT__', '@CERT@', '${{ secrets.CERT }}'],
])('recognizes %j as an expression of a template', (content) => {
  const bytes = Buffer.from(`${content}\n`)
  expect(recognize(bytes, () => scanPem(bytes))).toMatchObject({ holds: 'template' })
})

it('every row of the table of contents has a test', () => {
  expect(KINDS.map(({ holds, form = null }) => [holds, form])).toEqual(ROWS.map(([holds, form]) => [holds, form]))
})

it('bytes that are no text are binary data, although two of them look like a template', () => {
  const bytes = Buffer.concat([Buffer.from([0x9b, 0xf3, 0x80, 0xc1]), Buffer.from('{{ a }}'), Buffer.alloc(600, 0xa7)])
  expect(recognize(bytes, () => scanPem(bytes))).toMatchObject({ holds: 'other binary data' })
})
