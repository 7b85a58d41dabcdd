/** Dates, and what the findings about revocation say. */
import { describe, expect, it } from 'vitest'
import type { Finding, FindingCode } from '../../../src/report/finding.js'
import { formatReport, inspectCredentials, validateChain } from '../../../src/validate/index.js'
import { fromPem } from '../../../src/credentials/index.js'
import { codesOf, inputOf, mintChain } from '../../support/judge-chain.js'
import { findingOf } from '../../support/refused.js'
import {
  authorityKeyIdentifier,
  chainPem,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  invalidityDate,
  issuingDistributionPoint,
  mintCa,
  mintCrl,
  type Extension,
  type MintCrlOptions,
  publicHalf,
  type RevokedEntry,
} from '../../support/mint.js'

const chain = mintChain()
const { root, intermediate, leaf } = chain
const rootList = mintCrl({ issuer: root }).der

function found(options: Partial<MintCrlOptions>): Finding[] {
  const crls = [rootList, mintCrl({ issuer: intermediate, ...options }).der]
  return validateChain({ ...inputOf(chain), crls }, { usage: 'server' }).findings
}

function revokedBy(entry: Partial<RevokedEntry>): Finding<'revocation/revoked'> {
  const finding = findingOf(found({ revoked: [{ serial: leaf.serial, ...entry }] }), 'revocation/revoked')
  if (finding.code !== 'revocation/revoked') throw new Error('another finding')
  return finding
}

describe('what is said of a revoked certificate', () => {
  const date = new Date('2024-05-06T07:08:09Z')

  it('is since when, why, and by which list', () => {
    const { message, remedy, details, certificate } = revokedBy({ date, reason: 1 })
    expect(message).toBe(
      'The certificate "CN=etcd-0" was revoked on 2024-05-06T07:08:09.000Z (keyCompromise), according to crls[1].',
    )
    expect(remedy).toBe('Issue a new certificate with a new key. A revoked certificate stays revoked.')
    expect(details).toEqual({
      serialNumber: leaf.x509().serialNumber,
      reason: 'keyCompromise',
      revokedAt: date,
      invalidSince: null,
      inFuture: false,
      crl: 'crls[1]',
    })
    expect(certificate?.role).toBe('leaf')
  })

  it('is nothing of a reason where there is none', () => {
    expect(revokedBy({ date }).message).toContain('2024-05-06T07:08:09.000Z, according to')
    expect(revokedBy({ date }).details.reason).toBeNull()
  })

  it.each([
    [0, 'unspecified'],
    [2, 'cACompromise'],
    [3, 'affiliationChanged'],
    [4, 'superseded'],
    [5, 'cessationOfOperation'],
    [7, 'reason 7'],
    [9, 'privilegeWithdrawn'],
    [10, 'aACompromise'],
    [11, 'reason 11'],
    [200, 'reason 200'],
  ])('is the reason of number %i: %s', (reason, name) => {
    expect(revokedBy({ reason }).details.reason).toBe(name)
    expect(revokedBy({ reason }).message).toContain(`(${name})`)
  })

  it('is of a hold that the CA may lift it', () => {
    const { message, remedy } = revokedBy({ reason: 6 })
    expect(message).toContain('was put on hold')
    expect(remedy).toContain('Ask the CA to lift the hold')
  })

  it('is of a removal in a full list what it is worth', () => {
    expect(revokedBy({ reason: 8 }).remedy).toContain('only delta CRLs may hold removals')
  })

  it('is of two entries the one that lasts', () => {
    const { serial } = leaf
    for (const reasons of [
      [8, 4],
      [4, 8],
    ]) {
      const findings = found({ revoked: reasons.map((reason) => ({ serial, reason })) })
      expect(findingOf(findings, 'revocation/revoked').details).toMatchObject({ reason: 'superseded' })
    }
  })

  it('is of a date in the future that it counts', () => {
    const { message, details } = revokedBy({ date: new Date('2048-01-01T00:00:00Z') })
    expect(message).toContain('was revoked as of 2048-01-01T00:00:00.000Z, a date ahead that counts at once')
    expect(details.inFuture).toBe(true)
  })

  it('is of the very second that is asked about that it is past', () => {
    const at = new Date(Math.floor(Date.now() / 1000) * 1000)
    const crls = [rootList, mintCrl({ issuer: intermediate, revoked: [{ serial: leaf.serial, date: at }] }).der]
    const { findings } = validateChain({ ...inputOf(chain), crls }, { usage: 'server', at })
    expect(findingOf(findings, 'revocation/revoked').details).toMatchObject({ inFuture: false })
  })

  it('is since when the key may have been in wrong hands', () => {
    const { message, details } = revokedBy({ reason: 1, extensions: [invalidityDate(date)] })
    expect(details.invalidSince).toEqual(date)
    expect(message).toContain('compromised since 2024-05-06')
  })
})

describe('the dates of a list', () => {
  const thisUpdate = new Date('2030-01-01T00:00:00Z')
  const nextUpdate = new Date('2030-02-01T00:00:00Z')
  const long = { notBefore: new Date('2029-01-01T00:00:00Z'), notAfter: new Date('2040-01-01T00:00:00Z') }
  const lasting = mintChain({ root: long, intermediate: long, leaf: long })
  const crls = [lasting.root, lasting.intermediate].map((issuer) => mintCrl({ issuer, thisUpdate, nextUpdate }).der)
  const at = (time: string, clockSkew = '0s'): string[] => {
    const options = { usage: 'any', at: new Date(time), clockSkew } as const
    return codesOf(validateChain({ ...inputOf(lasting), crls }, options).findings)
  }
  const both = (code: FindingCode): string[] => [code, code]

  it('count from the second of thisUpdate to that of nextUpdate', () => {
    expect(at('2029-12-31T23:59:59.999Z')).toEqual(both('revocation/crl-not-current'))
    expect(at('2030-01-01T00:00:00Z')).toEqual([])
    expect(at('2030-02-01T00:00:00.999Z')).toEqual([])
    expect(at('2030-02-01T00:00:01Z')).toEqual(both('revocation/crl-not-current'))
  })

  it('are widened by the clock skew at both ends', () => {
    expect(at('2029-12-31T23:59:55Z', '5s')).toEqual([])
    expect(at('2029-12-31T23:59:54Z', '5s')).toEqual(both('revocation/crl-not-current'))
    expect(at('2030-02-01T00:00:05Z', '5s')).toEqual([])
    expect(at('2030-02-01T00:00:06Z', '5s')).toEqual(both('revocation/crl-not-current'))
  })

  it('decide at the time asked for which list is the newer one', () => {
    const issuer = lasting.intermediate
    const later = mintCrl({
      issuer,
      thisUpdate: new Date('2030-01-15T00:00:00Z'),
      nextUpdate,
      extensions: [],
      revoked: [],
    })
    const early = validateChain(
      { ...inputOf(lasting), crls: [...crls, later.der] },
      { usage: 'any', at: new Date('2030-01-10T00:00:00Z') },
    )
    const late = validateChain(
      { ...inputOf(lasting), crls: [...crls, later.der] },
      { usage: 'any', at: new Date('2030-01-20T00:00:00Z') },
    )
    expect(codesOf(early.findings, 'info')).toEqual(['revocation/crl-unused'])
    expect(codesOf(late.findings, 'info')).toEqual(['revocation/crl-unused'])
  })
})

describe('what is said of lists', () => {
  it('is what they cover instead', () => {
    const details = found({
      extensions: [issuingDistributionPoint({ name: [directoryName('Lists')], onlyUserCerts: true })],
    })
    expect(findingOf(details, 'revocation/crl-scope').message).toBe(
      'No CRL covers the certificate "CN=etcd-0": crls[1] covers only certificates that name the distribution point CN=Lists.',
    )
  })

  it('is why they were not needed', () => {
    const late = { thisUpdate: new Date('2024-01-01T00:00:00Z'), nextUpdate: new Date('2024-02-01T00:00:00Z') }
    const scoped = [
      authorityKeyIdentifier(publicHalf(intermediate.key)),
      crlNumber(1),
      issuingDistributionPoint({ onlyUserCerts: true }),
    ]
    const crls = [{}, { ...late, extensions: scoped }].map((each) => mintCrl({ issuer: intermediate, ...each }).der)
    const report = validateChain({ ...inputOf(chain), crls: [rootList, ...crls] }, { usage: 'server' })
    expect(findingOf(report.findings, 'revocation/crl-unused').message).toBe(
      'The CRL crls[2] of "CN=Test Intermediate" was not used: it is not needed, and faulty (revocation/crl-not-current).',
    )
  })

  it.each<[string, Extension[], Extension[] | null]>([
    ['no full CRL of the same key and scope is beside it', [crlNumber(9), deltaCrlIndicator(3)], null],
    ['it has no number of its own or of its base', [deltaCrlIndicator(3)], [crlNumber(3)]],
    [
      'it has no number of its own or of its base',
      [crlNumber(9), { ...deltaCrlIndicator(3), value: Buffer.from([5, 0]) }],
      [crlNumber(3)],
    ],
    ['the full CRL beside it has no CRL number', [crlNumber(9), deltaCrlIndicator(3)], []],
    [
      'it starts from number 3, and the full CRL beside it is the older 2',
      [crlNumber(9), deltaCrlIndicator(3)],
      [crlNumber(2)],
    ],
  ])('is why a delta CRL is not applied: %s', (reason, ofDelta, ofFull) => {
    const akid = authorityKeyIdentifier(publicHalf(intermediate.key))
    const lists = [ofDelta, ...(ofFull === null ? [] : [ofFull])].map((extensions) =>
      mintCrl({ issuer: intermediate, extensions: [akid, ...extensions] }),
    )
    const crls = [rootList, ...lists.map(({ der }) => der)]
    const { findings } = validateChain({ ...inputOf(chain), crls }, { usage: 'server' })
    expect(findingOf(findings, 'revocation/crl-delta').details).toEqual({ kind: 'refused', origin: 'crls[1]', reason })
  })

  it('is which reasons are missing', () => {
    const findings = found({ extensions: [issuingDistributionPoint({ onlySomeReasons: [1, 2, 3, 4, 5, 8] })] })
    expect(findingOf(findings, 'revocation/crl-scope').details).toEqual({
      kind: 'reasons',
      missing: ['certificateHold', 'privilegeWithdrawn'],
    })
  })

  it('is that another key signed them, where they say so', () => {
    const forged = mintCrl({ issuer: mintCa({ subject: 'Test Intermediate' }) }).der
    const report = validateChain({ ...inputOf(chain), crls: [rootList, forged] }, { usage: 'server' })
    const { message, remedy } = findingOf(report.findings, 'revocation/crl-signer-differs')
    expect(message).toContain('names another key')
    expect(remedy).toContain('each key needs its own list')
  })

  it('is what etcd makes of a serial number in the list of another CA', () => {
    const other = mintCrl({ issuer: mintCa({ subject: 'Other' }), revoked: [{ serial: leaf.serial }] }).der
    const report = validateChain({ ...inputOf(chain), crls: [rootList, other] }, { usage: 'client' })
    expect(report.ok).toBe(true)
    const { message, refusals } = findingOf(report.findings, 'revocation/serial-listed')
    expect(message).toContain(
      `serial number ${leaf.x509().serialNumber}, which is in crls[1] (the list is of another CA)`,
    )
    expect(refusals).toEqual([{ by: 'etcd', words: 'transport: certificate serial … revoked' }])
  })

  it('shows nothing that a terminal would act on', () => {
    const evil = mintCa({ subject: [['CN', '\u001b[2Jevil\r\n\u202e']] })
    const crls = [rootList, mintCrl({ issuer: evil, revoked: [{ serial: leaf.serial }] }).der]
    const shown = formatReport(validateChain({ ...inputOf(chain), crls }, { usage: 'server' }))
    expect(shown).toContain('evil')
    expect(shown.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
  })
})

describe('the form of lists', () => {
  const list = mintCrl({ issuer: intermediate })
  const rootPem = mintCrl({ issuer: root }).pem
  const warnings = (crls: Parameters<typeof validateChain>[0]['crls']): string[] =>
    codesOf(validateChain({ ...inputOf(chain), crls }, { usage: 'server' }).findings, 'warning')
  const credentials = (crl: string | Buffer): ReturnType<typeof fromPem> =>
    fromPem({ ca: root.pem, cert: chainPem(leaf, intermediate), key: leaf.keyPem, crl })

  it('is told where it is PEM, once for all', () => {
    expect(warnings([rootList, list.der])).toEqual([])
    expect(warnings([rootPem, list.pem])).toEqual(['revocation/crl-form'])
    expect(warnings(Buffer.from(rootPem + list.pem))).toEqual(['revocation/crl-form'])
  })

  it('is known of credentials, too', async () => {
    const codes = async (crl: string | Buffer): Promise<string[]> =>
      codesOf((await inspectCredentials(credentials(crl), { usage: 'server' })).findings, 'warning')
    expect(await codes(list.der)).toEqual([])
    expect(await codes(list.pem)).toEqual(['revocation/crl-form'])
    // etcd reads one list of a file.
    expect((await codes(rootPem + list.pem)).sort()).toEqual(['revocation/crl-form', 'revocation/crl-form'])
  })

  it('is named by file and line where several stand in one', async () => {
    const { crls } = await credentials(rootPem + list.pem).load()
    expect(crls.map(({ origin, form }) => [origin, form])).toEqual([
      ['option "crl", line 1', 'pem'],
      [`option "crl", line ${String(rootPem.split('\n').length)}`, 'pem'],
    ])
  })
})
