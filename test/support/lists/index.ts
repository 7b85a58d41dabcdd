/**
 * Chains with CRLs, each with one thing that matters about the CRLs, and what is found of it. The unit tests check them; the
 * differential tests ask OpenSSL, Node and etcd about the same.
 */
import {
  authorityKeyIdentifier,
  certificateIssuer,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  EXTENSION,
  type Extension,
  flipBit,
  invalidityDate,
  issuingDistributionPoint,
  publicHalf,
  rawTime,
  TAG,
  unknownExtension,
} from '../mint.js'
import {
  ago,
  ahead,
  announcement,
  byIssuer,
  chainWith,
  chainWithRsa,
  elsewhere,
  EXPIRED,
  here,
  leafAt,
  type ListScenario,
  raw,
  row,
  rowWithRoot,
  TOMORROW,
} from './build.js'

export type { ListChain, ListScenario, MintedList } from './build.js'

const SAME_NAME = 'Test Intermediate'
const [REFUSED, MALFORMED, DIFFERS] = ['crl-extension-refused', 'crl-malformed', 'crl-signer-differs@1'] as const
const UNSUPPORTED = 'crl-unsupported'
/** An entry of the leaf, or of another certificate, with these extensions. */
const ofLeaf = (...extensions: Extension[]) => ({ leaf: { extensions } })
const ofStranger = (...extensions: Extension[]) => ({ stranger: { extensions } })
const unknown = unknownExtension
const ofOther = [certificateIssuer('Other')]
const ofItself = [certificateIssuer(SAME_NAME)]
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const altered = { tamperSignature: (bits: Buffer) => flipBit(bits, -1) }
const scopeOf = (text: string) => ({ more: [raw(EXTENSION.issuingDistributionPoint, text, true)] })

/** Entries: what revokes, what does not, and what damages the CRL. */
const entries: readonly ListScenario[] = [
  row('clean lists of both issuers', '', [{}]),
  row('an issuer without a list', 'no-crl@0', []),
  row('leaf revoked', 'revoked@0', [{ leaf: { reason: 1 } }]),
  row('leaf revoked without a reason', 'revoked@0', [{ leaf: {} }]),
  row('leaf revoked, reason unspecified', 'revoked@0', [{ leaf: { reason: 0 } }]),
  row('leaf revoked, reason 7, which is none', 'revoked@0', [{ leaf: { reason: 7 } }]),
  row('leaf on hold', 'revoked@0', [{ leaf: { reason: 6 } }]),
  row('leaf removed in a full list', 'revoked@0', [{ leaf: { reason: 8 } }]),
  row('leaf revoked as of tomorrow', 'revoked@0', [{ leaf: { date: ahead(24) } }]),
  row('leaf revoked, invalid since yesterday', 'revoked@0', [
    { leaf: { reason: 1, extensions: [invalidityDate(ago(24))] } },
  ]),
  row('leaf removed and revoked in the same full list', 'revoked@0', [
    ({ leaf: { serial } }) => ({ revoked: [8, 1].map((reason) => ({ serial, reason })) }),
  ]),
  row('another serial number revoked', '', [({ leaf }) => ({ revoked: [{ serial: leaf.serial + 1n }] })]),
  rowWithRoot(
    'intermediate revoked',
    'revoked@1',
    ({ intermediate: { serial } }) => ({ revoked: [{ serial, reason: 2 }] }),
    [{}],
  ),
  row('unknown critical extension in the entry of another certificate', REFUSED, [ofStranger(unknown(true))]),
  row('unknown extension in an entry', '', [ofStranger(unknown(false))]),
  row('revoked in an entry with an unknown critical extension', `${REFUSED} revoked@0`, [ofLeaf(unknown(true))]),
  row('the same extension twice in an entry', MALFORMED, [ofStranger(unknown(false), unknown(false))]),
  row('a reason that is no ENUMERATED', MALFORMED, [ofStranger(raw(EXTENSION.reasonCode, '020101'))]),
  row('an invalidity date as UTCTime', MALFORMED, [ofStranger(raw('2.5.29.24', '170d3235303130313030303030305a'))]),
  row('a revocation date that does not exist', MALFORMED, [
    { stranger: { date: rawTime(TAG.utcTime, '250230000000Z') } },
  ]),
  row('a padded serial number in the list', MALFORMED, [{ stranger: { serial: hex('0005') } }]),
  row('an entry that is cut', MALFORMED, [{ rawEntries: hex('3003020105') }]),
  row('an entry that is none', MALFORMED, [{ rawEntries: hex('020105') }]),
  row('an empty list of entries', 'crl-unusual', [{ rawEntries: hex('') }]),
]

const twoIssuers = byIssuer(false, { issuer: [...here, directoryName('Other'), directoryName('Test Root')] })

const mute = { keyUsages: ['keyCertSign'] } as const
const bare = { without: [EXTENSION.keyUsage] }

/** Who signed a CRL, and with what. */
const keys: readonly ListScenario[] = [
  row('signature altered', DIFFERS, [altered]),
  row('signed by another CA of the name', DIFFERS, [{ by: SAME_NAME }]),
  row('signed by another CA of the name, next to the true list', 'crl-unused', [{}, { by: SAME_NAME }]),
  row('forged with the key identifier of the CA, next to the true list', DIFFERS, [
    {},
    ({ intermediate }) => ({ by: SAME_NAME, key: authorityKeyIdentifier(publicHalf(intermediate.key)), number: 2 }),
  ]),
  row('signed with RSA-PSS', '', [{ signature: 'rsa-pss-sha256' }], chainWithRsa),
  row('signed with SHA-1', 'crl-algorithm-refused', [{ signature: 'ecdsa-sha1' }]),
  row('signed with MD5', 'crl-algorithm-refused', [{ signature: 'rsa-md5' }], chainWithRsa),
  row('signed with Ed448', 'crl-algorithm-refused', [{ outerSignature: 'ed448', innerSignature: 'ed448' }]),
  row('algorithms disagree', 'crl-algorithm-refused', [{ innerSignature: 'ecdsa-sha384' }]),
  row('a CA that may not sign lists', 'crl-sign-missing@1', [{}], chainWith({ intermediate: mute })),
  row('an anchor that may not sign lists', 'crl-sign-missing@2', [{}], chainWith({ root: mute })),
  row('a CA without key usage', 'usage/extension-absent@1', [{}], chainWith({ intermediate: bare })),
  row('authority key identifier of another key', DIFFERS, [{ key: authorityKeyIdentifier(Buffer.alloc(20, 7)) }]),
  row('authority certificate serial of another one', DIFFERS, [byIssuer(true, { serial: 99n })]),
  row('authority certificate of another issuer', DIFFERS, [byIssuer(true, { issuer: [directoryName('Other')] })]),
  row('authority certificate by issuer and serial', '', [byIssuer(true, {})]),
  row('authority certificate by issuer and serial, without a key identifier', '', [byIssuer(false, {})]),
  row('authority certificate by two issuers, of which the first is another', DIFFERS, [twoIssuers]),
  row("altered, with the authority's serial, next to the true list", DIFFERS, [
    {},
    (chain) => ({ ...byIssuer(false, {})(chain), ...altered }),
  ]),
  row('signed by another CA of the name, without a key identifier, next to the true list', 'crl-unused', [
    {},
    { by: SAME_NAME, key: null, number: 2 },
  ]),
  row('issuer name in other case and another kind of string', '', [
    { issuerName: [['CN', 'TEST  intermediate', TAG.printableString]] },
  ]),
  row('issuer name of another CA, signed by this one', 'no-crl@0 crl-unused', [{ issuerName: 'Other' }]),
]

const dates: readonly ListScenario[] = [
  row('out of date', 'crl-not-current', [EXPIRED]),
  row('out of date, and names the leaf', 'crl-not-current revoked@0', [{ ...EXPIRED, leaf: {} }]),
  row('of the future', 'crl-not-current', [{ thisUpdate: ahead(1) }]),
  row('ends before it begins', 'crl-not-current', [{ thisUpdate: ago(1), nextUpdate: ago(2) }]),
  row('of one second that is past', 'crl-not-current', [{ thisUpdate: ago(1), nextUpdate: ago(1) }]),
  row('no next update', 'crl-unusual', [{ nextUpdate: null }]),
  row('a date of this century as GeneralizedTime', 'crl-unusual', [
    { thisUpdate: rawTime(TAG.generalizedTime, '20240101000000Z') },
  ]),
  row('next update after 2050', '', [{ nextUpdate: new Date('2060-01-01T00:00:00Z') }]),
]

/** Versions and extensions of CRLs. */
const extensions: readonly ListScenario[] = [
  row('version 1', 'crl-form', [{ version: null, extensions: [] }]),
  row('no CRL number', 'crl-unusual', [{ number: null }]),
  row('no authority key identifier', 'crl-unusual', [{ key: null }]),
  row('critical authority key identifier', REFUSED, [
    ({ intermediate }) => ({ key: authorityKeyIdentifier(publicHalf(intermediate.key), {}, true) }),
  ]),
  row('critical CRL number', REFUSED, [{ number: null, more: [crlNumber(1, true)] }]),
  row('unknown critical extension', REFUSED, [{ more: [unknown(true)] }]),
  row('unknown extension', '', [{ more: [unknown(false)] }]),
  row('unknown extension twice', REFUSED, [{ more: [unknown(false), unknown(false)] }]),
  row('negative CRL number', REFUSED, [{ number: -1 }]),
  row('CRL number that is no INTEGER', REFUSED, [{ number: null, more: [raw(EXTENSION.crlNumber, '040101')] }]),
  row('CRL number with something behind it', REFUSED, [
    { number: null, more: [raw(EXTENSION.crlNumber, '0201010500')] },
  ]),
  row('CRL number of 20 bytes', '', [{ number: 2n ** 159n - 1n }]),
  row('CRL number of 21 bytes', 'crl-unusual', [{ number: 2n ** 159n }]),
  row('authority key identifier that cannot be read', REFUSED, [
    { key: raw(EXTENSION.authorityKeyIdentifier, '0400') },
  ]),
  row('freshest CRL', '', [{ more: [announcement()] }]),
  row('critical freshest CRL', REFUSED, [{ more: [announcement(true)] }]),
  row('freshest CRL that cannot be read', '', [{ more: [raw('2.5.29.46', '3000')] }]),
]

const USERS = { scope: { onlyUserCerts: true } }
const CAS = { scope: { onlyCaCerts: true } }
const ATTRIBUTES = { scope: { onlyAttributeCerts: true } }
const reasons = (...onlySomeReasons: number[]) => ({ scope: { onlySomeReasons } })

/** CRLs that cover only some certificates or reasons. */
const scope: readonly ListScenario[] = [
  row('for end entities', UNSUPPORTED, [USERS]),
  row('for CAs, asked about an end entity', UNSUPPORTED, [CAS]),
  rowWithRoot('for end entities, asked about a CA', UNSUPPORTED, USERS, [{}]),
  rowWithRoot('for CAs, asked about a CA', UNSUPPORTED, CAS, [{}]),
  row('for attribute certificates', UNSUPPORTED, [ATTRIBUTES]),
  row("for attribute certificates, of which one has the leaf's serial number", `${UNSUPPORTED} serial-listed@0`, [
    {},
    { leaf: {}, ...ATTRIBUTES },
  ]),
  row('two lists that together cover all certificates', `${UNSUPPORTED} ${UNSUPPORTED}`, [CAS, USERS]),
  row('revoked by the full list, next to one for end entities', `${UNSUPPORTED} revoked@0`, [{ leaf: {} }, USERS]),
  row('a full list next to one for end entities that is out of date', UNSUPPORTED, [{}, { ...EXPIRED, ...USERS }]),
  row('a full list next to one for end entities that was altered', UNSUPPORTED, [{}, { ...altered, ...USERS }]),
  row('a full list next to one of some reasons of another CA', 'crl-unused', [{}, { by: 'Other', ...reasons(1) }]),
  row('some reasons only', UNSUPPORTED, [reasons(1, 2)]),
  row('some reasons only, and revoked for one of them', `${UNSUPPORTED} serial-listed@0`, [
    { leaf: { reason: 1 }, ...reasons(1, 2) },
  ]),
  row('two lists that together cover all reasons', `${UNSUPPORTED} ${UNSUPPORTED}`, [
    reasons(1, 2),
    reasons(3, 4, 5, 6, 7, 8),
  ]),
  row('scope that is not marked as critical', UNSUPPORTED, [
    { more: [issuingDistributionPoint({ onlyUserCerts: true }, false)] },
  ]),
  row('empty scope', REFUSED, [{ scope: {} }]),
  row('a written-out FALSE in the scope', UNSUPPORTED, [scopeOf('30068101008201ff')]),
  row('a TRUE of 01 in the scope', UNSUPPORTED, [scopeOf('3003810101')]),
  row('two kinds of certificate in the scope', UNSUPPORTED, [{ scope: { onlyUserCerts: true, onlyCaCerts: true } }]),
  row('no reason in the scope', UNSUPPORTED, [reasons()]),
  row('something unknown in the scope', REFUSED, [scopeOf('30038601ff')]),
  row('fields of the scope in the wrong order', UNSUPPORTED, [scopeOf('30068401ff8101ff')]),
]

const HERE = { scope: { name: here } }
const UNMARKED = { more: [issuingDistributionPoint({ name: here }, false)] }
const OF_ISSUER = { scope: { name: [directoryName(SAME_NAME)] } }
const relative = (name: string) => ({ name: { relative: ['CN', name] as const } })

/** Distribution points in CRLs and certificates. */
const points: readonly ListScenario[] = [
  row('the distribution point of the certificate', '', [HERE], leafAt({ name: elsewhere }, { name: here })),
  row("another distribution point than the certificate's", 'crl-scope@0', [HERE], leafAt({ name: elsewhere })),
  row('a distribution point that is not marked as critical', 'crl-unusual', [UNMARKED], leafAt({ name: here })),
  row(
    'revoked by the list of another distribution point',
    'revoked@0',
    [{ leaf: {}, ...HERE }],
    leafAt({ name: elsewhere }),
  ),
  row(
    'a full list next to one of a distribution point that is out of date',
    'crl-unused',
    [{}, { ...EXPIRED, ...HERE }],
    leafAt({ name: here }),
  ),
  row('a distribution point, where the certificate names none', 'crl-scope@0', [HERE]),
  row("the issuer's name as the distribution point, where the certificate names none", '', [OF_ISSUER]),
  row(
    'one of several names of the distribution point',
    '',
    [{ scope: { name: [directoryName('LISTS')] } }],
    leafAt({ name: [...here, directoryName('Lists')] }),
  ),
  row(
    'a distribution point by a relative name on both sides',
    'certificate/extension-refused@0',
    [{ scope: relative('lists') }],
    leafAt(relative('Lists')),
  ),
  row(
    'a distribution point by a relative name here and in full there',
    '',
    [{ scope: relative('Lists') }],
    leafAt({ name: [directoryName([SAME_NAME, 'Lists'].map((name) => ['CN', name] as const))] }),
  ),
  row(
    'a distribution point by another relative name',
    'crl-scope@0 certificate/extension-refused@0',
    [{ scope: relative('Others') }],
    leafAt(relative('Lists')),
  ),
  row('distribution points of the certificate, and a full list without one', '', [{}], leafAt({ name: elsewhere })),
  row('a distribution point for some reasons', 'crl-scope@0', [HERE], leafAt({ name: here, reasons: [1] })),
  row(
    'distribution points for all reasons together',
    'crl-scope@0',
    [HERE, { scope: { name: elsewhere } }],
    leafAt({ name: here, reasons: [1, 2] }, { name: elsewhere, reasons: [3, 4, 5, 6, 7, 8] }),
  ),
  row(
    'a distribution point for all reasons, each of them named',
    '',
    [HERE],
    leafAt({ name: here, reasons: [1, 2, 3, 4, 5, 6, 7, 8] }),
  ),
  row(
    'a distribution point where another CA issues the list',
    'crl-scope@0',
    [HERE],
    leafAt({ name: here, crlIssuer: 'Lister' }),
  ),
  row(
    'a distribution point that names its own issuer as that of the list',
    '',
    [HERE],
    leafAt({ name: here, crlIssuer: SAME_NAME }),
  ),
  row(
    'a distribution point known by one of the names of the issuer of the list',
    '',
    [HERE],
    leafAt({ crlIssuer: { names: [...here, directoryName(SAME_NAME)] } }),
  ),
  row('a distribution point known by the issuer of the list alone', '', [OF_ISSUER], leafAt({ crlIssuer: SAME_NAME })),
]

const INDIRECT = { scope: { indirect: true } }

/** CRLs with entries of other issuers. */
const indirect: readonly ListScenario[] = [
  row('indirect', UNSUPPORTED, [INDIRECT]),
  row('indirect, and names the serial number for another issuer', `${UNSUPPORTED} serial-listed@0`, [
    { leaf: { extensions: ofOther }, ...INDIRECT },
  ]),
  row('a certificate issuer in a list that is not indirect', UNSUPPORTED, [ofStranger(...ofOther)]),
  row('a certificate issuer that is not critical', UNSUPPORTED, [ofStranger(certificateIssuer('Other', false))]),
  row('an entry of the CA itself in a list that is not indirect', `${UNSUPPORTED} serial-listed@0`, [
    { leaf: { extensions: ofItself } },
  ]),
  row('an entry without an issuer behind one of another issuer', `${UNSUPPORTED} serial-listed@0`, [
    { stranger: { extensions: ofOther }, leaf: {} },
  ]),
  row(
    'the indirect list of the CA that the certificate names',
    'no-crl@0 crl-unused',
    [{ by: 'Lister', ...INDIRECT }],
    leafAt({ name: here, crlIssuer: 'Lister' }),
  ),
  row('an indirect list of a CA that nobody names', 'crl-unused', [{}, { by: 'Lister', ...INDIRECT }]),
]

const OLDER = { thisUpdate: ago(30) }
const SAME_DATE = { thisUpdate: ago(2) }
const SECOND = { number: 2 }

/** Several CRLs of one CA. */
const several: readonly ListScenario[] = [
  row('an older list next to the new one', 'crl-unused', [OLDER, SECOND]),
  row('an older list that is out of date next to the new one', 'crl-unused', [SECOND, EXPIRED]),
  row('an older list without number next to the new one', 'crl-unused', [{ ...OLDER, number: null }, {}]),
  row('the new list is out of date, the older one is not', 'crl-not-current crl-unused', [
    { ...EXPIRED, ...SECOND },
    { thisUpdate: ago(72) },
  ]),
  row('two lists of one date, of which the second has the higher number', 'crl-unused', [
    SAME_DATE,
    { ...SAME_DATE, ...SECOND },
  ]),
  row('two lists of one number, of which the second is later', 'crl-unused', [{ thisUpdate: ago(3) }, {}]),
  row('revoked by a list without number, next to a numbered one of the same date', 'revoked@0 crl-unusual', [
    SAME_DATE,
    { ...SAME_DATE, number: null, leaf: {} },
  ]),
  row('a hold that was lifted', 'serial-listed@0 crl-unused', [{ ...OLDER, leaf: { reason: 6 } }, SECOND]),
  row('revoked since the older list', 'revoked@0 crl-unused', [{ leaf: {}, ...SECOND }, OLDER]),
  row('a lower number in the later list, which does not name what the other does', 'revoked@0', [
    { ...OLDER, leaf: {}, number: 50 },
    {},
  ]),
  row('two lists of the same number and date', 'revoked@0', [SAME_DATE, { ...SAME_DATE, leaf: {} }]),
  row('the list of tomorrow next to that of today', 'crl-unused', [{}, { ...TOMORROW, ...SECOND }]),
  row('revoked by the list of tomorrow', 'revoked@0 crl-unused', [{}, { ...TOMORROW, leaf: {}, ...SECOND }]),
]

const DELTA = { number: 2, deltaTo: 1 }
const [REVOKES, HOLDS, REMOVES] = [1, 6, 8].map((reason) => ({ leaf: { reason } }))

/** Delta CRLs, alone and next to full ones. */
const deltas: readonly ListScenario[] = [
  row('a delta list alone', UNSUPPORTED, [DELTA]),
  row('a delta list alone that names the leaf', `${UNSUPPORTED} serial-listed@0`, [{ ...DELTA, ...REVOKES }]),
  row('a delta list alone that removes the leaf', `${UNSUPPORTED} serial-listed@0`, [{ ...DELTA, ...REMOVES }]),
  row('a delta list that is not marked as critical, alone', UNSUPPORTED, [
    { number: 2, more: [deltaCrlIndicator(1, false)] },
  ]),
  row('a delta list next to its base', UNSUPPORTED, [{}, DELTA]),
  row('a hold lifted by a delta list', `${UNSUPPORTED} revoked@0`, [HOLDS ?? {}, { ...DELTA, ...REMOVES }]),
  row('a base that is out of date, next to a delta list that is current', `crl-not-current ${UNSUPPORTED}`, [
    EXPIRED,
    DELTA,
  ]),
  row('a delta list with an unknown critical extension', UNSUPPORTED, [{}, { ...DELTA, more: [unknown(true)] }]),
  row('a delta list of a distribution point', UNSUPPORTED, [{}, { ...DELTA, ...HERE }]),
  row('a delta list whose base number cannot be read, alone', UNSUPPORTED, [
    { number: 2, more: [raw(EXTENSION.deltaCrlIndicator, '0500', true)] },
  ]),
  row('a delta list signed by another key', UNSUPPORTED, [{}, { by: SAME_NAME, ...DELTA }]),
  row('a delta list of another CA', 'crl-unused', [{}, { by: 'Other', ...DELTA }]),
]

/** CRLs of CAs that have nothing to do with the path. */
const others: readonly ListScenario[] = [
  row('the list of another CA', 'crl-unused', [{}, { by: 'Other' }]),
  row("the list of another CA with the leaf's serial number", 'serial-listed@0 crl-unused', [
    {},
    { by: 'Other', leaf: {} },
  ]),
  row('a damaged list of another CA', MALFORMED, [{}, { by: 'Other', rawEntries: hex('0500') }]),
]

export const LIST_SCENARIOS: readonly ListScenario[] = [
  ...[...entries, ...keys, ...dates, ...extensions, ...scope],
  ...[...points, ...indirect, ...several, ...deltas, ...others],
]
