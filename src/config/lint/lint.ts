/** Checks configurations: of one member, of all etcds that a text starts, or of all members of a cluster. */
import { resolve } from 'node:path'
import type { Finding, FindingCode, SuppressedFinding } from '../../report/finding.js'
import { checkOptions, textInvalid, valueInvalid } from '../../report/option-error.js'
import { makeReport, type Report } from '../../report/report.js'
import { resolveContext } from '../../validate/context.js'
import { classifyHosts } from '../../x509/names.js'
import { type ConfigInput, type ReadMember, readMember, readMembers } from '../read/input.js'
import { isUnresolved, MAX_MEMBERS } from '../read/text.js'
import { type EtcdVersion, type ParsedVersion, readVersion } from '../tables/version.js'
import { byCause } from './causes.js'
import { type FileOptions, rewordForEtcd, NOTHING_READ, readFiles } from './files.js'
import { LintMember } from './member.js'
import { apply, rulesAbout } from './rule.js'
import { type ClusterMember, clusterRules, nameOf } from './rules-cluster.js'
import { fileRules } from './rules-files.js'
import { memberRules } from './rules-options.js'
import { runtimeRules } from './rules-runtime.js'
import {
  checkIgnore,
  commentsOf,
  type CommentSuppression,
  type Ignored,
  suppress,
  type Suppression,
} from './suppress.js'

/** How a configuration is checked. */
export interface LintOptions {
  /**
   * Whether to read and check the files that the configuration names: certificates, keys, CRLs, a configuration file
   * and an EnvironmentFile. Default: true.
   */
  readFiles?: boolean | undefined
  /**
   * The version of etcd. Default: the tag of the container’s image. Without a version, rules that need one are skipped.
   */
  version?: EtcdVersion | undefined
  /** Hosts that clients use for the member, in addition to those that it advertises. Default: none. */
  hosts?: readonly string[] | undefined
  /** The time to check certificates at. Default: now. */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. Default: `'0s'`. */
  clockSkew?: string | undefined
  /** Warn of certificates that end within this duration. Default: as {@link ValidateOptions.expiryWarning}. */
  expiryWarning?: string | undefined
  /**
   * Findings to omit: codes of warnings and infos, or suppressions with a reason, also of errors. The report lists
   * suppressed findings in `suppressed`. Default: none.
   */
  ignore?: readonly (FindingCode | Suppression)[] | undefined
  /**
   * Whether comments in the file suppress findings: `# etcd-mtls-ignore CODE: reason` on its own line, for all findings
   * of that code in that file. Set it to false for files that you do not trust. Default: true.
   */
  comments?: boolean | undefined
  /**
   * Which etcd to lint if a manifest or a Compose file starts several: its service, its pod (`POD/CONTAINER` if a pod
   * runs several), or its `--name`. Default: the only one.
   */
  member?: string | undefined
  /** The directory where the disk of etcd's machine is mounted. Default: none. */
  root?: string | undefined
}

/** The report of a lint. `ok` ignores suppressed findings. */
export type LintReport = Report & {
  /** Suppressed findings, each with its reason. */
  readonly suppressed: readonly SuppressedFinding[]
}

const OPTIONS = [
  ...(['readFiles', 'version', 'hosts', 'at', 'clockSkew', 'expiryWarning'] as const),
  ...(['ignore', 'comments', 'member', 'root'] as const),
]

interface LintContext extends FileOptions {
  readonly readFiles: boolean
  readonly version: ParsedVersion | null
  readonly ignore: Ignored
  readonly comments: boolean
  readonly member: string | null
}

interface LintedMember extends ClusterMember {
  readonly findings: readonly Finding[]
  readonly comments: readonly CommentSuppression[]
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function lintEtcdConfig(config: ConfigInput, options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  const { findings, comments } = await lintMember(await readMember(config, context), context)
  return lintReport(findings, comments, context)
}

export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    throw valueInvalid('members', configs, `an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const readings = await Promise.all(
    configs.map((config: ConfigInput, i) => {
      const place = `members[${String(i)}]`
      return readMembers(config, context, place)
    }),
  )
  const isCompared = readings.flat().length > 1
  const linted = await Promise.all(
    configs.map(({ file }: ConfigInput, i) =>
      lintMembers(readings[i] ?? [], context, isCompared, (name) =>
        file === undefined ? `"${name}" (members[${String(i)}])` : String(file),
      ),
    ),
  )
  const members = linted.flat()
  const findings = [...members.flatMap((each) => each.findings), ...apply(clusterRules, { members, options: context })]
  return lintReport(
    byCause(findings),
    members.flatMap(({ comments }) => comments),
    context,
  )
}

export async function lintEtcdConfigs(config: ConfigInput, options: LintOptions = {}): Promise<LintReport[]> {
  const context = resolveLint(options)
  const readings = await readMembers(config, context)
  const listed = readings.map((read) => {
    const { listed } = new LintMember(read, null)
    return read.settings.server('initialCluster').isSet ? listed.map(({ name }) => name) : []
  })
  const isCluster = listed.some(
    (names) => readings.filter(({ settings }) => names.includes(settings.server('name').text)).length > 1,
  )
  const all = await lintMembers(readings, context, isCluster, (name) => `"${name}"`)
  const members = all.filter((each, i) => !isSeparateCluster(each, listed.toSpliced(i, 1).flat(), listed[i] ?? []))
  const clusterFindings = isCluster ? apply(clusterRules, { members, options: context }) : []
  const owners = clusterFindings.map((each) => all.find((member) => isAtOptionOf(each, member)) ?? all[0])
  return all.map((each) => {
    const own = clusterFindings.filter((_, i) => owners[i] === each)
    return lintReport(byCause([...each.findings, ...own]), each.comments, context)
  })
}

/** Whether a member starts a cluster of its own: its list names only itself, and no other list names it. */
function isSeparateCluster({ member }: LintedMember, others: readonly string[], own: readonly string[]): boolean {
  const { text: name, isUnresolved } = member.server('name')
  const isStarting = member.server('initialClusterState').text === 'new'
  return isStarting && !isUnresolved && [...own, name].every((one) => one === name && !others.includes(one))
}

function isAtOptionOf({ place }: Finding, { member }: LintedMember): boolean {
  return member.settings.all().some((each) => each.place.line === place?.line && each.place.column === place.column)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
function resolveLint(options: LintOptions): LintContext {
  checkOptions('options', options, OPTIONS)
  const { readFiles = true, comments = true, version, hosts = [], clockSkew, expiryWarning, ignore = [] } = options
  const { member, root } = options
  if (typeof readFiles !== 'boolean') throw valueInvalid('readFiles', readFiles, 'true or false')
  if (typeof comments !== 'boolean') throw valueInvalid('comments', comments, 'true or false')
  if (root !== undefined && (typeof root !== 'string' || root === ''))
    throw textInvalid('root', root, 'the path of a directory')
  if (member !== undefined && (typeof member !== 'string' || member === '')) {
    throw textInvalid('member', member, 'the name of a member')
  }
  classifyHosts(hosts)
  const { at } = resolveContext({ usage: 'server', at: options.at, clockSkew, expiryWarning })
  const parsed = version === undefined ? null : readVersion(version, 'version')
  const shared = {
    readFiles,
    comments,
    hosts,
    at,
    clockSkew,
    expiryWarning,
    member: member ?? null,
    root: root === undefined ? null : resolve(root),
  }
  return { ...shared, version: parsed, ignore: checkIgnore(ignore) }
}

async function lintMembers(
  readings: readonly ReadMember[],
  context: LintContext,
  isCompared: boolean,
  labelOf: (name: string) => string,
): Promise<LintedMember[]> {
  const members: LintedMember[] = []
  for (const read of readings) {
    const linted = await lintMember(read, context, isCompared)
    const label = readings.length > 1 && read.label !== null ? read.label : labelOf(nameOf(linted))
    members.push({ ...linted, label })
  }
  return members
}

/** @param isCompared Whether the cluster rules compare it with other members. */
async function lintMember(read: ReadMember, context: LintContext, isCompared = false): Promise<LintedMember> {
  const member = new LintMember(read, context.version)
  const files = context.readFiles ? await readFiles(member, read, context) : NOTHING_READ
  const findings = [
    ...read.findings.filter((each) => !isIgnoredType(each, member)),
    ...apply(memberRules, member),
    ...apply([unresolvedValues], read),
    ...files.findings,
    ...apply(fileRules, { member, files, isCompared, options: context }),
    ...apply(runtimeRules, { member, read, readsFiles: context.readFiles }),
  ].map((each) => rewordForEtcd(each, read))
  const comments = context.comments ? commentsOf(read.texts) : []
  return { member, files, read, label: '', findings: byCause(findings), comments }
}

/** An option that this version ignores may have any type. */
function isIgnoredType({ code, details }: Finding, member: LintMember): boolean {
  if (code !== 'config/value-type') return false
  const options = [...member.settings.all(), ...member.others]
  return options.some((each) => each.place.option === details.option && !member.hasOption(each))
}

const unresolvedValues = rulesAbout((read: ReadMember) => [read])('config/not-checked', ({ settings, findings }) => {
  const reported = findings.flatMap(({ code, place }) => (code === 'config/not-expanded' ? [place] : []))
  return settings.all().flatMap((at) => {
    const { text, place, form } = at
    const isReported = reported.some(
      (each) => each?.line === place.line && each.column === place.column && each.file === place.file,
    )
    if (!isUnresolved(text) || isReported) return []
    // Etcd does not expand variables in its configuration file.
    const kind = form === 'yaml' && /\$[({A-Za-z_]/.test(text) ? 'value of a file' : 'value'
    return [{ at, kind, what: [text] }]
  })
})

function lintReport(
  findings: readonly Finding[],
  comments: readonly CommentSuppression[],
  { at, ignore }: LintContext,
): LintReport {
  const { kept, suppressed } = suppress(findings, ignore, comments)
  return { ...makeReport({ checkedAt: at, path: null, findings: kept, ignore: ignore.codes }), suppressed }
}
