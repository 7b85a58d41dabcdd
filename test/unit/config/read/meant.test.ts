/** What is written wrong, and plain in what it means: it is reported once, with what is meant. */
import { describe, expect, it } from 'vitest'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { readBack } from '../../../support/read-config.js'

const NOTHING =
  'config/nothing-set The configuration sets no option of etcd. etcd serves plaintext on http://localhost:2379, for this machine only.'

const unit = (command: string): ConfigInput => ({
  unit: `[Service]\nType=notify\nExecStart=${command}\nRestart=always\n`,
})
const pod = (...args: string[]): ConfigInput => ({
  manifest: `kind: Pod\nspec:\n  containers:\n  - command:\n    - etcd\n${args.map((each) => `    - ${each}\n`).join('')}`,
})

type Case = readonly [config: ConfigInput, code: string, said: RegExp, options: Record<string, string>]

const FLAGS: readonly Case[] = [
  [{ flags: 'etcd \\\r\n --name a' }, 'line-broken', /\(line 1:6\): the line ends with CR LF/, { '--name': 'a' }],
  [{ flags: 'etcd \\ \n --name a' }, 'line-broken', /a space follows the backslash/, { '--name': 'a' }],
  [{ flags: 'etcd \\\n --name a\n --data-dir b' }, 'line-broken', /does not end with a backslash/, { '--name': 'a', '--data-dir': 'b' }],
  [unit('/usr/bin/etcd --name=a\n  --data-dir=b \\\n --wal-dir=c'), 'line-broken', /\(line 3:33\).*does not end/, { '--name': 'a', '--data-dir': 'b' }],
  [unit('/usr/bin/etcd --name=a \\ \n  --data-dir=b'), 'line-broken', /\(line 3:34\).*a space follows/, { '--name': 'a', '--data-dir': 'b' }],
  [{ flags: 'etcd --name "a' }, 'line-broken', /\(line 1:13\).*Close it with "/, { '--name': 'a' }],
  [unit("/usr/bin/etcd --name='a"), 'line-broken', /\(line 3:/, { '--name': 'a' }],
  [pod('--name: a'), 'value-type', /--name \(line 6:7\).*as "--name=a" with its quotes/, { '--name': 'a' }],
  [pod('--name a'), 'argument-misplaced', /Write "--name=a", or write two arguments/, {}],
  [{ flags: ['etcd', '--cert-file', '--key-file', 'k'] }, 'argument-misplaced', /takes the next flag, "--key-file"/, { '--cert-file': '', '--key-file': 'k' }],
  [{ flags: 'etcd --client-cert-auth false --name a' }, 'argument-misplaced', /Write "--client-cert-auth=false"/, { '--client-cert-auth': 'true', '--name': 'a' }],
  [{ flags: 'etcd \u2014name=a' }, 'argument-misplaced', /Write "--name=a": it begins with a long dash/, { '--name': 'a' }],
  [{ flags: 'etcd --cert-file= /c --name a' }, 'argument-misplaced', /Write "--cert-file=\/c"/, { '--cert-file': '', '--name': 'a' }],
  [{ flags: 'etcd --trusted-ca=c' }, 'option-unknown', /"--trusted-ca-file"/, {}],
  [{ flags: 'etcd --tls-cert-file=c' }, 'option-unknown', /"--cert-file"/, {}],
  [{ flags: 'etcd --cacert=c' }, 'option-unknown', /"--trusted-ca-file"/, {}],
  [{ flags: 'etcd --cipher-suites "A, B"' }, 'space-in-list', /the entry " B".*does not start/, { '--cipher-suites': 'A, B' }],
  [{ flags: 'etcd --peer-cert-allowed-cn "a,b "' }, 'space-in-list', /the entry "b ".*no certificate/, { '--peer-cert-allowed-cn': 'a,b ' }],
  [{ flags: 'etcd --initial-cluster a:http://h:1,b=http://i:1,' }, 'value-invalid', /is "a:http:\/\/h:1"; it must be a name and a URL/, { '--initial-cluster': 'a:http://h:1,b=http://i:1,' }],
  [{ flags: 'etcd --name b --initial-cluster "a=http://h:1, b=http://i:1"' }, 'space-in-list', /the entry " b=/, { '--name': 'b', '--initial-cluster': 'a=http://h:1, b=http://i:1' }],
] // prettier-ignore

const VARIABLES: readonly Case[] = [
  [{ env: 'ETCD_DATA_DIR=d\nETCD_NAME="a\nb' }, 'line-broken', /\(line 2:11\)/, { ETCD_DATA_DIR: 'd', ETCD_NAME: 'a\nb' }],
  [{ env: 'ETCD_NAME=a\nETCD_NAME=b\n' }, 'option-repeated', /\(line 2:1\).*line 1\. .*"b"/, { ETCD_NAME: 'b' }],
  [{ env: 'ETCD_KEY_FILE="k" # the key\n' }, 'comment-in-value', /Write only "k"/, { ETCD_KEY_FILE: 'k# the key' }],
  [{ env: { ETCD_TRUSTED_CA: 'c' } }, 'protection-ignored', /Write ETCD_TRUSTED_CA_FILE/, {}],
  [{ env: { ETCD_PEER_CA_FILE: 'c' } }, 'protection-ignored', /ETCD_PEER_TRUSTED_CA_FILE/, {}],
  [{ env: { ETCD_CERT_FIL: 'c', ETCD_CERT_FILE: 'd' } }, 'option-ignored', /ETCD_CERT_FILE/, { ETCD_CERT_FILE: 'd' }],
] // prettier-ignore

const CLIENT = 'client-transport-security'
const PEER = 'peer-transport-security'

const KEYS: readonly Case[] = [
  [{ yaml: `${CLIENT}:\n  ${PEER}:\n    cert-file: c\n` }, 'protection-ignored', /out to the top level, as "peer-transport-security"/, {}],
  [{ yaml: `${CLIENT}:\n  tls-min-version: TLS1.2\n` }, 'protection-ignored', /out to the top level, as "tls-min-version"/, {}],
  [{ yaml: `${CLIENT}:\n  peer-cert-file: c\n` }, 'protection-ignored', /into "peer-transport-security", as "cert-file"/, {}],
  [{ yaml: `${CLIENT}:\n  private-key-file: k.pem\n` }, 'protection-ignored', /Write "client-transport-security\.key-file"/, {}],
  [{ yaml: 'cert-file: c\n' }, 'protection-ignored', /into "client-transport-security", as "cert-file"/, {}],
  [{ yaml: 'name: a\nsocket-reuse-port: true\ndata-dir: d\n' }, 'option-ignored', /into "socket-options", as "reuse-port"/, { name: 'a', 'data-dir': 'd' }],
  [{ yaml: 'clientTransportSecurity:\n  cert-file: c\n' }, 'protection-ignored', /"client-transport-security"/, {}],
  [{ yaml: 'data-dir: c\nconfig:\n  name: a\n  cors: b\n' }, 'protection-ignored', /etcd ignores everything in it: name and cors/, { 'data-dir': 'c' }],
  [{ yaml: `${CLIENT}: {client-cert-auth: "yes"}\n` }, 'value-type', /must be true or false/, { [`${CLIENT}.client-cert-auth`]: '' }],
  [{ yaml: `${CLIENT}: {client-cert-auth: !!python/name:a true}\n` }, 'value-type', /must be true or false/, { [`${CLIENT}.client-cert-auth`]: '' }],
  [{ yaml: `${CLIENT}: {client-cert-auth: !!bool "true"}\nname: !mine 1\n` }, '', /^$/, { [`${CLIENT}.client-cert-auth`]: 'true', name: '1' }],
  [{ yaml: `${CLIENT}: {cert-file: [c]}\n` }, 'value-type', /must be a string; it is a list/, { [`${CLIENT}.cert-file`]: '' }],
  [{ yaml: `${CLIENT}: {cert-file: {a: c}}\n` }, 'value-type', /must be a string; it is a mapping/, { [`${CLIENT}.cert-file`]: '' }],
  [{ yaml: 'listen-client-urls: [http://a:1, http://b:1]\n' }, 'value-type', /one string, with commas/, { 'listen-client-urls': '' }],
  [{ yaml: 'cipher-suites: [A, " B"]\n' }, 'space-in-list', /the entry " B"/, { 'cipher-suites': 'A, B' }],
] // prettier-ignore

describe.each([
  ['flags', FLAGS],
  ['variables', VARIABLES],
  ['keys', KEYS],
])('%s', (_, cases) => {
  it.each(cases)('%j has the finding "%s"', async (config, code, said, options) => {
    const read = await readBack(config)
    expect(read.findings.map((each) => each.code)).toEqual(code === '' ? [] : [`config/${code}`])
    expect(read.findings.map(({ message, remedy }) => `${message} ${remedy}`).join('')).toMatch(said)
    expect(read.options).toEqual(options)
  })
})

it('sets only options with the right name', async () => {
  const { options } = await readBack({ flags: 'etcd --trusted-ca=a --trusted-ca-file=b --name a' })
  expect(options).toEqual({ '--trusted-ca-file': 'b', '--name': 'a' })
  const { findings } = await readBack({ yaml: 'defaults: &it {name: a, data-dir: b}\n<<: *it\n' })
  expect(findings.map(({ code }) => code)).toEqual(['config/option-ignored'])
})

it('one cause is one finding', async () => {
  const side = (prefix: string): string =>
    `ETCD_${prefix}CERT_FILE=/c\nETCD_${prefix}KEY_FILE=/k\nETCD_${prefix}TRUSTED_CA_FILE=/a\nETCD_${prefix}CLIENT_CERT_AUTH=true\n`
  const urls = 'ETCD_LISTEN_CLIENT_URLS=https://10.0.0.1:2379\nETCD_ADVERTISE_CLIENT_URLS=https://10.0.0.1:2379\n'
  const good = `${urls}ETCD_LISTEN_PEER_URLS=https://10.0.0.1:2380\n${side('')}${side('PEER_')}`
  const codes = async (env: string): Promise<string[]> => {
    const { findings } = await lintOne({ env }, { readFiles: false })
    return findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
  }
  expect(await codes(good)).toEqual([])
  expect(await codes(good.replace('ETCD_TRUSTED_CA_FILE', 'ETCD_TRUSTED_CA'))).toEqual(['config/protection-ignored'])
  expect(await codes(good.replace('AUTH=true', 'AUTH=yes'))).toEqual(['config/value-invalid'])
  expect(await codes(good.replace('/k\n', '/k # key\n'))).toEqual(['config/comment-in-value'])
})

it('options next to a configuration file are one finding, and a CRL is its own', async () => {
  const { findings } = await readBack({ flags: 'etcd --name=a --config-file=/f --data-dir=b --client-crl-file=c' })
  expect(findings.map(({ code, remedy }) => [code, remedy])).toEqual([
    ['config/restriction-not-in-force', expect.any(String)],
    ['config/ignored-with-file', 'Move them into the file, or remove them: --name and --data-dir.'],
  ])
})

describe('texts that are not a configuration of etcd', () => {
  it.each<[ConfigInput, string]>([
    [{ yaml: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n' }, 'config/no-etcd The configuration does not start etcd: it is PEM and holds a CERTIFICATE.'],
    [{ yaml: Buffer.from('# caf\xe9\nname: a\n', 'latin1') }, 'config/not-text The configuration is not in UTF-8, on line 1.'],
    [{ yaml: 'name: a\ndata-dir: b\0\n' }, 'config/not-text The configuration has a control character, on line 2.'],
    ...['', '# nothing\n', '{}', '---\n'].map((yaml): [ConfigInput, string] => [{ yaml }, 'config/no-etcd The configuration does not start etcd: it is empty.']),
    [{ yaml: 'on: push\njobs: {}\n' }, 'config/no-etcd The configuration does not start etcd: none of its keys is one of a member: on, jobs.'],
    [{ yaml: '---\n---\nname: a\n' }, 'config/no-etcd The configuration does not start etcd: its first document is empty, and etcd reads no other.'],
    [{ flags: 'etcd' }, NOTHING],
    [{ args: ['etcd'] }, NOTHING],
    ...[{ env: {} }, { args: [] }, { flags: [] }, { flags: '' }, { args: [], env: {} }].map((config): [ConfigInput, string] => [config, 'config/no-etcd The configuration does not start etcd: it sets no option of etcd.']),
  ])('reports that %j is not a configuration of a member', async (config, said) => {
    const { findings } = await readBack(config)
    expect(findings.map(({ code, message }) => `${code} ${message}`)).toEqual([said])
  }) // prettier-ignore
})

/** Names that etcd does not have, and what is written instead, by their words. */
const MEANT: readonly (readonly [config: ConfigInput, meant: string])[] = [
  [{ env: { ETCD_CRL_FILE: '/x' } }, 'ETCD_CLIENT_CRL_FILE'],
  [{ env: { ETCD_PEER_CA_CERT_FILE: '/x' } }, 'ETCD_PEER_TRUSTED_CA_FILE'],
  [{ env: { ETCD_TRUSTED_CA_CERT: '/x' } }, 'ETCD_TRUSTED_CA_FILE'],
  [{ env: { ETCD_CACERT: '/x' } }, 'ETCD_TRUSTED_CA_FILE'],
  [{ env: { ETCD_CLIENT_CERT: 'true' } }, 'ETCD_CLIENT_CERT_AUTH'],
  [{ env: { ETCD_CLIENT_CERT_AUTHENTICATION: 'true' } }, 'ETCD_CLIENT_CERT_AUTH'],
  [{ env: { ETCD_PEER_CERT_AUTH: 'true' } }, 'ETCD_PEER_CLIENT_CERT_AUTH'],
  [{ env: { ETCD_TLS_MIN_VER: 'TLS1.3' } }, 'ETCD_TLS_MIN_VERSION'],
  [{ env: { ETCD_CIPHERS: 'A' } }, 'ETCD_CIPHER_SUITES'],
  [{ env: { ETCD_TLS_PRIVATE_KEY_FILE: '/x' } }, 'ETCD_KEY_FILE'],
  [{ env: { ETCD_CERT_FIEL: '/x' } }, 'ETCD_CERT_FILE'],
  [{ unit: '[Service]\nEnvironment=ETCD_CIPHER-SUITES=A\nExecStart=/usr/bin/etcd\n' }, 'ETCD_CIPHER_SUITES'],
  [{ env: 'ETCD_CIPHER-SUITES=A\n' }, 'ETCD_CIPHER_SUITES'],
  [{ flags: ['etcd', '--client-ca-file=/x'] }, '"--trusted-ca-file"'],
  [{ flags: ['etcd', '--client-cert-authentication=true'] }, '"--client-cert-auth"'],
  [{ flags: ['etcd', '--client-cert-auth-enabled'] }, '"--client-cert-auth"'],
  [{ flags: ['etcd', '--peer-cert-auth'] }, '"--peer-client-cert-auth"'],
  [{ flags: ['etcd', '--tls-cipher-suites=A'] }, '"--cipher-suites"'],
  [{ flags: ['etcd', '--client-cert=true'] }, '"--client-cert-auth"'],
  [{ yaml: 'client-transport-security: {ca-cert: /x}' }, '"client-transport-security.trusted-ca-file"'],
  [{ yaml: 'peer-transport-security: {ca-cert: /x}' }, '"peer-transport-security.trusted-ca-file"'],
  [
    { yaml: 'client-transport-security: {client-cert-authentication: true}' },
    '"client-transport-security.client-cert-auth"',
  ],
  [{ yaml: 'client-transport-security: {client-cert: true}' }, '"client-transport-security.client-cert-auth"'],
  [{ yaml: 'client-security: {cert-file: /x}' }, '"client-transport-security"'],
  [{ yaml: 'peer-tls: {cert-file: /x}' }, '"peer-transport-security"'],
  [{ yaml: 'tls-minimum-version: TLS1.3' }, '"tls-min-version"'],
]

it.each(MEANT)('%j is reported with the name that may be meant: %s', async (config, meant) => {
  const { findings, options } = await readBack(config)
  const code = config.flags === undefined ? 'protection-ignored' : 'option-unknown'
  expect(findings.map((each) => `${each.code} ${each.remedy}`)).toEqual([
    `config/${code} Write ${meant} if you mean that.`,
  ])
  expect(options).toEqual({})
})

it.each([
  ['ETCD_TLS_MODE_STRICT ETCD_AUTH_SOMETHING ETCD_CA_ROTATION', ['config/option-ignored']],
  ['ETCD_CERT_DIR ETCD_CA_DIR ETCD_SSL_DIR ETCD_OPTS ETCD_MY_THING', []],
])('the names %s give the codes %j', async (names, codes) => {
  for (const name of names.split(' ')) {
    const { findings } = await readBack({ env: { [name]: 'x', ETCD_NAME: 'a' } })
    expect(findings.map(({ code }) => code)).toEqual(codes)
  }
})

it('reports nothing about a value that does not fit the option that may be meant', async () => {
  const codes = async (config: Parameters<typeof lintOne>[0]): Promise<string[]> =>
    (await lintOne(config, { readFiles: false })).findings.map(({ code }) => code)
  expect(await codes({ env: { ETCD_KEY_FIL: 'true', ETCD_NAME: 'a' } })).not.toContain('config/option-needs')
  expect(await codes({ yaml: 'name: a\ntls-minimum-version: 1.3\n' })).not.toContain('config/value-type')
})
