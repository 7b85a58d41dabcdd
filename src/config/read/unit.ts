/** Reads a unit of systemd that runs etcd (systemd.syntax(7), systemd.service(5), systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { rowOfVariable } from '../tables/options.js'
import { boundedValues, commandsOf, etcdCommand, type Values } from './command.js'
import { type FileVariable, fileVariables, type Variable } from './env.js'
import { finding } from '../finding.js'
import { containerVariables } from './container-files.js'
import { type ConfigReading, NO_CONTEXT, notReadVariables, unreadable } from './read-option.js'
import { sandboxOf, YES } from './sandbox.js'
import { faultFindings, readStart } from './start.js'
import { type ConfigText, Lines, MAX_NAMED_FILES, type ReadNamedFile, refuseText } from './text.js'
import { type SyntaxFault, LITERAL_DOLLAR, splitText, splitWords, type Word } from './tokenizer.js'

/** One `Key=value`, with the offsets of its value in the text. */
interface Directive {
  readonly key: string
  readonly start: number
  readonly end: number
  /** Where its last line ends without a backslash, though the next ones, which are within it here, are flags. */
  readonly brokenAt: number | null
}

export async function readUnit(source: ConfigText, readNamed: ReadNamedFile): Promise<ConfigReading> {
  const refused = refuseText(source)
  if (refused !== null) return unreadable(refused)
  const { text } = source
  const lines = new Lines(source)
  const directives = directivesOf(text)
  const findings: Finding[] = []
  const [, again] = inForce(text, directives, 'ExecStart')
  if (again !== undefined && lastValue(text, directives, 'Type') !== 'oneshot')
    findings.push(
      finding('config/unit-invalid', { ...lines.place(again.start, 'ExecStart'), kind: 'two starts', text: '' }),
    )
  let isWhole = true
  const { variables: set, findings: wrongly } = variablesOf(text, directives, lines)
  findings.push(...wrongly)
  for (const { path, place } of environmentFiles(text, directives, lines).slice(0, MAX_NAMED_FILES + 1)) {
    const content = await readNamed(path.replace(/^-/, ''), place)
    if (content === null) {
      isWhole = false
      findings.push(notReadVariables(place, `the file ${path.replace(/^-/, '')}`))
    } else if ('code' in content) {
      // A dash lets it be missing, and nothing else.
      if (content.code !== 'file/missing' || !path.startsWith('-')) findings.push({ ...content, place })
    } else {
      const { variables, findings: wrong } = fileVariables(content)
      for (const each of variables) if (!each.isExported) set.push(each)
      for (const each of [...wrong, ...exportedOptions(variables)]) findings.push(each)
    }
  }
  const variables = new Map(set.map((each) => [each.name, each]))
  const values = boundedValues(new Map([...variables].map(([name, { value }]) => [name, value])))
  const [found] = ['ExecStart', 'ExecStartPre'].flatMap((key) =>
    inForce(text, directives, key).flatMap((directive) => {
      const found = etcdCommand(commandLine(text, directive, values), values)
      // What is started before may leave a container behind, and nothing else.
      if (found === null || (key === 'ExecStartPre' && found.container === undefined)) return []
      return [{ ...found, faults: [...faultsOf(text, directive), ...found.faults] }]
    }),
  )
  const command = found?.isShell === true ? found : found && { ...found, args: withSubstitutions(found.args) }
  if (command === undefined) {
    return unreadable(
      ...findings,
      finding('config/no-etcd', { kind: 'etcd', file: source.file, looked: 'no ExecStart= in it runs etcd' }),
    )
  }
  if (command.isShell !== true) findings.push(...notExpanded(command.args, lines))
  const { container } = command
  if (container === undefined && command.isShell !== true) findings.push(...notExpandedIn(variables.values()))
  // A container has the variables alone that it is given.
  const passed = container === undefined ? null : new Set(container.passed)
  const given = [...variables.values()].filter(({ name }) => passed === null || passed.has(name))
  const place = (offset: number, option: string): ConfigPlace => lines.place(offset, option)
  const named = await containerVariables(container, place, readNamed)
  const start = readStart(command, [...named.variables, ...given], place)
  const faults = faultFindings(command.faults, text, (offset) => place(offset, 'ExecStart'))
  const sandbox = sandboxOf({
    last: (key) => lastValue(text, directives, key),
    all: (key) => wordsOf(text, directives, key),
  })
  return {
    ...start,
    findings: [...findings, ...faults, ...start.findings, ...named.findings],
    context: container?.context ?? {
      ...NO_CONTEXT,
      directory: lastValue(text, directives, 'WorkingDirectory') ?? '/',
      ...userOf(text, directives),
      ...(sandbox === null ? {} : { sandbox }),
    },
    isWhole: isWhole && start.isWhole && named.isWhole,
  }
}

function directivesOf(text: string): Directive[] {
  const found: Directive[] = []
  let section = ''
  for (let at = 0; at < text.length;) {
    const head = /[ \t]*(?:\[([^\]\n]*)\]|([A-Za-z]\w*)[ \t]*=[ \t]*)/y
    head.lastIndex = at
    const [whole = '', header, key] = head.exec(text) ?? []
    if (header !== undefined) section = header
    const start = at + whole.length
    const end = key === undefined ? lineEnd(text, at) : valueEnd(text, start)
    if (key !== undefined && section === 'Service') {
      // Lines that begin with a dash are flags, and no directives.
      const more = key.startsWith('ExecStart') ? flagLines(text, end) : end
      const isBlankAfter = /\\[ \t]+\r?$/.test(text.slice(Math.max(0, end - 100), end))
      found.push({ key, start, end: more, brokenAt: more > end && !isBlankAfter ? end : null })
    }
    at = end + 1
  }
  return found
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

/** Where a value ends, which continues after a backslash at the end of its line, past comments. */
function valueEnd(text: string, start: number): number {
  for (let at = start; ;) {
    const end = lineEnd(text, at)
    const last = text[end - 1] === '\r' ? end - 2 : end - 1
    if (end === text.length || last < at || text[last] !== '\\') return end
    at = end + 1
    for (;;) {
      const comment = /[ \t]*[#;][^\n]*\n/y
      comment.lastIndex = at
      const found = comment.exec(text)?.[0]
      if (found === undefined) break
      at += found.length
    }
  }
}

/** Where the lines end that begin with a dash, from the end of another. */
function flagLines(text: string, end: number): number {
  const line = /\r?\n[ \t]*-(?:\\\r?\n|[^\n])*/y
  let at = end
  for (;;) {
    line.lastIndex = at
    const found = line.exec(text)?.[0]
    if (found === undefined) return at
    at += found.replace(/\r$/, '').length
  }
}

function faultsOf(text: string, { start, end, brokenAt }: Directive): SyntaxFault[] {
  const { faults } = splitText(text, 'systemd', start, end)
  return brokenAt === null ? [...faults] : [{ kind: 'backslash', offset: brokenAt }, ...faults]
}

/** The directives of a list that are in force: an empty one takes back all before it. */
function inForce(text: string, directives: readonly Directive[], key: string): Directive[] {
  const all = directives.filter((each) => each.key === key)
  const reset = all.findLastIndex(({ start, end }) => text.slice(start, end).trim() === '')
  return all.slice(reset + 1)
}

function lastValue(text: string, directives: readonly Directive[], key: string): string | null {
  const last = inForce(text, directives, key).at(-1)
  const value = last === undefined ? '' : text.slice(last.start, last.end).trim()
  // The user's own folder is known to the machine alone.
  return value === '' || value === '~' ? null : value.replace(/^-/, '')
}

function userOf(
  text: string,
  directives: readonly Directive[],
): Pick<ConfigReading['context'], 'user' | 'groups' | 'isUserDynamic'> {
  const isUserDynamic = YES.test(lastValue(text, directives, 'DynamicUser') ?? '')
  const more = wordsOf(text, directives, 'SupplementaryGroups')
  const group = lastValue(text, directives, 'Group')
  return {
    user: lastValue(text, directives, 'User') ?? (isUserDynamic ? 'of DynamicUser=' : null),
    groups: [...(group === null ? [] : [group]), ...more],
    isUserDynamic,
  }
}

function wordsOf(text: string, directives: readonly Directive[], key: string): string[] {
  return inForce(text, directives, key).flatMap(({ start, end }) =>
    splitWords(text, 'systemd', start, end).map((word) => percents(word.text)),
  )
}

/** Systemd ignores a whole line with an open quote, and each word that is not an assignment. */
function variablesOf(
  text: string,
  directives: readonly Directive[],
  lines: Lines,
): { variables: Variable[]; findings: Finding[] } {
  const findings: Finding[] = []
  const variables = inForce(text, directives, 'Environment').flatMap(({ start, end }) => {
    const { words, faults } = splitText(text, 'systemd', start, end)
    const quotes = faults.filter(({ kind }) => kind === 'quote')
    if (findings.length < MAX_FINDINGS)
      findings.push(...faultFindings(quotes, text, (offset) => lines.place(offset, 'Environment')))
    const stray = words.find(
      (word, i) => !/^[A-Za-z_][\w-]*=/.test(word.text) || words[i - 1]?.text.endsWith(',') === true,
    )
    if (stray !== undefined && findings.length < MAX_FINDINGS) {
      const place = lines.place(stray.offset, 'Environment')
      findings.push(finding('config/unit-invalid', { ...place, kind: 'no assignment', text: stray.text }))
    }
    return words.flatMap((word) => {
      // With a dash it is no name to systemd either, and a slip for one.
      const [, name, value = ''] = /^([A-Za-z_][\w-]*)=([\s\S]*)$/.exec(word.text) ?? []
      if (name === undefined) return []
      const place = lines.place(word.offset, name)
      // A value of etcd's has no other variable of etcd's in it.
      const [second, inner = ''] = /\s(ETCD_\w+)=/.exec(value) ?? []
      if (second === undefined || !name.startsWith('ETCD_')) return [{ name, value: percents(value), place }]
      if (findings.length < MAX_FINDINGS)
        findings.push(finding('config/unit-invalid', { ...place, kind: 'two in one', text: inner }))
      const [first, rest] = [value.slice(0, value.indexOf(second)), value.slice(value.indexOf(second) + second.length)]
      return [
        { name, value: percents(first), place, isGuess: true as const },
        { name: inner, value: percents(rest), place: { ...place, option: inner }, isGuess: true as const },
      ]
    })
  })
  return { variables, findings }
}

/** Findings about the assignments of one unit, or of one file of variables. */
const MAX_FINDINGS = 100

/** To systemd, a line that begins with `export` has no name. */
export function exportedOptions(variables: readonly FileVariable[]): Finding[] {
  return variables
    .filter(({ name, isExported }) => isExported && rowOfVariable(name) !== undefined)
    .slice(0, MAX_FINDINGS)
    .map(({ place }) => finding('config/unit-invalid', { ...place, kind: 'export', text: '' }))
}

function environmentFiles(
  text: string,
  directives: readonly Directive[],
  lines: Lines,
): { path: string; place: ConfigPlace }[] {
  return inForce(text, directives, 'EnvironmentFile').map(({ start, end }) => ({
    path: text.slice(start, end).trim(),
    place: lines.place(start, 'EnvironmentFile'),
  }))
}

/** `%%` is a percent sign; other specifiers are known to systemd alone. */
function percents(text: string): string {
  return text.replaceAll('%%', '%')
}

/** The words of a command line, its commands apart, with the variables put in that are known. */
function commandLine(text: string, { start, end }: Directive, values: Values): Word[] {
  return commandsOf(splitWords(text, 'systemd', start, end)).flatMap((words) => [
    ...commandOf(words, values),
    { text: ';', offset: end, isEnd: true },
  ])
}

/** What may stand before the program (systemd.service(5), "Command lines"). */
const PREFIX = /^[@\-:+!|]*/

function commandOf([program, ...words]: readonly Word[], values: Values): Word[] {
  if (program === undefined) return []
  const [prefix = ''] = PREFIX.exec(program.text) ?? []
  const own = { ...program, text: program.text.slice(prefix.length) }
  // After `@`, the first argument is the program's name for itself.
  const rest = prefix.includes('@') ? words.slice(1) : words
  return [own, ...rest].flatMap((word) => {
    const resolved = { ...word, text: percents(word.text) }
    return prefix.includes(':') ? [resolved] : expand(resolved, values)
  })
}

/** `$NAME` within an argument, which a shell would expand. */
const WITHIN = /\$([A-Za-z_]\w*)/g

/** Arguments that etcd receives with `$NAME` in them (systemd.service(5), "Command lines"). */
function notExpanded(args: readonly Word[], lines: Lines): Finding[] {
  return args.flatMap(({ text, offset }) => {
    const option = /^(--?[^=]*)=/.exec(text)?.[1] ?? 'ExecStart'
    const commands = text.match(COMMAND) ?? []
    const names = Array.from(text.matchAll(WITHIN), ([, name = '']) => name)
    const place = lines.place(offset, option)
    if (commands.length > 0)
      return [finding('config/not-expanded', { ...place, names: [...commands], by: 'systemd, as a command' })]
    if (names.length === 0 || text.startsWith('$')) return []
    return [finding('config/not-expanded', { ...place, names, by: 'systemd' })]
  })
}

/** Arguments with `$(command -x)`, which systemd splits at its spaces, as they are meant. */
function withSubstitutions(args: readonly Word[]): Word[] {
  const whole: Word[] = []
  let isOpen = false
  for (const [i, word] of args.entries()) {
    const last = whole.at(-1)
    if (isOpen && last !== undefined) whole[whole.length - 1] = { ...last, text: `${last.text} ${word.text}` }
    else whole.push(word)
    if (isOpen) isOpen = !word.text.includes(')')
    else isOpen = word.text.lastIndexOf('$(') > word.text.lastIndexOf(')') && closesSoon(args, i + 1)
  }
  return whole
}

/** A command in the place of a value has few words. */
function closesSoon(args: readonly Word[], from: number): boolean {
  return args.slice(from, from + 5).some(({ text }) => text.endsWith(')') && !text.includes('('))
}

/** What a shell would run, and put its output there. */
const COMMAND = /\$\([^)$]*\)/g

/** Variables of etcd with others in them, which systemd does not expand (systemd.exec(5), Environment=). */
export function notExpandedIn(variables: Iterable<Variable>): Finding[] {
  return Array.from(variables).flatMap(({ name, value, place, isLiteral }) => {
    if (isLiteral === true) return []
    const names = Array.from(value.matchAll(/\$\{?([A-Za-z_]\w*)/g), ([, inner = '']) => inner)
    if (names.length === 0 || rowOfVariable(name) === undefined) return []
    return [finding('config/not-expanded', { ...place, names, by: 'systemd, in variables' })]
  })
}

/** `$NAME` as a word by itself becomes words, `${NAME}` part of one; `$NAME` within a word is no variable, `$$` a dollar. */
function expand(word: Word, values: Values): Word[] {
  const [, name] = /^\$([A-Za-z_]\w*)$/.exec(word.text) ?? []
  if (name !== undefined) {
    const value = values.get(name)
    if (value === undefined) return [word]
    return splitWords(value, 'systemd').map(({ text }) => ({ ...word, text }))
  }
  const text = word.text.replace(/\$\$|\$\{([A-Za-z_]\w*)\}/g, (whole, inner: string | undefined) =>
    inner === undefined ? LITERAL_DOLLAR : (values.get(inner) ?? whole),
  )
  return [{ ...word, text }]
}
