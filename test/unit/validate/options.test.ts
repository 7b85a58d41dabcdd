/** The options of a validation and its chain (context.ts, finding.ts, validate.ts): what they mean, and which calls are wrong. */
import { describe, expect, it, vi } from 'vitest'
import { severitiesOf } from '../../../scripts/lib/severities.mjs'
import { catalogue } from '../../../src/report/catalogue.js'
import { resolveContext, type ValidateOptions } from '../../../src/validate/context.js'
import { isIgnorable, rows } from '../../../src/validate/finding.js'
import { Certificate, validateChain, type ValidateChainOptions } from '../../../src/validate/index.js'
import { HOST } from '../../support/minted-chain.js'
import { chainPem, dns, type Minted } from '../../support/mint.js'
import { thrown } from '../../support/refused.js'
import { given, reportOn, textsOf } from './rows.js'

const optionOf = (call: () => unknown): unknown => thrown(call, 'ERR_OPTION_INVALID').details.option

describe('options', () => {
  it('options resolve to defaults', () => {
    vi.useFakeTimers({ now: 1_900_000_000_000 })
    try {
      const rest = { hosts: [], clockSkew: 0, expiryWarning: null, revocation: 'if-listed', ignore: [] }
      expect(resolveContext({ usage: 'any' })).toEqual({ usage: 'any', at: new Date(1_900_000_000_000), ...rest })
    } finally {
      vi.useRealTimers()
    }
  })

  it('options resolve to hosts by kind, milliseconds and codes', () => {
    const ignore = ['san/wildcard', 'file/key-readable-by-others'] as const
    const given = { usage: 'peer', at: new Date(0), revocation: 'require', ignore } as const
    expect(resolveContext({ ...given, hosts: ['A.svc', '::1'], clockSkew: '5s', expiryWarning: '0s' })).toEqual({
      ...given,
      hosts: [{ kind: 'dns', value: 'a.svc' }, expect.objectContaining({ kind: 'ip', value: '::1' })],
      clockSkew: 5000,
      expiryWarning: 0,
    })
  })

  it.each<[string, Partial<Record<keyof ValidateOptions | 'port', unknown>>]>([
    ['usage', { usage: 'clients' }],
    ['usage', { usage: undefined }],
    ['usage', { usage: 'toString' }],
    ['revocation', { revocation: 'always' }],
    ['at', { at: '2030-01-01' }],
    ['at', { at: new Date(Number.NaN) }],
    ['hosts', { hosts: HOST }],
    ['hosts', { hosts: Array.from({ length: 10_001 }, (_, i) => `h${String(i)}.svc`) }],
    ['hosts[1]', { hosts: [HOST, '10.0.0.300'] }],
    ['clockSkew', { clockSkew: 5 }],
    ['expiryWarning', { expiryWarning: 'soon' }],
    ['ignore', { ignore: 'san/wildcard' }],
    ['ignore[1]', { ignore: ['san/wildcard', 'validity/expired'] }],
    ['ignore[0]', { ignore: ['san/nothing'] }],
    ['port', { port: 1 }],
  ])('refuses wrong options, with the name: %s', (option, options) => {
    expect(optionOf(() => resolveContext({ usage: 'any', ...options } as ValidateOptions))).toBe(option)
  })

  it('accepts further options that the caller knows, and 10,000 hosts', () => {
    expect(resolveContext({ usage: 'any', port: 1 } as never, ['port']).usage).toBe('any')
    const hosts = Array.from({ length: 10_000 }, (_, i) => `h${String(i)}.svc`)
    expect(resolveContext({ usage: 'any', hosts }).hosts).toHaveLength(10_000)
  })

  it('the option ignore accepts codes of warnings and infos, and codes of other areas', () => {
    const own = Object.entries(rows)
    expect(own.filter(([code, row]) => isIgnorable(code) !== (severitiesOf(row).join() !== 'error'))).toEqual([])
    const areas = new Set(Object.keys(rows).map((code) => code.split('/')[0]))
    const others = Object.keys(catalogue).filter((code) => !areas.has(code.split('/')[0]))
    expect(others.filter((code) => !isIgnorable(code))).toEqual([])
    const none = ['', 'login', 'login/', 'login/not-enabled/x', 'toString', 'Login/X', null, 1, ['login/not-enabled']]
    expect(none.filter((code) => isIgnorable(code))).toEqual([])
  })
})

const { leaf, sent, trust } = given()
const [intermediate, root] = [...sent, ...trust] as [Minted, Minted]
const SCRAP = Buffer.from('3000', 'hex')
const usage = 'server'

describe('options of a chain', () => {
  const check = (options: Partial<Record<keyof ValidateChainOptions, unknown>>): string[] =>
    textsOf(reportOn({ leaf, sent, trust }, options as ValidateChainOptions).findings)

  it('accepts from 0 to 255 intermediates', () => {
    expect([0, 1, 255].map((maxIntermediates) => check({ maxIntermediates }))).toEqual([['limit-exceeded'], [], []])
    for (const maxIntermediates of [-1, 256, 1.5, Number.NaN, '3', null])
      expect(optionOf(() => check({ maxIntermediates }))).toBe('maxIntermediates')
  })

  it('checks the options before it reads a certificate', () => {
    expect(optionOf(() => validateChain({} as never, { usage: 'servers' as never }))).toBe('usage')
    expect(optionOf(() => validateChain({ leafs: [] } as never, { usage }))).toBe('leafs')
    expect(optionOf(() => check({ budget: { paths: 1 } }))).toBe('budget.paths')
  })
})

describe('a chain', () => {
  it.each<[what: string, input: Omit<Parameters<typeof validateChain>[0], 'trustAnchors'>]>([
    ['text with the intermediates after the leaf', { leaf: chainPem(leaf, intermediate) }],
    ['text of the whole chain', { chain: chainPem(leaf, intermediate) }],
    ['bytes of the whole chain', { chain: [leaf.der, intermediate.der] }],
    ['certificates and text', { leaf: Certificate.parse(leaf.der), intermediates: [intermediate.pem] }],
  ])('reads a chain given as %s', (_, input) => {
    const report = validateChain({ ...input, trustAnchors: root.der }, { usage, hosts: [HOST] })
    expect(report.findings).toEqual([])
    expect(report.path?.map(({ subject }) => subject)).toEqual(['CN=etcd-0', 'CN=Test Intermediate', 'CN=Test Root'])
  })

  it('starts with the first certificate', () => {
    const { path } = validateChain({ leaf: chainPem(intermediate, leaf), trustAnchors: root.pem }, { usage })
    expect(path?.[0]?.subject).toBe('CN=Test Intermediate')
  })

  it('requires exactly one leaf', () => {
    const trustAnchors = root.der
    expect(optionOf(() => validateChain({ leaf: [] as never, trustAnchors }, { usage }))).toBe('leaf')
    expect(optionOf(() => validateChain({ chain: [], trustAnchors }, { usage }))).toBe('chain')
    expect(optionOf(() => validateChain({ trustAnchors }, { usage }))).toBe('leaf')
    expect(optionOf(() => validateChain({ chain: leaf.der, leaf: leaf.der, trustAnchors }, { usage }))).toBe('chain')
    const at = new Date(0)
    const report = validateChain({ leaf: SCRAP, trustAnchors }, { usage, at })
    expect([report.path, report.checkedAt, textsOf(report.findings)]).toEqual([null, at, ['certificate/malformed']])
  })

  it('validates a chain as far as it can be read', () => {
    const input = { leaf: leaf.der, intermediates: [SCRAP, intermediate.der], trustAnchors: root.der }
    const report = validateChain(input, { usage: 'any' })
    expect([report.path?.length, textsOf(report.findings)]).toEqual([3, ['certificate/malformed']])
  })

  it('reports the time of the validation, and no code that the caller ignores', () => {
    const minted = given({ leaf: { names: [dns(HOST), dns('*.etcd.svc')] } })
    const at = new Date(Date.now() + 86_400_000)
    expect(reportOn(minted, { at })).toMatchObject({ checkedAt: at, findings: [{ code: 'san/wildcard' }] })
    expect(reportOn(minted, { ignore: ['san/wildcard'] }).findings).toEqual([])
  })
})
