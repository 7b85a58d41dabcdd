/** What is wrong with a text that is no YAML, in words for whoever wrote it; the parser’s are for those who write parsers. */
import type { YamlErrorCode } from '../../yaml-door.js'

export interface YamlFault {
  /** One sentence. */
  readonly reason: string
  /** What to do, as one sentence. */
  readonly fix: string
  /** Where it begins, if elsewhere than where the parser saw it. */
  readonly offset?: number
}

const QUOTE = 'Put the value into single quotes.'
const TAKE_OUT = 'Remove it, or put the value into single quotes.'
const ALIGN = 'Indent it by spaces, like the other lines of the block.'
const BLANK = 'Add a space after the colon.'

const FAULTS: Partial<Record<YamlErrorCode, YamlFault>> = {
  TAB_AS_INDENT: {
    reason: 'A line begins with a tab. YAML is indented only by spaces.',
    fix: ALIGN,
  },
  BAD_INDENT: { reason: 'The indentation of the line does not match its block.', fix: ALIGN },
  BAD_SCALAR_START: { reason: 'A value begins with a character that has another meaning in YAML.', fix: QUOTE },
  BAD_DQ_ESCAPE: {
    reason: 'A backslash in double quotes begins an unknown escape sequence.',
    fix: 'Use single quotes, in which a backslash is an ordinary character.',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    reason: 'A line has two keys, or a value that contains a colon and a space.',
    fix: 'Put the value into quotes, or the second key on its own line.',
  },
  BAD_PROP_ORDER: { reason: 'A tag or an anchor is in the wrong order.', fix: TAKE_OUT },
  ALIAS_PROPS: { reason: 'An alias has a tag or an anchor of its own.', fix: TAKE_OUT },
  BAD_ALIAS: { reason: 'An anchor or an alias has no name.', fix: TAKE_OUT },
  MULTIPLE_ANCHORS: { reason: 'A value has two anchors.', fix: TAKE_OUT },
  MULTIPLE_TAGS: { reason: 'A value has two tags.', fix: TAKE_OUT },
  UNEXPECTED_TOKEN: {
    reason: 'Unexpected text follows a value, for example after a closing quote.',
    fix: TAKE_OUT,
  },
}
const NO_BLANK: YamlFault = { reason: 'A space is missing after the colon.', fix: BLANK }
export const UNKNOWN_ANCHOR: YamlFault = {
  reason: 'An alias names an anchor that does not exist.',
  fix: 'Name an anchor that is defined before it, or put the value into quotes if you do not mean an alias.',
}

/** Why a text is no YAML, by what the parser says of it and by the line where it does. */
export function yamlFault(code: YamlErrorCode, message: string, text: string, offset: number): YamlFault {
  const odd = /^[ \t]*([\u00a0\u2000-\u200b\u202f\u3000])/.exec(lineAt(text, offset))?.[1]
  if (odd !== undefined) {
    const sign = odd.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    return {
      reason: `A line begins with a space character that YAML does not accept: U+${sign}.`,
      fix: ALIGN,
      offset: lineStart(text, offset),
    }
  }
  const [, close] = /end with a ([\]}])$/.exec(message) ?? []
  if (close !== undefined) {
    const reason = 'A bracket is not closed.'
    return {
      reason,
      fix: `Close it with ${close}.`,
      offset: Math.max(0, text.lastIndexOf(close === ']' ? '[' : '{', offset)),
    }
  }
  if (code === 'MISSING_CHAR') return missing(message, text, offset)
  if (code === 'MULTILINE_IMPLICIT_KEY') return keyFault(text, offset)
  return (
    FAULTS[code] ?? { reason: 'The text cannot be parsed from here on.', fix: 'Fix that line, or the line before it.' }
  )
}

function missing(message: string, text: string, offset: number): YamlFault {
  const [, quote] = /closing (["'])/.exec(message) ?? []
  if (quote !== undefined) {
    // Nothing closes it, so it is the last of its kind.
    const at = text.lastIndexOf(quote, offset)
    const fault = { reason: 'A quote is not closed.', fix: `Close it with ${quote}.` }
    return at === -1 ? fault : { ...fault, offset: at }
  }
  if (message.includes('Comments'))
    return {
      reason: 'A comment begins directly after a value.',
      fix: 'Add a space before "#": YAML reads `value#comment` as one value.',
    }
  if (message.includes('space after')) return NO_BLANK
  if (message.includes('between'))
    return {
      reason: 'A comma is missing between two entries in brackets, or a bracket is not closed.',
      fix: 'Add it.',
    }
  return message.includes('map values')
    ? keyFault(text, offset)
    : { reason: 'A character is missing.', fix: 'Fix that line, or the line before it.' }
}

/** A line that should have a key and has none. */
function keyFault(text: string, offset: number): YamlFault {
  const line = lineAt(text, offset)
  if (/^\s*(?:- +)?["']?[\w.-]+["']?:[^\s:]/.test(line)) return NO_BLANK
  return line.includes(': ')
    ? {
        reason: 'A value over several lines is in the place of a key.',
        fix: 'Put the value into quotes, or indent its lines.',
      }
    : { reason: 'The line has no key with a colon.', fix: 'Write "key: value", or remove the line.' }
}

function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
}

function lineAt(text: string, offset: number): string {
  const start = lineStart(text, offset)
  return text.slice(start, start + MAX_LINE).split('\n')[0] ?? ''
}

const MAX_LINE = 1000
