/** The keys of the tokens of users, which etcd reads at its start. */
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { mintLeaf, newKey } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'

const folder = temporaryFolder()

function keyFile(name: string, kind: 'rsa-2048' | 'p256', mode = 0o600): string {
  const path = folder.file(name, newKey(kind).export({ type: 'pkcs8', format: 'pem' }).toString())
  chmodSync(path, mode)
  return path
}

async function found(token: string): Promise<[string, string][]> {
  const { findings } = await lintEtcdConfig({ flags: ['--name=a', `--auth-token=${token}`] })
  return findings.filter(({ message }) => message.includes('key')).map(({ code, message }) => [code, message])
}

describe('a key of tokens', () => {
  it('of the kind that the method requires has no finding', async () => {
    expect(await found(`jwt,priv-key=${keyFile('rsa.key', 'rsa-2048')},sign-method=PS256`)).toEqual([])
    expect(await found(`jwt,priv-key=${keyFile('ec.key', 'p256')},sign-method=ES256`)).toEqual([])
    expect(await found(`jwt,priv-key=${keyFile('any.key', 'p256')},sign-method=HS256`)).toEqual([])
  })

  it('on another curve than the method requires refuses every login', async () => {
    const { findings } = await lintEtcdConfig({
      flags: [`--auth-token=jwt,priv-key=${keyFile('ec.key', 'p256')},sign-method=ES384`],
    })
    expect(findings.map(({ message }) => message).join()).toMatch(
      /must be a file with a key on P-384.*refuses every login/,
    )
  })

  it('that is not Ed25519 is refused for EdDSA', async () => {
    const ed = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const path = folder.file('ed.key', ed)
    chmodSync(path, 0o600)
    expect(await found(`jwt,priv-key=${path},sign-method=EdDSA`)).toEqual([])
    expect(await found(`jwt,priv-key=${keyFile('ec.key', 'p256')},sign-method=EdDSA`)).toMatchObject([
      ['config/value-invalid', expect.stringContaining('Ed25519')],
    ])
  })

  it('that does not exist, or that others can read, is reported', async () => {
    const { findings } = await lintEtcdConfig({ flags: [`--auth-token=jwt,priv-key=/absent,sign-method=RS256`] })
    expect(findings.find(({ code }) => code === 'file/missing')?.place?.option).toBe('--auth-token')
    const open = keyFile('open.key', 'rsa-2048', 0o644)
    expect(await found(`jwt,priv-key=${open},sign-method=RS256`)).toMatchObject([
      ['file/key-readable-by-others', expect.any(String)],
    ])
  })

  it('that is a pipe, a device, a folder, a loop of links or gigabytes is reported, and not read', async () => {
    const [pipe, loop, big] = ['pipe', 'loop', 'big'].map((name) => folder.file(name)) as [string, string, string]
    execFileSync('mkfifo', [pipe], { stdio: 'ignore' })
    symlinkSync(loop, loop)
    writeFileSync(big, '')
    truncateSync(big, 3 * 1024 ** 3)
    const expected = {
      [pipe]: 'file/not-regular',
      '/dev/zero': 'file/not-regular',
      [dirname(pipe)]: 'file/not-regular',
      [loop]: 'file/unreadable',
      [big]: 'file/too-large',
    }
    for (const [path, code] of Object.entries(expected)) {
      const { findings } = await lintEtcdConfig({ flags: [`--auth-token=jwt,priv-key=${path},sign-method=RS256`] })
      expect(findings.map((each) => each.code)).toContain(code)
    }
  })

  it('of another kind, and a certificate, is refused', async () => {
    const rsa = keyFile('rsa.key', 'rsa-2048')
    const certificate = folder.file('a.crt', mintLeaf({ subject: 'a', key: newKey('rsa-2048') }).pem)
    const refused = 'config/value-invalid'
    expect(await found(`jwt,priv-key=${rsa},sign-method=ES256`)).toMatchObject([
      [refused, expect.stringContaining('an ECDSA private key in PEM, which ES256 requires')],
    ])
    expect(await found(`jwt,priv-key=${certificate},sign-method=RS256`)).toMatchObject([[refused, expect.any(String)]])
    expect(await found(`jwt,pub-key=${certificate},sign-method=RS256`)).toEqual([])
  })
})
