/** The words of every row of the catalogue, with typical details and with the extremes that their types allow. */
import { describe, expect, it } from 'vitest'
import { catalogue } from '../../../src/report/catalogue.js'
import { DISLIKED } from '../../support/disliked.js'
import { finding } from '../../support/finding.js'
import { type Manner, sampleDetails } from '../../support/sample-details.js'
import { ref } from './sample.js'

const TYPICAL: Manner = { text: () => 'etcd-0', entries: 2, number: 2, flag: true, isNull: false }
/** Numbered texts, so that the entries of a list can be counted in a sentence. */
const numbered: Manner['text'] = (property, index) => `${property}-${String(index)}`
const MANNERS: readonly (readonly [name: string, manner: Manner])[] = [
  ['typical details', TYPICAL],
  ['texts that begin with a vowel', { ...TYPICAL, text: () => 'ECDSA', flag: false, number: 1, entries: 1 }],
  ['texts that begin with a consonant', { ...TYPICAL, text: () => 'DSA', flag: false, number: 0 }],
  ['empty lists', { ...TYPICAL, entries: 0 }],
  ['nothing where nothing is allowed', { ...TYPICAL, isNull: true, entries: 1 }],
  ['nothing and empty lists', { ...TYPICAL, isNull: true, entries: 0, flag: false }],
  ['long lists', { ...TYPICAL, text: numbered, entries: 12 }],
  ['long texts', { ...TYPICAL, text: () => 'x'.repeat(2000), entries: 12, number: Number.MAX_SAFE_INTEGER }],
]
const MOST_CHARACTERS = 600
const MOST_LISTED = 5

/** Commands stand in quotation marks; a comma or a dot in them is theirs. */
const withoutCommands = (text: string): string => text.replaceAll(/"[^"]*"|`[^`]*`/g, '""')

const FAULTS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['an article that does not fit', /\b[Aa] (?:[aei]|o(?!ne)|un(?!i)|[AEIO]|RSA|X\.509|HTTP|HTML|SSH|MD5)/],
  ['an article that does not fit', /\b[Aa]n (?:[bcdfgjklmpqrstvwxyz]|h(?!o(?:ur|nest))|DSA)/],
  ['two spaces', / {2}/],
  ['a word without a meaning in the field', DISLIKED],
  ['a space before a comma or a stop', / [,;!?)]| [.:](?!\w)/],
  ['a space after a bracket', /\( /],
  ['an empty enumeration', /(?<!\w)\(\)|: *[,;)]|: *\.(?!\w)/],
  ['a value of JavaScript', /undefined|\bnull\b|NaN|\[object|Infinity/],
  ['a mark of punctuation twice', /(?<!\.)\.\.(?!\.)|,,|;;|\. *\./],
]

interface Sentence {
  readonly of: string
  readonly text: string
}

/** The messages and remedies of every code, made once for all tests of a manner. */
const sentences = new Map<Manner, readonly Sentence[]>()

function sentencesIn(manner: Manner): readonly Sentence[] {
  const known = sentences.get(manner)
  if (known !== undefined) return known
  const made = sampleDetails(manner).flatMap(([code, details]) => {
    const one = finding(code as 'file/missing', details as { file: string }, ref())
    return (['message', 'remedy'] as const).map((part) => ({ of: `${code} ${part}`, text: one[part] }))
  })
  sentences.set(manner, made)
  return made
}

/** Messages and remedies that a test finds wrong, by their codes. */
function faulty(manner: Manner, isWrong: (text: string) => boolean): string[] {
  const wrong = sentencesIn(manner).filter(({ text }) => isWrong(text))
  return [...new Set(wrong.map(({ of, text }) => `${of}: ${text.slice(0, 300)}`))]
}

it('a command quotes an argument that a shell would split or run', () => {
  const manner: Manner = { ...TYPICAL, text: () => 'x;y' }
  // Endpoints, hosts and addresses were validated before they are in a finding.
  const raw = sentencesIn(manner).filter(
    ({ of, text }) =>
      !/^(?:endpoint|handshake|discovery)\//.test(of) &&
      (text.match(/"(?:openssl|sed|chown|chmod|cat|namei|iconv|jq|etcdctl|cfssljson|keytool)\b[^"]*"/g) ?? []).some(
        (command) => /(?<!['\w;])x;y/.test(command),
      ),
  )
  expect(raw.map(({ of }) => of)).toEqual([])
})

it('every code has details to try', () => {
  expect(new Set(sampleDetails(TYPICAL).map(([code]) => code))).toEqual(new Set(Object.keys(catalogue)))
})

describe.each(MANNERS)('a message or remedy with %s', (_, manner) => {
  it.each(FAULTS)('does not have %s', (_, pattern) => {
    expect(faulty(manner, (text) => pattern.test(withoutCommands(text)))).toEqual([])
  })

  it('every message and remedy is a sentence', () => {
    expect(faulty(manner, (text) => !/^\S.*[.…]$/s.test(text))).toEqual([])
  })

  it(`every message and remedy has at most ${String(MOST_CHARACTERS)} characters, but for a path or a command of that length in a remedy`, () => {
    const isLong = (text: string): boolean => text.length > MOST_CHARACTERS && !/x{240}[^…]/.test(text)
    expect(faulty(manner, isLong)).toEqual([])
  })

  it(`lists at most ${String(MOST_LISTED)} values`, () => {
    expect(
      faulty(manner, (text) => {
        const names = [...new Set(text.match(/\b\w+-\d+\b/g))].map((entry) => entry.replace(/-\d+$/, ''))
        return names.some((name) => names.filter((other) => other === name).length > MOST_LISTED)
      }),
    ).toEqual([])
  })
})
