/** `etcd-mtls lint`: checks the configurations in files and directories, and compares the members of a cluster. */
import { type AnyReport, codeOf, type PrintOptions, printReports, uncheckedIn } from '../../report/internal.js'
import type { Unchecked } from '../../report/index.js'
import { basename, dirname, relative, resolve } from 'node:path'
import { type LintOptions, type LintReport, type ReadConfigOptions, readEtcdConfig } from '../../config/index.js'
import { checkIgnore, groupBy, lintNamed, lintOnDisks, suppress } from '../../config/internal.js'
import { nodeFileSystem, replaceFiles } from '../../files/internal.js'
import { type Answer, type Call, jsonText, UsageError } from '../command.js'
import type { LintDocument, LintedMember } from '../documents.js'
import { githubText, onelineText } from './line-formats.js'
import { sarifText } from './sarif.js'
import { idleEntries, type LintSettings, readSettings, suppressionsFor } from './settings.js'
import { findTargets, type Target } from './targets.js'

const FORMATS = ['text', 'oneline', 'json', 'sarif', 'github'] as const
type Format = (typeof FORMATS)[number]

const PLAIN: PrintOptions = { color: false, width: 80, oneLine: false }

export async function run(call: Call): Promise<Answer> {
  const { options } = call
  const formats = readFormats(options.list('format'))
  const settings = await readSettings('.')
  const now = new Date()
  const { members, files, others } = await lintAll(call, new Linter(call, settings, now))
  const suppressed = members
    .flatMap((each) => each.suppressed)
    .map((each) => {
      return { reason: each.reason, code: 'finding' in each ? each.finding.code : each.unchecked.kind }
    })
  const idle = idleEntries(settings, suppressed, now)
  const document: LintDocument = {
    ok: members.every(({ ok }) => ok),
    complete: members.every(({ complete }) => complete),
    checkedAt: now,
    files,
    others,
    members,
    findings: idle,
  }
  for (const { format, file } of formats) {
    if (file !== null) await writeText(file, `${textOf(format, document, PLAIN)}\n`)
  }
  const shown = formats.find(({ file }) => file === null)?.format ?? 'text'
  const isDue = !document.complete && !options.flag('allowUnchecked')
  const findings = [...members.flatMap((each) => each.findings), ...idle]
  return { document, text: (print) => textOf(shown, document, print), findings, isDue }
}

function readFormats(given: readonly string[]): { format: Format; file: string | null }[] {
  const formats = given.map((each) => {
    const [name = '', ...file] = each.split('=')
    const format = FORMATS.find((known) => known === name)
    if (format === undefined || file.join('=') === (file.length === 0 ? null : ''))
      throw new UsageError(
        `--format must be one of ${FORMATS.join(', ')}, or FORMAT=FILE; received ${JSON.stringify(each)}.`,
      )
    return { format, file: file.length === 0 ? null : file.join('=') }
  })
  if (formats.filter(({ file }) => file === null).length > 1)
    throw new UsageError('Only one --format is printed. Write the others to files, as in --format sarif=out.sarif.')
  return formats
}

function textOf(format: Format, document: LintDocument, print: PrintOptions): string {
  if (format === 'json') return jsonText(document)
  if (format === 'sarif') return sarifText(document)
  if (format === 'github') return githubText(document)
  return format === 'oneline' ? onelineText(document) : reportText(document, print)
}

interface Linted {
  readonly members: LintedMember[]
  readonly files: number
  readonly others: number
}

async function lintAll(call: Call, linter: Linter): Promise<Linted> {
  const { options, signal, progress } = call
  const { targets, others, unread, folders } = await findTargets(call)
  const found = new Map<Target, LintedMember[]>()
  const members: LintedMember[] = []
  for (const [i, target] of targets.entries()) {
    signal.throwIfAborted()
    progress(`Checking ${target.name} (${String(i + 1)} of ${String(targets.length)})`)
    const reports = await linter.lint(target)
    const isOther = reports.every(({ findings }) => findings.some(({ code }) => code === 'config/no-etcd'))
    const isSkipped = !target.isNamed || options.flag('skipOthers')
    if (!isOther || (target.isText && !isSkipped)) found.set(target, reports)
    else if (!isSkipped) members.push(...reports.map(withoutError))
  }
  const etcds = [...found.keys()]
  const clusters = options.flag('cluster') && etcds.length > 1 ? [etcds] : await clustersOf(etcds, linter.reading)
  for (const cluster of clusters) {
    for (const target of cluster) found.delete(target)
    members.push(await linter.compare(cluster))
  }
  const withoutEtcd = folders
    .filter(
      (folder) => ![...etcds.map(({ name }) => name), ...unread.map(fileOf)].some((file) => isBelow(file, folder)),
    )
    .map((folder) => uncheckedIn(folder, 'document', 'No file below it is a configuration of etcd.'))
  members.push(...[...found.values()].flat(), ...[...unread, ...withoutEtcd].map((each) => linter.unread(each)))
  return { members, files: etcds.length, others: others + targets.length - etcds.length }
}

/** The lint with the options of the call and of the settings. */
class Linter {
  readonly reading: Pick<LintOptions, 'variables' | 'root'>
  readonly #options: LintOptions
  readonly #ignored: readonly string[]
  readonly #settings: LintSettings
  readonly #now: Date

  constructor({ options }: Call, settings: LintSettings, now: Date) {
    this.reading = {
      variables: { ...settings.variables, ...readVariables(options.list('variable')) },
      root: options.text('root'),
    }
    this.#ignored = options.list('ignore')
    this.#settings = settings
    this.#now = now
    this.#options = {
      ...this.reading,
      readFiles: options.flag('readFiles'),
      comments: options.flag('allowComments'),
      version: options.text('etcdVersion') as LintOptions['version'],
      at: now,
    }
  }

  async lint({ name, input }: Target): Promise<LintedMember[]> {
    const reports = await lintNamed(input, this.#for([name]), name)
    return reports.map((each) => memberOf(each, [name]))
  }

  async compare(targets: readonly Target[]): Promise<LintedMember> {
    const inputs = targets.map(({ name, input }) => ({ config: input, label: name, options: {} }))
    const names = targets.map(({ name }) => name)
    return memberOf(await lintOnDisks(inputs, this.#for(names)), names)
  }

  /** What is below a directory and was not read. The settings may accept it. */
  unread(unchecked: Unchecked): LintedMember {
    const file = fileOf(unchecked)
    const { unchecked: accepted } = checkIgnore(suppressionsFor(this.#settings, [file], this.#now))
    const left = suppress([], [unchecked], { codes: [], suppressions: [], unchecked: accepted }, [])
    const [open, suppressed] = [[...left.unchecked], [...left.suppressed]]
    const complete = open.length === 0
    return { files: [file], member: null, ok: true, complete, findings: [], unchecked: open, suppressed }
  }

  #for(files: readonly string[]): LintOptions {
    const byFlag = this.#ignored.map((code) => ({ code, reason: 'by --ignore' }))
    const bySettings = suppressionsFor(this.#settings, files, this.#now)
    return { ...this.#options, ignore: [...byFlag, ...bySettings] as LintOptions['ignore'] }
  }
}

/** A file that does not start etcd is an error only for a text, which is passed as its configuration. */
function withoutError(report: LintedMember): LintedMember {
  return { ...report, ok: true, findings: report.findings.map((each) => ({ ...each, severity: 'info' })) }
}

function readVariables(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((each) => {
      const at = each.indexOf('=')
      if (at < 1) throw new UsageError(`--variable must be NAME=VALUE; received ${JSON.stringify(each)}.`)
      return [each.slice(0, at), each.slice(at + 1)]
    }),
  )
}

function fileOf({ place: { file } }: Unchecked): string {
  return file ?? ''
}

function isBelow(file: string, folder: string): boolean {
  return !relative(folder, file).startsWith('..')
}

function memberOf(
  { member, ok, complete, findings, unchecked, suppressed }: LintReport,
  files: string[],
): LintedMember {
  const shown = unchecked.map((each) => ({ ...each, message: forShell(each.message) }))
  return { files, member, ok, complete, findings: [...findings], unchecked: shown, suppressed: [...suppressed] }
}

/** The option of the library, as the flag of the command. */
function forShell(message: string): string {
  return message
    .replace(/Pass the value in "variables", as \{ '([^']{1,256})': … \}/, 'Pass --variable $1=VALUE')
    .replace('in the option "variables"', 'by --variable NAME=VALUE')
    .replace('as { unit }', 'by --as unit')
}

/** The reports that are worth reading, and one line for all. */
function reportText(document: LintDocument, print: PrintOptions): string {
  const { members, findings, checkedAt } = document
  const shown = members.filter(
    ({ findings: own, unchecked, suppressed }) => own.length + unchecked.length + suppressed.length > 0,
  )
  const reports: AnyReport[] = shown.map((each) => ({ ...each, member: labelOf(each) }))
  const settings: AnyReport[] = findings.length === 0 ? [] : [{ ok: true, findings, member: '.etcd-mtls.yaml' }]
  const all = [...reports, ...settings]
  const text = all.length === 0 ? '' : printReports(all, print)
  return [text, summaryOf(document, checkedAt)].filter((each) => each !== '').join('\n\n')
}

function labelOf({ member, files }: LintedMember): string {
  const [first = '', ...others] = files
  const where = others.length === 0 ? first : `${first} and ${String(others.length)} more`
  return member === null ? where : `${where} (${member})`
}

function summaryOf({ members, files, others, ok, complete }: LintDocument, at: Date): string {
  const failed = members.filter((each) => !each.ok).length
  const open = members.filter((each) => each.ok && !each.complete).length
  const parts = [
    `${String(files)} ${files === 1 ? 'file' : 'files'} checked`,
    ...(failed === 0 ? [] : [`${String(failed)} failed`]),
    ...(open === 0 ? [] : [`${String(open)} not completely checked`]),
    ...(others === 0 ? [] : [`${String(others)} without etcd`]),
  ]
  const result = !ok ? 'Failed' : !complete ? 'Not completely checked' : files > 0 ? 'Passed' : 'Nothing to check'
  return `${result}: ${parts.join(', ')}, as of ${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

interface Membership {
  readonly target: Target
  readonly names: readonly string[]
  /** The token and the names of the list of members; null if it lists nobody else. */
  readonly cluster: string | null
}

/**
 * Members with the same token and the same names in `initial-cluster` are one cluster. If two of them have one name, they are
 * compared only within their directory.
 */
async function clustersOf(targets: readonly Target[], options: ReadConfigOptions): Promise<Target[][]> {
  const all: Membership[] = []
  for (const target of targets) all.push(await membershipOf(target, options))
  const clusters = groupBy(all, ({ cluster }) => cluster).map(([cluster, group]) => (cluster === null ? [] : group))
  return clusters
    .flatMap((group) =>
      hasRepeatedName(group) ? groupBy(group, ({ target }) => dirname(target.name)).map(([, same]) => same) : [group],
    )
    .filter((group) => group.length > 1 && !hasRepeatedName(group))
    .map((group) => group.map(({ target }) => target))
}

async function membershipOf(target: Target, options: ReadConfigOptions): Promise<Membership> {
  const members = await readEtcdConfig(target.input, { ...options, readFiles: false })
  const names = members.flatMap(({ name }) => name ?? [])
  const [first] = members
  const listed = [...new Set(first.initialCluster.map(({ name }) => name))].sort()
  const isListed = listed.length > 1 && names.some((name) => listed.includes(name))
  return { target, names, cluster: isListed ? JSON.stringify([first.initialClusterToken, ...listed]) : null }
}

function hasRepeatedName(group: readonly Membership[]): boolean {
  const names = group.flatMap((each) => each.names)
  return new Set(names).size < names.length
}

/**
 * Writes the whole file, or nothing.
 *
 * @throws {UsageError} if it cannot be written
 */
async function writeText(file: string, text: string): Promise<void> {
  const path = resolve(file)
  try {
    await replaceFiles(nodeFileSystem, dirname(path), [{ name: basename(path), content: text, mode: 0o644 }])
  } catch (error) {
    const code = codeOf(error)
    if (code === null) throw error
    throw new UsageError(`"${file}" cannot be written (${code}).`)
  }
}
