/** The form of a certificate (check-form.ts; of version 1, check-constraints.ts): version, serial number, names, extensions, URIs, key identifiers. */
import { HOST } from '../../support/minted-chain.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  crlDistributionPoints,
  directoryName,
  dns,
  email,
  EXTENSION,
  mintCa,
  newKey,
  publicHalf,
  relativeDistributionPoint,
  subjectAltName,
  subjectKeyIdentifier,
  TAG,
  unknownExtension,
  uri,
  type Extension,
} from '../../support/mint.js'
import { caWith, given, leafOf, leafWith, table, tableOf, type Parts, type Ca, type Row } from './rows.js'

const bare = (version: number | null): Ca => ({ version, without: Object.values(EXTENSION) })

tableOf('the check of the version', 'certificate/version-unsupported', [
  [
    'refuses a leaf of version 1, which can have no extensions',
    { leaf: bare(null) },
    ['@0 (1, false) > key-identifier-unusual@0 > extension-absent@0 > host-not-covered@0'],
  ],
  [
    'refuses an intermediate of version 1',
    { intermediate: bare(null) },
    ['@1 (1, false) > key-identifier-unusual@1 > not-a-ca@1 > extension-absent@1'],
  ],
  ['accepts an anchor of version 1', { root: bare(null) }, ['warning @2 (1, true) > extension-absent@2']],
  ['refuses an anchor of version 2', { root: bare(1) }, ['@2 (2, false) > not-a-ca@2 > extension-absent@2']],
])

const serial = (octets: string): Parts => ({ leaf: { serial: Buffer.from(octets, 'hex') } })

tableOf('the check of the serial number (RFC 5280 section 4.1.2.2)', 'certificate/serial-unusual', [
  ['refuses a negative number', serial('80'), ['@0 (80, is negative)']],
  ['accepts a number below 0x80', serial('7f'), []],
  ['reports zero', serial('00'), ['warning @0 (00, is zero)']],
  ['accepts 20 bytes', serial('01'.repeat(20)), []],
  [
    'reports 21 bytes',
    serial('01'.repeat(21)),
    ['warning @0 (010101010101010101010101010101010101010101, has 21 bytes, more than 20)'],
  ],
  [
    'shows 40 bytes of a longer number',
    serial('01'.repeat(60)),
    [
      'warning @0 (01010101010101010101010101010101010101010101010101010101010101010101010101010101, has 60 bytes, more than 20)',
    ],
  ],
])

const malformed = [['O', 'etcd'] as const, ['CN', 'a_b', TAG.printableString] as const]

tableOf('the check of subject and issuer', 'certificate/name-malformed', [
  ['refuses a malformed subject', { leaf: { subject: malformed } }, ['@0 (malformed, subject, 2.5.4.3)']],
  [
    'refuses a malformed subject of a CA once',
    { intermediate: { subject: malformed } },
    ['@1 (malformed, subject, 2.5.4.3) > @0'],
  ],
  ['refuses an empty subject of a CA', { intermediate: { subject: '' } }, ['@1 (empty, subject) > @0']],
  [
    'accepts an empty subject of a leaf',
    { leaf: { subject: '', extensions: [subjectAltName([dns(HOST)], true)] } },
    [],
  ],
  [
    'refuses an empty subject of a leaf that is a CA',
    { leaf: { subject: '', extensions: [basicConstraints({ ca: true }), subjectAltName([dns(HOST)], true)] } },
    ['@0', 'warning leaf-is-ca@0'],
  ],
])

const twice = { outerSignature: 'ecdsa-sha256', innerSignature: 'ecdsa-sha384' } as const
const key = newKey()
const own = publicHalf(key)
const raw = (dotted: string, value: string, critical = true): Extension => ({
  oid: dotted,
  critical,
  value: Buffer.from(value, 'hex'),
})
const { policyConstraints, policyMappings, inhibitAnyPolicy } = EXTENSION
const [x, y] = [directoryName('x'), directoryName('y')]

table('the check of the signature algorithm', [
  ['refuses two algorithms', { intermediate: twice }, ['algorithm-refused@1 (stated twice)']],
])

tableOf('the check of extensions', 'certificate/extension-refused', [
  [
    'refuses an extension that cannot be read',
    leafWith(raw(EXTENSION.keyUsage, '3003')),
    ['@0 (malformed, keyUsage, keyUsage is missing or of another type)'],
  ],
  [
    'refuses an extension that occurs twice, and one that is critical and unknown',
    leafWith(unknownExtension(false), unknownExtension(false), unknownExtension(true, '1.2.3')),
    ['@0 (repeated, 1.3.6.1.4.1.99999.1)', '@0 (unknown, 1.2.3)'],
  ],
  ['accepts an unknown extension', leafWith(unknownExtension(false)), []],
  [
    'refuses critical key identifiers',
    { leaf: { key, extensions: [subjectKeyIdentifier(own, true), authorityKeyIdentifier(Buffer.of(7), {}, true)] } },
    [...['subject', 'authority'].map((whose) => `@0 (wrongly critical, ${whose}KeyIdentifier)`), 'authority-differs@0'],
  ],
  [
    'reports policy constraints that are not critical',
    caWith(raw(policyConstraints, '3003800100', false)),
    ['warning policy-extension@1 (not critical, policyConstraints, true, server)'],
  ],
  ...(['client', 'peer', 'server', 'any'] as const).map((usage): Row => {
    const severity = usage === 'server' ? 'warning ' : usage === 'any' ? 'info ' : ''
    return [
      `refuses policy constraints that require a policy and are not critical where Go validates: ${usage}`,
      caWith(raw(policyConstraints, '3003800101', false)),
      [`${severity}policy-extension@1 (not critical, policyConstraints, true, ${usage})`],
      { usage },
    ]
  }),
  ...(
    [
      ['of an anchor', { root: { extensions: [raw(policyConstraints, '3003800100', false)] } }, 2],
      ['that require none', caWith(raw(policyConstraints, '3003810100', false)), 1],
      ['that skip the leaf', caWith(raw(policyConstraints, '3003800102', false)), 1],
      ['of a leaf that require one below it', leafWith(raw(policyConstraints, '3003800101', false)), 0],
    ] satisfies [string, Parts, number][]
  ).map(([what, parts, index]): Row => [
    `accepts policy constraints that are not critical ${what}`,
    parts,
    [`warning policy-extension@${String(index)} (not critical, policyConstraints, false, client)`],
    { usage: 'client' },
  ]),
  ...(['leaf', 'intermediate', 'root'] as const).flatMap((role, index) =>
    (['client', 'peer', 'server', 'any'] as const).map((usage): Row => {
      const severity = usage === 'server' ? '' : usage === 'any' ? 'info ' : 'warning '
      return [
        `refuses proxy certificates where OpenSSL validates: ${role}, ${usage}`,
        { [role]: { extensions: [raw(EXTENSION.proxyCertInfo, '300c300a06082b06010505071501', false)] } },
        [`${severity}@${String(index)} (proxy, proxyCertInfo, ${usage}, false)`],
        { usage },
      ]
    }),
  ),
  [
    'refuses critical extensions that require a policy',
    caWith(raw(policyConstraints, '3003800100')),
    ['@1 (unknown, policyConstraints)'],
  ],
  [
    'reports critical extensions that narrow policies and require none',
    caWith(
      ...[raw(policyConstraints, '3003810100'), raw(inhibitAnyPolicy, '020100')],
      raw(policyMappings, '300a300806022a0306022a04'),
    ),
    ['policyMappings', 'policyConstraints', 'inhibitAnyPolicy'].map(
      (name) => `warning policy-extension@1 (critical, ${name})`,
    ),
  ],
  [
    'refuses a distribution point relative to the issuer',
    leafWith(relativeDistributionPoint()),
    ['warning @0 (relative name, crlDistributionPoints, server)'],
  ],
  ['accepts a distribution point', leafWith(crlDistributionPoints(['http://crl.test/a.crl'])), []],
  [
    'refuses a critical SAN of which Go reads no name',
    caWith(subjectAltName([x, y], true)),
    ['warning @1 (names unread by Go, subjectAltName, [dirName], server)'],
  ],
  ['accepts a critical SAN of which Go reads one name', caWith(subjectAltName([x, dns('ca.etcd')], true)), []],
  ['accepts a SAN of which Go reads no name if it is not critical', caWith(subjectAltName([x])), []],
])

tableOf('the check of URIs', 'san/name-unusable', [
  [
    'reports the first five URIs that Go does not read',
    { leaf: { names: [dns(HOST), ...[1, 2, 3, 4, 5, 6].map((i) => uri(`a://b/%${String(i)}`))] } },
    [1, 2, 3, 4, 5].map((i) => `@0 (URI, a://b/%${String(i)}, has a % that begins no escape)`),
  ],
  [
    'accepts a URI that Go reads, and other names',
    { leaf: { names: [dns(HOST), uri('spiffe://cluster/%20'), email('%1@a.b')] } },
    [],
  ],
])

const usual = given({ intermediate: { without: [EXTENSION.authorityKeyIdentifier] } })
const noSubjectKey = { without: [EXTENSION.subjectKeyIdentifier] }
const noAuthorityKey = { without: [EXTENSION.authorityKeyIdentifier] }
const selfSigned = leafOf(undefined, noAuthorityKey)
const root = mintCa({ subject: 'CA' })
const rolled = mintCa({ subject: 'CA', issuer: root, ...noAuthorityKey })
const belowRolled = leafOf(rolled)

tableOf('the check of key identifiers', 'certificate/key-identifier-unusual', [
  [
    'reports a CA without its own key identifier',
    { root: noSubjectKey, intermediate: noSubjectKey },
    ['warning @1 (missing, subjectKeyIdentifier)', 'warning @2 (missing, subjectKeyIdentifier)'],
  ],
  [
    'reports certificates without the key identifier of their issuer',
    { leaf: noAuthorityKey, intermediate: noAuthorityKey },
    ['warning @0 (missing, authorityKeyIdentifier)', 'warning @1 (missing, authorityKeyIdentifier)'],
  ],
  [
    'reports an authority key identifier without a key in a leaf',
    leafWith(authorityKeyIdentifier(null)),
    ['warning @0'],
  ],
  [
    'accepts a self-signed leaf without the key identifier of its issuer',
    { leaf: selfSigned, trust: [selfSigned] },
    [],
  ],
  [
    // OpenSSL takes a certificate without it for self-signed, because the names agree.
    'reports a CA without a key identifier of its issuer that its own old key certified',
    { leaf: belowRolled, sent: [rolled], trust: [root] },
    ['openssl-picks-other-path@1', 'warning @1'],
  ],
  ['accepts the same CA as an anchor', { leaf: belowRolled, trust: [rolled] }, []],
  [
    'reports an anchor of another CA',
    { leaf: usual.leaf, trust: usual.sent },
    ['anchor-not-self-signed@1', 'warning @1'],
  ],
])

const pointing = { issuer: root, extensions: [authorityKeyIdentifier(publicHalf(root.key), { serial: root.serial })] }
const again = mintCa({ subject: 'CA', ...pointing })
const ofRoot = (extension: Extension, more: Ca = {}): Parts => ({
  root: { key, serial: 7, extensions: [extension], ...more },
})
const otherKey = authorityKeyIdentifier(Buffer.from('0a0b', 'hex'))
const issuer = [directoryName('Test Root')]
const NAMED = 'warning @2 (of a root, names an issuer or serial number)'
const NOT_SELF_SIGNED = 'anchor-not-self-signed@2 (server, false, CN=Test Root, true, false)'

tableOf('the check of the authority key identifier of a self-issued anchor', 'certificate/key-identifier-unusual', [
  ['accepts its own key', ofRoot(authorityKeyIdentifier(own)), []],
  ['reports no key', ofRoot(authorityKeyIdentifier(null)), ['warning @2 (of a root, holds no key identifier)']],
  [
    'reports the key of another CA',
    ofRoot(otherKey),
    [NOT_SELF_SIGNED, 'warning @2 (of a root, points to another key (0A0B))'],
  ],
  ['does not compare it with a key identifier that is absent', ofRoot(otherKey, noSubjectKey), ['warning @2']],
  ['reports its own serial number', ofRoot(authorityKeyIdentifier(own, { serial: 7n })), [NAMED]],
  ['reports its own issuer', ofRoot(authorityKeyIdentifier(own, { issuer })), [NAMED]],
  [
    'reports the serial number of another CA',
    ofRoot(authorityKeyIdentifier(own, { issuer, serial: 8n })),
    [NOT_SELF_SIGNED, 'warning @2 (of a root, points to another certificate)'],
  ],
  ['accepts it in a self-issued CA that is not an anchor', { leaf: leafOf(again), sent: [again], trust: [root] }, []],
])
