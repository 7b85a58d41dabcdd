/** Material that is right, and the ways to read it, for tests of the credentials room. */
import { chmodSync, rmSync } from 'node:fs'
import { format, inspect } from 'node:util'
import { type CredentialSource, fromFiles, fromPem } from '../../../src/credentials/index.js'
import { readSource } from '../../../src/credentials/source.js'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import type { Finding } from '../../../src/report/finding.js'
import { chainPem, mintCa, mintCrl, mintLeaf } from '../../support/mint.js'
import type { TemporaryFolder } from '../../support/openssl.js'

export const root = mintCa({ subject: 'etcd-ca' })
export const intermediate = mintCa({ subject: 'etcd-issuing-ca', issuer: root, pathLength: 0 })
export const leaf = mintLeaf({ issuer: intermediate, subject: 'alice' })
export const otherLeaf = mintLeaf({ issuer: intermediate, subject: 'bob' })
export const chain = chainPem(leaf, intermediate)
export const crl = mintCrl({ issuer: root })
export const PASSPHRASE = 'open sesame, please'

/** The contents of the three inputs, and more. */
export interface Contents {
  ca: string | Uint8Array
  cert: string | Uint8Array
  key: string | Uint8Array
  crl?: string | Uint8Array | undefined
  passphrase?: string | Uint8Array | undefined
}

export const good: Contents = { ca: root.pem, cert: chain, key: leaf.keyPem }

export function pemSource(contents: Contents): CredentialSource {
  return fromPem(contents)
}

/** Writes the contents to files of mode 0600 and names them. */
export function sourceOfFiles(folder: TemporaryFolder, contents: Contents): CredentialSource {
  const { passphrase, crl: list } = contents
  const write = (name: string, content: string | Uint8Array): string => {
    // One that a test has closed to writers would be written by root alone.
    rmSync(folder.file(name), { force: true })
    const path = folder.file(name, content)
    chmodSync(path, 0o600)
    return path
  }
  return fromFiles({
    ca: write('ca.crt', contents.ca),
    cert: write('tls.crt', contents.cert),
    key: write('tls.key', contents.key),
    ...(list === undefined ? {} : { crl: write('crl.pem', list) }),
    passphrase,
  })
}

/** Everything found. Checks, too, that `load()` agrees with it, and that neither error nor findings show a secret. */
export async function findingsOf(source: CredentialSource): Promise<readonly Finding[]> {
  const { credentials, findings } = await readSource(source)
  const error = await source.load().then(
    () => null,
    (reason: unknown) => reason,
  )
  const failed = findings.some(({ severity }) => severity === 'error')
  if (failed !== (credentials === null)) throw new Error('An error finding and credentials exclude each other')
  if (error instanceof EtcdMtlsError !== failed) throw new Error('load() and readSource() disagree', { cause: error })
  for (const each of [source, credentials, findings, error]) refuseSecrets(each)
  return findings
}

export async function codesOf(source: CredentialSource): Promise<string[]> {
  return (await findingsOf(source)).map(({ code }) => code)
}

/** Every way in which a value can end up in a log. */
export function printed(value: unknown): string {
  return [
    inspect(value, { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null }),
    inspect(value, { depth: null, customInspect: false, getters: true, maxArrayLength: null, maxStringLength: null }),
    JSON.stringify(value),
    String(value),
    format('%s %o %O %j', value, value, value, value),
    ...(value instanceof Error ? [value.message, value.stack, JSON.stringify(value.cause)] : []),
  ].join('\n')
}

/** Pieces of every private key of the fixture, as they would show in a text. */
const SECRETS = [root, intermediate, leaf, otherLeaf].flatMap(({ key, keyPem }) => {
  const { d = '' } = key.export({ format: 'jwk' })
  const scalar = Buffer.from(d, 'base64url')
  const lines = keyPem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-'))
  return [...lines.map((line) => line.slice(4, 24)), d.slice(2, 20), scalar.toString('hex').slice(0, 20)]
})

export function refuseSecrets(value: unknown): void {
  const text = printed(value)
  const lower = text.toLowerCase()
  for (const secret of [...SECRETS, PASSPHRASE]) {
    if (text.includes(secret) || lower.includes(secret)) throw new Error(`A secret is printed: ${text}`)
  }
}
