/** Name constraints along a path (RFC 5280 section 6.1.3 (b) and (c)): whose constraints hold for which names. */
import { describe, expect, it } from 'vitest'
import { checkNameConstraints } from '../../../src/validate/checks/check-name-constraints.js'
import { Certificate, validateChain } from '../../../src/validate/index.js'
import { placesOf } from '../../../src/validate/judge.js'
import { FindingCollector } from '../../../src/validate/path-certificate.js'
import { detailsOf, HOST, judge } from '../../support/judge-chain.js'
import {
  directoryName,
  dns,
  email,
  mintCa,
  mintLeaf,
  nameConstraints,
  otherName,
  TAG,
  uri,
  type GeneralName,
  type Minted,
} from '../../support/mint.js'

/** What the constraints of a path, the leaf first, say: `fact, kind@index` with the details of each finding. */
function constrain(path: readonly Minted[], left = 10_000): { told: [string, unknown][]; left: number } {
  const certificates = path.map(({ der }) => Certificate.parse(der))
  const notes = new FindingCollector()
  const budget = { left }
  checkNameConstraints(placesOf({ certificates, anchored: true }), 'server', budget, notes)
  const told = notes.findings.map(({ code, certificate, details }): [string, unknown] => {
    const { kind, ...rest } = { kind: '', ...details }
    return [`${code.replace(/.*\//, '')}, ${kind}@${String(certificate?.index)}`, rest]
  })
  return { told, left: budget.left }
}

type Subtrees = Parameters<typeof nameConstraints>[0]

/** A leaf of these names, directly below a CA of these constraints. */
function below(subtrees: Subtrees, names: readonly GeneralName[], leaf: Partial<Parameters<typeof mintLeaf>[0]> = {}) {
  const root = mintCa({ subject: 'Root', extensions: [nameConstraints(subtrees)] })
  return [mintLeaf({ subject: 'etcd', issuer: root, names, ...leaf }), root]
}

const told = (...args: Parameters<typeof below>): [string, unknown][] => constrain(below(...args)).told
const BY_ROOT = { constrainedBy: 'CN=Root' }

describe('what a finding says', () => {
  it('which name is outside of what is permitted', () => {
    const expected = { name: 'b.test', nameKind: 'dns', permitted: ['a.test', 'c.test'], ...BY_ROOT }
    expect(told({ permitted: [dns('a.test'), dns('c.test')] }, [dns('b.test'), dns('x.c.test')])).toEqual([
      ['name-refused, not permitted@0', expected],
    ])
  })

  it('twenty of the permitted subtrees', () => {
    const permitted = Array.from({ length: 21 }, (_, i) => dns(`zone-${String(i)}.test`))
    const [[, details] = []] = told({ permitted }, [dns('b.test')])
    expect((details as { permitted: string[] }).permitted).toEqual(
      permitted.slice(0, 20).map((_, i) => `zone-${String(i)}.test`),
    )
  })

  it('which name is in which excluded subtree', () => {
    const excluded = { name: 'x.b.test', nameKind: 'dns', excluded: 'b.test', ...BY_ROOT }
    expect(told({ excluded: [dns('a.test'), dns('b.test')] }, [dns('x.b.test'), dns('c.test')])).toEqual([
      ['name-refused, excluded@0', excluded],
    ])
    expect(told({ excluded: [dns('')] }, [dns('x.test')])).toEqual([
      ['name-refused, excluded@0', { name: 'x.test', nameKind: 'dns', excluded: '(all)', ...BY_ROOT }],
    ])
  })

  it('both, where a name is excluded and not permitted', () => {
    const codes = told({ permitted: [dns('a.test')], excluded: [dns('b.test')] }, [dns('b.test')]).map(([code]) => code)
    expect(codes).toEqual(['name-refused, excluded@0', 'name-refused, not permitted@0'])
  })

  it('that a name is of a kind that is not compared, or cannot be read', () => {
    const other = otherName('1.2.3', Buffer.from('0500', 'hex'))
    expect(told({ permitted: [other] }, [other])).toEqual([
      ['name-unreadable, not compared@0', { name: '06022a03a0020500', nameKind: 'otherName', ...BY_ROOT }],
    ])
    expect(told({ permitted: [uri('cluster')] }, [uri('urn:x'), uri('spiffe://cluster')])).toEqual([
      ['name-unreadable, malformed@0', { name: 'urn:x', nameKind: 'uri', ...BY_ROOT }],
    ])
  })

  it('the first constraint that is malformed, and then nothing of the others', () => {
    const malformed = { constraint: '*.b', nameKind: 'dns', reason: 'is not a DNS name' }
    expect(told({ permitted: [dns('a.test'), dns('*.b')], excluded: [dns('*.c')] }, [dns('x.test')])).toEqual([
      ['malformed, malformed@1', malformed],
    ])
    expect(told({ excluded: [dns('*.b')] }, [dns('x.test')])).toEqual([['malformed, malformed@1', malformed]])
  })
})

describe('kinds', () => {
  it('that no subtree is of are free', () => {
    expect(told({ permitted: [dns('a.test')] }, [dns('a.test'), uri('spiffe://x'), email('a@b.c')])).toEqual([])
    expect(told({ excluded: [dns('a.test')] }, [dns('b.test'), uri('urn:x')])).toEqual([])
  })

  it('of directory names hold for the subject', () => {
    const details = { name: 'CN=etcd', nameKind: 'dirName', ...BY_ROOT }
    expect(told({ permitted: [directoryName('other')] }, [])).toEqual([
      ['name-refused, not permitted@0', { ...details, permitted: ['CN=other'] }],
    ])
    expect(told({ permitted: [directoryName('etcd')] }, [])).toEqual([])
    expect(told({ permitted: [directoryName('other')] }, [dns('a')], { subject: '' })).toEqual([])
  })

  it('of mail hold for a mailbox in the subject where there are no subject alternative names', () => {
    const subject = [
      ['CN', 'a@b.test'],
      ['emailAddress', 'me@a.test'],
    ] as const
    const details = { name: 'me@a.test', nameKind: 'email', excluded: 'a.test', ...BY_ROOT }
    const excluded = [email('a.test'), email('b.test')]
    expect(told({ excluded }, [], { subject, names: undefined })).toEqual([['name-refused, excluded@0', details]])
    expect(told({ excluded }, [dns('x.test')], { subject })).toEqual([])
  })

  it('of mail refuse a mailbox in the subject that cannot be read', () => {
    const subject = [['emailAddress', 'me_@a.test', TAG.printableString]] as const
    expect(told({ excluded: [email('b.test')] }, [], { subject, names: undefined })).toEqual([
      ['name-unreadable, malformed@0', { name: '', nameKind: 'email', ...BY_ROOT }],
    ])
  })
})

describe('along the path', () => {
  const permit = (...names: string[]): { extensions: ReturnType<typeof nameConstraints>[] } => ({
    extensions: [nameConstraints({ permitted: names.map(dns) })],
  })
  const codes = (path: readonly Minted[]): string[] => constrain(path).told.map(([code]) => code)

  it('the constraints of every CA hold for everything below it, and for nothing above', () => {
    const subtrees = { excluded: [directoryName('Middle'), directoryName('etcd')] }
    const root = mintCa({ subject: 'Root', extensions: [nameConstraints(subtrees)] })
    const middle = mintCa({ subject: 'Middle', issuer: root, ...permit('a.test') })
    const leaf = mintLeaf({ subject: 'etcd', issuer: middle, names: [dns('b.test')] })
    expect(codes([leaf, middle, root])).toEqual([
      'name-refused, not permitted@0',
      'name-refused, excluded@0',
      'name-refused, excluded@1',
    ])
  })

  it('a CA’s own name is not below it', () => {
    const root = mintCa({ subject: 'Root' })
    const excluded = [directoryName('Middle'), directoryName('Root')]
    const middle = mintCa({ subject: 'Middle', issuer: root, extensions: [nameConstraints({ excluded })] })
    expect(codes([mintLeaf({ subject: 'etcd', issuer: middle }), middle, root])).toEqual([])
  })

  it('a CA with malformed constraints does not hide those of the next', () => {
    const root = mintCa({ subject: 'Root', ...permit('a.test') })
    const middle = mintCa({ subject: 'Middle', issuer: root, ...permit('*.x') })
    const leaf = mintLeaf({ subject: 'etcd', issuer: middle, names: [dns('b.test')] })
    expect(codes([leaf, middle, root])).toEqual(['malformed, malformed@1', 'name-refused, not permitted@0'])
  })

  it('a self-issued CA is free of them; a self-issued leaf is not', () => {
    const excluded = { excluded: [directoryName('Root')] }
    const root = mintCa({ subject: 'Root', extensions: [nameConstraints(excluded)] })
    const renewed = mintCa({ subject: 'Root', issuer: root })
    const leaf = (subject: string): Minted => mintLeaf({ subject, issuer: renewed })
    expect(codes([leaf('etcd'), renewed, root])).toEqual([])
    expect(codes([leaf('Root'), renewed, root])).toEqual(['name-refused, excluded@0'])
  })

  it('the constraints of a leaf hold for nothing, and are not looked at', () => {
    const [leaf, root] = below({ permitted: [dns('a.test')] }, [dns('a.test')], permit('*.x'))
    expect(leaf && root && codes([leaf, root])).toEqual([])
  })
})

describe('the budget', () => {
  const names = [dns('a.test'), dns('b.test'), uri('spiffe://x')]
  const path = below({ permitted: [dns('test')], excluded: [dns('c.test'), dns('d.test'), uri('y')] }, names)

  it('counts each name with each subtree of its kind, and 100 for each subtree', () => {
    expect(constrain(path, 407)).toEqual({ told: [], left: 0 })
  })

  it('is exceeded before anything is compared', () => {
    expect(constrain(path, 406).told).toEqual([['limit-exceeded, comparisons of names@1', { comparisons: 250_000 }]])
    const bad = below({ excluded: [dns('a.test')] }, [dns('a.test')])
    expect(constrain(bad, 0).told.map(([code]) => code)).toEqual(['limit-exceeded, comparisons of names@1'])
  })

  it('ends the search at the first CA that exceeds it', () => {
    const extensions = [nameConstraints({ excluded: [dns('z.test')] })]
    const root = mintCa({ subject: 'Root', extensions })
    const middle = mintCa({ subject: 'Middle', issuer: root, extensions })
    const leaf = mintLeaf({ subject: 'etcd', issuer: middle, names })
    expect(constrain([leaf, middle, root], 1).told.map(([code]) => code)).toEqual([
      'limit-exceeded, comparisons of names@1',
    ])
  })

  it('of findings is that of the names alone: a hundred warnings of others end nothing', () => {
    const path = below({ permitted: [dns('a.test')] }, [dns('x.a.test'), dns('y.a.test'), dns('b.test')])
    const places = placesOf({ certificates: path.map(({ der }) => Certificate.parse(der)), anchored: true })
    const notes = new FindingCollector()
    for (let i = 0; i < 150; i++) notes.add(null, 'chain/others-tried', { paths: i })
    checkNameConstraints(places, 'server', { left: 1000 }, notes)
    expect(notes.findings.at(-1)).toMatchObject({ code: 'name-constraints/name-refused', details: { name: 'b.test' } })
  })

  it('of findings is 21, however many names are forbidden', () => {
    const many = Array.from({ length: 150 }, (_, i) => dns(`n${String(i)}.a.test`))
    expect(told({ excluded: [dns('a.test')] }, many)).toHaveLength(21)
  })
})

it('is shared by all paths of a validation, and is 250,000 comparisons', () => {
  const zones = (count: number): GeneralName[] => Array.from({ length: count }, (_, i) => dns(`z${String(i)}.test`))
  const findings = (extra: GeneralName[]): unknown[] => {
    const root = { extensions: [nameConstraints({ permitted: [dns(HOST), ...zones(499)] })] }
    const leaf = { names: [dns(HOST), ...zones(399), ...extra] }
    return detailsOf(judge({ root, leaf }), 'chain/limit-exceeded', 'comparisons of names')
  }
  expect(findings([])).toEqual([])
  expect(findings([dns(HOST)])).toEqual([{ comparisons: 250_000 }])
})

describe('a DNS constraint with a leading dot', () => {
  const root = (subtrees: Parameters<typeof nameConstraints>[0]): Minted =>
    mintCa({ subject: 'Root', extensions: [nameConstraints(subtrees)] })
  const codesFor = (subtrees: Parameters<typeof nameConstraints>[0], name: string): string[] => {
    const issuer = root(subtrees)
    const leaf = mintLeaf({ subject: 'etcd', issuer, names: [dns(name)] })
    const report = validateChain({ leaf: leaf.der, trustAnchors: issuer.der }, { usage: 'peer' })
    return report.findings
      .filter(({ code }) => code.startsWith('name-constraints/'))
      .map(({ details }) => ('kind' in details ? details.kind : ''))
  }

  it.each([
    ['a.etcd.svc', true],
    ['a.b.etcd.svc', true],
    ['*.etcd.svc', true],
    ['etcd.svc', false],
    ['xetcd.svc', false],
    ['*.svc', false],
  ])('as Go and OpenSSL read it, holds %s: %s', (name, isHeld) => {
    const permitted = codesFor({ permitted: [dns('.etcd.svc')] }, name)
    const excluded = codesFor({ excluded: [dns('.etcd.svc')] }, name)
    expect(permitted).toEqual(isHeld ? ['leading dot'] : ['not permitted', 'leading dot'])
    expect(excluded).toEqual(isHeld ? ['excluded', 'leading dot'] : ['leading dot'])
  })
})
