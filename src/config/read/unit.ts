/** Reads a unit of systemd that runs etcd (systemd.syntax(7), systemd.service(5), systemd.exec(5)). */
import { posix } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { boundedValues, commandsOf, type EtcdCommand, etcdCommand, type Values, valuesOf } from './command.js'
import { fileVariables, MAX_FINDINGS, namedVariables, notExpandedIn, type Variable } from './env.js'
import { type ConfigReading, NO_CONTEXT, type RuntimeContext, type Sandbox, unreadable } from './read-option.js'
import { faultFindings, readStart } from './start.js'
import { type ConfigText, Lines, type PlaceOf, type ReadNamedFile } from './text.js'
import {
  LITERAL_DOLLAR,
  match,
  skipComments,
  splitText,
  splitWords,
  type SyntaxFault,
  type Word,
  wordAt,
} from './tokenizer.js'

export async function readUnit(source: ConfigText, readNamed: ReadNamedFile): Promise<ConfigReading> {
  const unit = new Unit(source.text)
  const { place } = new Lines(source)
  const findings: Finding[] = []
  const [, again] = unit.inForce('ExecStart')
  if (again !== undefined && unit.last('Type') !== 'oneshot')
    findings.push(finding('config/unit-invalid', { ...place(again.start, 'ExecStart'), kind: 'two starts', text: '' }))
  const own = ownVariables(unit, place)
  const files = unit.inForce('EnvironmentFile').map(({ start, end }) => {
    const written = source.text.slice(start, end).trim()
    const isOptional = written.startsWith('-')
    return { path: isOptional ? written.slice(1) : written, isOptional, place: place(start, 'EnvironmentFile') }
  })
  const named = await namedVariables(files, readNamed, (content) => {
    const { variables, findings } = fileVariables(content)
    return { variables: variables.filter(({ isExported }) => isExported !== true), findings }
  })
  findings.push(...own.findings, ...named.findings)
  const byName = new Map([...own.variables, ...named.variables].map((each) => [each.name, each]))
  const command = startOf(unit, boundedValues(valuesOf(byName.values())))
  if (command === undefined) {
    const looked = 'no ExecStart= in it runs etcd'
    return unreadable(...findings, finding('config/no-etcd', { kind: 'etcd', file: source.file, looked }))
  }
  const { container, isShell = false } = command
  if (!isShell) findings.push(...notExpanded(command.args, place))
  if (!isShell && container === undefined) findings.push(...notExpandedIn(byName.values()))
  // A container has only the variables that it is given.
  const passed = container === undefined ? null : new Set(container.passed)
  const variables = [...byName.values()].filter(({ name }) => passed?.has(name) !== false)
  const start = await readStart(command, variables, { text: source.text, option: 'ExecStart', place }, readNamed)
  return {
    ...start,
    findings: [...findings, ...start.findings],
    context: container?.context ?? contextOf(unit),
    isWhole: named.isWhole && start.isWhole,
  }
}

/** One `Key=value`, with the offsets of its value in the text. */
interface Directive {
  readonly key: string
  readonly start: number
  readonly end: number
  /** Where its last line ends without a backslash, though the next ones, which are within it here, are flags. */
  readonly brokenAt: number | null
}

/** The directives of the section `[Service]`. */
class Unit {
  readonly text: string
  readonly #directives: readonly Directive[]

  constructor(text: string) {
    this.text = text
    this.#directives = directivesOf(text)
  }

  /** The directives of a key that are in force: an empty one resets those before it. */
  inForce(key: string): readonly Directive[] {
    const all = this.#directives.filter((each) => each.key === key)
    const reset = all.findLastIndex(({ start, end }) => this.text.slice(start, end).trim() === '')
    return all.slice(reset + 1)
  }

  readonly last = (key: string): string | null => {
    const last = this.inForce(key).at(-1)
    const value = last === undefined ? '' : this.text.slice(last.start, last.end).trim()
    // The home of the user is known only to the machine.
    return value === '' || value === '~' ? null : value.replace(/^-/, '')
  }

  readonly all = (key: string): string[] =>
    this.inForce(key).flatMap(({ start, end }) =>
      splitWords(this.text, 'systemd', start, end).map(({ text }) => percents(text)),
    )
}

function directivesOf(text: string): Directive[] {
  const found: Directive[] = []
  let section = ''
  for (let at = 0; at < text.length;) {
    const head = /[ \t]*(?:\[([^\]\n]*)\]|([A-Za-z]\w*)[ \t]*=[ \t]*)/y
    const [whole = '', header, key] = match(head, text, at) ?? []
    if (header !== undefined) section = header
    const start = at + whole.length
    const end = key === undefined ? lineEnd(text, at) : valueEnd(text, start)
    if (key !== undefined && section === 'Service') {
      // Lines that begin with a dash are flags, not directives.
      const more = key.startsWith('ExecStart') ? flagLinesEnd(text, end) : end
      const hasSpace = /\\[ \t]+\r?$/.test(text.slice(Math.max(0, end - 100), end))
      found.push({ key, start, end: more, brokenAt: more > end && !hasSpace ? end : null })
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
    at = skipComments(text, end + 1)
  }
}

/** Where the lines end that begin with a dash. */
function flagLinesEnd(text: string, end: number): number {
  for (let at = end; ;) {
    const found = match(/\r?\n[ \t]*-(?:\\\r?\n|[^\n])*/y, text, at)?.[0]
    if (found === undefined) return at
    at += found.replace(/\r$/, '').length
  }
}

function contextOf(unit: Unit): RuntimeContext {
  const { last, all } = unit
  const isUserDynamic = YES.test(last('DynamicUser') ?? '')
  const group = last('Group')
  const sandbox = sandboxOf(unit)
  return {
    ...NO_CONTEXT,
    directory: last('WorkingDirectory') ?? '/',
    user: last('User') ?? (isUserDynamic ? 'of DynamicUser=' : null),
    groups: [...(group === null ? [] : [group]), ...all('SupplementaryGroups')],
    isUserDynamic,
    ...(sandbox === null ? {} : { sandbox }),
  }
}

/** The variables of `Environment=`. Systemd ignores a line with an open quote, and arguments that are not assignments. */
function ownVariables(unit: Unit, place: PlaceOf): { variables: Variable[]; findings: Finding[] } {
  const { text } = unit
  const findings: Finding[] = []
  const report = (what: Finding): void => {
    if (findings.length < MAX_FINDINGS) findings.push(what)
  }
  const variables = unit.inForce('Environment').flatMap(({ start, end }) => {
    const { words, faults } = splitText(text, 'systemd', start, end)
    const quotes = faults.filter(({ kind }) => kind === 'quote')
    for (const each of faultFindings(quotes, { text, option: 'Environment', place })) report(each)
    const stray = words.find(
      (word, i) => !/^[A-Za-z_][\w-]*=/.test(word.text) || words[i - 1]?.text.endsWith(',') === true,
    )
    if (stray !== undefined) {
      const at = place(stray.offset, 'Environment')
      report(finding('config/unit-invalid', { ...at, kind: 'no assignment', text: stray.text }))
    }
    return words.flatMap((word): Variable[] => {
      // With a dash it is not a name to systemd either; it is a slip for one.
      const [, name, value = ''] = /^([A-Za-z_][\w-]*)=([\s\S]*)$/.exec(word.text) ?? []
      if (name === undefined) return []
      const at = place(word.offset, name)
      // No value of etcd contains another variable of etcd.
      const [second = '', inner] = name.startsWith('ETCD_') ? (/\s(ETCD_\w+)=/.exec(value) ?? []) : []
      if (inner === undefined) return [{ name, value: percents(value), place: at }]
      report(finding('config/unit-invalid', { ...at, kind: 'two in one', text: inner }))
      const [first, rest] = [value.slice(0, value.indexOf(second)), value.slice(value.indexOf(second) + second.length)]
      return [
        { name, value: percents(first), place: at, isGuess: true },
        { name: inner, value: percents(rest), place: { ...at, option: inner }, isGuess: true },
      ]
    })
  })
  return { variables, findings }
}

/** `%%` is a percent sign; other specifiers are known only to systemd. */
function percents(text: string): string {
  return text.replaceAll('%%', '%')
}

/** The command that starts etcd. What runs before it may start a container that stays. */
function startOf(unit: Unit, values: Values): EtcdCommand | undefined {
  const found = ['ExecStart', 'ExecStartPre'].flatMap((key) =>
    unit.inForce(key).flatMap(({ start, end, brokenAt }): EtcdCommand[] => {
      const { words, faults } = splitText(unit.text, 'systemd', start, end)
      const expanded = commandsOf(words).flatMap((each) => [...expandedCommand(each, values), wordAt(';', end, true)])
      const command = etcdCommand(expanded, values)
      if (command === null || (key === 'ExecStartPre' && command.container === undefined)) return []
      const broken: SyntaxFault[] = brokenAt === null ? [] : [{ kind: 'backslash', offset: brokenAt }]
      const args = command.isShell === true ? command.args : withSubstitutions(command.args)
      return [{ ...command, args, faults: [...broken, ...faults, ...command.faults] }]
    }),
  )
  return found[0]
}

/** One command with the known variables put in. Characters before the program change how it is started. */
function expandedCommand([program, ...args]: readonly Word[], values: Values): Word[] {
  if (program === undefined) return []
  const [prefix = ''] = /^[@\-:+!|]*/.exec(program.text) ?? []
  const own = { ...program, text: program.text.slice(prefix.length) }
  // After `@`, the first argument is the program's name for itself; after `:`, variables are not expanded.
  const words = [own, ...(prefix.includes('@') ? args.slice(1) : args)]
  return words
    .map((word) => ({ ...word, text: percents(word.text) }))
    .flatMap((word) => (prefix.includes(':') ? [word] : expand(word, values)))
}

/** `$NAME` as an argument becomes arguments, `${NAME}` part of one; `$NAME` within an argument is no variable. */
function expand(word: Word, values: Values): Word[] {
  const [, name] = /^\$([A-Za-z_]\w*)$/.exec(word.text) ?? []
  if (name !== undefined) {
    const value = values.get(name)
    return value === undefined ? [word] : splitWords(value, 'systemd').map(({ text }) => ({ ...word, text }))
  }
  const text = word.text.replace(/\$\$|\$\{([A-Za-z_]\w*)\}/g, (whole, inner: string | undefined) =>
    inner === undefined ? LITERAL_DOLLAR : (values.get(inner) ?? whole),
  )
  return [{ ...word, text }]
}

/** Arguments that etcd receives with `$NAME` or a command of a shell in them (systemd.service(5), "Command lines"). */
function notExpanded(args: readonly Word[], place: PlaceOf): Finding[] {
  return args.flatMap(({ text, offset }) => {
    const at = place(offset, /^(--?[^=]*)=/.exec(text)?.[1] ?? 'ExecStart')
    const commands = text.match(/\$\([^)$]*\)/g) ?? []
    const names = text.startsWith('$') ? [] : Array.from(text.matchAll(/\$([A-Za-z_]\w*)/g), ([, name = '']) => name)
    if (commands.length > 0)
      return [finding('config/not-expanded', { ...at, names: [...commands], by: 'systemd, as a command' })]
    return names.length === 0 ? [] : [finding('config/not-expanded', { ...at, names, by: 'systemd' })]
  })
}

/** Joins the arguments of `$(command -x)`, which systemd splits at its spaces. */
function withSubstitutions(args: readonly Word[]): Word[] {
  const whole: Word[] = []
  let isOpen = false
  for (const [i, word] of args.entries()) {
    const last = whole.at(-1)
    if (isOpen && last !== undefined) whole[whole.length - 1] = { ...last, text: `${last.text} ${word.text}` }
    else whole.push(word)
    // A command in the place of a value has few arguments.
    const isOpened = word.text.lastIndexOf('$(') > word.text.lastIndexOf(')')
    const closes = args.slice(i + 1, i + 6).some(({ text }) => text.endsWith(')') && !text.includes('('))
    isOpen = isOpen ? !word.text.includes(')') : isOpened && closes
  }
  return whole
}

/** What systemd reads as true (systemd.syntax(7)). */
const YES = /^(?:1|yes|y|true|t|on)$/i

const HOMES = ['/home', '/root', '/run/user']
const TEMPORARY = ['/tmp', '/var/tmp']
/** Directories that systemd makes for the unit. */
const OWN: Readonly<Record<string, string>> = {
  StateDirectory: '/var/lib',
  CacheDirectory: '/var/cache',
  LogsDirectory: '/var/log',
  RuntimeDirectory: '/run',
}
/** What `ProtectSystem=` makes read-only. */
const PROTECTED: ReadonlyMap<string, readonly string[]> = new Map([
  ['strict', ['/']],
  ['full', ['/usr', '/boot', '/efi', '/etc']],
  ['yes', ['/usr', '/boot', '/efi']],
])
/** What `ProtectSystem=strict` leaves as it is. */
const KERNEL = ['/dev', '/proc', '/sys']

interface Area {
  readonly path: string
  readonly by: string
}

/** What systemd hides from etcd, and where etcd may not write. Null if the unit has a root of its own. */
function sandboxOf({ last, all }: Unit): Sandbox | null {
  if (last('RootDirectory') !== null || last('RootImage') !== null) return null
  const isDynamic = YES.test(last('DynamicUser') ?? '')
  const home = last('ProtectHome') ?? (isDynamic ? 'read-only' : '')
  const isHomeHidden = YES.test(home) || home === 'tmpfs'
  const tmp = last('PrivateTmp') ?? ''
  const isTmpPrivate = YES.test(tmp) || tmp === 'disconnected'
  const written = last('ProtectSystem') ?? ''
  const system = isDynamic ? 'strict' : YES.test(written) ? 'yes' : written
  const areas = (isOn: boolean, paths: readonly string[], by: string): Area[] =>
    isOn ? paths.map((path) => ({ path, by })) : []
  const paths = (keys: readonly string[], pick = (text: string): string => text): Area[] =>
    keys.flatMap((key) =>
      all(key).map((text) => ({ path: posix.normalize(pick(text.replace(/^[-+]+/, ''))), by: `${key}=` })),
    )
  const beforeColon = (text: string): string => text.split(':', 1)[0] ?? ''
  // `SOURCE:TARGET:OPTIONS`
  const target = (text: string): string => text.split(':')[1] ?? text
  const hidden = [
    ...areas(isTmpPrivate, TEMPORARY, 'PrivateTmp='),
    ...areas(isHomeHidden, HOMES, 'ProtectHome='),
    ...paths(['InaccessiblePaths', 'InaccessibleDirectories']),
    ...paths(['TemporaryFileSystem'], beforeColon),
  ]
  const shown = paths(['BindPaths', 'BindReadOnlyPaths'], target)
  const locked = [
    ...areas(true, PROTECTED.get(system) ?? [], 'ProtectSystem='),
    ...areas(home === 'read-only', HOMES, 'ProtectHome='),
    ...paths(['ReadOnlyPaths', 'ReadOnlyDirectories']),
    ...paths(['BindReadOnlyPaths'], target),
  ]
  const open = [
    ...paths(['ReadWritePaths', 'ReadWriteDirectories']),
    ...paths(['BindPaths'], target),
    ...Object.entries(OWN).flatMap(([key, parent]) => paths([key], (text) => posix.join(parent, beforeColon(text)))),
    ...areas(true, KERNEL, ''),
    ...areas(isTmpPrivate || isDynamic, TEMPORARY, ''),
  ]
  return { hides: (path) => deepest(path, hidden, shown), locks: (path) => deepest(path, locked, open) }
}

/** The directive of the deepest area that a path is in, unless an exception is as deep. */
function deepest(path: string, areas: readonly Area[], exceptions: readonly Area[]): string | null {
  const within = (all: readonly Area[]): Area | undefined =>
    all
      .filter((each) => path === each.path || path.startsWith(`${each.path.replace(/\/$/, '')}/`))
      .reduce<Area | undefined>((a, b) => (a === undefined || b.path.length > a.path.length ? b : a), undefined)
  const [area, exception] = [within(areas), within(exceptions)]
  return area === undefined || (exception?.path.length ?? -1) >= area.path.length ? null : area.by
}
