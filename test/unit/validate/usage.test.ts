/** Key usage and extended key usage (RFC 5280 sections 4.2.1.3 and 4.2.1.12), for every use that a leaf is checked for. */
import { describe, expect, it } from 'vitest'
import type { Finding, Usage } from '../../../src/validate/index.js'
import { bitString } from '../../support/der-writer.js'
import { detailsOf, judge } from '../../support/judge-chain.js'
import {
  basicConstraints,
  EXTENSION,
  extendedKeyUsage,
  newKey,
  type KeyUsageName,
  type MintCaOptions,
  type MintLeafOptions,
} from '../../support/mint.js'

type Told = readonly [code: string, details: unknown]

/** Code (with the certificate's place) and details of every finding about usages, in the order of the list. */
function told(findings: readonly Finding[]): Told[] {
  return findings.flatMap((each) => [
    ...(each.code.startsWith('usage/')
      ? [[`${each.code.slice(6)}@${String(each.certificate?.index)}`, each.details] as const]
      : []),
    ...told(each.consequences),
  ])
}

const ofLeaf = (leaf: Partial<MintLeafOptions>, usage: Usage = 'server'): Told[] => told(judge({ leaf }, { usage }))
const ofIssuer = (intermediate: Partial<MintCaOptions>, usage: Usage = 'server'): Told[] =>
  told(judge({ intermediate }, { usage }))

const BOTH = ['serverAuth', 'clientAuth']
const LEAF = 'CN=etcd-0'

describe('extended key usages of the leaf', () => {
  it.each<[Usage, string[], readonly Told[]]>([
    ['server', BOTH, []],
    ['server', ['serverAuth'], [['gateway-client-auth-missing@0', { found: ['serverAuth'], ofCa: false }]]],
    [
      'server',
      ['clientAuth'],
      [
        [
          'extended-key-usage-missing@0',
          { kind: 'of the certificate', wanted: BOTH, missing: ['serverAuth'], found: ['clientAuth'] },
        ],
      ],
    ],
    [
      'server',
      ['codeSigning'],
      [
        [
          'extended-key-usage-missing@0',
          { kind: 'of the certificate', wanted: BOTH, missing: ['serverAuth'], found: ['codeSigning'] },
        ],
      ],
    ],
    ['client', BOTH, []],
    ['client', ['clientAuth'], []],
    [
      'client',
      ['serverAuth'],
      [
        [
          'extended-key-usage-missing@0',
          { kind: 'of the certificate', wanted: ['clientAuth'], missing: ['clientAuth'], found: ['serverAuth'] },
        ],
      ],
    ],
    ['peer', BOTH, []],
    [
      'peer',
      ['serverAuth'],
      [
        [
          'extended-key-usage-missing@0',
          { kind: 'of the certificate', wanted: BOTH, missing: ['clientAuth'], found: ['serverAuth'] },
        ],
      ],
    ],
    [
      'peer',
      ['timeStamping'],
      [
        [
          'extended-key-usage-missing@0',
          { kind: 'of the certificate', wanted: BOTH, missing: BOTH, found: ['timeStamping'] },
        ],
      ],
    ],
    ['any', ['serverAuth'], []],
    ['any', ['codeSigning'], []],
  ])('for %s: %j', (usage, usages, expected) => {
    expect(ofLeaf({ usages }, usage)).toEqual(expected)
  })

  it.each<[Usage, string[], boolean]>([
    // Go takes anyExtendedKeyUsage for every purpose; OpenSSL’s check of a server does not, of a client it does.
    ['server', ['any'], true],
    ['server', ['any', 'clientAuth'], true],
    ['server', ['any', 'serverAuth'], false],
    ['client', ['any'], false],
    ['peer', ['any'], false],
    ['any', ['any'], false],
  ])('for %s: %j', (usage, usages, refused) => {
    expect(ofLeaf({ usages }, usage)).toEqual([['any-extended-key-usage@0', { refused }]])
  })

  it('may be absent where no use is asked for', () => {
    for (const usage of ['server', 'client', 'peer'] as const) {
      expect(ofLeaf({ usages: [] }, usage)).toEqual([['extension-absent@0', { kind: 'extendedKeyUsage' }]])
    }
    expect(ofLeaf({ usages: [] }, 'any')).toEqual([])
  })

  it('are not absent where they cannot be read', () => {
    const unreadable = { oid: EXTENSION.extendedKeyUsage, value: Buffer.from('3000', 'hex') }
    expect(ofLeaf({ extensions: [unreadable] })).toEqual([])
    expect(ofLeaf({ usages: [], extensions: [{ ...unreadable, oid: EXTENSION.keyUsage }] })).toEqual([
      ['extension-absent@0', { kind: 'extendedKeyUsage' }],
    ])
  })

  it('are told where they are critical', () => {
    const findings = judge({ leaf: { extensions: [extendedKeyUsage(['clientAuth'], true)] } }, { usage: 'client' })
    expect(detailsOf(findings, 'certificate/criticality-unusual')).toEqual([
      { kind: 'of usages', extension: 'extendedKeyUsage' },
    ])
  })
})

describe('key usages of the leaf', () => {
  const rsa = newKey('rsa-2048')
  const unsigning = (refused: boolean, found: readonly KeyUsageName[]): Told[] => [
    ['key-usage-missing@0', { kind: 'digitalSignature', found, refused }],
  ]

  it.each<[Usage, KeyUsageName, Told[]]>([
    ['server', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
    ['server', 'keyAgreement', unsigning(false, ['keyAgreement'])],
    ['server', 'nonRepudiation', unsigning(true, ['nonRepudiation'])],
    // Members are validated by Go, which does not check key usages of a leaf.
    ['peer', 'nonRepudiation', unsigning(false, ['nonRepudiation'])],
    ['client', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
    ['any', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
    ['server', 'digitalSignature', []],
  ])('for %s with an ECDSA key: %s', (usage, keyUsage, expected) => {
    expect(ofLeaf({ keyUsages: [keyUsage] }, usage)).toEqual(expected)
  })

  it.each<[Usage, KeyUsageName, Told[]]>([
    // OpenSSL’s purpose check of a server takes keyEncipherment, too.
    ['server', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
    ['peer', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
    ['server', 'dataEncipherment', unsigning(true, ['dataEncipherment'])],
    ['client', 'keyEncipherment', unsigning(false, ['keyEncipherment'])],
  ])('for %s with an RSA key: %s', (usage, keyUsage, expected) => {
    expect(ofLeaf({ key: rsa, keyUsages: [keyUsage] }, usage)).toEqual(expected)
  })

  it('are all named', () => {
    const keyUsages = ['nonRepudiation', 'dataEncipherment', 'cRLSign', 'decipherOnly'] as const
    expect(ofLeaf({ keyUsages })).toEqual(unsigning(true, keyUsages))
  })

  it('allow everything where they are absent', () => {
    expect(ofLeaf({ without: [EXTENSION.keyUsage] })).toEqual([])
  })

  it('let only a CA sign certificates', () => {
    const keyUsages = ['digitalSignature', 'keyCertSign'] as const
    const told = (leaf: Partial<MintLeafOptions>): unknown[] => detailsOf(judge({ leaf }), 'constraints/only-for-cas')
    expect(told({ keyUsages })).toEqual([{ what: 'keyCertSign' }])
    expect(told({ keyUsages, extensions: [basicConstraints({ ca: true })] })).toEqual([])
  })
})

describe('the Netscape certificate type of the leaf, which OpenSSL looks at', () => {
  /** The bits from the first: client, server, mail, objects, and the CAs of each. */
  const typed = (bits: number, usage: Usage): Told[] =>
    ofLeaf({ extensions: [{ oid: '2.16.840.1.113730.1.1', value: bitString(Buffer.from([bits])) }] }, usage)

  it.each(['server', 'peer'] as const)('names a server for %s', (usage) => {
    expect(typed(0b0100_0000, usage)).toEqual([])
    expect(typed(0b1100_0000, usage)).toEqual([])
    expect(typed(0b1000_0000, usage)).toEqual([['netscape-type-unsuited@0', {}]])
    expect(typed(0b0000_0100, usage)).toEqual([['netscape-type-unsuited@0', {}]])
  })

  it.each(['client', 'any'] as const)('does not matter for %s', (usage) => {
    expect(typed(0b0000_0100, usage)).toEqual([])
  })
})

describe('usages of a CA', () => {
  it('must allow signing certificates, and should be there', () => {
    expect(ofIssuer({ keyUsages: ['cRLSign', 'digitalSignature'] })).toEqual([
      ['key-usage-missing@1', { kind: 'keyCertSign', found: ['digitalSignature', 'cRLSign'] }],
    ])
    expect(ofIssuer({ without: [EXTENSION.keyUsage] })).toEqual([['extension-absent@1', { kind: 'keyUsage' }]])
    expect(ofIssuer({ keyUsages: ['keyCertSign'] })).toEqual([])
  })

  it.each<[Usage, string[], readonly Told[]]>([
    ['server', BOTH, []],
    ['server', ['serverAuth'], [['gateway-client-auth-missing@1', { found: ['serverAuth'], ofCa: true }]]],
    [
      'server',
      ['clientAuth'],
      [
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'serverAuth', found: ['clientAuth'], leaf: LEAF },
        ],
      ],
    ],
    ['server', ['any', 'serverAuth'], []],
    ['server', ['any'], [['any-extended-key-usage@1', { refused: true }]]],
    [
      'server',
      ['codeSigning'],
      [
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'serverAuth', found: ['codeSigning'], leaf: LEAF },
        ],
      ],
    ],
    [
      'client',
      ['serverAuth'],
      [
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'clientAuth', found: ['serverAuth'], leaf: LEAF },
        ],
      ],
    ],
    ['client', ['clientAuth'], []],
    ['client', ['any'], [['any-extended-key-usage@1', { refused: false }]]],
    [
      'peer',
      ['serverAuth'],
      [
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'clientAuth', found: ['serverAuth'], leaf: LEAF },
        ],
      ],
    ],
    // The members of a cluster are checked by Go, which takes it.
    ['peer', ['any'], [['any-extended-key-usage@1', { refused: false }]]],
    [
      'peer',
      ['codeSigning'],
      [
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'serverAuth', found: ['codeSigning'], leaf: LEAF },
        ],
        [
          'extended-key-usage-missing@1',
          { kind: 'of its CA', missing: 'clientAuth', found: ['codeSigning'], leaf: LEAF },
        ],
      ],
    ],
    ['any', ['codeSigning'], []],
    ['any', ['serverAuth'], []],
  ])('for %s: %j', (usage, usages, expected) => {
    expect(ofIssuer({ extensions: [extendedKeyUsage(usages)] }, usage)).toEqual(expected)
  })

  it('are nested in the anchor’s, too, which is told of having any', () => {
    const extensions = [extendedKeyUsage(['clientAuth'])]
    expect(told(judge({ root: { extensions } }, { usage: 'server' }))).toEqual([
      ['extended-key-usage-missing@2', { kind: 'of its CA', missing: 'serverAuth', found: ['clientAuth'], leaf: LEAF }],
      ['anchor-extended-key-usage@2', { found: ['clientAuth'] }],
    ])
  })
})
