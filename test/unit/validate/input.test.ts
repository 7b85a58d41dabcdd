/** What is handed to the validator: every form that is read, every fault by its place, and the limits. */
import { describe, expect, it } from 'vitest'
import type { Holds, UnexpectedContent } from '../../../src/report/catalogue/input.js'
import { Certificate } from '../../../src/validate/index.js'
import { readMaterial, type InputValues, type MaterialReading } from '../../../src/validate/input.js'
import { holdsOfLabel } from '../../../src/credentials/labels.js'
import { Crl } from '../../../src/x509/crl/crl.js'
import { detailsOf } from '../../support/judge-chain.js'
import { chainPem, mintCa, mintCrl, newKey, pem } from '../../support/mint.js'

const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other' })
const certificate = Certificate.parse(root.der)
const crl = mintCrl({ issuer: root })
const keyPem = newKey().export({ type: 'pkcs8', format: 'pem' }).toString()
const MALFORMED = Buffer.from('3000', 'hex')
const LIMIT = 1024 * 1024

const read = (inputs: Partial<InputValues>): MaterialReading =>
  readMaterial({ leaf: [], intermediates: [], trustAnchors: [], crls: [], ...inputs })
const codes = (inputs: Partial<InputValues>): string[] => read(inputs).findings.map(({ code }) => code)
const tooMuch = (option: string, unit: string, limit: number): unknown => ({
  origin: `option "${option}"`,
  file: null,
  wanted: 'certificate',
  unit,
  limit,
  count: null,
})
const origins = (list: readonly (Certificate | Crl)[]): string[] => list.map(({ origin }) => origin)

describe('certificates', () => {
  it('are read from text, from octets, from objects, and from lists of all these', () => {
    for (const leaf of [root.pem, root.der, Buffer.from(root.pem), new Uint8Array(root.der), [root.der]]) {
      const reading = read({ leaf })
      expect(reading).toMatchObject({ findings: [], isComplete: true })
      expect(origins(reading.leaf)).toEqual(['leaf'])
    }
    expect(read({ leaf: certificate }).leaf).toEqual([certificate])
  })

  it('say where they stand', () => {
    const several = chainPem(root, other)
    expect(origins(read({ trustAnchors: [root.pem, several, root.der] }).trustAnchors)).toEqual([
      'trustAnchors[0]',
      'trustAnchors[1], block 1',
      'trustAnchors[1], block 2',
      'trustAnchors[2]',
    ])
    expect(origins(read({ intermediates: several }).intermediates)).toEqual([
      'intermediates, block 1',
      'intermediates, block 2',
    ])
  })

  it('may stand under each label that means a certificate', () => {
    for (const label of ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']) {
      expect(read({ leaf: pem(label, root.der) }).leaf).toHaveLength(1)
    }
    expect(read({ leaf: `${keyPem}${root.pem}` })).toMatchObject({ leaf: [{}], findings: [] })
  })
})

describe('revocation lists', () => {
  it('are read as certificates are, and know their form', () => {
    const { crls } = read({ crls: [crl.der, pem('X509 CRL', crl.der), Crl.parse(crl.der, 'crl.pem', 'pem')] })
    expect(crls.map(({ origin, form }) => [origin, form])).toEqual([
      ['crls[0]', 'der'],
      ['crls[1]', 'pem'],
      ['crl.pem', 'pem'],
    ])
  })

  it('that are malformed are told as such', () => {
    expect(detailsOf(read({ crls: MALFORMED }).findings, 'revocation/crl-malformed')).toEqual([
      { origin: 'crls', reason: expect.any(String) as unknown },
    ])
  })
})

describe('faults', () => {
  it('are told with the place of the certificate, and the others are read', () => {
    const bad = pem('CERTIFICATE', MALFORMED)
    const reading = read({ leaf: MALFORMED, trustAnchors: [`${root.pem}${bad}${root.pem}`, bad] })
    expect(detailsOf(reading.findings, 'certificate/malformed').map(({ origin, offset }) => [origin, offset])).toEqual([
      ['leaf', 2],
      [`trustAnchors[0], block 2 (line ${String(root.pem.split('\n').length)})`, 2],
      ['trustAnchors[1]', 2],
    ])
    expect(reading.trustAnchors).toHaveLength(2)
    expect(reading.isComplete).toBe(true)
  })

  it('of the text are told with its option', () => {
    const cut = root.pem.slice(0, -20)
    expect(detailsOf(read({ trustAnchors: [root.pem, cut] }).findings, 'pem/damaged')).toEqual([
      {
        origin: 'option "trustAnchors[1]"',
        file: null,
        damage: 'no END line',
        label: 'CERTIFICATE',
        line: 1,
        endLabel: null,
      },
    ])
  })

  it('of the layout are told once for each option', () => {
    const crlf = root.pem.replaceAll('\n', '\r\n')
    const marked = `\ufeff${root.pem}`
    expect(codes({ leaf: crlf, trustAnchors: [crlf, marked, crlf, marked] })).toEqual([
      'pem/layout-unusual',
      'pem/layout-unusual',
      'pem/layout-unusual',
    ])
    expect(codes({ leaf: `\ufeff# a comment\n${root.pem}` })).toEqual(['pem/layout-unusual'])
  })

  it('are 20 of one option at most', () => {
    const many = (count: number): Partial<InputValues> => ({
      intermediates: Array.from({ length: count }, () => MALFORMED),
      trustAnchors: root.der,
    })
    const all = read(many(20))
    expect(all.findings).toHaveLength(20)
    expect(all).toMatchObject({ isComplete: true, trustAnchors: [{}] })
    const more = read(many(22))
    expect(more.findings).toHaveLength(21)
    expect(detailsOf(more.findings, 'input/too-much')).toEqual([tooMuch('intermediates', 'faults', 20)])
    expect(more).toMatchObject({ isComplete: false, trustAnchors: [] })
  })

  it('of type are wrong calls', () => {
    for (const [inputs, option] of [
      [{ leaf: 5 }, 'leaf'],
      [{ leaf: undefined }, 'leaf'],
      [{ trustAnchors: [root.der, null] }, 'trustAnchors[1]'],
      [{ leaf: Crl.parse(crl.der) }, 'leaf'],
      [{ crls: certificate }, 'crls'],
    ] as const) {
      expect(() => read(inputs)).toThrow(
        expect.objectContaining({
          code: 'ERR_OPTION_INVALID',
          details: expect.objectContaining({ option }) as unknown,
        }) as Error,
      )
    }
  })
})

describe('something else', () => {
  const told = (leaf: unknown): unknown[] => detailsOf(read({ leaf }).findings, 'input/unexpected-content')
  const holds = (what: Holds, form: UnexpectedContent['form'] = null, line: number | null = null): unknown[] => [
    expect.objectContaining({ origin: 'option "leaf"', file: null, wanted: 'certificate', holds: what, form, line }),
  ]

  it('is told by what it is, in octets or under its label', () => {
    expect(told(newKey().export({ type: 'pkcs8', format: 'der' }))).toEqual(holds('private key', 'DER'))
    expect(told(crl.der)).toEqual(holds('CRL', 'DER'))
    expect(told(`x\n${keyPem}${keyPem}`)).toEqual(holds('private key', 'PEM', 2))
    expect(told(pem('CERTIFICATE', crl.der))).toEqual(holds('CRL', 'DER'))
    expect(told(`${root.pem}${pem('CERTIFICATE', crl.der)}`)).toEqual(holds('CRL', 'PEM', root.pem.split('\n').length))
    expect(detailsOf(read({ crls: root.pem }).findings, 'input/unexpected-content')).toEqual([
      {
        origin: 'option "crls"',
        file: null,
        wanted: 'CRL',
        holds: 'certificate',
        form: 'PEM',
        line: 1,
        labels: ['"CERTIFICATE"'],
      },
    ])
  })

  it('is told where it is no PEM at all', () => {
    expect(told('')).toEqual(holds('nothing'))
    expect(told('/etc/ssl/ca.crt')).toEqual(holds('file name'))
    expect(told(Buffer.from('{"a":1}'))).toEqual(holds('JSON'))
    expect(told(root.pem.replaceAll('\n', ' '))).toEqual(holds('lost line breaks', null, 1))
    expect(told(root.der.toString('base64'))).toEqual(holds('certificate', 'base64'))
  })

  it('is told of lines without breaks, also beside a block', () => {
    const line = root.pem.replaceAll('\n', ' ')
    expect(told(`${root.pem}${line}`)).toEqual(holds('lost line breaks', null, root.pem.split('\n').length))
  })

  it.each([
    ['CERTIFICATE', 'certificate'],
    ['TRUSTED CERTIFICATE', 'certificate under an old label'],
    ['EC PRIVATE KEY', 'private key'],
    ['ANY PRIVATE KEY', 'private key'],
    ['PUBLIC KEY', 'public key'],
    ['CERTIFICATE REQUEST', 'certificate request'],
    ['X509 CRL', 'CRL'],
    ['PKCS7', 'PKCS#7 bundle'],
    ['OPENSSH PRIVATE KEY', 'SSH private key'],
    ['PGP MESSAGE', 'OpenPGP block'],
    ['EC PARAMETERS', 'other blocks'],
    ['DH PARAMETERS', 'other blocks'],
  ])('a block %s is called %s', (label, what) => {
    expect(holdsOfLabel(label)).toBe(what)
  })
})

describe('the limits', () => {
  const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)

  it('are 200 certificates in all inputs, of which the largest is told', () => {
    const fitting = read({ leaf: certificate, intermediates: times(198, certificate), trustAnchors: [certificate] })
    expect(fitting).toMatchObject({ isComplete: true, findings: [] })
    expect(fitting.intermediates).toHaveLength(198)
    const more = read({ leaf: certificate, intermediates: times(199, certificate), trustAnchors: [certificate] })
    expect(detailsOf(more.findings, 'input/too-much')).toEqual([tooMuch('intermediates', 'certificates', 200)])
    expect(more).toMatchObject({ isComplete: false, leaf: [], intermediates: [], trustAnchors: [] })
  })

  it('count the blocks of a text, too', () => {
    const bundle = root.pem.repeat(200)
    expect(read({ trustAnchors: bundle })).toMatchObject({ isComplete: true, findings: [] })
    const reading = read({ leaf: root.pem, trustAnchors: bundle })
    expect(detailsOf(reading.findings, 'input/too-much')).toEqual([tooMuch('trustAnchors', 'certificates', 200)])
    expect(reading.isComplete).toBe(false)
    expect(detailsOf(read({ trustAnchors: `${bundle}${root.pem}` }).findings, 'input/too-much')).toHaveLength(1)
  })

  it('are 1 MiB of certificates in all inputs', () => {
    const text = '\n'.repeat(LIMIT - root.der.length)
    expect(codes({ leaf: root.der, trustAnchors: text })).toEqual(['input/unexpected-content'])
    const reading = read({ leaf: root.der, trustAnchors: [text, new Uint8Array(1)] })
    expect(detailsOf(reading.findings, 'input/too-much')).toMatchObject([
      { origin: 'option "trustAnchors"', unit: 'bytes', limit: LIMIT, count: LIMIT + 1 },
    ])
    expect(reading).toMatchObject({ isComplete: false, leaf: [] })
  })

  it('are a hundred revocation lists', () => {
    const list = Crl.parse(crl.der)
    expect(read({ crls: times(100, list) })).toMatchObject({ isComplete: true, findings: [] })
    const reading = read({ crls: times(101, list), leaf: root.der })
    expect(detailsOf(reading.findings, 'input/too-much')).toMatchObject([
      { origin: 'option "crls"', wanted: 'CRL', unit: 'CRLs', limit: 100 },
    ])
    expect(reading.isComplete).toBe(false)
  })
})
