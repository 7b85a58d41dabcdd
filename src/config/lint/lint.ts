/** Checks the configuration of one member. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { Finding, FindingCode, SuppressedFinding } from '../../report/finding.js'
import { makeReport, type Report } from '../../report/report.js'
import { resolveContext } from '../../validate/context.js'
import { classifyHosts } from '../../x509/names.js'
import { type ConfigInput, type ReadMember, readMember } from '../read/input.js'
import { isUnresolved } from '../read/read-option.js'
import { type EtcdVersion, type ParsedVersion, readVersion } from '../tables/version.js'
import { reported } from '../finding.js'
import { byCause } from './causes.js'
import { type FileOptions, type FilesReading, inWordsOfEtcd, NOTHING_READ, readFiles } from './files.js'
import { byRules, LintMember } from './member.js'
import { filesRules } from './rules-files.js'
import { runtimeRules } from './rules-runtime.js'
import { memberFindings } from './rules.js'
import {
  checkIgnore,
  type CommentSuppression,
  commentsOf,
  type Ignored,
  suppress,
  type Suppression,
} from './suppress.js'

/** How a configuration is checked. */
export interface LintOptions {
  /**
   * Whether the files that the configuration names are read and checked: certificates, keys, revocation lists, and a
   * configuration file or EnvironmentFile. Default: true.
   */
  readFiles?: boolean | undefined
  /** The etcd that it is for. Default: the tag of a container’s image; otherwise none, and no finding rests on it. */
  version?: EtcdVersion | undefined
  /** Hosts by which clients reach the member, next to those that it advertises. Default: none. */
  hosts?: readonly string[] | undefined
  /** The time to check certificates at. Default: now. */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. Default: `'0s'`. */
  clockSkew?: string | undefined
  /** Warn of certificates that end within this duration. Default: as {@link ValidateOptions.expiryWarning}. */
  expiryWarning?: string | undefined
  /**
   * Findings to leave out: codes of warnings and infos, or suppressions with a reason, which may be of errors. What a
   * suppression leaves out is in `suppressed` of the report. Default: none.
   */
  ignore?: readonly (FindingCode | Suppression)[] | undefined
  /**
   * Whether comments of the configuration suppress findings: `# etcd-mtls-ignore CODE: reason`, on a line of its own, for
   * all findings of that code in that file. False for configurations that strangers wrote. Default: true.
   */
  comments?: boolean | undefined
  /**
   * The one to lint of several etcds that a manifest or a Compose file starts: its service, its pod (`POD/CONTAINER` if a
   * pod runs several), or its `--name`. Default: the only one.
   */
  member?: string | undefined
  /** A folder that stands for the root of the machine that etcd runs on, as where its disk is mounted. Default: none. */
  root?: string | undefined
}

/** The report of a lint. `ok` does not count what is suppressed. */
export type LintReport = Report & {
  /** Findings that a suppression left out, with its reason. */
  readonly suppressed: readonly SuppressedFinding[]
}

const OPTIONS = [
  'readFiles',
  'version',
  'hosts',
  'at',
  'clockSkew',
  'expiryWarning',
  'ignore',
  'comments',
  'member',
  'root',
] as const

/** The options, checked. */
export interface LintContext extends FileOptions {
  readonly readFiles: boolean
  readonly version: ParsedVersion | null
  readonly ignore: Ignored
  readonly comments: boolean
  readonly member: string | null
}

/** One member with all that was found about it alone. */
export interface LintedMember {
  readonly member: LintMember
  readonly files: FilesReading
  readonly read: ReadMember
  readonly findings: readonly Finding[]
  readonly comments: readonly CommentSuppression[]
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function lintEtcdConfig(config: ConfigInput, options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  const { findings, comments } = await lintMember(await readMember(config, context), context)
  return lintReport(findings, comments, context)
}

/**
 * Checks the options of a call.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function resolveLint(options: LintOptions): LintContext {
  checkOptions('options', options, OPTIONS)
  const { readFiles = true, comments = true, version, hosts = [], clockSkew, expiryWarning, ignore = [] } = options
  const { member = null, root = null } = options
  if (typeof readFiles !== 'boolean') throw optionInvalid('readFiles', 'must be true or false')
  if (typeof comments !== 'boolean') throw optionInvalid('comments', 'must be true or false')
  if (root !== null && (typeof root !== 'string' || root === '')) throw optionInvalid('root', 'must be a folder')
  if (member !== null && (typeof member !== 'string' || member === '')) {
    throw optionInvalid('member', 'must be the name of a member')
  }
  classifyHosts(hosts)
  const { at } = resolveContext({ usage: 'server', at: options.at, clockSkew, expiryWarning })
  const parsed = version === undefined ? null : readVersion(version, 'version')
  const shared = { readFiles, comments, hosts, at, clockSkew, expiryWarning, member, root }
  return { ...shared, version: parsed, ignore: checkIgnore(ignore) }
}

/**
 * Lints one member that was read.
 *
 * @param isCompared Whether the other members of its cluster are compared with it.
 */
export async function lintMember(read: ReadMember, context: LintContext, isCompared = false): Promise<LintedMember> {
  const { settings, isWhole, others } = read
  const { version, versionPlace, probes = [], published = [] } = read.context
  const member = new LintMember({
    settings,
    others,
    version: context.version ?? version,
    versionPlace: context.version === null ? (versionPlace ?? null) : null,
    isWhole,
    probes,
    published,
    written: null,
  })
  const files = context.readFiles ? await readFiles(member, read, context) : NOTHING_READ
  const findings = [
    ...read.findings.filter((each) => !isIgnoredType(each, member)),
    ...memberFindings(member),
    ...unresolvedValues(read),
    ...files.findings,
    ...filesRules(files, { member, isCompared, at: context.at, clockSkew: context.clockSkew }),
    ...byRules(runtimeRules, member, read, context.readFiles),
  ].map((each) => inWordsOfEtcd(each, read))
  const comments = context.comments ? commentsOf(read.texts) : []
  return { member, files, read, findings: byCause(findings), comments }
}

/** What this version ignores cannot have the wrong type. */
function isIgnoredType({ code, details }: Finding, member: LintMember): boolean {
  if (code !== 'config/value-type') return false
  const options = [...member.settings.all(), ...member.others]
  return options.some((each) => each.place.option === details.option && !member.hasOption(each))
}

function unresolvedValues({ settings, findings }: ReadMember): Finding[] {
  const placesOf = findings.flatMap(({ code, details }) => (code === 'config/not-expanded' ? [details] : []))
  return reported((report) => {
    for (const { text, place, form } of settings.all()) {
      const isReported = placesOf.some(
        ({ line, column, file }) => line === place.line && column === place.column && file === place.file,
      )
      if (!isUnresolved(text) || isReported) continue
      // Etcd expands nothing in its file.
      const kind = form === 'yaml' && /\$[({A-Za-z_]/.test(text) ? ('value of a file' as const) : ('value' as const)
      report('config/not-checked', { ...place, kind, what: [text], why: '' })
    }
  })
}

export function lintReport(
  findings: readonly Finding[],
  comments: readonly CommentSuppression[],
  { at, ignore }: LintContext,
): LintReport {
  const { kept, suppressed } = suppress(findings, ignore, comments)
  return { ...makeReport({ checkedAt: at, path: null, findings: kept, ignore: ignore.codes }), suppressed }
}
