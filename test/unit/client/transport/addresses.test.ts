import { describe, expect, it } from 'vitest'
import { alternateFamilies } from '../../../../src/client/transport/dial.js'

describe('the order of addresses', () => {
  it('alternates the families, and starts with the family that the resolver prefers', () => {
    expect(alternateFamilies(['::1', '::2', '::3', '10.0.0.1'])).toEqual(['::1', '10.0.0.1', '::2', '::3'])
    expect(alternateFamilies(['10.0.0.1', '10.0.0.2', '::1'])).toEqual(['10.0.0.1', '::1', '10.0.0.2'])
  })

  it('has no address twice', () => {
    expect(alternateFamilies(['127.0.0.1', '127.0.0.1'])).toEqual(['127.0.0.1'])
  })

  it('is empty without addresses', () => {
    expect(alternateFamilies([])).toEqual([])
  })
})
