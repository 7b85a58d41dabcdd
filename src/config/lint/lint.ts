/** Judges the configuration of one member. */
import { checkOptions, optionInvalid } from '../../misuse.js'
import type { Finding, FindingCode } from '../../report/finding.js'
import { makeReport, type Report } from '../../report/report.js'
import { classifyHosts, resolveContext } from '../../validate/context.js'
import { isIgnorable } from '../../validate/ignorable.js'
import { type ConfigInput, type ReadMember, readMember } from '../read/input.js'
import { isUnresolved } from '../read/read-option.js'
import type { EtcdVersion, ParsedVersion } from '../version.js'
import { readVersion } from '../version.js'
import { advisoryRules } from './advisories.js'
import { type FilesReading, judgeFiles, type JudgeOptions, NO_FILES } from './files.js'
import { byCause, forEtcd } from './consequences.js'
import { containerFiles } from './container-files.js'
import { finding } from './finding.js'
import { withoutOwnGroup } from './key-access.js'
import { type LintMember, LintSide, type Rule } from './member.js'
import { withPlaces } from './place.js'
import { exchangedSides, judgeTogether, smallKeysAreOne } from './rules-files.js'
import { authRules } from './rules-auth.js'
import { reachRules } from './rules-reach.js'
import { startRules } from './rules-start.js'
import { urlRules } from './rules-urls.js'
import { valueRules } from './rules-values.js'

/** How a configuration is judged. */
export interface LintOptions {
  /**
   * Whether the files that the configuration names are read and judged: certificates, keys, revocation lists, and a
   * configuration file or EnvironmentFile. Default: true.
   */
  readFiles?: boolean | undefined
  /** The etcd that it is for. Default: the tag of a container’s image; otherwise none, and no finding rests on it. */
  version?: EtcdVersion | undefined
  /** Hosts by which clients reach the member, beside those that it advertises. Default: none. */
  hosts?: readonly string[] | undefined
  /** The time to judge certificates at. Default: now. */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. Default: `'0s'`. */
  clockSkew?: string | undefined
  /** Warn of certificates that end within this duration. Default: as {@link ValidateOptions.expiryWarning}. */
  expiryWarning?: string | undefined
  /** Codes of warnings and infos to leave out. Errors cannot be left out. Default: none. */
  ignore?: readonly FindingCode[] | undefined
  /** A folder that stands for the root of the machine that etcd runs on, as where its disk is mounted. Default: none. */
  root?: string | undefined
}

const OPTIONS = ['readFiles', 'version', 'hosts', 'at', 'clockSkew', 'expiryWarning', 'ignore', 'root'] as const

/** The options, checked. */
export interface LintContext extends JudgeOptions {
  readonly readFiles: boolean
  readonly version: ParsedVersion | null
  readonly ignore: readonly FindingCode[]
}

/** One member with all that was found about it alone. */
export interface LintedMember {
  readonly member: LintMember
  readonly files: FilesReading
  readonly findings: readonly Finding[]
}

const RULES: readonly Rule[] = [
  ...urlRules,
  ...reachRules,
  ...authRules,
  ...valueRules,
  ...startRules,
  ...advisoryRules,
]

/**
 * Judges a configuration of etcd: what etcd refuses, what it passes over in silence, what opens a hole, and whether the
 * files that it names are fit for their roles. Everything wrong is a finding with its place, also what cannot be read
 * at all. The report has no path.
 *
 * @example
 * ```ts
 * const report = await lintEtcdConfig({ file: '/etc/etcd/etcd.conf.yml' }, { version: '3.5.16' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintEtcdConfig(config: ConfigInput, options: LintOptions = {}): Promise<Report> {
  const context = resolveLint(options)
  const { findings } = await lintMember(await readMember(config, context), context)
  return lintReport(findings, context)
}

/**
 * Checks the options of a call.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function resolveLint(options: LintOptions): LintContext {
  checkOptions('options', options, OPTIONS)
  const { readFiles = true, version, hosts = [], at, clockSkew, expiryWarning, ignore = [], root } = options
  if (typeof readFiles !== 'boolean') throw optionInvalid('readFiles', 'must be true or false')
  if (root !== undefined && (typeof root !== 'string' || root === '')) throw optionInvalid('root', 'must be a folder')
  classifyHosts(hosts)
  const resolved = resolveContext({ usage: 'server', at, clockSkew, expiryWarning })
  return {
    readFiles,
    version: version === undefined ? null : readVersion(version, 'version'),
    hosts,
    at: resolved.at,
    clockSkew,
    expiryWarning,
    ignore: checkIgnore(ignore),
    root: root ?? null,
  }
}

function checkIgnore(ignore: unknown): readonly FindingCode[] {
  if (!Array.isArray(ignore)) throw optionInvalid('ignore', 'must be an array of finding codes')
  return ignore.map((code: unknown, i) => {
    if (isIgnorable(code)) return code
    throw optionInvalid(`ignore[${String(i)}]`, 'must be the code of a warning or an info; errors cannot be ignored')
  })
}

/** Judges one member that was read. */
export async function lintMember(read: ReadMember, context: LintContext): Promise<LintedMember> {
  const { settings, isWhole } = read
  const member: LintMember = {
    settings,
    others: read.others,
    client: new LintSide('client', settings),
    peer: new LintSide('peer', settings),
    version: context.version ?? read.surroundings.version,
    versionPlace: context.version === null ? (read.surroundings.versionPlace ?? null) : null,
    isWhole,
  }
  const unresolved = settings
    .all()
    .filter(({ text }) => isUnresolved(text))
    .map(({ place, text }) => finding('config/value-unresolved', { ...place, value: text }))
  const found = RULES.flatMap((rule) => rule(member))
  const none = { client: NO_FILES, peer: NO_FILES, findings: [] }
  const files = context.readFiles ? await judgeFiles(member, read, context) : none
  const ofFiles = exchangedSides(member, files, [...files.findings, ...judgeTogether(member, files, context)], context)
  const all = distinct([...read.findings, ...found, ...unresolved, ...smallKeysAreOne(member, ofFiles)])
  const container = containerFiles(member, read, context.readFiles)
  const own = await withoutOwnGroup([...all, ...container], read, context.root)
  return { member, files, findings: byCause(withPlaces(own, settings.all()).map((each) => forEtcd(each, read))) }
}

/** Both sides often have the same files: what is said of them is said once. */
export function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [`${each.code} ${each.message}`, each])).values()]
}

export function lintReport(findings: readonly Finding[], { at, ignore }: LintContext): Report {
  return makeReport({ checkedAt: at, path: null, findings, ignore })
}
