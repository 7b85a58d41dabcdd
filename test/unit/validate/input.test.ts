/** What is given to a validation (input.ts): every form that is read, every fault with its place, and the limits. */
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/validate/index.js'
import { readMaterial, type InputValues, type MaterialReading } from '../../../src/validate/input.js'
import { holdsOf } from '../../../src/credentials/labels.js'
import { Crl } from '../../../src/x509/crl/crl.js'
import { detailsOf } from '../../support/minted-chain.js'
import { chainPem, mintCa, mintCrl, newKey, pem } from '../../support/mint.js'
import { thrown } from '../../support/refused.js'
import { textsOf } from './rows.js'

const root = mintCa({ subject: 'Root' })
const other = mintCa({ subject: 'Other' })
const certificate = Certificate.parse(root.der)
const crl = mintCrl({ issuer: root })
const list = Crl.parse(crl.der, 'crl.pem', 'pem')
const key = newKey()
const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
const SCRAP = Buffer.from('3000', 'hex')
const scrapPem = pem('CERTIFICATE', SCRAP)
const crlPem = pem('CERTIFICATE', crl.der)
/** The line after the first certificate. */
const LINE = String(root.pem.split('\n').length)
const oneLine = root.pem.replaceAll('\n', ' ')
const MIB = 1024 * 1024
const times = <T>(count: number, value: T): T[] => Array<T>(count).fill(value)

const read = (inputs: Partial<InputValues>): MaterialReading =>
  readMaterial({ leaf: [], intermediates: [], trustAnchors: [], crls: [], ...inputs })
const origins = (inputs: Partial<InputValues>): string[] => {
  const { leaf, intermediates, trustAnchors, crls } = read(inputs)
  return [...leaf, ...intermediates, ...trustAnchors, ...crls].map(({ origin }) => origin)
}

it.each<[what: string, inputs: Partial<InputValues>, origins: string[]]>([
  ['text', { leaf: root.pem }, ['leaf']],
  ['bytes of text', { leaf: Buffer.from(root.pem) }, ['leaf']],
  ['DER', { leaf: root.der }, ['leaf']],
  ['an object', { leaf: Certificate.parse(root.der, 'mine') }, ['mine']],
  ['text of two', { intermediates: chainPem(root, other) }, ['intermediates, block 1', 'intermediates, block 2']],
  [
    'a list of several',
    { trustAnchors: [root.pem, chainPem(root, other), root.der] },
    ['trustAnchors[0]', 'trustAnchors[1], block 1', 'trustAnchors[1], block 2', 'trustAnchors[2]'],
  ],
  ['an old label', { leaf: pem('X509 CERTIFICATE', root.der) }, ['leaf']],
  ['the label of OpenSSL', { leaf: pem('TRUSTED CERTIFICATE', root.der) }, ['leaf']],
  ['a certificate next to a key', { leaf: keyPem + root.pem }, ['leaf']],
  ['CRLs', { crls: [crl.der, crl.pem, list] }, ['crls[0]', 'crls[1]', 'crl.pem']],
])('reads %s', (_, inputs, expected) => {
  expect(read(inputs)).toMatchObject({ findings: [], isComplete: true })
  expect(origins(inputs)).toEqual(expected)
})

it('knows the form of a CRL', () => {
  expect(read({ crls: [crl.der, crl.pem, list] }).crls.map(({ form }) => form)).toEqual(['der', 'pem', 'pem'])
})

const NO_TBS = 'the signed part is missing or of another type'
const CRLF = root.pem.replaceAll('\n', '\r\n')
const LAYOUT = (option: string, what: string, skipped = '-, -'): string =>
  `layout-unusual (option "${option}", -, ${what}, 1, ${skipped})`

it.each<[what: string, inputs: Partial<InputValues>, ...found: string[]]>([
  ['malformed DER', { leaf: SCRAP }, `certificate/malformed (leaf, ${NO_TBS}, 2, -, -)`],
  ['a malformed CRL', { crls: SCRAP }, `crl-malformed (crls, ${NO_TBS})`],
  [
    'malformed blocks, and reads the others',
    { trustAnchors: [root.pem + scrapPem + root.pem, scrapPem] },
    `certificate/malformed (trustAnchors[0], block 2 (line ${LINE}), ${NO_TBS}, 2, -, -)`,
    `certificate/malformed (trustAnchors[1], ${NO_TBS}, 2, -, -)`,
  ],
  [
    'text that ends early',
    { trustAnchors: [root.pem, root.pem.slice(0, -20)] },
    'pem/damaged (option "trustAnchors[1]", -, no END line, CERTIFICATE, 1, -)',
  ],
  [
    'a layout once for each option',
    { leaf: CRLF, trustAnchors: [CRLF, CRLF] },
    `info ${LAYOUT('leaf', 'CRLF line ends')}`,
    `info ${LAYOUT('trustAnchors[0]', 'CRLF line ends')}`,
  ],
  [
    'each layout',
    { leaf: [CRLF, `\ufeff${CRLF}`] },
    `info ${LAYOUT('leaf[0]', 'CRLF line ends')}`,
    `warning ${LAYOUT('leaf[1]', 'byte order mark', 'CERTIFICATE, cert')}`,
  ],
  ['no CRL', { crls: root.pem }, 'unexpected-content (option "crls", -, CRL, certificate, PEM, 1, ["CERTIFICATE"])'],
])('reports %s', (_, inputs, ...found) => {
  const { findings, isComplete } = read(inputs)
  expect(textsOf(findings, true)).toEqual(found)
  expect(isComplete).toBe(true)
})

it.each<[what: string, leaf: string | Uint8Array, found: string]>([
  ['a private key in DER', key.export({ type: 'pkcs8', format: 'der' }), 'private key, DER, -, []'],
  ['private keys in PEM', `\n${keyPem}${keyPem}`, 'private key, PEM, 2, ["PRIVATE KEY"]'],
  ['a CRL in DER', crl.der, 'CRL, DER, -, []'],
  ['a CRL under the label of a certificate', crlPem, 'CRL, DER, -, []'],
  ['such a CRL after a certificate', root.pem + crlPem, `CRL, PEM, ${LINE}, []`],
  ['nothing', '', 'empty string, -, -, []'],
  ['white space', ' \n', 'nothing, -, -, []'],
  ['base64', root.der.toString('base64'), 'certificate, base64, -, []'],
  ['text without its line breaks', oneLine, 'lost line breaks, -, 1, []'],
  ['such text after a certificate', root.pem + oneLine, `lost line breaks, -, ${LINE}, []`],
])('recognizes %s in place of a certificate', (_, leaf, found) => {
  expect(textsOf(read({ leaf }).findings, true)).toEqual([
    `unexpected-content (option "leaf", -, certificate, ${found})`,
  ])
})

it.each<[option: string, inputs: Partial<InputValues>]>([
  ['leaf', { leaf: 5 }],
  ['leaf', { leaf: undefined }],
  ['leaf', { leaf: list }],
  ['trustAnchors[1]', { trustAnchors: [root.der, null] }],
  ['crls', { crls: certificate }],
])('throws for %s of another type', (option, inputs) => {
  expect(thrown(() => read(inputs), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
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
])('calls a block %s %s', (label, what) => {
  expect(holdsOf({ label, bytes: Buffer.from('ssh-rsa') })).toBe(what)
})

describe('the limits', () => {
  const [ANCHORS, CRLS] = ['trustAnchors', 'crls'].map((name) => ({ origin: `option "${name}"` }))
  const text = (count: number): string => '\n'.repeat(MIB - root.der.length - 1 + count)

  it.each<[what: string, inputs: Partial<InputValues>]>([
    ['200 certificates', { leaf: certificate, intermediates: times(198, certificate), trustAnchors: [certificate] }],
    ['200 certificates in a text', { trustAnchors: root.pem.repeat(200) }],
    ['100 CRLs', { crls: times(100, list) }],
  ])('the limits allow %s', (_, inputs) => {
    expect(read(inputs)).toMatchObject({ isComplete: true, findings: [] })
    expect(origins(inputs)).toHaveLength('crls' in inputs ? 100 : 200)
  })

  it('the limits allow 1 MiB of certificates, and 20 faults of an option', () => {
    expect(textsOf(read({ leaf: root.der, trustAnchors: text(1) }).findings)).toEqual(['unexpected-content'])
    const faulty = read({ intermediates: times(20, SCRAP), trustAnchors: root.der })
    expect(faulty).toMatchObject({ isComplete: true, trustAnchors: [{}], findings: { length: 20 } })
  })

  it.each<[what: string, inputs: Partial<InputValues>, details: object, findings?: number]>([
    [
      '201 certificates',
      { leaf: certificate, intermediates: times(199, certificate), trustAnchors: [certificate] },
      { origin: 'option "intermediates"', wanted: 'certificate', unit: 'certificates', limit: 200, count: null },
    ],
    ['201 in two texts', { leaf: root.pem, trustAnchors: root.pem.repeat(200) }, { ...ANCHORS, limit: 200 }],
    ['201 in one text', { trustAnchors: root.pem.repeat(201) }, { limit: 200 }],
    [
      'a byte more',
      { leaf: root.der, trustAnchors: [text(1), new Uint8Array(1)] },
      { ...ANCHORS, unit: 'bytes', limit: MIB, count: MIB + 1 },
    ],
    ['101 CRLs', { crls: times(101, list), leaf: root.der }, { ...CRLS, wanted: 'CRL', unit: 'CRLs', limit: 100 }],
    [
      '21 faults',
      { intermediates: times(22, SCRAP), trustAnchors: root.der },
      { origin: 'option "intermediates"', unit: 'faults', limit: 20 },
      21,
    ],
  ])('the limits do not allow %s', (_, inputs, details, findings = 1) => {
    const reading = read(inputs)
    expect(detailsOf(reading.findings, 'input/too-much')).toMatchObject([details])
    expect(reading.findings).toHaveLength(findings)
    expect(reading.isComplete).toBe(false)
    if (findings > 1) expect(reading.trustAnchors).toEqual([])
  })
})
