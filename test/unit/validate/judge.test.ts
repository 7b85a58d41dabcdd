/** Certificates in their places: which role each has, and that each is checked once in each place. */
import { describe, expect, it } from 'vitest'
import { resolveContext } from '../../../src/validate/context.js'
import { Certificate } from '../../../src/validate/index.js'
import { IssuerVerdicts, placesOf } from '../../../src/validate/judge.js'
import type { PathCertificate } from '../../../src/validate/path-certificate.js'
import { EXTENSION, mintCa } from '../../support/mint.js'

const [a, b, c] = ['a', 'b', 'c'].map((subject) => Certificate.parse(mintCa({ subject, keyUsages: ['cRLSign'] }).der))
if (!a || !b || !c) throw new Error('three certificates')

describe('the places of a path', () => {
  const roles = (certificates: Certificate[], anchored: boolean): unknown[] =>
    placesOf({ certificates, anchored }).map(({ role, index, certificate }) => [
      role,
      index,
      certificate === certificates[index],
    ])

  it('are leaf, intermediates and anchor', () => {
    expect(roles([a, b, c], true)).toEqual([
      ['leaf', 0, true],
      ['intermediate', 1, true],
      ['anchor', 2, true],
    ])
  })

  it('have no anchor at a dead end', () => {
    expect(roles([a, b], false)).toEqual([
      ['leaf', 0, true],
      ['intermediate', 1, true],
    ])
  })

  it('are the leaf’s alone where the leaf is trusted', () => {
    expect(roles([a], true)).toEqual([['leaf', 0, true]])
  })
})

describe('the verdict on an issuer', () => {
  const places = ([1, 2, 3, 4, 5] as const).flatMap((index): PathCertificate[] =>
    [a, b].flatMap((certificate) =>
      (['intermediate', 'anchor'] as const).map((role): PathCertificate => ({ certificate, role, index })),
    ),
  )

  it('is about the certificate in that place, whatever was judged before', () => {
    const issuers = new IssuerVerdicts(resolveContext({ usage: 'server' }))
    for (const place of [...places, ...places.toReversed()]) {
      const { certificate, role, index } = place
      const { findings } = issuers.notesOn(place)
      expect(findings.map(({ code }) => code)).toContain('usage/key-usage-missing')
      for (const each of findings) {
        expect(each.certificate).toMatchObject({ role, index, fingerprint256: certificate.fingerprint256 })
      }
    }
  })

  it('is made once', () => {
    const issuers = new IssuerVerdicts(resolveContext({ usage: 'server' }))
    const before = places.map((place) => issuers.notesOn(place))
    expect(new Set(before).size).toBe(places.length)
    places.forEach((place, i) => {
      expect(issuers.notesOn({ ...place })).toBe(before[i])
    })
  })

  it('is sound without an error, as an anchor or below one', () => {
    const ofVersion1 = Certificate.parse(
      mintCa({ subject: 'v1', version: null, without: Object.values(EXTENSION) }).der,
    )
    const sound = Certificate.parse(mintCa({ subject: 'sound' }).der)
    for (const first of ['anchor', 'intermediate'] as const) {
      const issuers = new IssuerVerdicts(resolveContext({ usage: 'server' }))
      const isSound = (certificate: Certificate, role: PathCertificate['role'], index = 1): boolean =>
        issuers.isSound({ certificate, role, index })
      isSound(ofVersion1, first)
      expect([isSound(ofVersion1, 'anchor'), isSound(ofVersion1, 'intermediate')]).toEqual([true, false])
      expect([isSound(ofVersion1, 'anchor', 2), isSound(ofVersion1, 'intermediate', 3)]).toEqual([true, false])
      expect([isSound(sound, 'anchor'), isSound(sound, 'intermediate')]).toEqual([true, true])
      expect([isSound(a, 'anchor'), isSound(a, 'intermediate')]).toEqual([false, false])
    }
  })

  it('counts the certificates that were judged', () => {
    const issuers = new IssuerVerdicts(resolveContext({ usage: 'server' }))
    expect([issuers.count, issuers.has(a)]).toEqual([0, false])
    for (const place of places) issuers.notesOn(place)
    expect([issuers.count, issuers.has(a), issuers.has(c)]).toEqual([2, true, false])
  })
})
