/** What the members of a cluster must have in common, and whether each accepts each other one. */
import { beforeAll, describe, expect, it } from 'vitest'
import { lintCluster, lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import type { Finding } from '../../../../src/report/finding.js'
import { NO_PEER_TLS, pair, pkiFolder } from '../../../support/member-flags.js'
import { dns, ip, mintCa, mintCrl } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const names = [1, 2, 3].flatMap((i) => [dns(`e${String(i)}`), ip(`10.0.0.${String(i)}`)])
const pki = pkiFolder({ issuer: root, names })

beforeAll(() => {
  pki.write('ca.crt', root.pem)
  pki.write('other.crt', other.pem)
  pki.write('both.crt', root.pem + other.pem)
  pki.write('peer.crl', mintCrl({ issuer: root, revoked: [{ serial: 4711n }] }).der)
  for (const name of ['server', 'peer']) pki.issue(name)
  pki.issue('foreign', { issuer: other })
  pki.issue('revoked', { serial: 4711n })
  pki.issue('narrow', { names: [dns('e3'), ip('10.0.0.3')] })
})

const urlOf = (i: number): string => `https://10.0.0.${String(i)}:2380`
const listOf = (...members: number[]): string => members.map((i) => `e${String(i)}=${urlOf(i)}`).join(',')

function member(i: number, changes = ''): { flags: string[] } {
  const client = `https://10.0.0.${String(i)}:2379`
  return { flags: pki.flags(changes, { name: `e${String(i)}`, client, peer: urlOf(i), cluster: listOf(1, 2, 3) }) }
}

async function together(changes: readonly string[], options: LintOptions = {}): Promise<readonly Finding[]> {
  return (
    await lintCluster(
      changes.map((each, i) => member(i + 1, each)),
      options,
    )
  ).findings
}

/** `error config/members-differ cluster 2`: the last number is that of the member with the place. */
function shown({ severity, code, details, place }: Finding): string {
  const kind = 'kind' in details ? ` ${details.kind}` : ''
  return `${severity} ${code.replace('config/', '')}${kind} ${/\d/.exec(place?.file ?? '')?.[0] ?? '-'}`
}

const OFF = '-peer-trusted-ca-file -peer-client-cert-auth'
const JOINED = `initial-cluster=${listOf(1, 2)} initial-cluster-state=existing`

describe('members', () => {
  it.each<[what: string, changes: string[], found: string[]]>([
    ['that are alike', ['', '', ''], []],
    [
      'that advertise a name for the cluster next to their own',
      [1, 2, 3].map((i) => `advertise-client-urls=https://10.0.0.${String(i)}:2379,https://etcd.example.com:2379`),
      [],
    ],
    [
      'of which one has the URL of another',
      ['', 'listen-client-urls=https://10.0.0.1:2379 advertise-client-urls=https://10.0.0.1:2379', ''],
      ['error url-repeated members 1'],
    ],
    ['of which one has another token', ['', 'initial-cluster-token=x', ''], ['error members-differ cluster 1']],
    [
      'of which one does not require certificates',
      ['', '', 'client-cert-auth=false'],
      ['warning client-auth-implied client 2', 'warning members-differ restriction 2'],
    ],
    ['of which one lists fewer', ['', '', `initial-cluster=${listOf(3)}`], ['error members-differ cluster 2']],
    [
      'of which one joined later',
      [JOINED, JOINED, 'initial-cluster-state=existing'],
      ['info member-not-listed joined later 0'],
    ],
    [
      'of which one joins others that were new',
      [`initial-cluster=${listOf(1, 2)}`, `initial-cluster=${listOf(1, 2)}`, 'initial-cluster-state=existing'],
      ['info member-not-listed joined later 0'],
    ],
    [
      'of which one joins with a list that lacks another',
      [JOINED, JOINED, `initial-cluster=${listOf(1, 3)} initial-cluster-state=existing`],
      ['error member-not-listed joining 2', 'info member-not-listed joined later 0'],
    ],
    [
      'of which one starts and the others exist',
      ['initial-cluster-state=existing', 'initial-cluster-state=existing', ''],
      ['info members-differ state 2'],
    ],
    [
      'with different election timeouts',
      ['election-timeout=1000', 'election-timeout=5000', ''],
      ['warning members-differ restriction 1'],
    ],
    ['with the default timeout, written or not', ['election-timeout=1000', '', ''], []],
    ['with different kinds of tokens for users', ['auth-token=simple', '', ''], []],
    [
      'without a version of TLS in common',
      ['tls-min-version=TLS1.3', '', 'tls-max-version=TLS1.2'],
      ['error tls-versions-disjoint 0'],
    ],
    [
      'that allow different names',
      ['client-cert-allowed-hostname=a', 'client-cert-allowed-hostname=b', 'client-cert-allowed-hostname=a'],
      ['error members-differ access 1', ...[0, 1, 2].map((i) => `warning gateway-refused name ${String(i)}`)],
    ],
  ])('lints members %s', async (_, changes, found) => {
    expect((await together(changes, { readFiles: false })).map(shown).toSorted()).toEqual(found.toSorted())
  })

  it.each(['client-crl-file', 'peer-crl-file', 'client-cert-allowed-hostname', 'peer-cert-allowed-cn'])(
    'members of which one lacks --%s accept certificates that others refuse; the remedy does not remove it',
    async (name) => {
      const found = await together([`${name}=e1`, `${name}=e1`, ''], { readFiles: false })
      const { severity, message, remedy } = findingOf(found, 'config/members-differ')
      expect(severity).toBe('error')
      expect(message).toMatch(/^--\S+ is set for .*e1.* and .*e2.*, but not for .*e3.*, which accepts/)
      expect(remedy).toMatch(/^Set --\S+ for "e3" \(members\[2\]\) as well\.$/)
    },
  )
})

describe('certificates of members', () => {
  it.each<[what: string, third: string, found: string[]]>([
    ['of the CA of all', '', []],
    [
      'with a name that others do not allow',
      'peer-cert-allowed-cn=x',
      ['error member-not-allowed by others 0', 'error member-not-allowed by others 1'],
    ],
    ['that the CRL of another one revokes', 'peer-crl-file=peer.crl', ['error member-revoked by others 1']],
    [
      'that no member requests',
      `peer-crl-file=peer.crl ${OFF}`,
      ['error client-auth-off 2', 'error members-differ access 2', 'warning members-differ restriction 2'],
    ],
  ])('lints certificates of members %s', async (_, third, found) => {
    const second = third.includes('crl') ? pair('revoked', 'peer-') : ''
    expect((await together(['', second, third])).map(shown).toSorted()).toEqual(found.toSorted())
  })

  it.each([
    ['server', `${pair('foreign', 'peer-')} peer-client-cert-file=peer.crt peer-client-key-file=peer.key`],
    ['client', 'peer-client-cert-file=foreign.crt peer-client-key-file=foreign.key'],
  ])('a certificate of a member is validated by the CAs of its receivers: a %s', async (as, changes) => {
    const found = await together(['', '', `${changes} peer-trusted-ca-file=both.crt`])
    const refused = found.flatMap((each) => (each.code === 'config/member-not-trusted' ? [each.details.as] : []))
    expect(refused).toEqual([as])
  })

  it('one odd member is one finding, whatever others there are', async () => {
    const found = await together(['', '', `${pair('foreign', 'peer-')} peer-trusted-ca-file=other.crt`])
    const refused = found.filter(({ code }) => code === 'config/member-not-trusted')
    expect(refused).toMatchObject([{ place: { file: 'members[2]', option: '--peer-cert-file' } }])
  })
})

describe('one cause is one error', () => {
  it.each<[what: string, third: string, cause: string, follows: string[]]>([
    ['a name that no list has', 'name=e9', 'error member-not-listed itself 2', ['error member-not-listed starting 0']],
    [
      'an address that no list has',
      'initial-advertise-peer-urls=https://10.0.0.33:2380',
      'error cluster-urls-differ 2',
      ['error san/host-not-covered ip 2'],
    ],
    [
      'plaintext to members',
      'listen-peer-urls=http://10.0.0.3:2380 initial-advertise-peer-urls=http://10.0.0.3:2380',
      'error members-differ scheme 2',
      ['error plaintext-url next to TLS options 2', 'error cluster-urls-differ 2'],
    ],
    [
      'another CA',
      'peer-trusted-ca-file=other.crt',
      'error member-not-trusted 2',
      ['error chain/issuer-not-found not given 2'],
    ],
    ['one name twice', 'name=e1', 'error members-name-repeated 2', ['error cluster-urls-differ 2']],
  ])('reports one error for %s', async (_, third, cause, follows) => {
    const errors = (await together(['', '', third])).filter(({ severity }) => severity === 'error')
    expect(errors.map(shown)).toEqual([cause])
    expect(errors[0]?.consequences.map(shown)).toEqual(follows)
  })
})

it('The methods with which members sign tokens are the same', async () => {
  const differences = async (...tokens: string[]): Promise<string[]> => {
    const changes = tokens.map((each) => (each === '' ? NO_PEER_TLS : `${NO_PEER_TLS} auth-token=${each}`))
    return (await together(changes)).map(shown).filter((each) => each.includes('tokens'))
  }
  const jwt = 'jwt,priv-key=/k,sign-method=ES256'
  expect(await differences(jwt, jwt, jwt)).toEqual([])
  expect(await differences(jwt, jwt, jwt.replace('ES256', 'ES384'))).toEqual(['error members-differ tokens 2'])
  expect(await differences(jwt, '', jwt)).toEqual(['error members-differ tokens 1'])
})

it('A timeout whose value is not known is not compared with the timeouts of other members', async () => {
  const differences = async (...timeouts: string[]): Promise<string[]> => {
    const members = timeouts.map((each, i) => member(i + 1, `election-timeout=${each}`).flags.join(' '))
    const { findings } = await lintCluster(
      members.map((flags) => ({ flags })),
      { readFiles: false },
    )
    return findings.map(shown).filter((each) => each.includes('differ'))
  }
  expect(await differences('1000', '$TIMEOUT', '1000')).toEqual([])
  expect(await differences('1000', '$TIMEOUT', '5000')).toEqual(['warning members-differ restriction 2'])
})

it('A difference is in the report of the member that it is about, also if each member has a configuration file', async () => {
  for (const name of ['a', 'b'])
    pki.write(
      `${name}.yml`,
      `name: ${name}\ninitial-cluster: a=http://10.0.0.1:2380,b=http://10.0.0.2:2380\ninitial-cluster-token: ${name}\n`,
    )
  const flags = `etcd --config-file=${pki.path('a.yml')} &\netcd --config-file=${pki.path('b.yml')}\n`
  const reports = await lintEtcdConfig({ flags })
  const differing = reports.filter(({ findings }) => findings.some(({ code }) => code === 'config/members-differ'))
  expect(differing.map(({ member }) => member)).toEqual(['b'])
})

it('The remedy for a certificate that another member does not trust keeps the CAs of all members', async () => {
  const found = await together(['', '', 'peer-trusted-ca-file=other.crt'])
  expect(findingOf(found, 'config/member-not-trusted').remedy).toContain(
    'If it does not have the CA of this certificate, reissue the certificate by a CA that it has.',
  )
})
