/** The recipe of the how-to that this project grew from, with the real openssl: what is right passes, what breaks etcd is named. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { validateChain, type Usage } from '../../../src/validate/index.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { textsOf } from './rows.js'

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

/** A command of the how-to, in which a name with a dot is a file. */
const run = (command: string): void => {
  openssl(command.split(' ').map((word) => (/^[a-z]+\.(key|crt|csr|cnf)$/.test(word) ? folder.file(word) : word)))
}

/** The commands of the how-to for one certificate. */
function issue(name: string, extendedKeyUsage: string, commonName: string, extensions = true): void {
  folder.file(`${name}.cnf`, CONFIG(extendedKeyUsage, commonName))
  run(`genrsa -out ${name}.key 2048`)
  run(`req -new -key ${name}.key -out ${name}.csr -subj /CN=${commonName} -config ${name}.cnf`)
  const more = extensions ? ` -extensions v3_req -extfile ${name}.cnf` : ''
  run(`x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out ${name}.crt -days 365 -sha256${more}`)
}

/** What is found of the leaf; the CA of the how-to, RSA 2048 for five years, has a warning of its own. */
function found(name: string, usage: Usage, hosts: string[] = []): string[] {
  const read = (file: string): string => readFileSync(folder.file(file), 'utf8')
  const { findings } = validateChain({ leaf: read(`${name}.crt`), trustAnchors: read('ca.crt') }, { usage, hosts })
  return textsOf(findings).filter((text) => text.includes('@0'))
}

describe('the how-to', () => {
  beforeAll(() => {
    run('genrsa -out ca.key 2048')
    run('req -x509 -new -nodes -key ca.key -sha256 -days 1825 -out ca.crt -subj /CN=etcd-ca')
    issue('server', 'serverAuth', 'etcd-server.example.com')
    issue('client', 'clientAuth', 'etcd-client')
    issue('fixed', 'serverAuth, clientAuth', 'etcd-server.example.com')
    issue('forgotten', 'serverAuth, clientAuth', 'etcd-server.example.com', false)
  })

  it.each<[what: string, name: string, usage: Usage, found: string[], hosts?: string[]]>([
    [
      'a server that gRPC accepts and whose gateway is broken',
      'server',
      'server',
      ['warning gateway-client-auth-missing@0'],
      HOSTS,
    ],
    ['a peer that forms no cluster', 'server', 'peer', ['extended-key-usage-missing@0'], HOSTS],
    ['a client that is right', 'client', 'client', []],
    ['a server that is right with clientAuth as well', 'fixed', 'server', [], HOSTS],
    ['a peer that is right with clientAuth as well', 'fixed', 'peer', [], HOSTS],
    [
      'a server without names and usages if -extfile is forgotten',
      'forgotten',
      'server',
      ['host-not-covered@0', 'info extension-absent@0'],
      HOSTS.slice(0, 1),
    ],
  ])('makes %s', (_, name, usage, expected, hosts) => {
    expect(found(name, usage, hosts)).toEqual(expected)
  })
})
