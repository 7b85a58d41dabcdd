/** Basic constraints (RFC 5280 section 4.2.1.9): who may issue, and how many CAs may stand below. */
import { describe, expect, it } from 'vitest'
import { validateChain, type Finding } from '../../../src/validate/index.js'
import { codesOf, detailsOf, HOST, judge } from '../../support/judge-chain.js'
import {
  basicConstraints,
  directoryName,
  dns,
  email,
  EXTENSION,
  ipRange,
  mintCa,
  mintLeaf,
  nameConstraints,
  otherName,
  registeredId,
  uri,
  type MintCaOptions,
  type Minted,
} from '../../support/mint.js'

describe('who may issue', () => {
  it.each([
    ['no basicConstraints', { without: [EXTENSION.basicConstraints] }],
    ['CA:FALSE', { extensions: [basicConstraints({ ca: false })] }],
  ])('not with %s, as intermediate or anchor', (reason, part) => {
    for (const [parts, issued] of [
      [{ intermediate: part }, 'CN=etcd-0'],
      [{ root: part }, 'CN=Test Intermediate'],
    ] as const) {
      expect(detailsOf(judge(parts), 'constraints/not-a-ca')).toEqual([{ reason, issued }])
    }
  })

  it('an anchor of version 1, which can hold no extension; no intermediate of that version', () => {
    const bare = { version: null, without: Object.values(EXTENSION) }
    expect(codesOf(judge({ root: bare }))).toEqual([])
    expect(codesOf(judge({ root: { ...bare, version: 1 } }))).toContain('certificate/version-unsupported@2')
    expect(detailsOf(judge({ intermediate: bare }), 'constraints/not-a-ca')).toHaveLength(1)
  })

  it('and marks what it says as critical', () => {
    const extensions = [
      basicConstraints({ ca: true, pathLength: 0 }, false),
      nameConstraints({ excluded: [dns('other.svc')] }, false),
    ]
    expect(detailsOf(judge({ intermediate: { extensions } }), 'certificate/criticality-unusual', 'of a CA')).toEqual([
      { extension: 'basicConstraints' },
      { extension: 'nameConstraints' },
    ])
  })

  it('and need not say how long the path may be', () => {
    expect(judge({ intermediate: { pathLength: undefined } })).toEqual([])
  })
})

describe('constraints on kinds of name that Go does not compare', () => {
  const registered = registeredId('1.2.3')
  const other = otherName('1.2.3', Buffer.from('0500', 'hex'))
  const kinds = (subtrees: Parameters<typeof nameConstraints>[0], critical = true): unknown[] =>
    detailsOf(
      judge({ root: { extensions: [nameConstraints(subtrees, critical)] } }),
      'certificate/extension-refused',
      'names unread by Go',
    )

  it('are told once for each kind, permitted or excluded', () => {
    expect(kinds({ permitted: [registered], excluded: [registered, other, directoryName('Other')] })).toEqual([
      { extension: 'nameConstraints', names: ['registeredId', 'otherName', 'dirName'], usage: 'server' },
    ])
  })

  it('are passed over by Go where the extension is not critical', () => {
    expect(kinds({ excluded: [registered] }, false)).toEqual([])
  })

  it('are none where the extension cannot be read, which is told for itself', () => {
    const garbled = { oid: EXTENSION.nameConstraints, critical: true, value: Buffer.from('3003', 'hex') }
    expect(codesOf(judge({ root: { extensions: [garbled] } }))).toEqual(['certificate/extension-refused@2'])
  })

  it('are none of DNS, IP, mail and URI', () => {
    expect(kinds({ excluded: [dns('a.b'), ipRange('10.0.0.0/8'), email('a.b'), uri('a.b')] })).toEqual([])
  })
})

describe('the leaf', () => {
  const ofLeaf = (options: Parameters<typeof basicConstraints>[0]): string[] =>
    codesOf(judge({ leaf: { extensions: [basicConstraints(options)] } }), 'warning')

  it('is no CA, and has no path length', () => {
    expect(ofLeaf({ ca: true })).toEqual(['constraints/leaf-is-ca@0'])
    expect(ofLeaf({ ca: true, pathLength: 3 })).toEqual(['constraints/leaf-is-ca@0'])
    expect(ofLeaf({ ca: false, pathLength: 0 })).toEqual(['constraints/only-for-cas@0'])
    expect(ofLeaf({ ca: false })).toEqual([])
    expect(judge({ leaf: { without: [EXTENSION.basicConstraints] } })).toEqual([])
  })

  it('constrains no names', () => {
    const extensions = [nameConstraints({ permitted: [dns('svc')] })]
    expect(codesOf(judge({ leaf: { extensions } }), 'warning')).toEqual(['constraints/only-for-cas@0'])
  })
})

describe('path lengths', () => {
  /** A root, CAs below it in this order, and a leaf below the last. */
  function judgeBelow(
    root: Partial<MintCaOptions>,
    between: readonly Partial<MintCaOptions>[],
    maxIntermediates?: number,
  ): Finding[] {
    const top = mintCa({ subject: 'CA', ...root })
    const cas = [top]
    for (const [i, options] of between.entries()) {
      cas.push(mintCa({ subject: `CA ${String(i)}`, issuer: cas.at(-1), ...options }))
    }
    const leaf = mintLeaf({ subject: 'x', issuer: cas.at(-1), names: [dns(HOST)] })
    return judgeCas(leaf, cas, maxIntermediates)
  }

  function judgeCas(leaf: Minted, [root, ...between]: readonly Minted[], maxIntermediates?: number): Finding[] {
    const input = {
      leaf: leaf.der,
      intermediates: between.map(({ der }) => der),
      trustAnchors: root === undefined ? [] : [root.der],
    }
    return validateChain(input, { usage: 'server', maxIntermediates }).findings
  }

  it('count the intermediates below a CA, not the leaf', () => {
    expect(codesOf(judgeBelow({ pathLength: 2 }, [{ pathLength: 1 }, { pathLength: 0 }]))).toEqual([])
    const findings = judgeBelow({ pathLength: 1 }, [{ pathLength: 0 }, {}])
    expect(codesOf(findings)).toEqual(['constraints/path-too-long@2', 'constraints/path-too-long@3'])
    expect(detailsOf(findings, 'constraints/path-too-long', 'for all')).toEqual([
      { allowed: 0, found: 1, intermediates: ['CN=CA 1'] },
      { allowed: 1, found: 2, intermediates: ['CN=CA 1', 'CN=CA 0'] },
    ])
  })

  it('names the CA that sets the limit and those that exceed it', () => {
    const [first] = judgeBelow({ pathLength: 0 }, [{}])
    expect(first?.message).toBe(
      'The CA certificate "CN=CA" allows 0 intermediate CAs below it, and the path has 1: "CN=CA 0".',
    )
  })

  it('do not count a CA that is self-issued, as where it changes its key', () => {
    expect(codesOf(judgeBelow({ pathLength: 0 }, [{ subject: 'CA' }]))).toEqual([])
    expect(codesOf(judgeBelow({ pathLength: 0 }, [{ subject: 'CA' }], 0))).toEqual([])
    expect(codesOf(judgeBelow({ pathLength: 0 }, [{ subject: 'CA' }, {}]))).toEqual(['constraints/path-too-long@3'])
  })

  it('are limited by the caller, too', () => {
    expect(codesOf(judgeBelow({}, [{}, {}], 2))).toEqual([])
    const findings = judgeBelow({}, [{}, {}], 1)
    expect(codesOf(findings)).toEqual(['chain/limit-exceeded'])
    expect(detailsOf(findings, 'chain/limit-exceeded', 'intermediates')).toEqual([{ allowed: 1, found: 2 }])
  })

  it('do not count an anchor that is an intermediate', () => {
    const root = mintCa({ subject: 'Root' })
    const anchor = mintCa({ subject: 'Anchor', issuer: root })
    const leaf = mintLeaf({ subject: 'x', issuer: anchor, names: [dns(HOST)] })
    expect(codesOf(judgeCas(leaf, [anchor], 0))).toEqual(['chain/anchor-not-self-signed@1'])
  })
})
