/**
 * The recipe of the how-to that this project grew from, made with the real openssl, and checked: what is right passes,
 * what breaks etcd is named.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { validateChain, type Usage } from '../../../src/validate/index.js'
import { codesOf } from '../../support/judge-chain.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { readFileSync } from 'node:fs'

const folder = temporaryFolder()
const HOSTS = ['etcd-server.example.com', '192.168.1.10', '10.0.0.5']

const CONFIG = (extendedKeyUsage: string, commonName: string): string => `
[req]
distinguished_name = req_distinguished_name
req_extensions = v3_req
prompt = no
[req_distinguished_name]
C = US
ST = California
L = San Francisco
O = MyCompany
OU = IT
CN = ${commonName}
[v3_req]
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = ${extendedKeyUsage}
subjectAltName = @alt_names
[alt_names]
DNS.1 = etcd-server.example.com
IP.1 = 192.168.1.10
IP.2 = 10.0.0.5
`

/** The how-to's commands for one certificate, word for word but for the file names. */
function issue(name: string, extendedKeyUsage: string, commonName: string, withExtensions = true): void {
  const config = folder.file(`${name}.cnf`, CONFIG(extendedKeyUsage, commonName))
  openssl(['genrsa', '-out', folder.file(`${name}.key`), '2048'])
  openssl([
    'req',
    '-new',
    '-key',
    folder.file(`${name}.key`),
    '-out',
    folder.file(`${name}.csr`),
    '-subj',
    `/CN=${commonName}`,
    '-config',
    config,
  ])
  openssl([
    ...[
      'x509',
      '-req',
      '-in',
      folder.file(`${name}.csr`),
      '-CA',
      folder.file('ca.crt'),
      '-CAkey',
      folder.file('ca.key'),
    ],
    ...['-CAcreateserial', '-out', folder.file(`${name}.crt`), '-days', '365', '-sha256'],
    ...(withExtensions ? ['-extensions', 'v3_req', '-extfile', config] : []),
  ])
}

function judge(name: string, usage: Usage, hosts: string[] = []): ReturnType<typeof validateChain> {
  const read = (file: string): string => readFileSync(folder.file(file), 'utf8')
  return validateChain({ leaf: read(`${name}.crt`), trustAnchors: read('ca.crt') }, { usage, hosts })
}

/** Warnings about the leaf; the how-to's CA, RSA 2048 for five years, earns one of its own. */
function leafWarnings(report: ReturnType<typeof validateChain>): string[] {
  return codesOf(report.findings, 'warning').filter((code) => code.endsWith('@0'))
}

describe('the how-to', () => {
  beforeAll(() => {
    openssl(['genrsa', '-out', folder.file('ca.key'), '2048'])
    openssl([
      'req',
      '-x509',
      '-new',
      '-nodes',
      '-key',
      folder.file('ca.key'),
      '-sha256',
      '-days',
      '1825',
      '-out',
      folder.file('ca.crt'),
      '-subj',
      '/CN=etcd-ca',
    ])
    issue('server', 'serverAuth', 'etcd-server.example.com')
    issue('client', 'clientAuth', 'etcd-client')
    issue('mended', 'serverAuth, clientAuth', 'etcd-server.example.com')
  })

  it('makes a server certificate that gRPC takes and whose gateway is broken, as the warning says', () => {
    const report = judge('server', 'server', HOSTS)
    expect(report.ok).toBe(true)
    expect(codesOf(report.findings, 'warning')).toContain('usage/gateway-client-auth-missing@0')
  })

  it('uses the same certificate for peers, which form no cluster', () => {
    expect(codesOf(judge('server', 'peer', HOSTS).findings)).toEqual(['usage/extended-key-usage-missing@0'])
  })

  it('makes a client certificate that is right', () => {
    const report = judge('client', 'client')
    expect(report.ok).toBe(true)
    expect(leafWarnings(report)).toEqual([])
  })

  it('is mended by one word, clientAuth, for both uses', () => {
    for (const usage of ['server', 'peer'] as const) {
      const report = judge('mended', usage, HOSTS)
      expect(codesOf(report.findings)).toEqual([])
      expect(leafWarnings(report)).toEqual([])
    }
  })

  it('loses every name and usage when -extfile is forgotten', () => {
    issue('forgotten', 'serverAuth, clientAuth', 'etcd-server.example.com', false)
    const findings = judge('forgotten', 'server', ['etcd-server.example.com']).findings
    const [finding] = findings.filter(({ code }) => code === 'san/host-not-covered')
    expect(finding?.message).toContain('only in the common name')
  })
})
