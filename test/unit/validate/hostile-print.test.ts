/** Whatever a certificate, a file name or a label says, it reaches the reader's screen as text and nothing else. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textInput } from '../../../src/credentials/inputs.js'
import { openInput } from '../../../src/credentials/input.js'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import { Certificate, Crl, formatReport, validateChain } from '../../../src/validate/index.js'
import { classifyHost } from '../../../src/x509/names.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { mustBePrintable, mustPrintSafely } from '../../fuzz/checks.js'
import { HOST, mintChain } from '../../support/judge-chain.js'
import { directoryName, dns, email, mintCa, mintCrl, mintLeaf, newKey, TAG, uri } from '../../support/mint.js'
import { scaled } from '../../support/long.js'

/** Text with everything in it that a terminal would act on. */
const evil = fc
  .array(
    fc.constantFrom(
      'a',
      ' ',
      '"',
      '\\',
      '\u001b[2J',
      '\u001b]0;x\u0007',
      '\r',
      '\n',
      '\t',
      '\0',
      '\u007f',
      '\u009b31m',
      '\u0085',
      '\u00ad',
      '\u061c',
      '\u200b',
      '\u200e',
      '\u202e',
      '\u2028',
      '\u2029',
      '\u2066',
      '\u2069',
      '\ufeff',
      '\u{e0041}',
      '\u{1f600}',
      '…',
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => `evil${parts.join('')}`)
const ascii = evil.map((text) => text.replaceAll(/[^\0-\x7f]/g, ''))
const key = newKey()
const chain = mintChain()

describe('printed', () => {
  it('subjects, issuers and names, in reports with and without colour', () => {
    fc.assert(
      fc.property(evil, ascii, fc.constantFrom(TAG.utf8String, TAG.bmpString), (text, name, tag) => {
        const ca = mintCa({ subject: [['CN', text, tag]], issuer: chain.root, key })
        const names = [dns(name), uri(name), email(name), directoryName([['O', text, tag]])]
        const leaf = mintLeaf({
          subject: [
            ['O', text],
            ['1.2.3', text, tag],
          ],
          issuer: ca,
          key,
          names,
        })
        const input = { leaf: leaf.der, intermediates: [ca.der], trustAnchors: [chain.root.der] }
        const report = validateChain(input, { usage: 'server', hosts: [HOST] })
        mustPrintSafely(report)
        expect(`${formatReport(report)}${JSON.stringify(report)}`).toContain('evil')
        const lost = validateChain({ leaf: leaf.der, trustAnchors: chain.root.der }, { usage: 'server' })
        mustPrintSafely(lost)
        expect(lost.path?.[0]?.subject).toContain('evil')
      }),
      { numRuns: scaled({ short: 10, long: 60 }) },
    )
  })

  it('certificates, lists and keys themselves', () => {
    fc.assert(
      fc.property(evil, (text) => {
        const ca = mintCa({ subject: text, key })
        const printed = [
          Certificate.parse(ca.der, text),
          Crl.parse(mintCrl({ issuer: ca }).der, text),
          PrivateKey.fromKeyObject(key, text),
        ]
        for (const each of printed) mustBePrintable(`${String(each)}${inspect(each)}${JSON.stringify(each)}`, text)
      }),
      { numRuns: scaled({ short: 10, long: 60 }) },
    )
  })

  it('where a certificate and a list came from', () => {
    fc.assert(
      fc.property(evil, (text) => {
        const leaf = Certificate.parse(chain.leaf.der, text)
        const crls = [
          Crl.parse(mintCrl({ issuer: chain.intermediate, revoked: [{ serial: chain.leaf.serial }] }).der, text),
        ]
        const rest = { intermediates: chain.intermediate.der, trustAnchors: chain.root.der }
        const report = validateChain({ leaf, ...rest, crls }, { usage: 'server', hosts: ['x'] })
        expect(report.findings.map(({ code }) => code)).toContain('revocation/revoked')
        mustPrintSafely(report)
      }),
      { numRuns: scaled({ short: 6, long: 40 }) },
    )
  })

  it('labels of PEM, names of files, and what stands around them', () => {
    const label = fc.oneof(evil, ascii, fc.constantFrom('PGP \u202e', 'CERTIFICATE\u001b[2J', 'A'.repeat(5000)))
    fc.assert(
      fc.property(label, evil, (each, file) => {
        const text = `${each}\n-----BEGIN ${each}-----\n${each}\n-----END ${each}-----\n${chain.leaf.pem.slice(0, 90)}`
        const opened = openInput({ ...textInput('cert', text), place: { origin: file, file } })
        for (const { message, remedy, details } of opened.findings) {
          mustBePrintable(`${message}${remedy}${JSON.stringify(details)}`, text)
        }
        mustPrintSafely(validateChain({ leaf: text, trustAnchors: [text, each] }, { usage: 'any' }))
      }),
      { numRuns: scaled({ short: 33, long: 200 }) },
    )
  })

  it('hosts in the error of a wrong call', () => {
    fc.assert(
      fc.property(evil, (text) => {
        try {
          classifyHost(text)
        } catch (error) {
          expect(error).toBeInstanceOf(EtcdMtlsError)
          mustBePrintable((error as EtcdMtlsError).message, text)
        }
      }),
    )
  })

  it('no more than a screenful of one text', () => {
    const long = 'x'.repeat(3900)
    const root = mintCa({ subject: long, key })
    const leaf = mintLeaf({ subject: long, issuer: root, names: [dns(long), uri(`a://${long}`)] })
    const report = validateChain(
      { leaf: leaf.der, trustAnchors: mintCa({ subject: long }).der },
      { usage: 'server', hosts: ['x'] },
    )
    expect(
      Math.max(
        ...formatReport(report)
          .split('\n')
          .map(({ length }) => length),
      ),
    ).toBeLessThan(1200)
    mustPrintSafely(report)
  })
})
