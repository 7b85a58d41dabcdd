/** The options of a validation: what they resolve to, and which calls are wrong. */
import { describe, expect, it, vi } from 'vitest'
import { resolveContext, type ValidateOptions } from '../../../src/validate/context.js'
import { classifyHosts } from '../../../src/x509/names.js'
import { validateChain, type ValidateChainOptions } from '../../../src/validate/index.js'
import { codesOf, HOST, inputOf, mintChain } from '../../support/judge-chain.js'

const invalid = (option: string): Error =>
  expect.objectContaining({
    code: 'ERR_OPTION_INVALID',
    details: expect.objectContaining({ option }) as unknown,
  }) as Error

describe('options', () => {
  it('resolve to these defaults', () => {
    vi.useFakeTimers({ now: 1_900_000_000_000 })
    try {
      const rest = { hosts: [], clockSkew: 0, expiryWarning: null, revocation: 'if-listed', ignore: [] }
      expect(resolveContext({ usage: 'any' })).toEqual({ usage: 'any', at: new Date(1_900_000_000_000), ...rest })
    } finally {
      vi.useRealTimers()
    }
  })

  it('resolve to hosts by kind, milliseconds and codes', () => {
    const at = new Date(0)
    const given = {
      usage: 'peer',
      hosts: ['A.svc', '::1'],
      at,
      clockSkew: '5s',
      expiryWarning: '0s',
      revocation: 'require',
    } as const
    expect(resolveContext({ ...given, ignore: ['san/wildcard', 'file/key-readable-by-others'] })).toEqual({
      usage: 'peer',
      hosts: [{ kind: 'dns', value: 'a.svc' }, expect.objectContaining({ kind: 'ip', value: '::1' })],
      at,
      clockSkew: 5000,
      expiryWarning: 0,
      revocation: 'require',
      ignore: ['san/wildcard', 'file/key-readable-by-others'],
    })
  })

  it.each<[string, Partial<Record<keyof ValidateOptions | 'options.port', unknown>>]>([
    ['usage', { usage: 'clients' }],
    ['revocation', { revocation: 'always' }],
    ['usage', { usage: undefined }],
    ['usage', { usage: 'toString' }],
    ['at', { at: '2030-01-01' }],
    ['at', { at: new Date(Number.NaN) }],
    ['hosts', { hosts: HOST }],
    ['hosts[1]', { hosts: [HOST, '10.0.0.300'] }],
    ['clockSkew', { clockSkew: 5 }],
    ['expiryWarning', { expiryWarning: 'soon' }],
    ['ignore', { ignore: 'san/wildcard' }],
    ['ignore[1]', { ignore: ['san/wildcard', 'validity/expired'] }],
    ['ignore[0]', { ignore: ['san/nothing'] }],
    ['options.port', { port: 1 } as never],
  ])('are refused for %s: %j', (option, options) => {
    expect(() => resolveContext({ usage: 'any', ...options } as ValidateOptions)).toThrow(invalid(option))
  })

  it('may be more of those that the caller knows', () => {
    expect(resolveContext({ usage: 'any', port: 1 } as never, ['port']).usage).toBe('any')
  })

  it('hold at most 10,000 hosts', () => {
    const hosts = Array.from({ length: 10_000 }, (_, i) => `h${String(i)}.svc`)
    expect(classifyHosts(hosts)).toHaveLength(10_000)
    expect(() => classifyHosts([...hosts, HOST])).toThrow(invalid('hosts'))
  })
})

describe('options of a chain', () => {
  const input = inputOf(mintChain())
  const check = (options: Partial<Record<keyof ValidateChainOptions, unknown>>): string[] =>
    codesOf(validateChain(input, { usage: 'server', ...options } as ValidateChainOptions).findings)

  it.each([0, 1, 255])('take %d for maxIntermediates', (maxIntermediates) => {
    expect(check({ maxIntermediates })).toEqual(maxIntermediates === 0 ? ['chain/limit-exceeded'] : [])
  })

  it.each([-1, 256, 1.5, Number.NaN, '3', null])('do not take %j for maxIntermediates', (maxIntermediates) => {
    expect(() => check({ maxIntermediates })).toThrow(invalid('maxIntermediates'))
  })

  it('are checked before anything is read', () => {
    expect(() => validateChain({} as never, { usage: 'servers' as never })).toThrow(invalid('usage'))
    expect(() => validateChain({ leafs: [] } as never, { usage: 'server' })).toThrow(invalid('input.leafs'))
    expect(() => check({ budget: { paths: 1 } })).toThrow(invalid('budget.paths'))
  })
})
