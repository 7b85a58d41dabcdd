/**
 * What etcd makes of each list of the scenarios as its --client-crl-file, by its own functions: whether it is foreseen
 * by what is found. etcd itself is asked in test/integration/revocation.test.ts.
 */
import { expect, it } from 'vitest'
import type { Finding } from '../../src/report/finding.js'
import { validateChain } from '../../src/validate/index.js'
import { inputOf } from '../support/judge-chain.js'
import { chainOf } from '../support/judge-lists.js'
import { mintCa, mintCrl } from '../support/mint.js'
import { LIST_SCENARIOS, type MintedList } from '../support/lists/index.js'
import { askEtcdAboutLists, type ListAnswer, type ListQuestion } from '../support/witness-etcd-lists.js'

interface Question extends ListQuestion {
  readonly name: string
  readonly findings: readonly Finding[]
}

/** Each list by itself, in the form in which it would be given to etcd. */
function questionsOf(form: 'der' | 'pem'): Question[] {
  return LIST_SCENARIOS.flatMap((scenario) => {
    const chain = chainOf(scenario)
    return scenario.lists(chain).map((list: MintedList, i) => ({
      name: `${scenario.name} (${String(i)})`,
      file: Buffer.from(list[form]),
      serials: [chain.leaf.serial, chain.intermediate.serial],
      findings: validateChain({ ...inputOf(chain), crls: list[form] }, { usage: 'server' }).findings,
    }))
  })
}

function foretells({ findings }: Question, words: string): boolean {
  const refusals = findings.flatMap((each) => each.refusals).filter(({ by }) => by === 'etcd')
  return refusals.some((refusal) => refusal.words.split('…').every((part) => words.includes(part)))
}

interface Asked {
  readonly questions: readonly Question[]
  readonly answers: readonly ListAnswer[]
}

const asked = new Map<string, Asked>()

function ask(form: 'der' | 'pem'): Asked {
  const before = asked.get(form)
  if (before !== undefined) return before
  const questions = questionsOf(form)
  const now = { questions, answers: askEtcdAboutLists(questions) }
  asked.set(form, now)
  return now
}

/** Refusals that no finding tells of. */
function unforeseen(form: 'der' | 'pem', version: 'v35' | 'v36'): string[] {
  const { questions, answers } = ask(form)
  expect(answers).toHaveLength(questions.length)
  return questions.flatMap((question, i) => {
    const words = answers[i]?.[version] ?? ''
    return words === '' || foretells(question, words) ? [] : [`${question.name}: ${words}`]
  })
}

/** The program is built for the first question. */
const TIMEOUT = { timeout: 240_000 }

it('is foreseen of etcd 3.6 with DER', TIMEOUT, () => {
  expect(unforeseen('der', 'v36')).toEqual([])
})

it('is foreseen of etcd 3.5 with DER', TIMEOUT, () => {
  expect(unforeseen('der', 'v35')).toEqual([])
})

it('is foreseen of etcd 3.5 with PEM', TIMEOUT, () => {
  expect(unforeseen('pem', 'v35')).toEqual([])
})

it('is foreseen of etcd 3.6 with PEM, which it refuses always', TIMEOUT, () => {
  expect(unforeseen('pem', 'v36')).toEqual([])
  expect(ask('pem').answers.filter(({ v36 }) => v36 !== 'x509: malformed crl')).toEqual([])
})

it('finds every certificate refused that a list names, by whichever CA', TIMEOUT, () => {
  const { questions, answers } = ask('der')
  const codes = ['revocation/revoked', 'revocation/serial-listed']
  const toldOf = questions.flatMap(({ findings }, i) => (findings.some(({ code }) => codes.includes(code)) ? [i] : []))
  expect(toldOf.length).toBeGreaterThan(20)
  expect(toldOf.filter((i) => answers[i]?.v35.includes('revoked') !== true)).toEqual([])
})

it('depends on the form of the file', TIMEOUT, () => {
  const ca = mintCa({ subject: 'CA' })
  const { der, pem } = mintCrl({ issuer: ca })
  const [revoked, other] = [mintCrl({ issuer: ca, revoked: [{ serial: 7 }] }).pem, pem]
  const forms: readonly (readonly [file: string | Buffer, v35: string, v36: string])[] = [
    [der, '', ''],
    [pem, '', 'x509: malformed crl'],
    [`Certificate Revocation List (CRL):\n${pem}`, 'asn1: structure error', 'x509: malformed crl'],
    [other + revoked, '', 'x509: malformed crl'],
    [revoked + other, 'transport: certificate serial 07 revoked', 'x509: malformed crl'],
    [Buffer.concat([der, Buffer.from('\n')]), 'x509: trailing data after CRL', ''],
    [mintCrl({ issuer: ca, version: null, extensions: [] }).der, '', 'x509: unsupported crl version'],
    ['garbage', 'asn1: structure error', 'x509: malformed crl'],
    ['', 'asn1: syntax error', 'x509: malformed crl'],
  ]
  const answers = askEtcdAboutLists(forms.map(([file]) => ({ file: Buffer.from(file), serials: [7n] })))
  const start = (text: string, wanted: string): string => (wanted === '' ? text : text.slice(0, wanted.length))
  const seen = forms.map(([file, v35, v36], i) => [
    file,
    start(answers[i]?.v35 ?? '', v35),
    start(answers[i]?.v36 ?? '', v36),
  ])
  expect(seen).toEqual(forms)
})
