/** Revocation (check-revocation.ts, openssl-crls.ts, openssl-path.ts, crl-rules.ts, revocation-sources.ts): whose CRL counts for which certificate, what is missing, and what a finding says. */
import { describe, expect, it } from 'vitest'
import type { UnsupportedCrl } from '../../../src/report/catalogue/revocation.js'
import type { Finding } from '../../../src/report/finding.js'
import { inspectCredentials, validateChain, validateCredentials } from '../../../src/validate/index.js'
import { Crl as ParsedCrl } from '../../../src/x509/crl/crl.js'
import { mintedCredentials } from '../../support/etcd.js'
import { validateConnected } from '../../../src/validate/validate.js'
import { fromPem } from '../../../src/credentials/index.js'
import { sequence } from '../../support/der-writer.js'
import { HOST } from '../../support/minted-chain.js'
import { findingOf } from '../../support/refused.js'
import { askNode } from '../../support/oracle-node.js'
import {
  authorityKeyIdentifier,
  chainPem,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  distributionPoints,
  dns,
  EXTENSION,
  flipBit,
  invalidityDate,
  issuingDistributionPoint,
  mintCa,
  mintCrl,
  mintLeaf,
  newKey,
  publicHalf,
  unknownExtension,
  uri,
  type Extension,
  type Minted,
  type MintCrlOptions,
  type RevokedEntry,
} from '../../support/mint.js'
import {
  future,
  given,
  leafOf,
  past,
  reportOn,
  table,
  tableOf,
  textsOf,
  type Given,
  type Options,
  type Row,
} from './rows.js'

type Crl = ReturnType<typeof mintCrl>
const { leaf, sent, trust } = given()
const [intermediate, root] = [...sent, ...trust] as [Minted, Minted]
const crl = (issuer: Minted, options: Partial<MintCrlOptions> = {}): Crl => mintCrl({ issuer, ...options })
const by = (issuer: Minted, ...revoked: Minted[]): Crl =>
  crl(issuer, { revoked: revoked.map(({ serial }) => ({ serial })) })
const [ofRoot, ofIntermediate, ofLeaf] = [crl(root), crl(intermediate), by(intermediate, leaf)]
const other = mintCa({ subject: 'Other' })
const ofOther = crl(other)
const akid = authorityKeyIdentifier(publicHalf(intermediate.key))
const LATE = { thisUpdate: past(2), nextUpdate: past(1) }
const late = crl(intermediate, LATE)
const row = (what: string, crls: readonly Crl[], found: readonly string[], options: Options = {}): Row => [
  what,
  { leaf, sent, trust, crls },
  found,
  options,
]
const inDer = { leaf: leaf.der, intermediates: intermediate.der, trustAnchors: root.der }
/** A CRL of the intermediate with these extensions too. */
const withMore = (...more: Extension[]): Crl => crl(intermediate, { extensions: [akid, crlNumber(1), ...more] })
const UNUSED = 'info crl-unused'
const asClient = { usage: 'client' } as const
const any = { usage: 'any' } as const
const required = { revocation: 'require' } as const

const self = leafOf()

tableOf('no CRL of the issuer', 'revocation/no-crl', [
  row(
    'is an error for a server, which Node refuses then',
    [ofOther, ofRoot],
    [
      '@0 (CN=Test Intermediate, [CN=Other CN=Test Root], false, false, server, false)',
      'info crl-unused (crls[0], CN=Other, that CA issued nothing in the path)',
    ],
  ),
  row('is an error for its CAs, the anchor included', [ofIntermediate], ['@1', '@2']),
  row('is a warning for a client', [ofOther, ofRoot], ['warning @0', UNUSED], asClient),
  row('is information for the CA of a client', [ofIntermediate], ['info @1'], asClient),
  row('is not reported if no CRL was given', [], []),
  row('is an error if a CRL is required', [], ['@0', '@1'], required),
  row('is an error if a CRL is required of a server', [ofRoot], ['@0'], required),
  row('is an error if a CRL is required of a client', [ofRoot], ['@0'], { ...required, ...asClient }),
  row('is not reported if each issuer has one', [ofRoot, ofIntermediate], [], required),
  ['is reported for a leaf that is its own anchor, to Node', { leaf: self, trust: [self], crls: [ofRoot] }, ['@0']],
  ['is not reported to Go for such a leaf', { leaf: self, trust: [self], crls: [ofRoot] }, [], asClient],
  [
    'leads to another path whose CRLs were given',
    {
      leaf,
      sent: [mintCa({ subject: 'Test Intermediate', key: intermediate.key, issuer: other }), intermediate],
      trust,
      crls: [ofRoot, ofIntermediate],
    },
    ['warning openssl-picks-other-path@0'],
    { ...required, ...asClient },
  ],
])

it('a missing CRL is a warning for a server that the client connected to, unless CRLs are required', () => {
  const connected = (crls: Crl[], options: Options = {}): string[] => {
    const input = { ...inDer, crls: crls.map(({ der }) => der) }
    return textsOf(validateConnected(input, { usage: 'server', ...options }).findings)
  }
  expect(connected([ofRoot])).toEqual(['warning no-crl@0'])
  expect(connected([ofIntermediate])).toEqual(['info no-crl@1'])
  expect(connected([ofRoot], required)).toEqual(['no-crl@0'])
})

const key = newKey()
const revoked = mintCa({ subject: 'Issuing', issuer: root, key, serial: 10 })
const valid = mintCa({ subject: 'Issuing', issuer: root, key, serial: 11 })
const cross = mintCa({ subject: 'Issuing', issuer: other, key, serial: 12 })
const issued = leafOf(valid)
const allRevoked = crl(other, { revoked: [{ serial: 12 }] })
const OTHER = 'openssl-picks-other-path@0'
const twoRoots = { sent: [revoked, cross], trust: [root, other] }
const around = [crl(root, { revoked: [{ serial: 10 }] }), crl(valid), ofOther]

table('the way around a revoked CA', [
  // OpenSSL takes the first one, whatever a CRL says of it.
  [
    'is found if the revoked certificate is first',
    { leaf: issued, sent: [revoked, valid], trust, crls: around },
    [OTHER, UNUSED],
  ],
  [
    'is found if the revoked certificate is last',
    { leaf: issued, sent: [valid, revoked], trust, crls: around },
    [UNUSED],
  ],
  [
    'cannot be found if only the revoked certificate was sent',
    { leaf: issued, sent: [revoked], trust, crls: around },
    ['revocation/revoked@1', UNUSED],
  ],
  ['leads to another root', { leaf: issued, ...twoRoots, crls: around }, [OTHER, UNUSED]],
  [
    'does not lead to another root if that path is revoked as well',
    { leaf: issued, ...twoRoots, crls: [...around.slice(0, 2), allRevoked] },
    ['revocation/revoked@1', UNUSED, 'info others-tried'],
  ],
])

const mid = { leaf: issued, sent: [valid, revoked], trust }
const [ofMid, byRoot] = [crl(valid), crl(root, { revoked: [{ serial: 10 }] })]
const asPeer = { usage: 'peer' } as const
const client = leafOf(other)

table('a certificate that a client sends', [
  [
    'is refused if it is revoked, although no path uses it',
    { ...mid, crls: [byRoot, ofMid] },
    ['revocation/revoked@1'],
    asClient,
  ],
  ['is refused as that of a member', { ...mid, crls: [byRoot, ofMid] }, ['revocation/revoked@1'], asPeer],
  ['is not refused for other uses', { ...mid, crls: [byRoot, ofMid] }, [], any],
  [
    'is compared by its serial number if the CRL is of another CA',
    { ...mid, crls: [crl(root), ofMid, by(other, revoked)] },
    [`warning serial-listed@1 (${revoked.x509().serialNumber}, [crls[2], the list is of another CA])`, UNUSED],
    asClient,
  ],
  [
    'is compared by its serial number if another key signed the CRL',
    { ...mid, crls: [crl(root), ofMid, crl(mintCa({ subject: 'Test Root' }), { revoked: [{ serial: 10 }] })] },
    ['warning serial-listed@1', UNUSED],
    asClient,
  ],
  [
    'is not revoked if a newer CRL no longer lists it',
    { ...mid, crls: [crl(root, { revoked: [{ serial: 10 }], thisUpdate: past(9) }), crl(root), ofMid] },
    ['warning serial-listed@1', UNUSED],
    asClient,
  ],
  [
    'is refused by the CRL of its issuer, which is not known',
    { ...mid, sent: [valid, client], crls: [by(other, client), crl(root), ofMid] },
    ['revocation/revoked@1', UNUSED],
    asClient,
  ],
  [
    'is refused if it is trusted and sent',
    { leaf: issued, sent: [revoked], trust: [revoked, root], crls: [byRoot, ofMid] },
    ['revocation/revoked@1', `warning ${OTHER.replace('0', '1')}`, UNUSED],
    asClient,
  ],
])

it('a client certificate is refused by the CRL of its CA, although that CA is not trusted for servers', () => {
  const { clientAnchors: _, ...credentials } = mintedCredentials({ leaf: client, trust: [root] })
  const crls = [ParsedCrl.parse(by(other, client).der, 'client.crl')]
  const { findings } = validateCredentials({ ...credentials, crls }, asClient)
  expect(textsOf(findings).slice(0, 1)).toEqual(['revocation/revoked@0'])
})

const oldRoot = mintCa({ subject: 'Root' })
const newRoot = mintCa({ subject: 'Root', issuer: oldRoot })
const renewed = leafOf(newRoot)
const rolled = (what: string, crls: readonly Crl[], found: readonly string[]): Row => [
  what,
  { leaf: renewed, sent: [newRoot], trust: [oldRoot], crls },
  found,
]
const altered = crl(oldRoot, { tamperSignature: (bits) => flipBit(bits, -1) })
const separate = mintCa({ subject: 'Root' })
const below = leafOf(separate)
const separated = (what: string, crls: readonly Crl[], found: readonly string[]): Row => [
  what,
  { leaf: below, trust: [oldRoot, separate], crls },
  found,
]
const stranger = crl(mintCa({ subject: 'Root' }), { extensions: [] })

tableOf('a CA with a new key', 'revocation/no-crl', [
  rolled('has a CRL for each', [crl(oldRoot), crl(newRoot)], []),
  rolled('may revoke by its new key', [crl(oldRoot), by(newRoot, renewed)], ['revocation/revoked@0']),
  rolled('may revoke its new key', [by(oldRoot, newRoot), crl(newRoot)], ['revocation/revoked@1']),
  rolled('may list by its old key', [crl(oldRoot)], []),
  rolled('may revoke by its old key', [by(oldRoot, renewed)], ['revocation/revoked@0']),
  // Node requires a CRL of the anchor as well, which is of the same issuer.
  rolled('does not vouch for its new key by that key', [crl(newRoot)], ['@1', '@2']),
  rolled('does not revoke its new key by that key', [by(newRoot, newRoot)], ['@1', '@2', 'warning serial-listed@1']),
  rolled('has one finding about a late CRL that two certificates need', [crl(oldRoot, LATE)], ['crl-not-current']),
  rolled(
    'has one finding about an unusual CRL',
    [crl(oldRoot, { ...LATE, nextUpdate: null })],
    ['warning crl-unusual'],
  ),
  rolled('still needs the CRL of the old key', [crl(oldRoot, LATE), crl(newRoot)], ['crl-not-current']),
  rolled('does not use the CRL of a stranger', [crl(oldRoot), crl(mintCa({ subject: 'Root' }))], [UNUSED]),
  rolled('has an altered CRL', [altered, crl(newRoot)], ['crl-signer-differs@2 (signature, crls[0], CN=Root, false)']),
  separated('counts as two roots with a CRL each', [crl(oldRoot), crl(separate)], [UNUSED]),
  separated(
    'is not listed by the key of the other root',
    [crl(oldRoot)],
    [
      ...[false, true].map((ofCa, i) => `@${String(i)} (CN=Root, [CN=Root], ${String(ofCa)}, false, server, false)`),
      UNUSED,
    ],
  ),
  separated('is reported for a CRL that no trusted key signed', [stranger], ['crl-signer-differs@1']),
])

const mute = given({ intermediate: { keyUsages: ['keyCertSign'] } })
/** The CRL of this number, which revokes the leaf. */
const numbered = (number: number): Crl => {
  const revoked = [{ serial: leaf.serial }]
  return crl(intermediate, { thisUpdate: past(1 - number / 10), extensions: [akid, crlNumber(number)], revoked })
}
const ofIssuer = issuingDistributionPoint({ name: [directoryName('Test Intermediate')] })
const ofMute = [{}, { extensions: [crlNumber(1), ofIssuer] }].map((options) => crl(mute.sent[0] ?? root, options))
const some = Array.from({ length: 40 }, (_, i) => unknownExtension(false, `1.3.6.1.4.1.99999.${String(i + 1)}`))
const critical = Array.from({ length: 500 }, (_, i) => ({
  serial: i + 1,
  extensions: [unknownExtension(true, `1.3.6.1.4.1.99999.${String(i + 1)}`)],
}))
const twenty = Array<string>(20).fill('crl-extension-refused')
const anchored: Given = { leaf, trust: [intermediate], crls: [ofIntermediate, by(root, intermediate)] }

table('CRLs', [
  [
    'of a CA that may not sign them are reported once',
    { ...mute, crls: [crl(mute.trust[0] ?? root), ...ofMute] },
    ['crl-sign-missing@1', 'warning crl-unusual'],
    any,
  ],
  row('given twice are reported once', [ofRoot, late, late], ['crl-not-current']),
  row(
    'that revoke one certificate report it once',
    [ofRoot, numbered(1), numbered(2)],
    ['revocation/revoked@0', UNUSED],
    any,
  ),
  row('are reported for twenty repeated extensions', [ofRoot, withMore(...some, ...some)], twenty, any),
  row('are reported for twenty extensions of entries', [ofRoot, crl(intermediate, { revoked: critical })], twenty, any),
  ['do not decide on a path without an anchor', { leaf, sent, trust: [other], crls: [ofLeaf] }, ['issuer-not-found@1']],
  [
    'do not decide on the anchor, although etcd would',
    anchored,
    [
      'anchor-not-self-signed@1',
      `warning serial-listed@1 (${intermediate.x509().serialNumber}, [crls[1], a trust anchor is trusted whatever lists say])`,
      UNUSED,
    ],
  ],
  ['revoke a leaf that is trusted itself', { leaf, trust: [leaf], crls: [ofLeaf] }, ['revocation/revoked@0']],
])

describe('a leaf that is trusted itself', () => {
  const own = mintLeaf({ subject: 'own', names: [dns(HOST)], usages: ['clientAuth', 'serverAuth'] })
  const revokes = (of: Minted, issuer: Minted): Buffer => mintCrl({ issuer, revoked: [{ serial: of.serial }] }).der
  it.each([
    ['that its own CRL lists', own, revokes(own, own), 'revocation/revoked@0'],
    ['that the CRL of its issuer lists', leaf, revokes(leaf, intermediate), 'revocation/revoked@0'],
    ['whose serial number another CA lists', own, revokes(own, other), 'warning serial-listed@0'],
    ['that no CRL lists', own, mintCrl({ issuer: own }).der, null],
  ])('compares a leaf that is trusted itself with CRLs as etcd does: one %s', (_, pinned, crl, found) => {
    for (const usage of ['client', 'peer', 'any'] as const) {
      const { findings } = validateChain({ leaf: pinned.der, trustAnchors: pinned.der, crls: crl }, { usage })
      const seen = textsOf(findings).filter((text) => /revoked|serial-listed/.test(text))
      expect(seen, usage).toEqual(found === null ? [] : [found])
    }
  })
})

const TOMORROW = { thisUpdate: future(1), nextUpdate: future(3) }
const OVER = { thisUpdate: past(0.01), nextUpdate: past(0) }
const leafListed = [{ serial: leaf.serial }]
const listed = (why: string): string => `warning serial-listed@0 (${leaf.x509().serialNumber}, [crls[2], ${why}])`
const withScope = (scope: Parameters<typeof issuingDistributionPoint>[0]): Crl =>
  crl(intermediate, { extensions: [akid, crlNumber(1), issuingDistributionPoint(scope)], revoked: leafListed })

table('a serial number that etcd refuses, although it is not revoked', [
  row(
    'is listed by another CA',
    [ofRoot, ofIntermediate, by(other, leaf)],
    [listed('the list is of another CA'), UNUSED],
  ),
  row(
    'is listed by another key of the CA',
    [
      ofRoot,
      ofIntermediate,
      crl(mintCa({ subject: 'Test Intermediate' }), { revoked: leafListed, thisUpdate: past(2) }),
    ],
    [listed('the list is not signed by the key of its issuer'), UNUSED],
  ),
  row(
    'was listed before',
    [
      ofRoot,
      crl(intermediate, { extensions: [akid, crlNumber(2)] }),
      crl(intermediate, { revoked: leafListed, thisUpdate: past(2) }),
    ],
    [listed('a newer list no longer names it'), UNUSED],
  ),
  row(
    'is in a CRL that is not supported',
    [ofRoot, ofIntermediate, withScope({ onlyAttributeCerts: true })],
    ['crl-unsupported (crls[2], certificates, false)', listed('the list is not supported')],
  ),
])

const ofStranger = (options: Partial<MintCrlOptions>): Crl =>
  crl(mintCa({ subject: 'Test Intermediate' }), { extensions: [], ...options })
/** A CRL whose distribution point is the issuer's name, which OpenSSL does not consider, and one that it chooses then. */
const beyondOpenssl = (what: string, options: Partial<MintCrlOptions>, reason: string): Row => {
  const found = [`openssl-picks-other-crl@0 (crls[2], ${reason}, server, false)`, UNUSED]
  return row(what, [ofRoot, withMore(ofIssuer), crl(intermediate, options)], found)
}
const unknown = [unknownExtension(true)]
const UNPROCESSED = 'it has a critical extension that is not processed'
const noUsage = given({ intermediate: { without: [EXTENSION.keyUsage] } })
const places = ['a', 'b'].map((name) => ({ name: [uri(`http://crl.test/${name}`)] }))
const twoPlaces = given({ leaf: { extensions: [distributionPoints(places)] } })
const firstLimited = given({
  leaf: { extensions: [distributionPoints(places.map((place, i) => (i === 0 ? { ...place, reasons: [1] } : place)))] },
})
const ofPlace =
  (i: number, options: Partial<MintCrlOptions> = {}) =>
  (issuer: Minted): Crl => {
    const extensions = [
      authorityKeyIdentifier(publicHalf(issuer.key)),
      crlNumber(1),
      issuingDistributionPoint(places[i] ?? {}),
    ]
    return crl(issuer, { extensions, ...options })
  }
const muteRoot = mintCa({ subject: 'Root', issuer: oldRoot, keyUsages: ['keyCertSign'] })
const limitedTo = given({
  root: { extensions: [distributionPoints([{ name: [uri('http://crl.test/a.crl')], reasons: [1] }])] },
})
const limited = { ...limitedTo, crls: [...limitedTo.trust, ...limitedTo.sent].map((issuer) => crl(issuer)) }

table('OpenSSL', [
  [
    'requires every reason, also for the anchor',
    limited,
    [
      'openssl-picks-other-crl@2 (crls[0], a distribution point of the certificate limits it to some reasons, server, false)',
    ],
  ],
  ['does not check CRLs for a client', limited, [], asClient],
  // Node refused each of these in a handshake, for the same reason.
  beyondOpenssl('refuses a CRL that is late', LATE, 'it is not current'),
  beyondOpenssl(
    'refuses a CRL with two algorithms',
    { innerSignature: 'ecdsa-sha384' },
    'its two signature algorithms differ',
  ),
  beyondOpenssl('processes no unknown extension', { extensions: [akid, crlNumber(1), ...unknown] }, UNPROCESSED),
  beyondOpenssl(
    'processes no unknown extension of an entry',
    { revoked: [{ serial: 5, extensions: unknown }] },
    UNPROCESSED,
  ),
  [
    'takes the CRL of the nearest CA, which may not sign it',
    { leaf: leafOf(muteRoot), sent: [muteRoot], trust: [oldRoot], crls: [crl(oldRoot), crl(muteRoot)] },
    ['openssl-picks-other-crl@0 (crls[1], the key usage of its CA lacks cRLSign, server, false)', UNUSED],
  ],
  rolled(
    'takes a CRL without a key identifier for one of the nearest CA',
    [crl(oldRoot, { extensions: [] })],
    ['no-crl@0', 'warning crl-unusual', 'warning crl-unusual'],
  ),
  [
    'accepts the CRL of a CA without key usage',
    { ...noUsage, crls: [...noUsage.trust, ...noUsage.sent].map((issuer) => crl(issuer)) },
    ['info extension-absent@1'],
  ],
  [
    'accepts a CRL of a distribution point that the certificate names second',
    { ...twoPlaces, crls: [...twoPlaces.trust.map((issuer) => crl(issuer)), ...twoPlaces.sent.map(ofPlace(1))] },
    [],
  ],
  [
    'accepts a CRL of another distribution point next to the newer one of a point that the certificate names for one reason',
    {
      ...firstLimited,
      crls: [
        ...firstLimited.trust.map((issuer) => crl(issuer)),
        ...firstLimited.sent.map(ofPlace(0, { thisUpdate: past(0.01) })),
        ...firstLimited.sent.map(ofPlace(1)),
      ],
    },
    [],
  ],
  row(
    'does not read a damaged CRL',
    [ofRoot, crl(intermediate, { rawEntries: sequence(), thisUpdate: past(0.001) }), ofIntermediate],
    ['crl-malformed'],
  ),
  // One without a key identifier that another key signed would be refused for its signature.
  row('chooses the newest CRL', [ofRoot, ofStranger({ thisUpdate: past(2) }), ofIntermediate], [UNUSED]),
  row('chooses no CRL of the future', [ofRoot, ofStranger(TOMORROW), ofIntermediate], [UNUSED]),
  row('chooses no CRL that is over', [ofRoot, ofStranger(OVER), ofIntermediate], [UNUSED]),
])

it('chooses a CRL that another key of two CAs of one name signed', async () => {
  const old = mintCa({ subject: 'Twice', notAfter: new Date('2060-01-01') })
  const twice = mintCa({ subject: 'Twice', issuer: old, notAfter: new Date('2050-01-01') })
  const crls = [old, twice].map((issuer) => crl(issuer, { extensions: [] }))
  const minted = { leaf: leafOf(twice), sent: [twice], trust: [old], crls }
  const node = await askNode({ usage: 'server', host: HOST, ...minted })
  expect(node).toMatchObject({ words: expect.stringContaining('CRL_SIGNATURE_FAILURE') as string })
  const errors = (options: Options): string[] =>
    textsOf(reportOn(minted, options).findings).filter((text) => !text.includes(' '))
  expect(errors({})).toEqual([expect.stringContaining('openssl-picks-other-crl') as string])
  expect(errors(asClient)).toEqual([])
})

const found = (options: Partial<MintCrlOptions>, more: readonly Crl[] = []): readonly Finding[] =>
  reportOn({ leaf, sent, trust, crls: [ofRoot, crl(intermediate, options), ...more] }).findings
const revokedBy = (entry: Partial<RevokedEntry>): Finding =>
  findingOf(found({ revoked: [{ serial: leaf.serial, ...entry }] }), 'revocation/revoked')

describe('a revoked certificate', () => {
  const date = new Date('2024-05-06T07:08:09Z')

  it('reports a revoked certificate with date, reason and CRL', () => {
    const { message, remedy, details } = revokedBy({ date, reason: 1 })
    expect(message).toBe(
      'The server\'s certificate "CN=etcd-0" from leaf was revoked on 2024-05-06T07:08:09.000Z (keyCompromise), according to crls[1].',
    )
    expect(remedy).toBe('Issue a new certificate with a new key. A revoked certificate stays revoked.')
    const when = { revokedAt: date, invalidSince: null, inFuture: false }
    expect(details).toEqual({
      serialNumber: leaf.x509().serialNumber,
      reason: 'keyCompromise',
      ...when,
      isUnneeded: false,
      crl: 'crls[1]',
    })
  })

  it('reports a revoked certificate with the reason of its entry', () => {
    const names = 'unspecified keyCompromise cACompromise affiliationChanged superseded cessationOfOperation'.split(' ')
    const more = [7, 'reason 7', 9, 'privilegeWithdrawn', 10, 'aACompromise', 200, 'reason 200'] as const
    const pairs = [0, 2, 4, 6].map((i) => [more[i], more[i + 1]] as [number, string])
    for (const [reason, name] of [...names.entries(), ...pairs]) {
      const { message, details } = revokedBy({ reason })
      expect(details).toMatchObject({ reason: name })
      expect(message).toContain(`(${name})`)
    }
  })

  it('reports a revocation without a reason, on hold, or removed', () => {
    expect(revokedBy({ date }).message).toContain('09.000Z, according to')
    expect(revokedBy({ date }).details).toMatchObject({ reason: null })
    expect(revokedBy({ reason: 6 }).message).toContain('was put on hold')
    expect(revokedBy({ reason: 6 }).remedy).toContain('Ask the CA to lift the hold')
    expect(revokedBy({ reason: 8 }).remedy).toContain('only delta CRLs may hold removals')
    const both = [8, 4].map((reason) => ({ serial: leaf.serial, reason }))
    for (const revoked of [both, both.toReversed()])
      expect(findingOf(found({ revoked }), 'revocation/revoked').details).toMatchObject({ reason: 'superseded' })
  })

  it('reports a revocation from a date in the future on, or since the key was compromised', () => {
    const { message, details } = revokedBy({ date: new Date('2048-01-01T00:00:00Z') })
    expect(message).toContain('was revoked as of 2048-01-01T00:00:00.000Z, a date in the future that counts at once')
    expect(details).toMatchObject({ inFuture: true })
    const at = new Date(Math.floor(Date.now() / 1000) * 1000)
    const now = crl(intermediate, { revoked: [{ serial: leaf.serial, date: at }] })
    const report = reportOn({ leaf, sent, trust, crls: [ofRoot, now] }, { at })
    expect(findingOf(report.findings, 'revocation/revoked').details).toMatchObject({ inFuture: false })
    const compromised = revokedBy({ reason: 1, extensions: [invalidityDate(date)] })
    expect(compromised.details).toMatchObject({ invalidSince: date })
    expect(compromised.message).toContain('compromised since 2024-05-06')
  })
})

describe('the dates of a CRL', () => {
  const [thisUpdate, nextUpdate] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-02-01T00:00:00Z')]
  const long = { notBefore: new Date('2029-01-01T00:00:00Z'), notAfter: new Date('2031-01-01T00:00:00Z') }
  const lasting = given({ root: long, intermediate: long, leaf: long })
  const crls = [...lasting.trust, ...lasting.sent].map((issuer) => crl(issuer, { thisUpdate, nextUpdate }))
  const newer = { thisUpdate: new Date('2030-01-15T00:00:00Z'), nextUpdate, extensions: [] }
  const later = crl(lasting.sent[0] ?? root, newer)

  it.each([
    ['2029-12-31T23:59:59.999Z', '0s', false],
    ['2030-01-01T00:00:00Z', '0s', true],
    ['2030-02-01T00:00:00.999Z', '0s', true],
    ['2030-02-01T00:00:01Z', '0s', false],
    ['2029-12-31T23:59:55Z', '5s', true],
    ['2029-12-31T23:59:54Z', '5s', false],
    ['2030-02-01T00:00:05Z', '5s', true],
    ['2030-02-01T00:00:06Z', '5s', false],
  ])('a CRL is current at %s with a clock skew of %s: %s', (at, clockSkew, isCurrent) => {
    const { findings } = reportOn({ ...lasting, crls }, { usage: 'any', at: new Date(at), clockSkew })
    expect(textsOf(findings)).toEqual(isCurrent ? [] : ['crl-not-current', 'crl-not-current'])
  })

  it('the dates of two CRLs decide which of them is used at that time', () => {
    const unused = (at: string): unknown => {
      const { findings } = reportOn({ ...lasting, crls: [...crls, later] }, { usage: 'any', at: new Date(at) })
      return findingOf(findings, 'revocation/crl-unused').details
    }
    expect(unused('2030-01-10T00:00:00Z')).toMatchObject({ origin: 'crls[2]' })
    expect(unused('2030-01-20T00:00:00Z')).toMatchObject({ origin: 'crls[1]' })
  })
})

describe('a finding about CRLs', () => {
  it('a finding about CRLs names the scope that they cover instead, and why they were not needed', () => {
    const scope = issuingDistributionPoint({ name: [directoryName('Lists')] })
    expect(findingOf(found({ extensions: [scope] }), 'revocation/crl-scope').message).toBe(
      'No CRL covers the server\'s certificate "CN=etcd-0" from leaf: crls[1] covers only certificates that name the distribution point CN=Lists.',
    )
    const unneeded = crl(intermediate, { ...LATE, extensions: [akid, crlNumber(1), ofIssuer] })
    expect(findingOf(found({}, [unneeded]), 'revocation/crl-unused').message).toBe(
      'The CRL crls[2] of "CN=Test Intermediate" was not used: it is not needed, and faulty (revocation/crl-not-current).',
    )
  })

  it.each<[UnsupportedCrl['unsupportedScope'], string, Extension]>([
    ['delta', 'is a delta CRL', deltaCrlIndicator(3)],
    ['certificates', 'covers only some kinds of certificate', issuingDistributionPoint({ onlyCaCerts: true })],
    ['reasons', 'covers only some reasons of revocation', issuingDistributionPoint({ onlySomeReasons: [1] })],
    ['indirect', 'is an indirect CRL', issuingDistributionPoint({ indirect: true })],
  ])(
    'the finding says why a CRL is not supported, also next to a full one: %s',
    (unsupportedScope, text, extension) => {
      const special = { extensions: [akid, crlNumber(9), extension] }
      for (const findings of [found(special), found(special, [ofIntermediate])]) {
        const finding = findingOf(findings, 'revocation/crl-unsupported')
        expect(finding.message).toBe(`The CRL crls[1] ${text}, which is not supported.`)
        expect(finding.details).toEqual({ origin: 'crls[1]', unsupportedScope, readByEtcd: false })
        expect(finding.severity).toBe('error')
        expect(findings.map(({ code }) => code)).toEqual(['revocation/crl-unsupported'])
      }
    },
  )

  it('the validator refuses a delta CRL for a pinned leaf, and for a client that connected', () => {
    const delta = crl(intermediate, { extensions: [akid, crlNumber(2), deltaCrlIndicator(1)] })
    const pinned = { leaf, trust: [leaf], crls: [delta] }
    expect(textsOf(reportOn(pinned, asClient).findings)).toEqual(['crl-unsupported'])
    const input = { ...inDer, crls: [ofRoot.der, delta.der] }
    expect(textsOf(validateConnected(input, { usage: 'server' }).findings)).toEqual(['crl-unsupported'])
  })

  it('a finding about CRLs names another key that signed them, and serial numbers of another CA that etcd counts', () => {
    const forged = crl(mintCa({ subject: 'Test Intermediate' }))
    const reported = (crls: Crl[], options?: Options) => reportOn({ leaf, sent, trust, crls }, options).findings
    const { message, remedy } = findingOf(reported([ofRoot, forged]), 'revocation/crl-signer-differs')
    expect(message).toContain('names another key')
    expect(remedy).toContain('each key needs its own CRL')
    const listed = findingOf(reported([ofRoot, by(other, leaf)], asClient), 'revocation/serial-listed')
    expect(listed.message).toContain(`${leaf.x509().serialNumber}, which is in crls[1] (the list is of another CA)`)
    expect(listed.refusals).toEqual([{ by: 'etcd', words: 'transport: certificate serial … revoked' }])
  })

  it.each<[what: string, change: (pem: string) => string]>([
    ['text before it, as "openssl crl -text" writes', (pem) => `Certificate Revocation List (CRL):\n${pem}`],
    ['a byte order mark', (pem) => `\ufeff${pem}`],
    ['a blank line before it', (pem) => `\n${pem}`],
    ['a certificate before it', (pem) => root.pem + pem],
    ['carriage returns alone', (pem) => pem.replaceAll('\n', '\r')],
  ])('refuses a CRL in PEM with %s for clients, because etcd does, and warns for servers', async (_, change) => {
    const crls = [ofRoot, ofIntermediate].map(({ pem }) => change(pem))
    for (const usage of ['client', 'peer', 'server'] as const) {
      const { findings } = validateChain({ ...inDer, crls }, { usage })
      const finding = findingOf(findings, 'revocation/crl-form')
      expect(finding).toMatchObject({ severity: usage === 'server' ? 'warning' : 'error', details: { kind: 'text' } })
      expect(finding.message).toContain('crls[0]')
      expect(finding.remedy).toContain('-outform der')
      expect(findings.map(({ message }) => message).filter((each) => each.includes('every reader accepts'))).toEqual([])
    }
    const pem = { ca: root.pem, cert: chainPem(leaf, intermediate), key: leaf.keyPem }
    const source = fromPem({ ...pem, crl: change(ofIntermediate.pem) })
    expect((await source.load()).crls.map(({ form }) => form)).toEqual(['text'])
    expect(textsOf((await inspectCredentials(source, { usage: 'client' })).findings)).toContain('crl-form')
  })

  it('accepts text after a CRL in PEM, as etcd does', () => {
    const crls = [ofRoot, ofIntermediate].map(({ pem }) => `${pem}text\n`)
    const codes = validateChain({ ...inDer, crls }, { usage: 'client' }).findings.map(({ code }) => code)
    expect(codes).toEqual(expect.arrayContaining(['revocation/crl-form', 'pem/layout-unusual']))
    expect(validateChain({ ...inDer, crls }, { usage: 'client' }).ok).toBe(true)
  })

  it('says that PEM is not read by etcd, once for all, and only the first of a file', async () => {
    const form = (crls: (string | Uint8Array)[]): string[] => textsOf(validateChain({ ...inDer, crls }, any).findings)
    expect(form([ofRoot.der, ofIntermediate.der])).toEqual([])
    expect(form([ofRoot.pem, ofIntermediate.pem])).toEqual(['warning crl-form'])
    expect(form([Buffer.from(ofRoot.pem + ofIntermediate.pem)])).toEqual(['warning crl-form'])
    const pem = { ca: root.pem, cert: chainPem(leaf, intermediate), key: leaf.keyPem }
    const source = fromPem({ ...pem, crl: ofRoot.pem + ofIntermediate.pem })
    expect(textsOf((await inspectCredentials(source, any)).findings)).toEqual(Array(2).fill('warning crl-form'))
    expect((await source.load()).crls.map(({ origin, form }) => [origin, form])).toEqual([
      ['option "crl", line 1', 'pem'],
      [`option "crl", line ${String(ofRoot.pem.split('\n').length)}`, 'pem'],
    ])
  })
})
