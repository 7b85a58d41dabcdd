/** The failing report that the README shows is what formatReport prints. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Certificate, formatReport, validateChain } from '../../../src/validate/index.js'
import { readPage } from '../../support/markdown.js'
import { mintCa, mintLeaf } from '../../support/mint.js'

it('the report in the README is the one that its certificate gets', () => {
  const page = readPage(readFileSync(new URL('../../../README.md', import.meta.url), 'utf8'))
  const shown = page.blocks.find(({ language }) => language === 'text')?.code.trim() ?? ''
  const [serial = ''] = /(?<=serial )[0-9A-F]+/.exec(shown) ?? []
  const at = new Date(`${(/as of (\S+ \S+) UTC/.exec(shown)?.[1] ?? '').replace(' ', 'T')}Z`)
  const validity = {
    notBefore: new Date(at.getTime() - 86_400_000),
    notAfter: new Date(at.getTime() + 300 * 86_400_000),
  }
  const ca = mintCa({ subject: 'etcd-ca', ...validity })
  const bare = { subject: '10.0.0.5', issuer: ca, names: [], usages: ['serverAuth'], ...validity } as const
  const leaf = mintLeaf({ ...bare, without: ['2.5.29.17'], serial: Buffer.from(serial, 'hex') })
  const input = { leaf: Certificate.parse(leaf.der, 'server.crt'), trustAnchors: Certificate.parse(ca.der, 'ca.crt') }
  expect(formatReport(validateChain(input, { usage: 'server', hosts: ['10.0.0.5'], at }))).toBe(shown)
})
