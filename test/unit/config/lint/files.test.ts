/** Files that a configuration names are read, checked for the role that they have, and compared with the options. */
import { createPrivateKey } from 'node:crypto'
import { chmodSync, chownSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { LintOptions } from '../../../../src/config/lint/lint.js'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import type { Finding, FindingCode } from '../../../../src/report/finding.js'
import { formatReport } from '../../../../src/report/format.js'
import { UNPRINTABLE } from '../../../../src/report/printable.js'
import { memberOptions, NO_TLS, pair, pkiFolder, worse } from '../../../support/member-flags.js'
import { authorityKeyIdentifier, crlNumber, deltaCrlIndicator, EXTENSION } from '../../../support/mint-extensions.js'
import { publicHalf } from '../../../support/mint-keys.js'
import { dns, ip, mintCa, mintCrl, newKey } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

const DAY = 86_400_000
const ECDSA = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
const RSA = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'
const NAMES = [dns('e1'), ip('10.0.0.1')]

const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other root' })
const middle = mintCa({ subject: 'Middle', issuer: root })
const past = { notBefore: new Date(Date.now() - 90 * DAY), notAfter: new Date(Date.now() - DAY) }
const ended = mintCa({ subject: 'Ended', ...past })
const pki = pkiFolder({ issuer: root, names: NAMES })
const REVOKED = [{ serial: 4711n }]

beforeAll(() => {
  const small = mintCa({ subject: 'Small', key: newKey('rsa-2048') })
  const bundles = {
    'ca.crt': root.pem,
    'ca.key': root.keyPem,
    'other.crt': other.pem,
    'middle.crt': middle.pem,
    'middle-and-root.crt': middle.pem + root.pem,
    'brainpool.crt': root.pem + mintCa({ subject: 'Brainpool', key: 'brainpool' }).pem,
    'empty.crt': 'nothing here\n',
    'mixed.crt': root.pem + mintCrl({ issuer: root }).pem,
    'ended.crt': ended.pem,
    'some.crt': root.pem + ended.pem,
    'small.crt': small.pem,
    'many.crt': Array.from({ length: 60 }, (_, i) => (i === 0 ? root : mintCa({ subject: `P${String(i)}` })).pem).join(
      '',
    ),
    'good.crl': mintCrl({ issuer: root }).der,
    'own.crl': mintCrl({ issuer: root, revoked: REVOKED }).der,
    'other.crl': mintCrl({ issuer: other }).der,
    'stale.crl': mintCrl({ issuer: root, nextUpdate: past.notAfter }).der,
  }
  for (const [name, content] of Object.entries(bundles)) pki.write(name, content)
  const server = pki.issue('server', { serial: 4711n })
  pki.write('turned.crt', root.pem + server.pem)
  pki.issue('peer', { serial: 4711n })
  pki.issue('below', { issuer: middle })
  pki.issue('stranger', { issuer: other })
  pki.issue('capital', { subject: 'ROOT', without: [EXTENSION.authorityKeyIdentifier] })
  pki.issue('capital-stranger', { subject: 'OTHER ROOT', issuer: other })
  pki.issue('self', { issuer: undefined })
  pki.issue('server-only', { usages: ['serverAuth'] })
  pki.issue('client', { usages: ['clientAuth'], names: [dns('client')] })
  pki.issue('elsewhere', { names: [dns('etcd-9')] })
  pki.issue('rsa', { key: newKey('rsa-2048') })
  pki.issue('of-small', { issuer: small })
  pki.issue('wildcard', { names: [dns('*.etcd.svc')] })
  pki.issue('old', past)
  pki.issue('of-ended', { issuer: ended })
  pki.issue('locked')
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'secret' }
  const locked = createPrivateKey(newKey().export({ type: 'pkcs8', format: 'pem' }))
  pki.write('locked.key', locked.export({ type: 'pkcs8', format: 'pem', ...cipher }).toString())
})

async function findings(changes = '', options: LintOptions = {}): Promise<readonly Finding[]> {
  return (await lintOne({ flags: pki.flags(changes).join(' ') }, options)).findings
}

async function codes(changes = '', options: LintOptions = {}): Promise<FindingCode[]> {
  return worse(await findings(changes, options))
}

describe('a fault is one finding, with its place', () => {
  it.each<[changes: string, codes: string, option?: string]>([
    ['', ''],
    ['key-file=peer.key', 'key/mismatch', '--key-file'],
    ['peer-cert-file=none.crt', 'file/missing', '--peer-cert-file'],
    ['trusted-ca-file=empty.crt', 'input/unexpected-content', '--trusted-ca-file'],
    [`${NO_TLS} client-cert-auth=true trusted-ca-file=empty.crt`, 'config/option-needs input/unexpected-content'],
    [pair('server-only'), 'usage/gateway-client-auth-missing', '--cert-file'],
    [`${pair('server-only')} enable-grpc-gateway=false`, ''],
    [`${pair('server-only')} client-cert-file=client.crt client-key-file=client.key`, ''],
    [pair('server-only', 'peer-'), 'usage/extended-key-usage-missing', '--peer-cert-file'],
    [pair('client'), 'usage/extended-key-usage-missing san/host-not-covered'],
    [pair('elsewhere'), 'san/host-not-covered', '--cert-file'],
    [pair('old'), 'validity/expired', '--cert-file'],
    [pair('stranger'), 'config/gateway-refused', '--cert-file'],
    [pair('stranger', 'peer-'), 'chain/issuer-not-found', '--peer-cert-file'],
    [`${pair('below')} trusted-ca-file=middle.crt`, ''],
    [`${pair('below', 'peer-')} peer-trusted-ca-file=middle.crt`, ''],
    [`${pair('below', 'peer-')} peer-trusted-ca-file=middle-and-root.crt`, ''],
    ['trusted-ca-file=mixed.crt', 'input/other-block', '--trusted-ca-file'],
    ['trusted-ca-file=brainpool.crt', 'chain/unused-unread-by-go', '--trusted-ca-file'],
    ['peer-trusted-ca-file=brainpool.crt', 'chain/unused-unread-by-go', '--peer-trusted-ca-file'],
    [pair('locked'), 'config/key-not-readable', '--key-file'],
    [`${pair('rsa')} cipher-suites=${ECDSA} tls-max-version=TLS1.2`, 'config/cipher-suites-unfit'],
    [`${pair('rsa')} cipher-suites=${RSA},${ECDSA}`, ''],
    [`cipher-suites=${ECDSA}`, ''],
    ['client-crl-file=none.crl', 'config/crl-unreadable', '--client-crl-file'],
    ['client-crl-file=good.crl', ''],
    ['client-crl-file=other.crl', 'config/crl-doubtful', '--client-crl-file'],
    ['client-crl-file=stale.crl', 'config/crl-doubtful', '--client-crl-file'],
    ['client-crl-file=own.crl', 'config/member-revoked', '--cert-file'],
    ['client-crl-file=own.crl enable-grpc-gateway=false', ''],
    ['client-crl-file=own.crl -trusted-ca-file -client-cert-auth', 'config/client-auth-off'],
    ['peer-crl-file=own.crl', 'config/member-revoked', '--peer-cert-file'],
    ['peer-cert-allowed-cn=a,b', 'config/member-not-allowed', '--peer-cert-allowed-cn'],
    ['peer-cert-allowed-cn=a,peer', ''],
    ['peer-cert-allowed-hostname=b', 'config/member-not-allowed', '--peer-cert-allowed-hostname'],
    ['trusted-ca-file=some.crt', 'config/ca-expired', '--trusted-ca-file'],
    ['trusted-ca-file=many.crt', 'config/client-auth-by-public-cas', '--trusted-ca-file'],
    [`${pair('stranger')} peer-trusted-ca-file=other.crt`, 'config/client-and-peer-swapped', '--cert-file'],
    [`${pair('stranger', 'peer-')} trusted-ca-file=other.crt`, 'config/client-and-peer-swapped', '--cert-file'],
    [
      `${pair('wildcard', 'peer-')} initial-advertise-peer-urls=https://a.etcd.svc:2380 initial-cluster=e1=https://a.etcd.svc:2380`,
      'config/peer-address-unprovable',
    ],
    [
      `${NO_TLS} listen-client-urls=http://127.0.0.1:2379 advertise-client-urls=http://127.0.0.1:2379 listen-metrics-urls=https://10.0.0.1:2381`,
      'config/option-needs',
      '--listen-metrics-urls',
    ],
  ])('a member with "%s" has the findings "%s"', async (changes, expected, option) => {
    const found = await findings(changes)
    expect(worse(found).join(' ')).toBe(expected)
    if (option !== undefined) expect(found[0]?.place).toMatchObject({ option, line: 1 })
  })

  it.each([
    [pair('old'), 'validity/expired', /^The server's certificate "CN=.+" from \S+old.crt .*expired/],
    [
      pair('stranger', 'peer-'),
      'chain/issuer-not-found',
      /^The member's certificate "CN=.+" from \S+stranger.crt .*, and --peer-trusted-ca-file holds only "CN=/,
    ],
  ] as const)('says whose certificate it is, and where it and the CAs are: %s', async (changes, code, expected) => {
    expect(findingOf(await findings(changes), code).message).toMatch(expected)
  })

  it('a fault in a configuration file has the line of the option, also in the report', async () => {
    const options = memberOptions(pair('elsewhere'))
    const name = (option: string): string => pki.path(options.get(option) ?? '')
    const yaml = `name: e1\nlisten-client-urls: ${options.get('listen-client-urls') ?? ''}\nadvertise-client-urls: https://10.0.0.1:2379\nclient-transport-security:\n  cert-file: ${name('cert-file')}\n  key-file: ${name('key-file')}\n`
    const report = await lintOne({ yaml })
    const option = 'client-transport-security.cert-file'
    expect(findingOf(report.findings, 'san/host-not-covered').place).toEqual({
      option,
      file: null,
      line: 5,
      column: 3,
      endColumn: expect.any(Number) as number,
    })
    expect(formatReport(report, { width: Infinity })).toContain(`${option} (line 5:3)`)
  })

  it('a missing file of variables or configuration file is reported at the option that names it', async () => {
    const unit = '[Service]\nEnvironmentFile=/none/etcd.env\nExecStart=/usr/bin/etcd --name=a\n'
    const [variables, file] = await Promise.all([
      lintOne({ unit }),
      lintOne({ flags: 'etcd \\\n  --config-file=/none/etcd.yml' }),
    ])
    expect(findingOf(variables.findings, 'file/missing').place).toMatchObject({ option: 'EnvironmentFile', line: 2 })
    expect(findingOf(file.findings, 'file/missing').place).toMatchObject({ option: '--config-file', line: 2 })
  })
})

it('the list of public CAs is known by its path, without reading it', async () => {
  const changes = 'trusted-ca-file=/etc/ssl/certs/ca-certificates.crt'
  expect(await codes(changes, { readFiles: false })).toEqual(['config/client-auth-by-public-cas'])
  expect(await codes('cert-file=none.crt', { readFiles: false })).toEqual([])
})

it('the certificate must cover hosts in addition to the advertised addresses', async () => {
  expect(await codes('', { hosts: ['10.0.0.1', 'e1'] })).toEqual([])
  expect(await codes('', { hosts: ['10.0.0.2'] })).toEqual(['san/host-not-covered'])
})

it('A host that is not known is not compared with the certificate', async () => {
  for (const host of ['$IP', '${HOST_IP}', '{{ip}}', 'm1.{{domain}}', '$(cmd)'])
    expect(await codes(`advertise-client-urls=https://${host}:2379`)).toEqual([])
  expect(await codes('advertise-client-urls=https://10.0.0.9:2379')).toContain('san/host-not-covered')
})

describe('expired CAs of clients', () => {
  it.each([
    ['trusted-ca-file=ended.crt', 'error', {}],
    ['trusted-ca-file=some.crt', 'warning', {}],
    ['trusted-ca-file=ended.crt', undefined, { clockSkew: '2d' }],
  ] as const)('reports the expired CA of %s with the severity %s', async (changes, severity, options) => {
    const found = (await findings(changes, options)).find(({ code }) => code === 'config/ca-expired')
    expect(found?.severity).toBe(severity)
  })

  it('reports an expired CA once if the own certificate leads to it', async () => {
    const found = await findings(`${pair('of-ended')} trusted-ca-file=ended.crt`)
    expect(worse(found)).not.toContain('config/ca-expired')
    expect(findingOf(found, 'validity/expired').certificate?.role).toBe('anchor')
  })
})

it('suites for another key are an error in releases with TLS 1.2 alone, and an info in others', async () => {
  const changes = `${pair('rsa')} cipher-suites=${ECDSA}`
  expect(await codes(changes, { version: '3.5.7' })).toEqual(['config/cipher-suites-unfit'])
  expect(await codes(changes, { version: '3.5.8' })).toEqual([])
  // No release of 3.4 sets a limit.
  expect(await codes(changes, { version: '3.4.23' })).toEqual([])
  for (const [option, each] of [
    ['--cert-file', changes],
    ['--peer-cert-file', `${pair('rsa', 'peer-')} cipher-suites=${ECDSA}`],
    ['--peer-cert-file', `${pair('rsa')} cipher-suites=${RSA}`],
  ] as const) {
    const unfit = (await findings(each)).filter(({ code }) => code === 'config/cipher-suites-unfit')
    expect(unfit).toMatchObject([{ severity: 'info', details: { cert: option } }])
  }
})

const indented = (pem: string): string => pem.replace(/^(?=.)/gm, '  ')
it.each<[string, string, string, (pem: string) => string, string]>([
  ['byte order mark', pair('marked'), 'marked.crt', (pem) => `\ufeff${pem}`, 'error pem/layout-unusual'],
  ['byte order mark', pair('marked'), 'marked.key', (pem) => `\ufeff${pem}`, 'error pem/layout-unusual'],
  ['mark', 'trusted-ca-file=only.crt', 'only.crt', (pem) => `\ufeff${pem}`, 'error pem/layout-unusual'],
  ['mark', 'trusted-ca-file=two.crt', 'two.crt', (pem) => `\ufeff${pem}`, 'warning pem/layout-unusual'],
  ['indentation', pair('marked'), 'marked.crt', indented, 'error pem/layout-unusual'],
  ['indentation', pair('marked'), 'marked.key', indented, 'error pem/layout-unusual'],
  ['indentation', 'trusted-ca-file=only.crt', 'only.crt', indented, 'error pem/layout-unusual'],
  ['indented END', pair('marked'), 'marked.crt', (pem) => pem.replace('-----END', ' $&'), 'error pem/layout-unusual'],
  ['old Mac', 'trusted-ca-file=only.crt', 'only.crt', (pem) => pem.replaceAll('\n', '\r'), 'error pem/layout-unusual'],
  ['indentation', 'trusted-ca-file=two.crt', 'two.crt', (pem) => indented(pem) + pem, 'warning pem/layout-unusual'],
])('a layout of a file, %s, hides a block from etcd: %s %s', async (_, changes, name, change, expected) => {
  pki.issue('marked')
  pki.write('only.crt', root.pem)
  pki.write('two.crt', other.pem + root.pem)
  pki.write(name, change(readFileSync(pki.path(name), 'utf8')))
  const found = (await findings(changes)).map(({ severity, code }) => `${severity} ${code}`)
  expect(found.filter((each) => !each.includes('credentials/'))).toEqual([expected])
})

describe('a CRL by version', () => {
  const [UNREADABLE, FORM] = ['config/crl-unreadable', 'config/crl-form']
  const revoked = [{ serial: 1n }]
  const critical = [{ ...authorityKeyIdentifier(publicHalf(root.key)), critical: true }, crlNumber(1)]
  const first = { version: null, extensions: [] }
  const tamper = (der: Buffer): Buffer => Buffer.concat([der, Buffer.from('\n')])
  it.each<[string, string | Buffer, old: string[], young?: string[]]>([
    ['DER', mintCrl({ issuer: root, revoked }).der, []],
    ['PEM', mintCrl({ issuer: root, revoked }).pem, [FORM]],
    ['version 1', mintCrl({ issuer: root, revoked, ...first }).der, [FORM]],
    ['version 1 in PEM', mintCrl({ issuer: root, revoked, ...first }).pem, [FORM, FORM]],
    ['bytes after DER', mintCrl({ issuer: root, revoked, tamper }).der, [UNREADABLE], []],
    ['a critical key identifier', mintCrl({ issuer: root, revoked, extensions: critical }).der, [FORM]],
    ['two algorithms', mintCrl({ issuer: root, revoked, outerSignature: 'ecdsa-sha384' }).der, [FORM]],
    ['text before', `x\n${mintCrl({ issuer: root, revoked }).pem}`, [UNREADABLE], [FORM]],
    ['several', mintCrl({ issuer: root, revoked }).pem.repeat(2), [UNREADABLE, FORM], [FORM]],
    ['garbage', 'garbage', [UNREADABLE]],
  ])('reports how each release of etcd reads a CRL: %s', async (_, content, old, young = old) => {
    pki.write('list.crl', content)
    const of = async (version?: LintOptions['version']): Promise<string[]> =>
      (await findings('client-crl-file=list.crl', { version })).map(({ code }) => code)
    expect(await of()).toEqual(old)
    expect(await of('3.5.33')).toEqual(old)
    expect(await of('3.6.14')).toEqual(young)
  })

  it('the lint warns about a delta CRL, because etcd compares its serial numbers nevertheless', async () => {
    const extensions = [authorityKeyIdentifier(publicHalf(root.key)), crlNumber(2), deltaCrlIndicator(1)]
    pki.write('delta.crl', mintCrl({ issuer: root, revoked: REVOKED, extensions }).der)
    const found = await findings('client-crl-file=delta.crl')
    expect(found.map(({ severity, code, place }) => `${severity} ${code} ${place?.option ?? ''}`)).toEqual([
      'warning revocation/crl-unsupported --client-crl-file',
      'warning config/member-revoked --cert-file',
    ])
    const { message } = findingOf(found, 'revocation/crl-unsupported')
    expect(message).toContain('is a delta CRL; etcd reads its serial numbers like those of a full CRL.')
  })

  it.each([
    ['ca.crt', false],
    ['ca.der', false],
    ['torn.crl', true],
    ['none.crl', true],
  ])('a remedy does not overwrite a file that is not a CRL: %s', async (name, isWritten) => {
    pki.write('ca.der', root.der)
    pki.write('torn.crl', mintCrl({ issuer: root }).pem.replace(/\n.*\n-----END/, '\n-----END'))
    const { message, remedy } = findingOf(
      await findings(`client-crl-file=${pki.path(name)}`),
      UNREADABLE as FindingCode,
    )
    expect(remedy.includes(`-out ${pki.path(name)}`)).toBe(isWritten)
    if (!isWritten) expect(remedy).toContain(`Do not overwrite ${pki.path(name)}.`)
    if (name === 'ca.crt') expect(message).toMatch(/not a CRL in PEM or DER/)
  })
})

it('a certificate of an intermediate, and a self-signed one, have remedies of their own at the gateway', async () => {
  const [below, self] = await Promise.all([findings(pair('below')), findings(pair('self'))])
  expect(findingOf(below, 'config/gateway-refused').remedy).toMatch(
    /^Append the certificate of "CN=Middle" to \S+below\.crt/,
  )
  expect(findingOf(self, 'config/gateway-refused').message).toContain('is self-signed')
})

it('a certificate whose name differs from that of its CA only in case is not called self-signed', async () => {
  const [own, strange] = [await findings(pair('capital')), await findings(pair('capital-stranger'))]
  expect(worse(own)).toContain('chain/openssl-picks-other-path')
  expect(worse(own)).not.toContain('config/gateway-refused')
  expect(findingOf(strange, 'config/gateway-refused').message).toContain(
    '"CN=OTHER ROOT", which "CN=Other root" issued',
  )
})

it('a consequence is reported with its cause', async () => {
  const turned = await findings('cert-file=turned.crt')
  expect(worse(turned)).toEqual(['credentials/leaf-not-first'])
  expect(turned[0]?.consequences.map(({ code }) => code)).toContain('san/host-not-covered')
  expect(await codes('trusted-ca-file=server.crt')).not.toContain('chain/anchor-not-self-signed')
})

it('small keys are one info', async () => {
  const found = await findings(`${pair('of-small')} trusted-ca-file=small.crt`, { at: new Date('2029-12-31') })
  expect(found.filter(({ code }) => /^key|keys-/.test(code))).toMatchObject([
    { code: 'config/keys-beyond-2030', severity: 'info', details: { subjects: ['"CN=Small"'] } },
  ])
})

describe('remedies about files name options of etcd', () => {
  it.each<[changes: string, code: FindingCode, text: RegExp]>([
    ['cert-file=server.key key-file=server.crt', 'credentials/swapped', /--cert-file is .*, --key-file is /],
    ['cert-file=ca.crt', 'credentials/ca-instead-of-certificate', /given as --cert-file instead of --trusted-ca-file/],
    ['peer-cert-file=ca.crt', 'credentials/ca-instead-of-certificate', /as --peer-cert-file instead of --peer-trusted/],
    ['cert-file=.', 'file/not-regular', /^(?!.*from(?:Pem|Files|Kubernetes))/],
    ['cert-file=/dev/null', 'file/not-regular', /^(?!.*from(?:Pem|Files|Kubernetes))/],
    [pair('elsewhere'), 'san/host-not-covered', /or advertise a name that it covers/],
  ])('the remedy for %s names the options of etcd: %s', async (changes, code, text) => {
    const { message, remedy } = findingOf(await findings(changes), code)
    expect(`${message} ${remedy}`).toMatch(text)
    expect(`${message} ${remedy}`).not.toMatch(/"(?:ca|cert|key)"/)
  })
})

describe('permissions of the key', () => {
  const isRoot = process.getuid?.() === 0
  const unit = (lines: string, changes = ''): { unit: string } => ({
    unit: `[Service]\n${lines}\nExecStart=/usr/bin/etcd ${pki.flags(changes).join(' ')}\n`,
  })

  it('reports a key that every user may read', async () => {
    pki.issue('loose')
    chmodSync(pki.path('loose.key'), 0o644)
    expect(await codes(pair('loose'))).toEqual(['file/key-readable-by-others'])
  })

  it('accepts a key that the group of etcd may read only if root owns it', async () => {
    pki.issue('grouped')
    const file = pki.path('grouped.key')
    chmodSync(file, 0o640)
    const gid = isRoot ? 4711 : (process.getgid?.() ?? 0)
    if (isRoot) chownSync(file, 4713, gid)
    const of = async (): Promise<string[]> => worse((await lintOne(unit('', pair('grouped')))).findings)
    expect(await of()).toContain('file/key-readable-by-others')
    // Only root gives its own files to a group.
    if (isRoot) chownSync(file, 0, gid)
    expect((await of()).includes('file/key-readable-by-others')).toBe(!isRoot)
  })
})

it('escapes all that people read of a hostile configuration, and leaves paths exact', async () => {
  const odd = 'a\u202e\u009b'
  pki.write(`${odd}.yml`, `"na\u202eme": x\nlisten-client-urls: "http://\u202e:1"\nclient-transport-security: {cert-file: "/no/\u202e.crt", key-file: "/no/\u202e.key"}\n`)
  const pod = `kind: Pod
metadata: {name: "p\u202e"}
spec:
  containers: [{name: "c\u202e", image: etcd, command: [etcd, "--\u202e=a", --cert-file=/pki/\u202e.crt, --key-file=/pki/a.key], volumeMounts: [{name: v, mountPath: /pki}]}]
  volumes: [{name: v, hostPath: {path: "/no/\u202e"}}]
`
  const inputs: ConfigInput[] = [
    { file: pki.path(`${odd}.yml`) },
    { flags: ['etcd', '--cert-file=/no/\u009b.crt', '--key-file=/no/\u009b.key', '--name=\u001b'] },
    { flags: ['etcd', '--\u001b[31m', '--\u202e=a'] },
    { env: { ['ETCD_NAME\u001b']: 'x', ETCD_LISTEN_CLIENT_URLS: '\u001b', ['ETCD_\u202e']: 'y' } },
    { unit: `[Service]\nUser=\u202e\nEnvironmentFile=/no/\u202e\nExecStart=/usr/bin/etcd --\u202e --data-dir=/\u202e\n` },
    { manifest: pod },
  ]
  const shown = new Set<string>()
  for (const input of inputs) {
    const report = await lintOne(input)
    expect(report.findings).not.toEqual([])
    for (const text of [formatReport(report), formatReport(report, { oneLine: true })]) {
      expect(text.replaceAll('\n', '')).not.toMatch(UNPRINTABLE)
    }
    const visit = (value: unknown, path: string): void => {
      if (typeof value === 'string' && !/\.(?:place\.file|details\.(?:file|path|onHost))$/.test(path)) {
        expect([path, value.search(UNPRINTABLE)]).toEqual([path, -1])
      } else if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
        for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`)
      }
    }
    visit(report, '')
    for (const { place, details } of report.findings) {
      for (const each of [place?.file, 'file' in details ? details.file : '', 'path' in details ? details.path : ''])
        if (typeof each === 'string') shown.add(each)
    }
  }
  for (const exact of [pki.path(`${odd}.yml`), '/no/\u202e.crt', '/no/\u009b.crt']) expect([...shown]).toContain(exact)
}) // prettier-ignore

it('paths of a pod are paths of its host if a volume mounts them', async () => {
  const folder = dirname(pki.path('x'))
  const pod = (volume: string, mountPath = '/pki'): { manifest: string } => ({
    manifest: `kind: Pod
spec:
  containers:
    - image: registry.k8s.io/etcd:3.5.16-0
      command: ${JSON.stringify(['etcd', ...pki.flags().map((flag) => flag.replace(folder, '/pki'))])}
      volumeMounts: [{name: pki, mountPath: ${mountPath}}]
  volumes: [{name: pki, ${volume}}]
`,
  })
  const of = async (config: { manifest: string }): Promise<string[]> =>
    (await lintOne(config)).findings.map(({ code }) => code)
  const host = `hostPath: {path: ${JSON.stringify(folder)}}`
  expect(await of(pod(host))).toEqual([])
  expect(await of(pod('secret: {secretName: s}'))).toEqual([])
  const { unchecked } = await lintOne(pod('secret: {secretName: s}'))
  expect(unchecked.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'file-absent'))
})
