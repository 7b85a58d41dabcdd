/** Reads a systemd unit that runs etcd (systemd.syntax(7), systemd.service(5), systemd.exec(5)). */
import { posix } from 'node:path'
import {
  boundedValues,
  commandsOf,
  type EtcdCommand,
  etcdCommand,
  readStart,
  reportFaults,
  type Values,
  valuesOf,
} from './command.js'
import { fileVariables, namedVariables, reportNotExpanded, type Variable } from './env.js'
import { NO_CONTEXT, noEtcd, type Reading, type Sandbox } from './read-option.js'
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

export async function readUnit(source: ConfigText, readNamed: ReadNamedFile, into: Reading): Promise<void> {
  const { text } = source
  const unit = new Unit(text)
  const place = placesIn(source)
  const [, again] = unit.inForce('ExecStart')
  if (again !== undefined && unit.last('Type') !== 'oneshot')
    into.report('config/unit-invalid', { ...place(again.start, 'ExecStart'), kind: 'two starts' })
  const own = ownVariables(unit, place, into)
  const files = unit.inForce('EnvironmentFile').map(({ start, end }) => {
    const written = text.slice(start, end).trim()
    const isOptional = written.startsWith('-')
    return { path: isOptional ? written.slice(1) : written, isOptional, place: place(start, 'EnvironmentFile') }
  })
  const named = await namedVariables(files, readNamed, into, (content) =>
    fileVariables(content, into, 'systemd').filter(({ isExported }) => isExported !== true),
  )
  const byName = new Map([...own, ...named].map((each) => [each.name, each]))
  const command = startOf(unit, boundedValues(valuesOf(byName.values())))
  if (command === undefined) {
    into.markIncomplete(noEtcd(source.file, 'no ExecStart= in it runs etcd'))
    return
  }
  const { container, isShell = false } = command
  if (!isShell) reportArguments(command.args, place, into)
  if (!isShell && container === undefined) reportNotExpanded(byName.values(), into)
  // A container receives only the variables that the engine passes.
  const variables = [...byName.values()].filter(({ name }) => container?.passed.includes(name) !== false)
  await readStart(command, variables, { text, option: 'ExecStart', place }, readNamed, into)
  const isUserDynamic = unit.isOn('DynamicUser')
  const group = unit.last('Group')
  const sandbox = sandboxOf(unit)
  into.context = container?.context ?? {
    ...NO_CONTEXT,
    directory: unit.last('WorkingDirectory') ?? '/',
    user: unit.last('User') ?? (isUserDynamic ? 'of DynamicUser=' : null),
    groups: [...(group === null ? [] : [group]), ...unit.all('SupplementaryGroups')],
    isUserDynamic,
    ...(sandbox === null ? {} : { sandbox }),
  }
}

/** One `Key=value`, with the offsets of its value in the text. */
interface Directive {
  readonly key: string
  readonly start: number
  readonly end: number
  /** The offset of a missing backslash before lines with flags, which are part of the value here. */
  readonly brokenAt: number | null
}

class Unit {
  readonly text: string
  readonly #directives: readonly Directive[]

  constructor(text: string) {
    this.text = text
    this.#directives = directivesOf(text)
  }

  /** An empty directive resets the previous ones. */
  inForce(key: string): readonly Directive[] {
    const all = this.#directives.filter((each) => each.key === key)
    const reset = all.findLastIndex(({ start, end }) => this.text.slice(start, end).trim() === '')
    return all.slice(reset + 1)
  }

  last(key: string): string | null {
    const last = this.inForce(key).at(-1)
    const value = last === undefined ? '' : this.text.slice(last.start, last.end).trim()
    // `~` is the home folder of the user, which is not known.
    return value === '' || value === '~' ? null : value.replace(/^-/, '')
  }

  isOn(key: string): boolean {
    return TRUE.test(this.last(key) ?? '')
  }

  all(key: string): string[] {
    return this.inForce(key).flatMap(({ start, end }) =>
      splitTokens(this.text, 'systemd', start, end).map(({ text }) => expandPercents(text)),
    )
  }
}

const LINE = /[^\n]*/y
const HEAD = /[ \t]*(?:\[([^\]\n]*)\]|([A-Za-z]\w*)[ \t]*=[ \t]*)/y

function directivesOf(text: string): Directive[] {
  const found: Directive[] = []
  let section = ''
  for (let at = 0; at < text.length;) {
    const [whole = '', header, key] = match(HEAD, text, at) ?? []
    if (header !== undefined) section = header
    const start = at + whole.length
    const end = key === undefined ? endOf(LINE, text, start) : valueEnd(text, start)
    if (key !== undefined && section === 'Service') {
      const more = key.startsWith('ExecStart') ? flagLinesEnd(text, end) : end
      const hasSpace = /\\[ \t]+\r?$/.test(text.slice(Math.max(0, end - 100), end))
      found.push({ key, start, end: more, brokenAt: more > end && !hasSpace ? end : null })
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

/** systemd ignores an `Environment=` line with an open quote, and arguments that are not assignments. */
function ownVariables(unit: Unit, place: PlaceOf, into: Reading): Variable[] {
  const { text } = unit
  // systemd refuses names with a dash. Accept them to report the mistake.
  const assignment = /^([A-Za-z_][\w-]*)=([\s\S]*)$/
  return unit.inForce('Environment').flatMap(({ start, end }) => {
    const { tokens, faults } = splitText(text, 'systemd', start, end)
    const quotes = faults.filter(({ kind }) => kind === 'quote')
    reportFaults(quotes, { text, option: 'Environment', place }, into)
    const stray = tokens.find((token, i) => !assignment.test(token.text) || tokens[i - 1]?.text.endsWith(',') === true)
    if (stray !== undefined)
      into.report('config/unit-invalid', {
        ...place(stray.offset, 'Environment'),
        kind: 'no assignment',
        text: stray.text,
      })
    return tokens.flatMap((token): Variable[] => {
      const [, name, value = ''] = assignment.exec(token.text) ?? []
      if (name === undefined) return []
      return [{ name, value: expandPercents(value), place: place(token.offset, name) }]
    })
  })
}

/** Expands `%%`. Only systemd knows the other specifiers. */
function expandPercents(text: string): string {
  return text.replaceAll('%%', '%')
}

/** `ExecStartPre=` may start a container that keeps running. */
function startOf(unit: Unit, values: Values): EtcdCommand | undefined {
  for (const key of ['ExecStart', 'ExecStartPre']) {
    for (const { start, end, brokenAt } of unit.inForce(key)) {
      const { tokens, faults } = splitText(unit.text, 'systemd', start, end)
      const expanded = commandsOf(tokens).flatMap((each) => [...expandedCommand(each, values), tokenAt(';', end, true)])
      const command = etcdCommand(expanded, values)
      if (command === null || (key === 'ExecStartPre' && command.container === undefined)) continue
      const broken: SyntaxFault[] = brokenAt === null ? [] : [{ kind: 'backslash', offset: brokenAt }]
      return { ...command, faults: [...broken, ...faults, ...command.faults] }
    }
  }
  return undefined
}

/** Expands known variables, and removes the prefix characters of the program. */
function expandedCommand([program, ...args]: readonly Token[], values: Values): Token[] {
  if (program === undefined) return []
  const [prefix = ''] = /^[@\-:+!|]*/.exec(program.text) ?? []
  const own = { ...program, text: program.text.slice(prefix.length) }
  // After `@`, the first argument is argv[0]; after `:`, systemd does not expand variables.
  return [own, ...(prefix.includes('@') ? args.slice(1) : args)]
    .map((token) => ({ ...token, text: expandPercents(token.text) }))
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
  for (const { text, offset } of args) {
    const at = place(offset, /^(--?[^=]*)=/.exec(text)?.[1] ?? 'ExecStart')
    const commands = text.match(/\$\([^)$]*\)/g) ?? []
    const names = text.startsWith('$') ? [] : Array.from(text.matchAll(/\$([A-Za-z_]\w*)/g), ([, name = '']) => name)
    if (commands.length > 0)
      into.report('config/not-expanded', { ...at, names: [...commands], kind: 'systemd, as a command' })
    else if (names.length > 0) into.report('config/not-expanded', { ...at, names, kind: 'systemd' })
  }
}

/** True in systemd.syntax(7). */
const TRUE = /^(?:1|yes|y|true|t|on)$/i

const HOMES = ['/home', '/root', '/run/user']
const TEMPORARY = ['/tmp', '/var/tmp']
/** Directives with directories that systemd creates for the unit. */
const UNIT_DIRECTORIES: Readonly<Record<string, string>> = {
  StateDirectory: '/var/lib',
  CacheDirectory: '/var/cache',
  LogsDirectory: '/var/log',
  RuntimeDirectory: '/run',
}
/** The read-only paths of `ProtectSystem=`. */
const PROTECTED: ReadonlyMap<string, readonly string[]> = new Map([
  ['strict', ['/']],
  ['full', ['/usr', '/boot', '/efi', '/etc']],
  ['yes', ['/usr', '/boot', '/efi']],
])
/** The paths to which `ProtectSystem=strict` does not apply. */
const NOT_STRICT = ['/dev', '/proc', '/sys']

interface SandboxPath {
  readonly path: string
  readonly by: string
}

/** The paths that the unit hides or makes read-only. Null if the unit has its own root directory. */
function sandboxOf(unit: Unit): Sandbox | null {
  if (unit.last('RootDirectory') !== null || unit.last('RootImage') !== null) return null
  const isDynamic = unit.isOn('DynamicUser')
  const home = unit.last('ProtectHome') ?? (isDynamic ? 'read-only' : '')
  const isTmpPrivate = unit.isOn('PrivateTmp') || unit.last('PrivateTmp') === 'disconnected'
  const system = isDynamic ? 'strict' : unit.isOn('ProtectSystem') ? 'yes' : (unit.last('ProtectSystem') ?? '')
  const areas = (isOn: boolean, paths: readonly string[], by: string): SandboxPath[] =>
    isOn ? paths.map((path) => ({ path, by })) : []
  const paths = (keys: string, pick = (text: string): string => text): SandboxPath[] =>
    keys
      .split(' ')
      .flatMap((key) =>
        unit.all(key).map((text) => ({ path: posix.normalize(pick(text.replace(/^[-+]+/, ''))), by: `${key}=` })),
      )
  const beforeColon = (text: string): string => text.split(':', 1)[0] ?? ''
  // `SOURCE:TARGET:OPTIONS`
  const target = (text: string): string => text.split(':')[1] ?? text
  const hidden = [
    ...areas(isTmpPrivate, TEMPORARY, 'PrivateTmp='),
    ...areas(TRUE.test(home) || home === 'tmpfs', HOMES, 'ProtectHome='),
    ...paths('InaccessiblePaths InaccessibleDirectories'),
    ...paths('TemporaryFileSystem', beforeColon),
  ]
  const exposed = paths('BindPaths BindReadOnlyPaths', target)
  const readOnly = [
    ...areas(true, PROTECTED.get(system) ?? [], 'ProtectSystem='),
    ...areas(home === 'read-only', HOMES, 'ProtectHome='),
    ...paths('ReadOnlyPaths ReadOnlyDirectories'),
    ...paths('BindReadOnlyPaths', target),
  ]
  const writable = [
    ...paths('ReadWritePaths ReadWriteDirectories'),
    ...paths('BindPaths', target),
    ...Object.entries(UNIT_DIRECTORIES).flatMap(([key, parent]) =>
      paths(key, (text) => posix.join(parent, beforeColon(text))),
    ),
    ...areas(true, NOT_STRICT, ''),
    ...areas(isTmpPrivate || isDynamic, TEMPORARY, ''),
  ]
  return { hiddenBy: (path) => deepest(path, hidden, exposed), readOnlyBy: (path) => deepest(path, readOnly, writable) }
}

/** The directive of the deepest area that contains the path, unless an exception is at least as deep. */
function deepest(path: string, areas: readonly SandboxPath[], exceptions: readonly SandboxPath[]): string | null {
  const within = (all: readonly SandboxPath[]): SandboxPath | undefined =>
    all
      .filter((each) => path === each.path || path.startsWith(`${each.path.replace(/\/$/, '')}/`))
      .reduce<SandboxPath | undefined>((a, b) => (a === undefined || b.path.length > a.path.length ? b : a), undefined)
  const [area, exception] = [within(areas), within(exceptions)]
  return area === undefined || (exception?.path.length ?? -1) >= area.path.length ? null : area.by
}
