/**
 * Chains with revocation lists, each with one thing that matters about the lists, and what is found of it. The unit
 * tests judge them; the differential test asks OpenSSL and Node about the same.
 */
import { mintChain } from './judge-chain.js'
import {
  authorityKeyIdentifier,
  certificateIssuer,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  distributionPoints,
  EXTENSION,
  flipBit,
  freshestCrl,
  invalidityDate,
  issuingDistributionPoint,
  mintCa,
  type MintCaOptions,
  mintCrl,
  type MintCrlOptions,
  type MintLeafOptions,
  newKey,
  publicHalf,
  rawTime,
  TAG,
  unknownExtension,
  uri,
  type Extension,
  type Minted,
} from './mint.js'

export interface MintedList {
  readonly der: Buffer
  readonly pem: string
}

export interface ListChain {
  readonly root: Minted
  readonly intermediate: Minted
  readonly leaf: Minted
  /** More certificates beside it. */
  readonly others?: readonly Minted[] | undefined
}

export interface ListScenario {
  readonly name: string
  /** Default: the usual chain, the same for all scenarios. */
  readonly chain?: () => ListChain
  /** The lists, in the order in which they are given. */
  readonly lists: (chain: ListChain) => readonly MintedList[]
  /** Codes of all findings, `code` or `code@index`; errors first, then warnings, then infos. */
  readonly found: readonly string[]
}

const HOUR = 3_600_000
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR)
const ahead = (hours: number): Date => new Date(Date.now() + hours * HOUR)

const rsaKey = newKey('rsa-3072')
const LISTS_AT = 'http://lists.test/a.crl'
const OTHER_PLACE = 'http://lists.test/b.crl'

/** A chain with parts of its own. */
function chainWith(parts: {
  root?: Partial<MintCaOptions>
  intermediate?: Partial<MintCaOptions>
  leaf?: Partial<MintLeafOptions>
}): () => ListChain {
  return () => mintChain(parts)
}

/** A list with the usual authority key identifier and these extensions beside it. */
function list(issuer: Minted, options: Partial<MintCrlOptions> = {}, ...more: readonly Extension[]): MintedList {
  const number = more.some(({ oid }) => oid === EXTENSION.crlNumber) ? [] : [crlNumber(1)]
  const extensions = [authorityKeyIdentifier(publicHalf(issuer.key)), ...number, ...more]
  return mintCrl({ issuer, extensions, ...options })
}

/** The root's list, which has nothing to say, and these of the intermediate. */
function beside(make: (chain: ListChain) => readonly MintedList[]): ListScenario['lists'] {
  return (chain) => [list(chain.root), ...make(chain)]
}

/** One list of the intermediate, with options and extensions. */
function oneList(options: Partial<MintCrlOptions>, ...more: readonly Extension[]): ListScenario['lists'] {
  return beside(({ intermediate }) => [list(intermediate, options, ...more)])
}

/** One list of the intermediate that names the leaf. */
function naming(entry: { reason?: number; extensions?: readonly Extension[]; date?: Date }): ListScenario['lists'] {
  return beside(({ intermediate, leaf }) => [list(intermediate, { revoked: [{ serial: leaf.serial, ...entry }] })])
}

/** An extension with exactly this value. */
function raw(oid: string, hex: string, critical = false): Extension {
  return { oid, critical, value: Buffer.from(hex, 'hex') }
}

const idp = (hex: string): Extension => raw(EXTENSION.issuingDistributionPoint, hex, true)
const delta = (number: number, base: number, ...more: readonly Extension[]): Extension[] => [
  crlNumber(number),
  deltaCrlIndicator(base),
  ...more,
]
const leafAt = (...points: Parameters<typeof distributionPoints>[0]): (() => ListChain) =>
  chainWith({ leaf: { extensions: [distributionPoints(points)] } })

export const LIST_SCENARIOS: readonly ListScenario[] = [
  { name: 'clean lists of both issuers', lists: oneList({}), found: [] },
  { name: 'an issuer without a list', lists: ({ root }) => [list(root)], found: ['revocation/no-crl@0'] },

  // Entries
  { name: 'leaf revoked', lists: naming({ reason: 1 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked without a reason', lists: naming({}), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked, reason unspecified', lists: naming({ reason: 0 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked, reason 7, which is none', lists: naming({ reason: 7 }), found: ['revocation/revoked@0'] },
  { name: 'leaf on hold', lists: naming({ reason: 6 }), found: ['revocation/revoked@0'] },
  { name: 'leaf removed in a full list', lists: naming({ reason: 8 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked as of tomorrow', lists: naming({ date: ahead(24) }), found: ['revocation/revoked@0'] },
  {
    name: 'leaf revoked, invalid since yesterday',
    lists: naming({ reason: 1, extensions: [invalidityDate(ago(24))] }),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'leaf removed and revoked in the same full list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate, {
        revoked: [
          { serial, reason: 8 },
          { serial, reason: 1 },
        ],
      }),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'another serial number revoked',
    lists: beside(({ intermediate, leaf }) => [list(intermediate, { revoked: [{ serial: leaf.serial + 1n }] })]),
    found: [],
  },
  {
    name: 'intermediate revoked',
    lists: ({ root, intermediate }) => [
      list(root, { revoked: [{ serial: intermediate.serial, reason: 2 }] }),
      list(intermediate),
    ],
    found: ['revocation/revoked@1'],
  },
  {
    name: 'unknown critical extension in the entry of another certificate',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(true)] }] }),
    found: ['revocation/crl-extension-critical'],
  },
  {
    name: 'unknown extension in an entry',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(false)] }] }),
    found: [],
  },
  {
    name: 'revoked in an entry with an unknown critical extension',
    lists: naming({ extensions: [unknownExtension(true)] }),
    found: ['revocation/crl-extension-critical', 'revocation/revoked@0'],
  },
  {
    name: 'the same extension twice in an entry',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(false), unknownExtension(false)] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a reason that is no ENUMERATED',
    lists: oneList({ revoked: [{ serial: 5, extensions: [raw(EXTENSION.reasonCode, '020101')] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an invalidity date as UTCTime',
    lists: oneList({ revoked: [{ serial: 5, extensions: [raw('2.5.29.24', '170d3235303130313030303030305a')] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a revocation date that does not exist',
    lists: oneList({ revoked: [{ serial: 5, date: rawTime(TAG.utcTime, '250230000000Z') }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a padded serial number in the list',
    lists: oneList({ revoked: [{ serial: Buffer.from([0, 5]) }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an entry that is cut',
    lists: oneList({ rawEntries: Buffer.from('3003020105', 'hex') }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an entry that is none',
    lists: oneList({ rawEntries: Buffer.from('020105', 'hex') }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an empty list of entries',
    lists: oneList({ rawEntries: Buffer.alloc(0) }),
    found: ['revocation/crl-unusual'],
  },

  // The signature and its key
  {
    name: 'signature altered',
    lists: oneList({ tamperSignature: (bits) => flipBit(bits, -1) }),
    found: ['revocation/crl-signature-invalid@1'],
  },
  {
    name: 'signed by another CA of the name',
    lists: beside(() => [list(mintCa({ subject: 'Test Intermediate' }))]),
    found: ['revocation/crl-signature-invalid@1'],
  },
  {
    name: 'signed by another CA of the name, beside the true list',
    lists: beside(({ intermediate }) => [list(intermediate), list(mintCa({ subject: 'Test Intermediate' }))]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'forged with the key identifier of the CA, beside the true list',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(mintCa({ subject: 'Test Intermediate' }), {
        extensions: [authorityKeyIdentifier(publicHalf(intermediate.key)), crlNumber(2)],
      }),
    ]),
    found: ['revocation/crl-signature-invalid@1'],
  },
  {
    name: 'signed with RSA-PSS',
    chain: chainWith({ intermediate: { key: rsaKey } }),
    lists: oneList({ signature: 'rsa-pss-sha256' }),
    found: [],
  },
  {
    name: 'signed with SHA-1',
    lists: oneList({ signature: 'ecdsa-sha1' }),
    found: ['revocation/crl-algorithm-weak'],
  },
  {
    name: 'signed with MD5',
    chain: chainWith({ intermediate: { key: rsaKey } }),
    lists: oneList({ signature: 'rsa-md5' }),
    found: ['revocation/crl-algorithm-weak'],
  },
  {
    name: 'signed with Ed448',
    lists: beside(({ intermediate }) => [list(intermediate, { outerSignature: 'ed448', innerSignature: 'ed448' })]),
    found: ['revocation/crl-algorithm-unsupported'],
  },
  {
    name: 'algorithms disagree',
    lists: oneList({ innerSignature: 'ecdsa-sha384' }),
    found: ['revocation/crl-algorithms-disagree'],
  },
  {
    name: 'a CA that may not sign lists',
    chain: chainWith({ intermediate: { keyUsages: ['keyCertSign'] } }),
    lists: oneList({}),
    found: ['revocation/crl-sign-missing@1'],
  },
  {
    name: 'an anchor that may not sign lists',
    chain: chainWith({ root: { keyUsages: ['keyCertSign'] } }),
    lists: oneList({}),
    found: ['revocation/crl-sign-missing@2'],
  },
  {
    name: 'a CA without key usage',
    chain: chainWith({ intermediate: { without: [EXTENSION.keyUsage] } }),
    lists: oneList({}),
    found: ['usage/key-usage-absent@1'],
  },
  {
    name: 'authority key identifier of another key',
    lists: oneList({ extensions: [authorityKeyIdentifier(Buffer.alloc(20, 7)), crlNumber(1)] }),
    found: ['revocation/crl-key-identifier-differs@1'],
  },
  {
    name: 'authority certificate serial of another one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {
        extensions: [
          authorityKeyIdentifier(publicHalf(intermediate.key), { issuer: [directoryName('Test Root')], serial: 99n }),
          crlNumber(1),
        ],
      }),
    ]),
    found: ['revocation/crl-key-identifier-differs@1'],
  },
  {
    name: 'authority certificate of another issuer',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(publicHalf(ca.key), { issuer: [directoryName('Other')], serial: ca.serial }),
          crlNumber(1),
        ],
      }),
    ]),
    found: ['revocation/crl-key-identifier-differs@1'],
  },
  {
    name: 'authority certificate by issuer and serial',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(publicHalf(ca.key), { issuer: [directoryName('Test Root')], serial: ca.serial }),
          crlNumber(1),
        ],
      }),
    ]),
    found: [],
  },
  {
    name: 'issuer name in other case and another kind of string',
    lists: oneList({ issuerName: [['CN', 'TEST  intermediate', TAG.printableString]] }),
    found: [],
  },
  {
    name: 'issuer name of another CA, signed by this one',
    lists: oneList({ issuerName: 'Other' }),
    found: ['revocation/crl-unused', 'revocation/no-crl@0'],
  },

  // Dates
  {
    name: 'out of date',
    lists: oneList({ thisUpdate: ago(48), nextUpdate: ago(24) }),
    found: ['revocation/crl-expired'],
  },
  {
    name: 'out of date, and names the leaf',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24), revoked: [{ serial: leaf.serial }] }),
    ]),
    found: ['revocation/crl-expired', 'revocation/revoked@0'],
  },
  { name: 'of the future', lists: oneList({ thisUpdate: ahead(1) }), found: ['revocation/crl-not-yet-valid'] },
  {
    name: 'ends before it begins',
    lists: oneList({ thisUpdate: ago(1), nextUpdate: ago(2) }),
    found: ['revocation/crl-dates-inverted'],
  },
  { name: 'no next update', lists: oneList({ nextUpdate: null }), found: ['revocation/crl-next-update-missing'] },
  {
    name: 'a date of this century as GeneralizedTime',
    lists: oneList({ thisUpdate: rawTime(TAG.generalizedTime, '20240101000000Z') }),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'next update after 2050',
    lists: oneList({ nextUpdate: new Date('2060-01-01T00:00:00Z') }),
    found: [],
  },

  // Versions and extensions
  {
    name: 'version 1',
    lists: oneList({ version: null, extensions: [] }),
    found: ['revocation/crl-version-1'],
  },
  {
    name: 'no CRL number',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
    ]),
    found: ['revocation/crl-number-missing'],
  },
  {
    name: 'no authority key identifier',
    lists: oneList({ extensions: [crlNumber(1)] }),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'critical authority key identifier',
    lists: beside(({ intermediate: ca }) => [
      list(ca, { extensions: [authorityKeyIdentifier(publicHalf(ca.key), {}, true), crlNumber(1)] }),
    ]),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'critical CRL number',
    lists: oneList({}, crlNumber(1, true)),
    found: ['revocation/crl-extension-critical'],
  },
  {
    name: 'unknown critical extension',
    lists: oneList({}, unknownExtension(true)),
    found: ['revocation/crl-extension-critical'],
  },
  { name: 'unknown extension', lists: oneList({}, unknownExtension(false)), found: [] },
  {
    name: 'unknown extension twice',
    lists: oneList({}, unknownExtension(false), unknownExtension(false)),
    found: ['revocation/crl-extension-duplicate'],
  },
  {
    name: 'negative CRL number',
    lists: oneList({}, crlNumber(-1)),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'CRL number that is no INTEGER',
    lists: oneList({}, raw(EXTENSION.crlNumber, '040101')),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'CRL number with something behind it',
    lists: oneList({}, raw(EXTENSION.crlNumber, '0201010500')),
    found: ['revocation/crl-extension-malformed'],
  },
  { name: 'CRL number of 20 octets', lists: oneList({}, crlNumber(2n ** 159n - 1n)), found: [] },
  {
    name: 'CRL number of 21 octets',
    lists: oneList({}, crlNumber(2n ** 159n)),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'authority key identifier that cannot be read',
    lists: oneList({ extensions: [raw(EXTENSION.authorityKeyIdentifier, '0400'), crlNumber(1)] }),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'freshest CRL',
    lists: oneList({}, freshestCrl([{ name: [uri(OTHER_PLACE)] }])),
    found: ['revocation/crl-delta-announced'],
  },
  {
    name: 'critical freshest CRL',
    lists: oneList({}, freshestCrl([{ name: [uri(OTHER_PLACE)] }], true)),
    found: ['revocation/crl-extension-critical', 'revocation/crl-delta-announced'],
  },
  {
    name: 'freshest CRL that cannot be read',
    lists: oneList({}, raw('2.5.29.46', '3000')),
    found: ['revocation/crl-extension-malformed', 'revocation/crl-delta-announced'],
  },

  // Scope
  { name: 'for end entities', lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true })), found: [] },
  {
    name: 'for CAs, asked about an end entity',
    lists: oneList({}, issuingDistributionPoint({ onlyCaCerts: true })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'for end entities, asked about a CA',
    lists: ({ root, intermediate }) => [
      list(root, {}, issuingDistributionPoint({ onlyUserCerts: true })),
      list(intermediate),
    ],
    found: ['revocation/crl-scope@1'],
  },
  {
    name: 'for CAs, asked about a CA',
    lists: ({ root, intermediate }) => [
      list(root, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate),
    ],
    found: [],
  },
  {
    name: 'for attribute certificates',
    lists: oneList({}, issuingDistributionPoint({ onlyAttributeCerts: true })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'two lists that together cover all certificates',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: [],
  },
  {
    name: 'revoked by one of two scoped lists',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'revoked by a list for CAs, beside the one for end entities',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'a full list beside one for end entities that is out of date',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(
        intermediate,
        { thisUpdate: ago(48), nextUpdate: ago(24) },
        issuingDistributionPoint({ onlyUserCerts: true }),
      ),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'some reasons only',
    lists: oneList({}, issuingDistributionPoint({ onlySomeReasons: [1, 2] })),
    found: ['revocation/crl-reasons-incomplete@0'],
  },
  {
    name: 'some reasons only, and revoked for one of them',
    lists: beside(({ intermediate, leaf }) => [
      list(
        intermediate,
        { revoked: [{ serial: leaf.serial, reason: 1 }] },
        issuingDistributionPoint({ onlySomeReasons: [1, 2] }),
      ),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'two lists that together cover all reasons',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [1, 2] })),
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [3, 4, 5, 6, 7, 8] })),
    ]),
    found: [],
  },
  {
    name: 'two lists that together cover all reasons but one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [1, 2, 8] })),
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [3, 4, 5, 7] })),
    ]),
    found: ['revocation/crl-reasons-incomplete@0'],
  },
  {
    name: 'scope that is not marked as critical',
    lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true }, false)),
    found: ['revocation/crl-extension-not-critical'],
  },
  {
    name: 'empty scope',
    lists: oneList({}, issuingDistributionPoint({})),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'a written-out FALSE in the scope',
    lists: oneList({}, idp('3006810100820 1ff'.replace(' ', ''))),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'a TRUE of 01 in the scope',
    lists: oneList({}, idp('3003810101')),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'a TRUE of two octets in the scope',
    lists: oneList({}, idp('30048102ffff')),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'two kinds of certificate in the scope',
    lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true, onlyCaCerts: true })),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'no reason in the scope',
    lists: oneList({}, issuingDistributionPoint({ onlySomeReasons: [] })),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'something unknown in the scope',
    lists: oneList({}, idp('30068101ff8601ff')),
    found: ['revocation/crl-extension-malformed'],
  },
  {
    name: 'fields of the scope in the wrong order',
    lists: oneList({}, idp('30068401ff8101ff')),
    found: ['revocation/crl-extension-malformed'],
  },

  // Distribution points
  {
    name: 'the distribution point of the certificate',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }, { name: [uri(LISTS_AT)] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: [],
  },
  {
    name: 'another distribution point than the certificate’s',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'a distribution point, where the certificate names none',
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'the issuer’s name as the distribution point, where the certificate names none',
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('Test Intermediate')] })),
    found: [],
  },
  {
    name: 'one of several names of the distribution point',
    chain: leafAt({ name: [uri(LISTS_AT), directoryName('Lists')] }),
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('LISTS')] })),
    found: [],
  },
  {
    name: 'a distribution point by a relative name on both sides',
    chain: leafAt({ name: { relative: ['CN', 'Lists'] } }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'lists'] } })),
    found: [],
  },
  {
    name: 'a distribution point by a relative name here and in full there',
    chain: leafAt({
      name: [
        directoryName([
          ['CN', 'Test Intermediate'],
          ['CN', 'Lists'],
        ]),
      ],
    }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'Lists'] } })),
    found: [],
  },
  {
    name: 'a distribution point by another relative name',
    chain: leafAt({ name: { relative: ['CN', 'Lists'] } }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'Others'] } })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'distribution points of the certificate, and a full list without one',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }),
    lists: oneList({}),
    found: [],
  },
  {
    name: 'a distribution point for some reasons',
    chain: leafAt({ name: [uri(LISTS_AT)], reasons: [1] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-reasons-incomplete@0'],
  },
  {
    name: 'distribution points for all reasons together',
    chain: leafAt(
      { name: [uri(LISTS_AT)], reasons: [1, 2] },
      { name: [uri(OTHER_PLACE)], reasons: [3, 4, 5, 6, 7, 8] },
    ),
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
      list(intermediate, {}, issuingDistributionPoint({ name: [uri(OTHER_PLACE)] })),
    ]),
    found: [],
  },
  {
    name: 'a distribution point for other reasons than the list',
    chain: leafAt({ name: [uri(LISTS_AT)], reasons: [1] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)], onlySomeReasons: [2] })),
    found: ['revocation/crl-reasons-incomplete@0'],
  },
  {
    name: 'a distribution point where another CA issues the list',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Lister' }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'a distribution point that names its own issuer as that of the list',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Test Intermediate' }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: [],
  },
  {
    name: 'a distribution point known by the issuer of the list alone',
    chain: leafAt({ crlIssuer: 'Test Intermediate' }),
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('Test Intermediate')] })),
    found: [],
  },

  // Indirect lists
  {
    name: 'indirect',
    lists: oneList({}, issuingDistributionPoint({ indirect: true })),
    found: ['revocation/crl-indirect'],
  },
  {
    name: 'indirect, and names the serial number for another issuer',
    lists: beside(({ intermediate, leaf }) => [
      list(
        intermediate,
        { revoked: [{ serial: leaf.serial, extensions: [certificateIssuer('Other')] }] },
        issuingDistributionPoint({ indirect: true }),
      ),
    ]),
    found: ['revocation/crl-indirect', 'revocation/serial-listed@0'],
  },
  {
    name: 'a certificate issuer in a list that is not indirect',
    lists: oneList({ revoked: [{ serial: 5, extensions: [certificateIssuer('Other')] }] }),
    found: ['revocation/crl-indirect'],
  },
  {
    name: 'a certificate issuer that is not critical',
    lists: oneList({ revoked: [{ serial: 5, extensions: [certificateIssuer('Other', false)] }] }),
    found: ['revocation/crl-indirect'],
  },
  {
    name: 'the indirect list of the CA that the certificate names',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Lister' }),
    lists: ({ root }) => [
      list(root),
      list(mintCa({ subject: 'Lister' }), {}, issuingDistributionPoint({ indirect: true })),
    ],
    found: ['revocation/crl-indirect', 'revocation/no-crl@0'],
  },
  {
    name: 'an indirect list of a CA that nobody names',
    lists: ({ root, intermediate }) => [
      list(root),
      list(intermediate),
      list(mintCa({ subject: 'Lister' }), {}, issuingDistributionPoint({ indirect: true })),
    ],
    found: ['revocation/crl-unused'],
  },

  // Several lists of one CA
  {
    name: 'an older list beside the new one',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(30) }),
      list(intermediate, {}, crlNumber(2)),
    ]),
    found: ['revocation/crl-superseded'],
  },
  {
    name: 'an older list that is out of date beside the new one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
    ]),
    found: ['revocation/crl-superseded'],
  },
  {
    name: 'an older list without number beside the new one',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, thisUpdate: ago(30), extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
      list(ca),
    ]),
    found: ['revocation/crl-superseded'],
  },
  {
    name: 'the new list is out of date, the older one is not',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(72) }),
    ]),
    found: ['revocation/crl-expired', 'revocation/crl-superseded'],
  },
  {
    name: 'a hold that was lifted',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(30), revoked: [{ serial: leaf.serial, reason: 6 }] }),
      list(intermediate, {}, crlNumber(2)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-superseded'],
  },
  {
    name: 'revoked since the older list',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(30) }),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-superseded'],
  },
  {
    name: 'a lower number in the later list, which does not name what the other does',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(30), revoked: [{ serial: leaf.serial }] }, crlNumber(50)),
      list(intermediate),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'two lists of the same number and date',
    lists: beside(({ intermediate, leaf }) => {
      const thisUpdate = ago(2)
      return [
        list(intermediate, { thisUpdate }),
        list(intermediate, { thisUpdate, revoked: [{ serial: leaf.serial }] }),
      ]
    }),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'the list of tomorrow beside that of today',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, { thisUpdate: ahead(12), nextUpdate: ahead(48) }, crlNumber(2)),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'revoked by the list of tomorrow',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(
        intermediate,
        { thisUpdate: ahead(12), nextUpdate: ahead(48), revoked: [{ serial: leaf.serial }] },
        crlNumber(2),
      ),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-unused'],
  },

  // Delta lists
  {
    name: 'a delta list alone',
    lists: oneList({}, ...delta(2, 1)),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list alone that names the leaf',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/revoked@0'],
  },
  {
    name: 'a delta list that is not marked as critical, alone',
    lists: oneList({}, crlNumber(2), deltaCrlIndicator(1, false)),
    found: ['revocation/crl-delta', 'revocation/crl-extension-not-critical'],
  },
  {
    name: 'a delta list beside its base',
    lists: beside(({ intermediate }) => [list(intermediate), list(intermediate, {}, ...delta(2, 1))]),
    found: ['revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list beside a list after its base',
    lists: beside(({ intermediate }) => [list(intermediate, {}, crlNumber(5)), list(intermediate, {}, ...delta(6, 1))]),
    found: ['revocation/crl-delta-applied'],
  },
  {
    name: 'revoked by a delta list',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta-applied'],
  },
  {
    name: 'revoked in the base of a delta list',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }),
      list(intermediate, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a hold lifted by a delta list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate, { revoked: [{ serial, reason: 6 }] }),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list that removes what was not on hold',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate, { revoked: [{ serial, reason: 1 }] }),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list that removes what its base does not list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a base that is out of date, beside a delta list that is current',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
      list(intermediate, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list that is out of date, beside its base',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(72) }),
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-expired', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list with an unknown critical extension',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, {}, ...delta(2, 1), unknownExtension(true)),
    ]),
    found: ['revocation/crl-extension-critical', 'revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list that starts after the full list',
    lists: beside(({ intermediate }) => [list(intermediate), list(intermediate, {}, ...delta(3, 2))]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list of another scope',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, {}, ...delta(2, 1), issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list of the same scope',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
      list(intermediate, {}, ...delta(2, 1), issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/crl-delta-applied'],
  },
  {
    name: 'a delta list that is older than the full list',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {}, crlNumber(3)),
      list(intermediate, { thisUpdate: ago(5), revoked: [{ serial: leaf.serial, reason: 6 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-superseded'],
  },
  {
    name: 'two delta lists, of which the newer counts',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(10) }),
      list(intermediate, { thisUpdate: ago(5), revoked: [{ serial: leaf.serial, reason: 6 }] }, ...delta(2, 1)),
      list(intermediate, {}, ...delta(3, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta-applied', 'revocation/crl-superseded'],
  },
  {
    name: 'a delta list without a number of its own',
    lists: beside(({ intermediate: ca }) => [
      list(ca),
      list(ca, { extensions: [authorityKeyIdentifier(publicHalf(ca.key)), deltaCrlIndicator(1)] }),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-number-missing'],
  },
  {
    name: 'a delta list beside a full one without a number',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
      list(ca, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-number-missing'],
  },
  {
    name: 'a delta list whose base number cannot be read, alone',
    lists: oneList({}, crlNumber(2), raw(EXTENSION.deltaCrlIndicator, '0500', true)),
    found: ['revocation/crl-delta', 'revocation/crl-extension-malformed'],
  },
  {
    name: 'a delta list signed by another key',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(mintCa({ subject: 'Test Intermediate' }), {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'a delta list that announces others',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, {}, ...delta(2, 1), freshestCrl([{ name: [uri(OTHER_PLACE)] }])),
    ]),
    found: ['revocation/crl-unusual', 'revocation/crl-delta-applied'],
  },
  {
    name: 'the delta list of tomorrow',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, { thisUpdate: ahead(12), nextUpdate: ahead(48) }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-unused'],
  },

  // Lists of others
  {
    name: 'the list of another CA',
    lists: beside(({ intermediate }) => [list(intermediate), list(mintCa({ subject: 'Other' }))]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'the list of another CA with the leaf’s serial number',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(mintCa({ subject: 'Other' }), { revoked: [{ serial: leaf.serial }] }),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-unused'],
  },
  {
    name: 'a damaged list of another CA',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(mintCa({ subject: 'Other' }), { rawEntries: Buffer.from('0500', 'hex') }),
    ]),
    found: ['revocation/crl-malformed'],
  },
]
