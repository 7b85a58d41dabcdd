/** Checks configurations: of all etcds that an input starts, or of all members of a cluster. */
import { dirname } from 'node:path'
import type { Finding, FindingCode, SuppressedFinding, SuppressedUnchecked, Unchecked } from '../../report/finding.js'
import { foldConsequences } from '../../report/consequences.js'
import { RULES } from './consequences.js'
import { checkOptions, valueInvalid } from '../../report/option-error.js'
import { printableDeep } from '../../report/printable.js'
import { makeReport, type Report } from '../../report/report.js'
import { resolveContext } from '../../validate/context.js'
import { classifyHosts } from '../../x509/names.js'
import { type ConfigInput, type ReadMember, readMembers } from '../read/input.js'
import { MAX_MEMBERS } from '../read/read-option.js'
import type { GivenValues } from '../read/references.js'
import { type EtcdVersion, type ParsedVersion, readVersion, unknownRelease } from '../tables/version.js'
import { type ReadConfigOptions, resolveReading } from '../read-etcd-config.js'
import { type FileOptions, NOTHING_READ, readFiles, rewordForEtcd } from './files.js'
import { LintMember } from './member.js'
import { apply, groupBy } from './rule.js'
import { type ClusterMember, clusterRules } from './rules-cluster.js'
import { fileRules } from './rules-files.js'
import { memberRules } from './rules-options.js'
import {
  checkIgnore,
  commentsOf,
  type CommentSuppression,
  type Ignored,
  suppress,
  type Suppression,
  type UncheckedSuppression,
} from './suppress.js'
import { isOfUnknownRelease, uncheckedRelease, uncheckedValues } from './unchecked-values.js'

/** How a configuration is checked. */
export interface LintOptions extends ReadConfigOptions {
  /**
   * The version of etcd. Without a version, rules that need one are skipped. For a release of a line that is not known,
   * `unchecked` names them.
   *
   * @default the tag of the container's image
   */
  version?: EtcdVersion | undefined
  /** Hosts that clients use for the member, in addition to those that it advertises. @default none */
  hosts?: readonly string[] | undefined
  /** The time to check certificates at. @default now */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. @default '0s' */
  clockSkew?: string | undefined
  /** Warn of certificates that end within this duration. @default as {@link ValidateOptions.expiryWarning} */
  expiryWarning?: string | undefined
  /**
   * What to accept: codes of warnings and infos, which are omitted; or suppressions with a reason, of findings, also of
   * errors, and of what was not checked. The report lists these in `suppressed`.
   *
   * @default none
   */
  ignore?: readonly (FindingCode | Suppression | UncheckedSuppression)[] | undefined
  /**
   * Whether comments in the file suppress findings: `# etcd-mtls-ignore CODE: reason` on its own line, for all findings
   * of that code in that file. Only for files that you control: a comment can hide an error.
   *
   * @default false
   */
  comments?: boolean | undefined
}

/** The report about one member. `ok` and `complete` ignore what is suppressed. */
export type LintReport = Report & {
  /** The name of the member, or of its pod or service; null if neither is known. */
  readonly member: string | null
  /** Whether everything was checked: nothing is in `unchecked`. */
  readonly complete: boolean
  /** What was not checked. A report without errors says nothing about it. */
  readonly unchecked: readonly Unchecked[]
  /** What is suppressed, each with its reason. */
  readonly suppressed: readonly (SuppressedFinding | SuppressedUnchecked)[]
}

const OPTIONS = [
  ...(['readFiles', 'version', 'hosts', 'at', 'clockSkew', 'expiryWarning'] as const),
  ...(['ignore', 'comments', 'variables', 'root', 'directory'] as const),
]

interface LintContext extends FileOptions {
  readonly readFiles: boolean
  readonly directory: string | null
  /** A string if it is not known. */
  readonly version: ParsedVersion | string | null
  readonly ignore: Ignored
  readonly comments: boolean
  readonly given: GivenValues
}

interface LintedMember extends ClusterMember {
  readonly findings: readonly Finding[]
  readonly unchecked: readonly Unchecked[]
  readonly comments: readonly CommentSuppression[]
}

/** Documented in `src/config/deferred.ts`. @param label As in {@link ConfigOnDisk}. */
export async function lintEtcdConfig(
  config: ConfigInput,
  options: LintOptions = {},
  label: string | null = null,
): Promise<[LintReport, ...LintReport[]]> {
  const context = resolveLint(options)
  const readings = await readMembers(config, context, label)
  const listed = readings.map((read) => new LintMember(read, null).listed.map(({ name }) => name))
  const isCluster = listed.some(
    (names) => readings.filter(({ settings }) => names.includes(settings.server('name').text)).length > 1,
  )
  const all = await lintMembers(readings, context, isCluster, (name) => `"${name}"`)
  const members = all.filter((each, i) => !isSeparateCluster(each, listed.toSpliced(i, 1).flat(), listed[i] ?? []))
  const clusterFindings = isCluster ? apply(clusterRules, { members, options: context }) : []
  const owners = clusterFindings.map((each) => all.find((member) => isAtOptionOf(each, member)) ?? all[0])
  const [first, ...others] = all.map((each) => {
    const own = clusterFindings.filter((_, i) => owners[i] === each)
    return lintReport(labelOf(each), { ...each, findings: [...each.findings, ...own] }, context)
  })
  if (first === undefined) throw new Error('Unreachable: an input has at least one reading')
  return [first, ...others]
}

/**
 * Lints the configurations of all members of one cluster. It checks each as {@link lintEtcdConfig} does, and then compares
 * them with each other. A Compose file or a manifest may contain several members.
 *
 * @example
 * ```ts
 * const report = await lintCluster([{ file: 'etcd-0.yml' }, { file: 'etcd-1.yml' }, { file: 'etcd-2.yml' }])
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    resolveLint(options)
    throw valueInvalid('members', configs, `an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const inputs = configs.map((config: ConfigInput, i) => ({ config, label: `members[${String(i)}]`, options: {} }))
  return lintOnDisks(inputs, options)
}

/** The configuration of a member, and the disk that it is on. */
export interface ConfigOnDisk {
  readonly config: ConfigInput
  /** Stands for the input in errors, and for the name of a file that it does not have. */
  readonly label: string
  readonly options: Pick<LintOptions, 'readFiles' | 'root' | 'directory'>
}

/** As `lintCluster`, but each configuration may be on a disk of its own. */
export async function lintOnDisks(inputs: readonly ConfigOnDisk[], options: LintOptions): Promise<LintReport> {
  const context = resolveLint(options)
  const contexts = inputs.map((each) => resolveLint({ ...options, at: context.at, ...each.options }))
  const contextOf = (i: number): LintContext => contexts[i] ?? context
  const readings = await Promise.all(inputs.map(({ config, label }, i) => readMembers(config, contextOf(i), label)))
  const isCompared = readings.flat().length > 1
  const linted = await Promise.all(
    inputs.map(({ config: { file }, label }, i) =>
      lintMembers(readings[i] ?? [], contextOf(i), isCompared, (name) =>
        file === undefined ? `"${name}" (${label})` : String(file),
      ),
    ),
  )
  const members = linted.flat()
  const findings = [...members.flatMap((each) => each.findings), ...apply(clusterRules, { members, options: context })]
  const unchecked = members.flatMap((each) => each.unchecked)
  const comments = members.flatMap((each) => each.comments)
  return lintReport(null, { findings, unchecked, comments }, context)
}

/** The name that etcd has in the cluster, or of its pod or service. */
function labelOf({ member, read }: LintedMember): string | null {
  const name = member.server('name')
  const label = name.isSet && !name.isUnresolved ? name.text : read.label
  return label === null ? null : printableDeep(label)
}

/** Whether a member starts a cluster of its own: its list names only itself, and no other list names it. */
function isSeparateCluster({ member }: LintedMember, others: readonly string[], own: readonly string[]): boolean {
  const { text: name, isUnresolved } = member.server('name')
  const isStarting = member.server('initialClusterState').text === 'new'
  return isStarting && !isUnresolved && [...own, name].every((one) => one === name && !others.includes(one))
}

function isAtOptionOf({ place }: Finding, { member }: LintedMember): boolean {
  return member.settings.all().some(({ place: { file, line, column } }) => {
    return file === place?.file && line === place.line && column === place.column
  })
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
function resolveLint(options: LintOptions): LintContext {
  checkOptions('options', options, OPTIONS)
  const { comments = false, version, hosts = [], clockSkew, expiryWarning, ignore = [] } = options
  if (typeof comments !== 'boolean') throw valueInvalid('comments', comments, 'true or false')
  const reading = resolveReading(options)
  classifyHosts(hosts)
  const { at } = resolveContext({ usage: 'server', at: options.at, clockSkew, expiryWarning })
  const parsed = version === undefined ? null : (unknownRelease(version) ?? readVersion(version, 'version'))
  const files = { ...reading, comments, hosts, at, clockSkew, expiryWarning }
  return { ...files, version: parsed, ignore: checkIgnore(ignore) }
}

/**
 * @param isCompared Whether the cluster rules compare the members with each other.
 * @param labelOf The label of a member that is alone in its input, by its name.
 */
async function lintMembers(
  readings: readonly ReadMember[],
  context: LintContext,
  isCompared: boolean,
  labelOf: (name: string) => string,
): Promise<LintedMember[]> {
  const members: LintedMember[] = []
  for (const read of readings) {
    const member = new LintMember(read, context.version)
    const files = context.readFiles ? await readFiles(member, read, context) : NOTHING_READ
    const findings = [
      ...read.findings.filter((each) => !isIgnoredType(each, member) && !isOfUnknownRelease(each, member)),
      ...apply(memberRules, member),
      ...files.findings,
      ...apply(fileRules, { member, files, isCompared, options: context }),
    ].map((each) => rewordForEtcd(each, read))
    const own = readings.length > 1 ? read.label : null
    const label = own ?? labelOf(member.server('name').text)
    const comments = context.comments ? commentsOf(read.texts) : []
    const ofRelease = uncheckedRelease(member, read.labelPlace.file)
    const unchecked = [...read.unchecked, ...ofRelease, ...uncheckedValues(member), ...files.unchecked]
    members.push({ member, files, read, label, findings, unchecked, comments })
  }
  return members
}

/** An option that this version ignores may have any type. */
function isIgnoredType({ code, details }: Finding, member: LintMember): boolean {
  if (code !== 'config/value-type') return false
  const options = [...member.settings.all(), ...member.others]
  return options.some((each) => each.place.option === details.option && !member.hasOption(each))
}

function lintReport(
  member: string | null,
  { findings, unchecked: all, comments }: Pick<LintedMember, 'findings' | 'unchecked' | 'comments'>,
  { at, ignore }: LintContext,
): LintReport {
  const { kept, unchecked, suppressed } = suppress(byCause(findings), all, ignore, comments)
  const report = makeReport({ checkedAt: at, path: null, findings: kept, ignore: ignore.codes })
  return { ...report, member, complete: unchecked.length === 0, unchecked, suppressed }
}

/** Returns the findings that no other finding causes, each with its consequences. */
function byCause(all: readonly Finding[]): Finding[] {
  return foldConsequences(mergeRepeated(distinct(all)), RULES)
}

/** If one mistake causes several findings, the first one is reported, and the others are its consequences. */
function mergeRepeated(findings: readonly Finding[]): Finding[] {
  return groupBy<Finding, unknown>(findings, (each) => repeatKey(each) ?? each).map(([, [first, ...others]]) =>
    others.length === 0 ? first : { ...first, consequences: [...first.consequences, ...others] },
  )
}

/** A key that all findings of one mistake share; null if the finding is not merged with others. */
function repeatKey({ code, details, place, severity }: Finding): string | null {
  const keyOf = (...parts: readonly unknown[]): string => JSON.stringify([code, severity, place?.file, ...parts])
  switch (code) {
    case 'config/not-expanded':
      return keyOf(details.names, details.kind)
    case 'config/protection-ignored': {
      const [block, key] =
        details.kind === 'nested keys' ? [] : ((details.belongs ?? details.nearest)?.split('.') ?? [])
      return key === undefined ? null : keyOf(block)
    }
    case 'file/missing':
      return place === undefined ? null : keyOf(dirname(details.file))
    case 'config/unit-invalid':
      return details.kind === 'export' ? keyOf(details.kind) : null
    case 'config/quotes-in-value':
      return keyOf()
    case 'config/cipher-suites-unfit':
      // The client and peer sides share one list, whose entries may be on separate lines.
      return keyOf(place?.option, details.kind)
    default:
      return null
  }
}

/** The client and peer sides often use the same files, whose findings are reported once. */
function distinct(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ code, message, place }) => {
    const { file = null, line = null, column = null } = code.startsWith('config/') ? (place ?? {}) : {}
    const key = JSON.stringify([code, message, file, line, column])
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}
