/** Two CAs: `ca` verifies servers, and etcd may trust another one for clients. */
import { describe, expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/index.js'
import { validateCredentials, type Report, type Usage } from '../../../src/validate/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { mintedCredentials } from '../../support/etcd.js'
import { extendedKeyUsage, mintCa, type Minted, mintLeaf, type MintLeafOptions } from '../../support/mint.js'

const servers = mintCa({ subject: 'Server CA' })
const clients = mintCa({ subject: 'Client CA' })
const issuing = mintCa({ subject: 'Issuing CA', issuer: clients })

function leafOf(issuer: Minted | undefined, options: Partial<MintLeafOptions> = {}): Minted {
  return mintLeaf({ subject: 'app', usages: ['clientAuth'], ...(issuer === undefined ? {} : { issuer }), ...options })
}

function credentials(leaf: Minted, sent: readonly Minted[] = [], clientCa?: readonly Minted[]): Credentials {
  const made = mintedCredentials({ leaf, intermediates: sent, trust: [servers] })
  return clientCa === undefined
    ? made
    : { ...made, clientAnchors: clientCa.map(({ der }) => Certificate.parse(der, 'client CA')) }
}

function judge(given: Credentials, usage: Usage = 'client'): [boolean, string[], string[]] {
  const report: Report = validateCredentials(given, { usage })
  const path = (report.path ?? []).map(({ role, subject }) => `${role} ${subject}`)
  return [report.ok, report.findings.map(({ code, severity }) => `${severity} ${code}`), path]
}

const INFORMATION = 'info chain/client-ca-not-given'

describe('a client certificate of another CA than the one that verifies servers', () => {
  it('is validated against clientAnchors', () => {
    const given = credentials(leafOf(issuing), [issuing], [clients])
    expect(judge(given)).toEqual([true, [], ['leaf CN=app', 'intermediate CN=Issuing CA', 'anchor CN=Client CA']])
    const foreign = credentials(leafOf(issuing), [issuing], [servers])
    expect(judge(foreign).slice(0, 2)).toEqual([false, ['error chain/issuer-not-found']])
    expect(judge(credentials(leafOf(issuing), [], [clients]))[1]).toEqual(['error chain/issuer-not-found'])
    expect(judge(credentials(leafOf(clients), [], []))[1]).toContain('error chain/no-trust-anchors')
  })

  it.each<[string, Credentials, string[]]>([
    ['issued by another CA', credentials(leafOf(clients)), ['leaf CN=app']],
    ['with its intermediate', credentials(leafOf(issuing), [issuing]), ['leaf CN=app', 'intermediate CN=Issuing CA']],
    [
      'with its root, which is sent along',
      credentials(leafOf(clients), [clients]),
      ['leaf CN=app', 'intermediate CN=Client CA'],
    ],
    ['self-signed', credentials(leafOf(undefined)), ['leaf CN=app']],
    ['of a CA with the same name', credentials(leafOf(mintCa({ subject: 'Server CA' }))), ['leaf CN=app']],
  ])(
    'without clientAnchors that is information, and the path ends at its topmost certificate: %s',
    (_which, given, path) => {
      const [ok, codes, found] = judge(given)
      expect(ok).toBe(true)
      expect(codes).toContain(INFORMATION)
      expect(found).toEqual(path)
    },
  )

  it('the rest of the chain is validated all the same', () => {
    const over = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
    expect(judge(credentials(leafOf(clients, over)))[1]).toEqual(['error validity/expired', INFORMATION])
    expect(judge(credentials(leafOf(clients, { usages: ['serverAuth'] })))[1]).toContain(
      'error usage/extended-key-usage-missing',
    )
    const forServers = mintCa({ subject: 'x', issuer: clients, extensions: [extendedKeyUsage(['serverAuth'])] })
    expect(judge(credentials(leafOf(forServers), [forServers]))[1]).toContain('error usage/extended-key-usage-missing')
  })

  it('for servers and members nothing changes', () => {
    for (const usage of ['server', 'peer', 'any'] as const) {
      expect(judge(credentials(leafOf(clients), [], [clients]), usage)[1]).toContain('error chain/issuer-not-found')
    }
  })
})
