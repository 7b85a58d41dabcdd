/**
 * What etcd makes of each list of the scenarios as its --client-crl-file, by its own functions: whether it is foreseen
 * by what is found. etcd itself is asked in test/integration/revocation.test.ts.
 */
import { beforeAll, expect, it } from 'vitest'
import type { Finding } from '../../src/report/finding.js'
import { validateChain } from '../../src/validate/index.js'
import { runGo } from '../support/go-program.js'
import { inputOf } from '../support/minted-chain.js'
import { chainOf } from '../support/chain-with-lists.js'
import { isSaid } from '../support/refusal-words.js'
import { mintCa, mintCrl, mintLeaf } from '../support/mint.js'
import { LIST_SCENARIOS } from '../support/lists/index.js'

/** A file for `--client-crl-file`, and the serial numbers that a client's certificates have. */
interface Asked {
  readonly file: string | Buffer
  readonly serials: readonly bigint[]
}

/** The words by which etcd up to 3.5, and from 3.6 on, refuses the client; empty if it lets it in. */
interface Answer {
  readonly v35: string
  readonly v36: string
}

/** Asks etcd's own functions, in `test/support/go/lists.go`. */
function askEtcd(asked: readonly Asked[]): Answer[] {
  const bytesOf = (serial: bigint): Buffer => {
    const hex = serial.toString(16)
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  }
  const questions = asked.map(({ file, serials }) => ({
    file: Buffer.from(file).toString('base64'),
    serials: serials.map((serial) => bytesOf(serial).toString('base64')),
  }))
  return runGo('lists', questions) as Answer[] // the program's own form
}

interface Answered {
  readonly name: string
  readonly findings: readonly Finding[]
  readonly answer: Answer
}

/** Each CRL by itself, in the form in which it would be given to etcd. */
function ask(form: 'der' | 'pem'): Answered[] {
  const asked = LIST_SCENARIOS.flatMap((scenario) => {
    const chain = chainOf(scenario)
    return scenario.lists(chain).map((list, i) => ({
      name: `${scenario.name} (${String(i)})`,
      file: list[form],
      serials: [chain.leaf.serial, chain.intermediate.serial],
      findings: validateChain({ ...inputOf(chain), crls: list[form] }, { usage: 'server' }).findings,
    }))
  })
  const answers = askEtcd(asked)
  expect(answers).toHaveLength(asked.length)
  return asked.map(({ name, findings }, i) => ({ name, findings, answer: answers[i] ?? { v35: '', v36: '' } }))
}

let answered: Record<'der' | 'pem', Answered[]>
beforeAll(() => {
  answered = { der: ask('der'), pem: ask('pem') }
  // The program is built for the first question.
}, 240_000)

function foretells(findings: readonly Finding[], words: string): boolean {
  const refusals = findings.flatMap((each) => each.refusals).filter(({ by }) => by === 'etcd')
  return refusals.some((refusal) => isSaid(refusal.words, words))
}

it.each([
  ['der', 'v36'],
  ['der', 'v35'],
  ['pem', 'v35'],
  ['pem', 'v36'],
] as const)('every refusal of a CRL as %s by etcd %s is foreseen by a finding', (form, version) => {
  const unforeseen = answered[form].filter(
    ({ findings, answer }) => answer[version] !== '' && !foretells(findings, answer[version]),
  )
  expect(unforeseen.map(({ name, answer }) => `${name}: ${answer[version]}`)).toEqual([])
})

it('etcd 3.6 refuses every CRL in PEM', () => {
  expect(answered.pem.filter(({ answer }) => answer.v36 !== 'x509: malformed crl')).toEqual([])
})

it('etcd refuses every certificate of which a finding reports that a CRL lists it, by whichever CA', () => {
  const codes = ['revocation/revoked', 'revocation/serial-listed']
  const listed = answered.der.filter(({ findings }) => findings.some(({ code }) => codes.includes(code)))
  expect(listed.length).toBeGreaterThan(20)
  expect(listed.filter(({ answer }) => !answer.v35.includes('revoked'))).toEqual([])
})

it('etcd reads a CRL by the form of the file', () => {
  const ca = mintCa({ subject: 'CA' })
  const leaf = mintLeaf({ subject: 'client', issuer: ca, serial: 7n, usages: ['clientAuth'] })
  const { der, pem } = mintCrl({ issuer: ca })
  const [revoked, other] = [mintCrl({ issuer: ca, revoked: [{ serial: 7 }] }).pem, pem]
  const forms: readonly (readonly [file: string | Buffer, v35: string, v36: string])[] = [
    [der, '', ''],
    [pem, '', 'x509: malformed crl'],
    [`Certificate Revocation List (CRL):\n${pem}`, 'asn1: structure error', 'x509: malformed crl'],
    [`\n${pem}`, 'asn1: structure error', 'x509: malformed crl'],
    [` ${pem}`, 'asn1: structure error', 'x509: malformed crl'],
    [`\ufeff${pem}`, 'asn1: ', 'x509: malformed crl'],
    [ca.pem + pem, 'asn1: structure error', 'x509: malformed crl'],
    [pem.replaceAll('\n', '\r'), 'asn1: structure error', 'x509: malformed crl'],
    [pem.replaceAll('\n', '\r\n'), '', 'x509: malformed crl'],
    [`${pem}text`, '', 'x509: malformed crl'],
    [pem.replace('\n', '\nName: value\n\n'), '', 'x509: malformed crl'],
    [pem.replace('\n', '\n\n'), '', 'x509: malformed crl'],
    [other + revoked, '', 'x509: malformed crl'],
    [revoked + other, 'transport: certificate serial 07 revoked', 'x509: malformed crl'],
    [Buffer.concat([der, Buffer.from('\n')]), 'x509: trailing data after CRL', ''],
    [mintCrl({ issuer: ca, version: null, extensions: [] }).der, '', 'x509: unsupported crl version'],
    ['garbage', 'asn1: structure error', 'x509: malformed crl'],
    ['', 'asn1: syntax error', 'x509: malformed crl'],
  ]
  const answers = askEtcd(forms.map(([file]) => ({ file, serials: [7n] })))
  const start = (text: string, wanted: string): string => (wanted === '' ? text : text.slice(0, wanted.length))
  const seen = forms.map(([file, v35, v36], i) => [
    file,
    start(answers[i]?.v35 ?? '', v35),
    start(answers[i]?.v36 ?? '', v36),
  ])
  expect(seen).toEqual(forms)
  // What only 3.6 refuses is a warning.
  const passes = (file: string | Buffer): boolean =>
    validateChain({ leaf: leaf.der, trustAnchors: ca.der, crls: [file] }, { usage: 'client' }).ok
  expect(forms.filter(([file, v35]) => v35 !== '' && passes(file))).toEqual([])
  expect(forms.filter(([file]) => passes(file)).length).toBeGreaterThan(5)
})
