/** Key usage and extended key usage (check-usage.ts), for every use of a leaf. */
import { expect, it } from 'vitest'
import type { Usage } from '../../../src/validate/index.js'
import { bitString } from '../../support/der-writer.js'
import { basicConstraints, EXTENSION, extendedKeyUsage, type KeyUsageName } from '../../support/mint.js'
import { given, reportOn, table, tableOf, type Parts, type Row } from './rows.js'

const leafRow = (usage: Usage, usages: readonly string[], ...found: string[]): Row => [
  `validates, for ${usage}, a leaf for ${usages.join(' and ') || 'nothing in particular'}`,
  { leaf: { usages } },
  found,
  { usage },
]

const missing = (purposes: string): string => `extended-key-usage-missing@0 (of the certificate, ${purposes})`

it.each([
  ['server', 'Reissue it with "extendedKeyUsage = serverAuth, clientAuth".'],
  ['peer', 'Reissue it with "extendedKeyUsage = serverAuth, clientAuth".'],
  ['client', 'Reissue it with "extendedKeyUsage = clientAuth".'],
] as const)('a remedy for anyExtendedKeyUsage names the usages of a %s', (usage, remedy) => {
  const { findings } = reportOn(given({ leaf: { usages: ['any'] } }), { usage })
  expect(findings.find(({ code }) => code === 'usage/any-extended-key-usage')?.remedy).toBe(remedy)
})

tableOf('the check of the extended key usages of a leaf', 'usage/any-extended-key-usage', [
  leafRow('server', ['serverAuth', 'clientAuth']),
  leafRow('server', ['serverAuth'], 'warning gateway-client-auth-missing@0 ([serverAuth], false)'),
  leafRow('server', ['clientAuth'], missing('[serverAuth clientAuth], [serverAuth], [clientAuth]')),
  leafRow('client', ['clientAuth']),
  leafRow('client', ['serverAuth'], missing('[clientAuth], [clientAuth], [serverAuth]')),
  leafRow('peer', ['serverAuth'], missing('[serverAuth clientAuth], [clientAuth], [serverAuth]')),
  leafRow('any', ['serverAuth']),
  // Go takes anyExtendedKeyUsage for every purpose; OpenSSL's check of a server does not.
  leafRow('server', ['any'], '@0 (true)'),
  leafRow('server', ['any', 'serverAuth'], 'warning @0 (false)'),
  leafRow('client', ['any'], 'warning @0 (false)'),
  // OpenSSL, and so Node, takes Server Gated Cryptography for serverAuth; Go does not.
  ...['1.3.6.1.4.1.311.10.3.3', '2.16.840.1.113730.4.1'].flatMap((gated) => [
    leafRow('server', [gated, 'clientAuth'], `warning extended-key-usage-missing@0 (server gated, ${gated})`),
    leafRow('server', [gated, 'any'], 'warning @0 (false)'),
    leafRow('peer', [gated, 'clientAuth'], missing(`[serverAuth clientAuth], [serverAuth], [${gated} clientAuth]`)),
    [
      `validates, for server, a CA that allows ${gated}`,
      { intermediate: { extensions: [extendedKeyUsage([gated])] } },
      [`warning extended-key-usage-missing@1 (server gated, ${gated})`],
      { usage: 'server' },
    ] satisfies Row,
  ]),
  leafRow('server', [], 'info extension-absent@0 (extendedKeyUsage)'),
  leafRow('any', []),
  [
    'does not call an unreadable extension absent',
    unreadable(EXTENSION.extendedKeyUsage),
    ['extension-refused@0 (malformed, extendedKeyUsage, an empty list of purposes)'],
  ],
  [
    'calls the extension absent if another one is unreadable',
    unreadable(EXTENSION.keyUsage),
    [
      'extension-refused@0 (malformed, keyUsage, keyUsage is missing or of another type)',
      'info extension-absent@0 (extendedKeyUsage)',
    ],
  ],
  [
    'reports critical usages',
    { leaf: { extensions: [extendedKeyUsage(['clientAuth'], true)] } },
    ['info criticality-unusual@0 (of usages, extendedKeyUsage)'],
    { usage: 'client' },
  ],
])

function unreadable(oid: string): Parts {
  return { leaf: { usages: [], extensions: [{ oid, value: Buffer.from('3000', 'hex') }] } }
}

const keyUsageRow = (usage: Usage, keyUsages: readonly KeyUsageName[], ...found: string[]): Row => [
  `validates, for ${usage}, a key for ${keyUsages.join(' and ')}`,
  { leaf: { keyUsages } },
  found,
  { usage },
]

tableOf('the check of the key usages of a leaf', 'usage/key-usage-missing', [
  // OpenSSL's purpose check of a server accepts each of three usages; Go does not check key usages of a leaf.
  keyUsageRow('server', ['keyEncipherment'], 'warning @0 (digitalSignature, [keyEncipherment], false)'),
  keyUsageRow('server', ['keyAgreement'], 'warning @0 (digitalSignature, [keyAgreement], false)'),
  keyUsageRow(
    'server',
    ['nonRepudiation', 'dataEncipherment', 'cRLSign', 'decipherOnly'],
    '@0 (digitalSignature, [nonRepudiation dataEncipherment cRLSign decipherOnly], true)',
  ),
  keyUsageRow('peer', ['nonRepudiation'], 'warning @0 (digitalSignature, [nonRepudiation], false)'),
  keyUsageRow('client', ['keyEncipherment'], 'warning @0 (digitalSignature, [keyEncipherment], false)'),
  [
    'reports a leaf that may sign certificates',
    { leaf: { keyUsages: ['digitalSignature', 'keyCertSign'] } },
    ['warning only-for-cas@0 (keyCertSign)'],
  ],
  [
    'lets a CA sign certificates',
    { leaf: { keyUsages: ['digitalSignature', 'keyCertSign'], extensions: [basicConstraints({ ca: true })] } },
    ['warning leaf-is-ca@0'],
  ],
])

/** The bits from the first: client, server, mail, objects, and the CAs of each. */
const typed = (usage: Usage, bits: number, ...found: string[]): Row => [
  `validates, for ${usage}, the bits ${bits.toString(2).padStart(8, '0')}`,
  { leaf: { extensions: [{ oid: '2.16.840.1.113730.1.1', value: bitString(Buffer.from([bits])) }] } },
  found,
  { usage },
]

table('the check of the Netscape certificate type of a leaf', [
  typed('server', 0b0100_0000),
  typed('server', 0b1000_0000, 'netscape-type-unsuited@0 ([server], true)'),
  typed('peer', 0b0000_0100, 'warning netscape-type-unsuited@0 ([server client], false)'),
  typed('peer', 0b1100_0000),
  typed('client', 0b0100_0000, 'warning netscape-type-unsuited@0 ([client], false)'),
  typed('client', 0b1000_0000),
  typed('any', 0b0000_0100),
])

const issuerRow = (usage: Usage, usages: readonly string[], ...found: string[]): Row => [
  `validates, for ${usage}, a CA for ${usages.join(' and ')}`,
  { intermediate: { extensions: [extendedKeyUsage(usages)] } },
  found,
  { usage },
]

tableOf('the check of the usages of a CA', 'usage/extended-key-usage-missing', [
  [
    'refuses a CA that may not sign certificates',
    { intermediate: { keyUsages: ['cRLSign', 'digitalSignature'] } },
    ['key-usage-missing@1 (keyCertSign, [digitalSignature cRLSign])'],
  ],
  [
    'reports a CA without key usage',
    { intermediate: { without: [EXTENSION.keyUsage] } },
    ['info extension-absent@1 (keyUsage)'],
  ],
  issuerRow('server', ['serverAuth', 'clientAuth']),
  issuerRow('server', ['serverAuth'], 'warning gateway-client-auth-missing@1 ([serverAuth], true)'),
  issuerRow('server', ['clientAuth'], '@1 (of its CA, serverAuth, [clientAuth], CN=etcd-0)'),
  issuerRow('server', ['any', 'serverAuth']),
  issuerRow('server', ['any'], 'any-extended-key-usage@1 (true)'),
  issuerRow('server', ['codeSigning'], '@1 (of its CA, serverAuth, [codeSigning], CN=etcd-0)'),
  issuerRow('client', ['serverAuth'], '@1 (of its CA, clientAuth, [serverAuth], CN=etcd-0)'),
  issuerRow('client', ['any'], 'warning any-extended-key-usage@1 (false)'),
  issuerRow('peer', ['serverAuth'], '@1 (of its CA, clientAuth, [serverAuth], CN=etcd-0)'),
  issuerRow('any', ['codeSigning']),
  [
    'reports the usages of the anchor',
    { root: { extensions: [extendedKeyUsage(['clientAuth'])] } },
    ['@2 (of its CA, serverAuth, [clientAuth], CN=etcd-0)', 'info anchor-extended-key-usage@2 ([clientAuth])'],
  ],
])
