import { describe, expect, it } from 'vitest'
import { fromFiles, fromPem } from '../../../src/credentials/index.js'
import { formatReport, inspectCredentials, validateCredentials } from '../../../src/validate/index.js'
import { codesOf, HOST, mintChain } from '../../support/judge-chain.js'
import { chainPem, mintCa, newKey } from '../../support/mint.js'

const { root, intermediate, leaf } = mintChain()
const cert = chainPem(leaf, intermediate)
const strange = newKey().export({ type: 'pkcs8', format: 'pem' }).toString()

describe('inspectCredentials', () => {
  it('passes what is right, without a word', async () => {
    const source = fromPem({ ca: root.pem, cert, key: leaf.keyPem })
    const report = await inspectCredentials(source, { usage: 'server', hosts: [HOST] })
    expect(report.findings).toEqual([])
    expect(report.path?.map(({ role }) => role)).toEqual(['leaf', 'intermediate', 'anchor'])
  })

  it('reports material that cannot be read instead of rejecting', async () => {
    const source = fromFiles({ ca: '/no/such/ca.crt', cert: '/no/such/tls.crt', key: '/no/such/tls.key' })
    const report = await inspectCredentials(source, { usage: 'client' })
    expect(report.ok).toBe(false)
    expect(codesOf(report.findings)).toEqual(['file/missing', 'file/missing', 'file/missing'])
    expect(formatReport(report)).toContain('/no/such/tls.key')
  })

  it('names the certificate whose key it is not', async () => {
    const source = fromPem({ ca: root.pem, cert, key: strange })
    const report = await inspectCredentials(source, { usage: 'server' })
    expect(codesOf(report.findings).map((code) => code.split('@')[0])).toEqual(['key/mismatch'])
    expect(JSON.stringify(report)).not.toContain('PRIVATE KEY')
  })

  it('rejects a wrong call, which is nobody’s material', async () => {
    const source = fromPem({ ca: root.pem, cert, key: leaf.keyPem })
    await expect(inspectCredentials(source, { usage: 'clients' as 'client' })).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
    })
  })
})

describe('validateCredentials', () => {
  it('tells what is sent in vain, and what in the wrong order', async () => {
    const stranger = mintCa({ subject: 'Stranger' })
    const sent = await fromPem({
      ca: root.pem,
      cert: chainPem(leaf, stranger, intermediate, root),
      key: leaf.keyPem,
    }).load()
    const findings = validateCredentials(sent, { usage: 'server' }).findings
    expect(codesOf(findings)).toEqual([])
    expect(codesOf(findings, 'warning')).toEqual(['chain/order-wrong@0'])
    expect(codesOf(findings, 'info')).toEqual(['chain/certificate-unneeded@1', 'chain/certificate-unneeded@3'])
  })

  it('refuses what was not read by this package', () => {
    expect(() => validateCredentials({ chain: ['pem'] } as never, { usage: 'client' })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
    )
  })
})
