/** How fast certificates are issued, next to bare node:crypto and @peculiar/x509. */
import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign, type webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Crypto } from '@peculiar/webcrypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { createAuthority } from '../../src/authority/index.js'
import type { Bench } from './harness.js'

const HOSTS = ['etcd-0.etcd.svc', 'localhost', '127.0.0.1'] as const
const DAY = 86_400_000

const FLOOR = 'the floor of node:crypto'
const OURS = 'authority.issue'
const PECULIAR = '@peculiar/x509 directly'

export const bench: Bench = {
  title: 'Issuing',
  about:
    'A P-256 key and a server certificate with three names, its key as PKCS#8. The floor is the work that every ' +
    'issuer needs: key generation, both exports and one signature. Other programs are measured in wall-clock time.',
  unit: 'certificate issued',
  base: FLOOR,
  // Long enough for the code to be compiled: what is asked for is how many an issuer makes that has many to make.
  slice: 300,
  promises: [
    { says: 'at least half as fast as the floor', holds: (measured) => measured(OURS).ratio <= 2 },
    {
      says: 'at least 4 × as fast as @peculiar/x509 used directly',
      holds: (measured) => measured(OURS).ratio * 4 <= measured(PECULIAR).ratio,
    },
  ],
  async prepare() {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    return {
      contenders: [
        { name: FLOOR, run: floor() },
        { name: OURS, run: await ours() },
        { name: PECULIAR, run: await peculiar() },
        { name: 'openssl, two processes', clock: 'wall', run: openssl(folder) },
        { name: 'cfssl gencert, a process', clock: 'wall', run: cfssl(folder) },
      ],
      dispose() {
        rmSync(folder, { recursive: true })
      },
    }
  },
}

type Work = () => unknown

function floor(): Work {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const toBeSigned = Buffer.alloc(400, 1)
  return () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    publicKey.export({ type: 'spki', format: 'der' })
    privateKey.export({ type: 'pkcs8', format: 'der' })
    sign('sha256', toBeSigned, ca)
  }
}

async function ours(): Promise<Work> {
  const authority = await createAuthority({ name: 'Bench CA' })
  return () => authority.issue({ role: 'server', name: 'etcd-0', hosts: HOSTS })
}

/** As a user of the library writes it: everything that can be made once is made once. */
async function peculiar(): Promise<Work> {
  // Its own types speak of the DOM library's, which is not loaded here.
  const crypto = new Crypto() as unknown as webcrypto.Crypto
  const caKeys = await newKeys(crypto)
  const ca = await X509CertificateGenerator.createSelfSigned(
    { keys: caKeys, name: 'CN=Bench CA', signingAlgorithm: ALGORITHM },
    crypto,
  )
  const shared = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    await AuthorityKeyIdentifierExtension.create(caKeys.publicKey, false, crypto),
    new SubjectAlternativeNameExtension([
      { type: 'dns', value: HOSTS[0] },
      { type: 'dns', value: HOSTS[1] },
      { type: 'ip', value: HOSTS[2] },
    ]),
  ]
  return async () => {
    const keys = await newKeys(crypto)
    const certificate = await X509CertificateGenerator.create(
      {
        subject: 'CN=etcd-0',
        issuer: ca.subjectName,
        notBefore: new Date(Date.now() - 300_000),
        notAfter: new Date(Date.now() + 365 * DAY),
        publicKey: keys.publicKey,
        signingKey: caKeys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [...shared, await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto)],
      },
      crypto,
    )
    await crypto.subtle.exportKey('pkcs8', keys.privateKey)
    return certificate
  }
}

/** As how-tos have it: a request with a new key, then the certificate. */
function openssl(folder: string): Work {
  const file = (name: string): string => join(folder, name)
  const run = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  run('req', '-x509', ...newKey, '-subj', '/CN=Bench CA', '-keyout', file('ca.key'), '-out', file('ca.crt'))
  const names = `subjectAltName=DNS:${HOSTS[0]},DNS:${HOSTS[1]},IP:${HOSTS[2]}`
  writeFileSync(file('ext'), `extendedKeyUsage=serverAuth,clientAuth\n${names}\n`)
  return () => {
    run('req', ...newKey, '-subj', '/CN=etcd-0', '-keyout', file('key'), '-out', file('csr'))
    const by = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-extfile', file('ext'), '-days', '365']
    run('x509', '-req', '-in', file('csr'), ...by, '-out', file('crt'))
  }
}

function cfssl(folder: string): Work {
  const key = { algo: 'ecdsa', size: 256 }
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const run = (...args: string[]): string => execFileSync('cfssl', ['gencert', '-loglevel=5', ...args]).toString()
  const ca = JSON.parse(run('-initca', file('ca.json', JSON.stringify({ CN: 'Bench CA', key })))) as {
    cert: string
    key: string
  }
  const usages = ['signing', 'server auth', 'client auth']
  const config = file('config.json', JSON.stringify({ signing: { default: { usages, expiry: '8760h' } } }))
  const by = [`-ca=${file('cfssl.crt', ca.cert)}`, `-ca-key=${file('cfssl.key', ca.key)}`, `-config=${config}`]
  const request = file('request.json', JSON.stringify({ CN: 'etcd-0', hosts: HOSTS, key }))
  return () => run(...by, request)
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

function newKeys(crypto: webcrypto.Crypto): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}
