/** What is wrong with a text that is not YAML, for the author of the text; the parser's messages are for authors of parsers. */
import type { YamlErrorCode } from '../yaml-door.js'

export interface YamlFault {
  /** One sentence. */
  readonly reason: string
  /** What to do, as one sentence. */
  readonly fix: string
  /** Where it begins, if elsewhere than where the parser noticed it. */
  readonly offset?: number
}

const TAKE_OUT = 'Remove it, or put the value into single quotes.'
const ALIGN = 'Indent it by spaces, like the other lines of the block.'
const NO_SPACE: YamlFault = { reason: 'A space is missing after the colon.', fix: 'Add a space after the colon.' }
const LINE = 'Fix that line, or the line before it.'

export const UNKNOWN_ANCHOR: YamlFault = {
  reason: 'An alias names an anchor that does not exist.',
  fix: 'Name an anchor that is defined before it, or put the value into quotes if you do not mean an alias.',
}

/** By the parser's code, with its message where one code has several. The first that fits counts. */
const FAULTS: readonly (readonly [error: RegExp, reason: string, fix: string])[] = [
  [/^TAB_AS_INDENT/, 'A line begins with a tab. YAML is indented only by spaces.', ALIGN],
  [/^BAD_INDENT/, 'The indentation of the line does not match its block.', ALIGN],
  [
    /^BAD_SCALAR_START/,
    'A value begins with a character that has another meaning in YAML.',
    'Put the value into single quotes.',
  ],
  [
    /^BAD_DQ_ESCAPE/,
    'A backslash in double quotes begins an unknown escape sequence.',
    'Use single quotes, in which a backslash is an ordinary character.',
  ],
  [
    /^BLOCK_AS_IMPLICIT_KEY/,
    'A line has two keys, or a value that contains a colon and a space.',
    'Put the value into quotes, or the second key on its own line.',
  ],
  [/^BAD_PROP_ORDER/, 'A tag or an anchor is in the wrong order.', TAKE_OUT],
  [/^ALIAS_PROPS/, 'An alias has a tag or an anchor of its own.', TAKE_OUT],
  [/^BAD_ALIAS/, 'An anchor or an alias has no name.', TAKE_OUT],
  [/^MULTIPLE_ANCHORS/, 'A value has two anchors.', TAKE_OUT],
  [/^MULTIPLE_TAGS/, 'A value has two tags.', TAKE_OUT],
  [/^UNEXPECTED_TOKEN/, 'Unexpected text follows a value, for example after a closing quote.', TAKE_OUT],
  [
    /^MISSING_CHAR.*Comments/,
    'A comment begins directly after a value.',
    'Add a space before "#": YAML reads `value#comment` as one value.',
  ],
  [/^MISSING_CHAR.*space after/, NO_SPACE.reason, NO_SPACE.fix],
  [
    /^MISSING_CHAR.*between/,
    'A comma is missing between two entries in brackets, or a bracket is not closed.',
    'Add it.',
  ],
  [/^MISSING_CHAR/, 'A character is missing.', LINE],
  [/^/, 'The text cannot be parsed from here on.', LINE],
]

/** Why a text is not YAML, by the parser's error and by the line that it names. */
export function yamlFault(
  { code, message, pos: [offset] }: { code: YamlErrorCode; message: string; pos: readonly [number, number] },
  text: string,
): YamlFault {
  const start = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
  const [line = ''] = text.slice(start, start + MAX_LINE).split('\n')
  const odd = /^[ \t]*([\u00a0\u2000-\u200b\u202f\u3000])/.exec(line)?.[1]
  if (odd !== undefined) {
    const point = odd.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    const reason = `A line begins with a space character that YAML does not accept: U+${point}.`
    return { reason, fix: ALIGN, offset: start }
  }
  const error = `${code} ${message}`
  const [, bracket, quote] = /end with a ([\]}])$|^MISSING_CHAR.*closing (["'])/.exec(error) ?? []
  const close = bracket ?? quote
  if (close !== undefined) {
    const opener = close === ']' ? '[' : close === '}' ? '{' : close
    // Nothing closes a quote, so it is the last of its kind.
    const at = text.lastIndexOf(opener, offset)
    const reason = `A ${quote === undefined ? 'bracket' : 'quote'} is not closed.`
    return { reason, fix: `Close it with ${close}.`, ...(at === -1 ? {} : { offset: at }) }
  }
  if (/^MULTILINE_IMPLICIT_KEY|^MISSING_CHAR.*map values/.test(error)) {
    if (/^\s*(?:- +)?["']?[\w.-]+["']?:[^\s:]/.test(line)) return NO_SPACE
    if (!line.includes(': '))
      return { reason: 'The line has no key with a colon.', fix: 'Write "key: value", or remove the line.' }
    const reason = 'A value over several lines is in the place of a key.'
    return { reason, fix: 'Put the value into quotes, or indent its lines.' }
  }
  const [, reason = '', fix = ''] = FAULTS.find(([known]) => known.test(error)) ?? []
  return { reason, fix }
}

/** Longer lines are not searched to their end. */
const MAX_LINE = 1000
