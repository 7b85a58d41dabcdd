/** Reads a systemd unit that runs etcd, with its drop-ins (systemd.unit(5), systemd.syntax(7), systemd.service(5), systemd.exec(5)). */
import { basename } from 'node:path'
import {
  boundedValues,
  type EtcdCommand,
  etcdCommands,
  readEtcdCommand,
  reportFaults,
  simpleCommands,
  type Values,
  valuesOf,
} from './command.js'
import { fileVariables, namedVariables, reportNotExpanded, type Variable } from './env.js'
import { leaveCommand } from './container.js'
import { NO_CONTEXT, noEtcd, Reading } from './read-option.js'
import { type ConfigText, placesIn, type PlaceOf, type ReadNamedFile } from './text.js'
import {
  COMMENTS,
  LITERAL_DOLLAR,
  match,
  splitText,
  splitTokens,
  type SyntaxFault,
  type Token,
  tokenAt,
} from './tokenizer.js'
import { rowOfVariable } from '../tables/options.js'
import { hasTemplate } from './template.js'
import { type GivenValues, resolveText } from './references.js'

/**
 * Reads the etcds of a unit: several, if it is a oneshot with several commands, or if a script starts several.
 *
 * @param sources The unit, followed by its drop-ins in the order in which systemd reads them.
 */
export async function readUnit(
  sources: readonly ConfigText[],
  readNamed: ReadNamedFile,
  { given, isInstalled }: { readonly given: GivenValues; readonly isInstalled: boolean },
): Promise<Reading[]> {
  const shared = new Reading(given)
  const unit = new Unit(sources, shared, given)
  const isOneshot = unit.last('Type') === 'oneshot'
  const [, again] = unit.inForce('ExecStart')
  if (again !== undefined && !isOneshot)
    shared.report('config/unit-invalid', { ...again.place(again.start, 'ExecStart'), kind: 'two starts' })
  const variables = await variablesOf(unit, readNamed, shared, isInstalled)
  const values = boundedValues(new Map([...Object.entries(given), ...valuesOf(variables)]))
  for (const key of OTHER_STARTS)
    for (const { source, start, end, place } of unit.inForce(key))
      leaveCommand(splitTokens(source.text, 'systemd', start, end), place(start, key), shared)
  const started = startsOf(unit, 'ExecStart', values)
  const commands = started.filter(({ directive }) => isOneshot || directive === started[0]?.directive)
  if (commands.length === 0)
    return [shared.markIncomplete(noEtcd(sources[0]?.file ?? null, 'no ExecStart= in it runs etcd'))]
  return commands.map(({ command, directive: { source, place } }) => {
    const reading = shared.fork()
    if (command.isShell !== true) {
      reportArguments(command.args, place, reading)
      reportNotExpanded(variables, reading)
    }
    readEtcdCommand(command, variables, { text: source.text, option: 'ExecStart', place, syntax: 'systemd' }, reading)
    const hasOwnFiles = OWN_FILES.some((key) => unit.last(key) !== null)
    const directory = unit.last('WorkingDirectory') ?? '/'
    reading.context = { ...NO_CONTEXT, directory, mounts: hasOwnFiles ? [] : null }
    return reading
  })
}

/** Directives whose commands may start an etcd next to that of ExecStart=. */
const OTHER_STARTS = ['ExecCondition', 'ExecStartPre', 'ExecStartPost', 'ExecReload'] as const
/** Directives after which etcd does not see the files of this machine (systemd.exec(5)). */
const OWN_FILES = [
  ...(['RootDirectory', 'RootImage', 'BindPaths', 'BindReadOnlyPaths'] as const),
  ...(['MountImages', 'ExtensionImages', 'ExtensionDirectories', 'TemporaryFileSystem'] as const),
]

/** One `Key=value`, with the offsets of its value in its text. */
interface Directive {
  readonly key: string
  readonly value: string
  readonly source: ConfigText
  readonly place: PlaceOf
  readonly start: number
  readonly end: number
  /** The offset of a missing backslash before lines with flags, which are part of the value here. */
  readonly brokenAt: number | null
}

class Unit {
  readonly #directives: readonly Directive[]
  readonly #specifiers: GivenValues

  constructor(sources: readonly ConfigText[], into: Reading, given: GivenValues) {
    this.#specifiers = { ...specifiersOf(sources[0]?.file ?? ''), ...given }
    this.#directives = sources.flatMap((source) => directivesOf(source, into))
  }

  /** An empty directive resets the previous ones. */
  inForce(key: string): readonly Directive[] {
    const all = this.#directives.filter((each) => each.key === key)
    const reset = all.findLastIndex(({ value }) => value.trim() === '')
    return all.slice(reset + 1)
  }

  last(key: string): string | null {
    const value = this.inForce(key).at(-1)?.value.trim() ?? ''
    // `~` is the home folder of the user, which is not known.
    return value === '' || value === '~' ? null : this.expand(value.replace(/^-/, ''))
  }

  /** Expands `%%` and the known specifiers. Only systemd knows the others. */
  expand(text: string): string {
    return text.replace(/%([%A-Za-z])/g, (whole, letter) => (letter === '%' ? '%' : (this.#specifiers[whole] ?? whole)))
  }
}

/** What the name of a unit says (systemd.unit(5), "Specifiers"). The instance of a template is not known. */
function specifiersOf(file: string): GivenValues {
  const [name, whole = '', instance] = /^([^@]+)(?:@(.*))?\.service$/.exec(basename(file)) ?? []
  if (name === undefined) return {}
  const prefix = { '%p': whole, '%j': whole.slice(whole.lastIndexOf('-') + 1) }
  return instance === ''
    ? prefix
    : { ...prefix, '%n': name, '%N': name.slice(0, -'.service'.length), '%i': instance ?? '' }
}

const LINE = /[^\n]*/y
const HEAD = /[ \t]*(?:\[([^\]\n]*)\]|([A-Za-z]\w*)[ \t]*=[ \t]*)/y

/** systemd ends a line also at these characters (basic/fileio.c, read_line_full). */
const OTHER_BREAKS = /\r(?!\n)|\0/g

function directivesOf(given: ConfigText, into: Reading): Directive[] {
  const source = { ...given, text: given.text.replace(OTHER_BREAKS, '\n') }
  const { text } = source
  const place = placesIn(source)
  const found: Directive[] = []
  let section = ''
  for (let at = 0; at < text.length;) {
    const [whole = '', header, key] = match(HEAD, text, at) ?? []
    if (header !== undefined) section = header
    const start = at + whole.length
    const end = key === undefined ? endOf(LINE, text, start) : valueEnd(text, start)
    // The rest of a line that is no directive, or the name of a section.
    if (key === undefined && hasTemplate(text.slice(at, end)) && !/^[ \t]*[#;]/.test(text.slice(at, end)))
      into.leaveTemplate(place(at, 'The line'), 'A template fills in the name of an option.')
    if (key !== undefined && section === 'Service') {
      const more = key.startsWith('ExecStart') ? flagLinesEnd(text, end) : end
      const hasSpace = /\\[ \t]+\r?$/.test(text.slice(Math.max(0, end - 100), end))
      // A statement of a template may be in the place of the backslash.
      const brokenAt = more > end && !hasSpace && source.hasStatements !== true ? end : null
      found.push({ key, value: text.slice(start, more), source, place, start, end: more, brokenAt })
    }
    at = end + 1
  }
  return found
}

function endOf(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0)
}

/** A value continues after a backslash at the end of the line. Comment lines may follow it. */
function valueEnd(text: string, start: number): number {
  for (let at = start; ;) {
    const end = endOf(LINE, text, at)
    if (end === text.length || !/\\\r?$/.test(text.slice(at, end))) return end
    at = endOf(COMMENTS, text, end + 1)
  }
}

/** The end of the following lines that begin with a dash: flags, not directives. */
function flagLinesEnd(text: string, end: number): number {
  for (let at = end; ;) {
    const next = endOf(/\r?\n[ \t]*-(?:\\\r?\n|[^\n])*/y, text, at)
    if (next === at) return at
    at = next
  }
}

/** The variables in force: those of files take precedence, and UnsetEnvironment= removes both. */
async function variablesOf(
  unit: Unit,
  readNamed: ReadNamedFile,
  into: Reading,
  isInstalled: boolean,
): Promise<readonly Variable[]> {
  const own = ownVariables(unit, into)
  const files = unit.inForce('EnvironmentFile').map(({ value, start, place }) => {
    const path = value.trim()
    const isOptional = path.startsWith('-')
    return {
      path: unit.expand(path.replace(/^-/, '')),
      isOptional,
      isInstalled,
      place: place(start, 'EnvironmentFile'),
    }
  })
  const named = await namedVariables(files, readNamed, into, (content) =>
    fileVariables(content, into, 'systemd').filter(({ isExported }) => isExported !== true),
  )
  for (const { value, place, start } of unit.inForce('PassEnvironment')) {
    const open = wordsOf(value).find(
      (name) => rowOfVariable(name) !== undefined && !own.some((each) => each.name === name),
    )
    if (open === undefined) continue
    // systemd takes it from its own environment.
    const message = `The value of ${open} is not in the unit. Set it in the unit.`
    into.addUnchecked('variable', place(start, 'PassEnvironment'), message)
  }
  const unset = unit.inForce('UnsetEnvironment').flatMap(({ value }) => wordsOf(value))
  const isSet = ({ name, value }: Variable): boolean => !unset.includes(name) && !unset.includes(`${name}=${value}`)
  return [...new Map([...own, ...named].filter(isSet).map((each) => [each.name, each])).values()]
}

function wordsOf(value: string): string[] {
  return splitTokens(value, 'systemd').map(({ text }) => text)
}

/** systemd ignores an `Environment=` line with an open quote, and arguments that are not assignments. */
function ownVariables(unit: Unit, into: Reading): Variable[] {
  // systemd refuses names with a dash. Accept them to report the mistake.
  const assignment = /^([A-Za-z_][\w-]*)=([\s\S]*)$/
  return unit.inForce('Environment').flatMap(({ source: { text }, place, start, end }) => {
    const { tokens, faults } = splitText(text, 'systemd', start, end)
    const quotes = faults.filter(({ kind }) => kind === 'quote')
    reportFaults(quotes, { text, option: 'Environment', place }, into)
    const open = tokens.find(({ text }) => resolveText(text.replace(/=.*/s, ''), 'specifiers', {}).unknown.length > 0)
    if (open !== undefined) into.leaveTemplate(place(open.offset, 'Environment'), 'It may set any variable.')
    const stray = tokens.find(
      (token, i) => token !== open && (!assignment.test(token.text) || tokens[i - 1]?.text.endsWith(',') === true),
    )
    if (stray !== undefined)
      into.report('config/unit-invalid', {
        ...place(stray.offset, 'Environment'),
        kind: 'no assignment',
        text: stray.text,
      })
    return tokens.flatMap((token): Variable[] => {
      const [, name, value = ''] = assignment.exec(token.text) ?? []
      if (name === undefined) return []
      return [{ name, value: unit.expand(value), place: place(token.offset, name), syntax: 'specifiers' }]
    })
  })
}

function startsOf(unit: Unit, key: string, values: Values): { command: EtcdCommand; directive: Directive }[] {
  return unit.inForce(key).flatMap((directive) => {
    const { source, start, end, brokenAt } = directive
    const { tokens, faults } = splitText(source.text, 'systemd', start, end)
    const expanded = simpleCommands(tokens).flatMap((each) => [
      ...expandedCommand(each.tokens, values, unit),
      tokenAt(';', end, true),
    ])
    const broken: SyntaxFault[] = brokenAt === null ? [] : [{ kind: 'backslash', offset: brokenAt }]
    return etcdCommands(expanded, values).map((command) => ({
      command: { ...command, faults: [...broken, ...faults, ...command.faults] },
      directive,
    }))
  })
}

/** Expands known variables, and removes the prefix characters of the program. */
function expandedCommand([program, ...args]: readonly Token[], values: Values, unit: Unit): Token[] {
  if (program === undefined) return []
  const [prefix = ''] = /^[@\-:+!|]*/.exec(program.text) ?? []
  const own = { ...program, text: program.text.slice(prefix.length) }
  // After `@`, the first argument is argv[0]; after `:`, systemd does not expand variables.
  return [own, ...(prefix.includes('@') ? args.slice(1) : args)]
    .map((token) => ({ ...token, text: unit.expand(token.text) }))
    .flatMap((token) => (prefix.includes(':') ? [token] : expand(token, values)))
}

/** systemd splits `$NAME` into arguments, inserts `${NAME}`, and does not expand `$NAME` within an argument. */
function expand(token: Token, values: Values): Token[] {
  const [, name = ''] = /^\$([A-Za-z_]\w*)$/.exec(token.text) ?? []
  const value = name === '' ? undefined : values.get(name)
  if (value !== undefined) return splitTokens(value, 'systemd').map(({ text }) => ({ ...token, text }))
  const text = token.text.replace(/\$\$|\$\{([A-Za-z_]\w*)\}/g, (whole, inner: string | undefined) =>
    inner === undefined ? LITERAL_DOLLAR : (values.get(inner) ?? whole),
  )
  return [{ ...token, text }]
}

/** Reports `$NAME` and commands that systemd does not expand (systemd.service(5), "Command lines"). */
function reportArguments(args: readonly Token[], place: PlaceOf, into: Reading): void {
  for (const { text, offset } of args.filter((each) => each.text.includes('$'))) {
    const at = place(offset, /^(--?[^=]*)=/.exec(text)?.[1] ?? 'ExecStart')
    const commands = text.match(/\$\([^)$]*\)/g) ?? []
    const names = text.startsWith('$') ? [] : Array.from(text.matchAll(/\$([A-Za-z_]\w*)/g), ([, name = '']) => name)
    if (commands.length > 0)
      into.report('config/not-expanded', { ...at, names: [...commands], kind: 'systemd, as a command' })
    else if (names.length > 0) into.report('config/not-expanded', { ...at, names, kind: 'systemd' })
  }
}
