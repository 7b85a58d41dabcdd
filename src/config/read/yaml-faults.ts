/** What is wrong with a text that is no YAML, in words for whoever wrote it; the parser’s are for those who write parsers. */
import type { YamlErrorCode } from '../yaml-door.js'

export interface YamlFault {
  /** One sentence. */
  readonly reason: string
  /** What to do, as one sentence. */
  readonly mend: string
  /** Where it begins, if elsewhere than where the parser saw it. */
  readonly offset?: number
}

const QUOTE = 'Put the value into single quotes.'
const TAKE_OUT = 'Take it out, or put the value into single quotes.'
const ALIGN = 'Indent it by blanks, as many as the lines beside it have.'
const BLANK = 'Write a blank after the colon.'

const FAULTS: Partial<Record<YamlErrorCode, YamlFault>> = {
  TAB_AS_INDENT: {
    reason: 'A tab stands at the beginning of a line, and YAML is indented by blanks alone.',
    mend: ALIGN,
  },
  BAD_INDENT: { reason: 'The line is not indented like those that it belongs to.', mend: ALIGN },
  BAD_SCALAR_START: { reason: 'A value begins with a sign that means something else to YAML.', mend: QUOTE },
  BAD_DQ_ESCAPE: {
    reason: 'A backslash in double quotes begins nothing that YAML knows.',
    mend: 'Write single quotes, in which a backslash is nothing but one.',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    reason: 'A line has two keys, or a value with a colon and a blank in it.',
    mend: 'Put the value into quotes, or the second key on a line of its own.',
  },
  BAD_PROP_ORDER: { reason: 'A tag or an anchor stands before the sign that it has to follow.', mend: TAKE_OUT },
  ALIAS_PROPS: { reason: 'An alias has a tag or an anchor of its own.', mend: TAKE_OUT },
  BAD_ALIAS: { reason: 'An anchor or an alias has no name.', mend: TAKE_OUT },
  MULTIPLE_ANCHORS: { reason: 'A value has two anchors.', mend: TAKE_OUT },
  MULTIPLE_TAGS: { reason: 'A value has two tags.', mend: TAKE_OUT },
  UNEXPECTED_TOKEN: {
    reason: 'Something stands there that belongs to no value, as after a quote that is closed.',
    mend: TAKE_OUT,
  },
}
const NO_BLANK: YamlFault = { reason: 'A blank is missing after the colon.', mend: BLANK }
export const UNKNOWN_ANCHOR: YamlFault = {
  reason: 'An alias names an anchor that is not there.',
  mend: 'Name an anchor that stands before it, or put the value into quotes where no alias is meant.',
}

/** Why a text is no YAML, by what the parser says of it and by the line where it does. */
export function yamlFault(code: YamlErrorCode, message: string, text: string, offset: number): YamlFault {
  const odd = /^[ \t]*([\u00a0\u2000-\u200b\u202f\u3000])/.exec(lineAt(text, offset))?.[1]
  if (odd !== undefined) {
    const sign = odd.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    return {
      reason: `A line begins with a blank that is none to YAML: U+${sign}.`,
      mend: ALIGN,
      offset: lineStart(text, offset),
    }
  }
  const [, close] = /end with a ([\]}])$/.exec(message) ?? []
  if (close !== undefined) {
    const reason = 'A bracket is opened and not closed.'
    return {
      reason,
      mend: `Close it with ${close}.`,
      offset: Math.max(0, text.lastIndexOf(close === ']' ? '[' : '{', offset)),
    }
  }
  if (code === 'MISSING_CHAR') return missing(message, text, offset)
  if (code === 'MULTILINE_IMPLICIT_KEY') return keyFault(text, offset)
  return FAULTS[code] ?? { reason: 'From here on it cannot be read.', mend: 'Mend that line, or the one before it.' }
}

function missing(message: string, text: string, offset: number): YamlFault {
  const [, quote] = /closing (["'])/.exec(message) ?? []
  if (quote !== undefined) {
    // Nothing closes it, so it is the last of its kind.
    const at = text.lastIndexOf(quote, offset)
    const fault = { reason: 'A quote is opened and not closed.', mend: `Close it with ${quote}.` }
    return at === -1 ? fault : { ...fault, offset: at }
  }
  if (message.includes('Comments'))
    return { reason: 'A remark begins right after a value.', mend: 'Write a blank before the "#".' }
  if (message.includes('space after')) return NO_BLANK
  if (message.includes('between'))
    return {
      reason: 'A comma is missing between two entries in brackets, or a bracket is not closed.',
      mend: 'Write it.',
    }
  return message.includes('map values')
    ? keyFault(text, offset)
    : { reason: 'A sign is missing there.', mend: 'Mend that line, or the one before it.' }
}

/** A line that should have a key and has none. */
function keyFault(text: string, offset: number): YamlFault {
  const line = lineAt(text, offset)
  if (/^\s*(?:- +)?["']?[\w.-]+["']?:[^\s:]/.test(line)) return NO_BLANK
  return line.includes(': ')
    ? {
        reason: 'A text over several lines stands where a key does.',
        mend: 'Put the text into quotes, or indent its lines.',
      }
    : { reason: 'The line has no key with a colon.', mend: 'Write "key: value", or take the line out.' }
}

function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
}

function lineAt(text: string, offset: number): string {
  const start = lineStart(text, offset)
  return text.slice(start, start + MAX_LINE).split('\n')[0] ?? ''
}

const MAX_LINE = 1000
