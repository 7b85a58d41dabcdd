/** What is wrong with a text that is no YAML, in words for whoever wrote it; the parser’s are for those who write parsers. */
import type { YamlErrorCode } from '../yaml-door.js'

const WORDS: Partial<Record<YamlErrorCode, string>> = {
  TAB_AS_INDENT: 'A tab stands at the beginning of a line, and YAML is indented by blanks alone.',
  BAD_INDENT: 'The line is not indented like those that it belongs to.',
  BAD_SCALAR_START: 'A value begins with a sign that means something to YAML, and needs quotes.',
  BAD_DQ_ESCAPE: 'A backslash in double quotes begins nothing that YAML knows; single quotes take it as it is.',
  BLOCK_AS_IMPLICIT_KEY:
    'A line has two keys, or a list where a key is: a value with a colon and a blank in it needs quotes.',
  BAD_PROP_ORDER: 'A tag or an anchor stands before the sign that it has to follow.',
  ALIAS_PROPS: 'An alias has a tag or an anchor of its own.',
  BAD_ALIAS: 'An anchor or an alias has no name.',
  MULTIPLE_ANCHORS: 'A value has two anchors.',
  MULTIPLE_TAGS: 'A value has two tags.',
  UNEXPECTED_TOKEN: 'Something follows that belongs to no value, as after a quote that is closed.',
}

/** Why a text is no YAML, by what the parser says of it and by the line where it does. */
export function yamlFault(code: YamlErrorCode, message: string, text: string, offset: number): string {
  if (code === 'MISSING_CHAR') return missing(message, text, offset)
  if (code === 'MULTILINE_IMPLICIT_KEY') return keyFault(text, offset)
  return WORDS[code] ?? 'From here on it cannot be read.'
}

function missing(message: string, text: string, offset: number): string {
  if (message.includes('quote')) return 'A quote is opened and not closed.'
  if (message.includes('Comments')) return 'A blank is missing before the "#" of a remark.'
  if (message.includes('space after')) return 'A blank is missing after a colon.'
  if (message.includes('between'))
    return 'A comma is missing between two entries in brackets, or a bracket is not closed.'
  return message.includes('map values') ? keyFault(text, offset) : 'A sign is missing.'
}

/** A line that should have a key and has none. */
function keyFault(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const line = text.slice(start, start + MAX_LINE).split('\n')[0] ?? ''
  if (/^\s*(?:- +)?["']?[\w.-]+["']?:[^\s:]/.test(line)) return 'A blank is missing after the colon.'
  return line.includes(': ')
    ? 'A text over several lines stands where a key does.'
    : 'The line has no key with a colon.'
}

const MAX_LINE = 1000
