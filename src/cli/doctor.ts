/** `etcd-mtls doctor`: examines a cluster and prints what was found. */
import { stat } from 'node:fs/promises'
import {
  type CertificateRef,
  type ClusterMember,
  type ClusterReport,
  examineMachine,
  type ExamineOptions,
  type MachineReport,
} from '../doctor/index.js'
import { codeOf, isError, listed, printable, type PrintOptions, printParts, wrapText } from '../report/internal.js'
import { type EtcdMtlsError, isEtcdMtlsError } from '../report/index.js'
import { type Answer, type Call, kebab, UsageError } from './command.js'
import { connectionEnv, connectionSource } from './connection.js'
import { CONNECTION_VARIABLES } from './connection-options.js'
import { type Column, tableLines } from './table.js'

export async function run(call: Call): Promise<Answer> {
  const options = await optionsOf(call)
  call.progress('Examining the cluster')
  const report = await examineMachine(options).catch((error: unknown) => {
    throw isEtcdMtlsError(error, 'ERR_OPTION_INVALID') ? asUsageError(error, options, call) : error
  })
  const { clusters } = report
  // An ordinary user must not make an examination of root fail.
  const trusted = clusters.filter(({ isTrustedUser }) => isTrustedUser || process.geteuid?.() !== 0)
  const isSilent = trusted.some(({ members }) => members.some(isDialled) && !members.some(({ isReached }) => isReached))
  const unchecked = [report, ...clusters].flatMap((each) => each.unchecked)
  return {
    document: report,
    text: (print) => machineText(report, print),
    findings: [
      ...[report, ...trusted].flatMap((each) => each.findings),
      ...(isSilent ? [{ severity: 'error' as const }] : []),
    ],
    // The files of other machines are examined there.
    isDue:
      unchecked.some(({ kind }) => kind !== 'other-machine') ||
      trusted.length < clusters.length ||
      clusters.some(({ members }) => !members.some(isDialled)),
  }
}

function isDialled(member: ClusterMember): boolean {
  return member.isDialled
}

const EXAMPLES = [
  'etcd-mtls doctor --endpoints 10.0.0.1 --cacert ca.crt --cert c.crt --key c.key',
  'etcd-mtls doctor --config /etc/etcd/etcd.conf.yml',
  'sudo etcd-mtls doctor --kubeadm /etc/kubernetes',
]

/** Names the flag in place of the option of the library. */
function asUsageError(
  { details: { option, reason }, cause }: EtcdMtlsError<'ERR_OPTION_INVALID'>,
  { endpoints, credentials, configs, kubeadm, root }: ExamineOptions,
  call: Call,
): UsageError {
  const isGiven = [endpoints, credentials, configs].some((each) => each !== undefined)
  if (option !== 'endpoints' || isGiven) {
    const { names = {} } = connectionSource(call).clientDefaults()
    return new UsageError(`Option "${names[option] ?? `--${kebab(option)}`}" ${reason}`)
  }
  return new UsageError(`No etcd was found on ${kubeadm ?? root ?? 'this machine'} that this user may examine.`, [
    // What this user may not read.
    ...(isError(cause) ? cause.message.split('\n') : []),
    'Run it as root on a machine of the cluster, or name the cluster:',
    ...EXAMPLES.map((each) => `  ${each}`),
  ])
}

async function optionsOf(call: Call): Promise<ExamineOptions> {
  const { options, signal } = call
  const configs = options.list('config')
  const [root, kubeadm, lead] = [options.text('root'), options.text('kubeadm'), options.text('lead')]
  await Promise.all([
    ...configs.map((file) => checkPath('--config', file)),
    ...(root === undefined ? [] : [checkPath('--root', root)]),
    ...(kubeadm === undefined ? [] : [checkPath('--kubeadm', kubeadm)]),
  ])
  const env = connectionEnv(call)
  const source = connectionSource(call)
  const isSet = (name: keyof typeof CONNECTION_VARIABLES): boolean => (env[CONNECTION_VARIABLES[name]] ?? '') !== ''
  const hasPair = (['cert', 'key'] as const).some(isSet)
  const ca = hasPair || !isSet('cacert') ? undefined : env[CONNECTION_VARIABLES.cacert]
  const defaults = source.clientDefaults()
  const { auth, dialTimeout } = defaults
  // Without endpoints, the etcd of this machine is examined.
  const endpoints = isSet('endpoints') || isSet('discoverySrv') ? defaults.endpoints : undefined
  if (!hasPair && ca === undefined && auth !== undefined)
    throw new UsageError('A user needs --cacert: a password is not sent to a server that only this machine names.')
  return {
    ...(hasPair ? { credentials: source } : { endpoints, ca }),
    auth,
    dialTimeout,
    ...(configs.length > 0 ? { configs: configs.map((file) => ({ file })) } : {}),
    root,
    kubeadm,
    lead,
    signal,
  }
}

/** @throws {UsageError} for a path that does not exist, or that this user may not see */
async function checkPath(option: string, path: string): Promise<void> {
  try {
    await stat(path)
  } catch (error) {
    const code = codeOf(error)
    if (code === null) throw error
    const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'it does not exist' : code
    throw new UsageError(`${option} ${path} cannot be read: ${reason}.`)
  }
}

/** The report of one cluster, with what is about the machine on top; or that, then each cluster below its heading. */
function machineText(report: MachineReport, print: PrintOptions): string {
  const [first, second] = report.clusters
  if (first !== undefined && second === undefined) {
    const findings = [...report.findings, ...first.findings]
    return reportText({ ...first, findings, unchecked: [...report.unchecked, ...first.unchecked] }, print)
  }
  const { result, findings, unchecked } = printParts({ ...report, path: null }, print)
  const about = report.findings.length + report.unchecked.length === 0 ? [] : [result, findings, unchecked]
  const parts = report.clusters.map((each) => {
    const names = each.members.map(({ name, clientUrls: [url = ''] }) => printable(name ?? url))
    const heading = `Cluster ${each.clusterId ?? 'of unknown ID'}: ${listed(names, 'no member')}`
    return `${print.color ? `\u001b[1m${heading}\u001b[0m` : heading}\n\n${reportText(each, print)}`
  })
  return [...about.filter((block) => block !== ''), ...parts].join('\n\n')
}

export function reportText(report: ClusterReport, print: PrintOptions): string {
  // The forecast says it below.
  const shown = report.findings.filter(({ code, severity }) => code !== 'cluster/quorum-expires' || severity !== 'info')
  const { result, findings, unchecked } = printParts({ ...report, findings: shown }, print)
  const wrap = (text: string, indent = '  '): string[] =>
    wrapText(text, { width: print.width, first: '', rest: indent })
  const [title = '', ...rows] = report.members.length === 0 ? [] : membersTable(report, print.width)
  const blocks = [
    result,
    [print.color && title !== '' ? `\u001b[1m${title}\u001b[0m` : title, ...rows].join('\n'),
    findings,
    forecastLines(report)
      .flatMap((line) => wrap(line))
      .join('\n'),
    unchecked,
    wrap(`Evidence: ${report.sources.length === 0 ? 'none' : report.sources.map(printable).join(', ')}.`).join('\n'),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

function membersTable({ members, checkedAt }: ClusterReport, width: number): string[] {
  const column = (title: string, shrinks: Column['shrinks'], value: (member: ClusterMember) => string): Column => {
    return { title, shrinks, values: members.map((each) => printable(value(each)) || '-') }
  }
  return tableLines(
    [
      column('MEMBER', 'first', ({ name }) => name ?? ''),
      // Members on one machine differ in its end.
      column('ADDRESS', 'last', ({ clientUrls }) => (clientUrls[0] ?? '').replace(/^https:\/\//, '')),
      column('VERSION', 'never', ({ version }) => version ?? ''),
      column('ROLE', 'never', ({ role, isReached }) => role ?? (isReached ? 'no leader' : 'no answer')),
      column('SERVES', 'first', ({ served }) => (served === null ? '' : shortName(served.subject))),
      column('LEFT', 'never', ({ served }) => (served === null ? '' : timeLeft(served.notAfter, checkedAt))),
      column('ACCEPTS', 'first', ({ acceptedAuthorities }) => acceptedText(acceptedAuthorities)),
      column('LATENCY', 'never', ({ latency }) =>
        latency === null ? '' : `${String(Math.max(1, Math.round(latency)))} ms`,
      ),
    ],
    width,
  )
}

/** A name of only a common name, without `CN=`. */
function shortName(subject: string): string {
  return /^CN=([^,+]+)$/.exec(subject)?.[1] ?? (subject === '' ? 'no subject' : subject)
}

function acceptedText(accepted: readonly string[] | null): string {
  const [first, ...others] = accepted ?? []
  if (accepted === null) return ''
  if (first === undefined) return 'system CAs'
  return `${shortName(first)}${others.length === 0 ? '' : ` +${String(others.length)}`}`
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

function timeLeft(end: Date, now: Date): string {
  const left = end.getTime() - now.getTime()
  if (left < 0) return 'expired'
  return left < 2 * DAY ? `${String(Math.round(left / HOUR))} h` : `${String(Math.round(left / DAY))} d`
}

function forecastLines({ forecast, members, findings }: ClusterReport): string[] {
  const { until, certificate, hasQuorum, pairs, assumed, clients } = forecast
  const date = (time: Date): string => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const causeOf = (ends: CertificateRef | null): string =>
    ends === null ? '' : `, when ${printable(ends.subject === '' ? `serial ${ends.serialNumber}` : ends.subject)} ends`
  const quorum = !hasQuorum
    ? 'no majority of the members can make new connections now.'
    : until === null
      ? pairs.length === 0
        ? 'one member needs no connection to another one for its quorum.'
        : 'no date is known after which a majority of the members cannot connect.'
      : `a majority of the members can connect to each other until ${date(until)}${causeOf(certificate)}, if nothing is renewed.`
  const silent = findings.flatMap(({ code, details }) => {
    if (code !== 'cluster/member-down') return []
    return details.kind === 'one' ? [details.member] : details.down.map(({ member }) => member)
  })
  const apart = pairs
    .filter(({ refusals }) => refusals.length > 0)
    .map(({ members }) => members.map(printable).join(' and '))
  return [
    `Forecast: ${quorum}`,
    ...(clients.until === null
      ? []
      : [
          `Clients can connect to ${members.length === 1 ? 'the member' : 'a majority of the members'} until ${date(clients.until)}${causeOf(clients.certificate)}.`,
        ]),
    ...(silent.length === 0
      ? []
      : [
          `${listed(silent.map(printable))} did not answer: the dates assume that ${silent.length === 1 ? 'it runs' : 'they run'}.`,
        ]),
    ...(apart.length === 0 ? [] : [`Pairs of which one refuses the other: ${apart.join(', ')}.`]),
    ...(assumed.length === 0
      ? []
      : [
          `The CAs that ${listed(assumed.map(printable))} ${assumed.length === 1 ? 'has' : 'have'} for other members are not known: only dates, names and usages were checked.`,
        ]),
  ]
}
