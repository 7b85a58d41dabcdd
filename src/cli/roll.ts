/** `etcd-mtls roll`: which step of the replacement of a CA is safe, and the commands of each step. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadAuthority } from '../authority/index.js'
import { fromFiles } from '../credentials/index.js'
import { type RollMember, type RollOptions, type RollState, rollState } from '../doctor/index.js'
import { printable, type PrintOptions, wrapText } from '../report/internal.js'
import { isEtcdMtlsError } from '../report/index.js'
import { quoteForShell } from '../config/internal.js'
import { type Answer, type Call, kebab, UsageError } from './command.js'
import { connectionEnv, connectionSource } from './connection.js'
import { CONNECTION_VARIABLES } from './connection-options.js'
import type { RollDocument, RollLine } from './documents.js'
import { readText } from './input.js'
import { tableLines } from './table.js'

const KINDS = ['trust-both', 'restart', 'reissue', 'trust-new', 'restart'] as const
const TITLES: Readonly<Record<string, string>> = {
  'trust-both': 'Trust both CAs: write these files, and copy them to the members',
  restart: 'Restart one member, and check again',
  reissue: 'Reissue the certificates by the new CA, and copy them to the members',
  'trust-new': 'Trust the new CA alone: write these files, and copy them to the members',
  done: 'The replacement is done: no member accepts or serves the old CA.',
}

export async function run(call: Call): Promise<Answer> {
  const { operands, options, signal } = call
  const [what = ''] = operands
  if (what !== 'plan' && what !== 'check')
    throw new UsageError(`roll needs "plan" or "check"; received ${JSON.stringify(what)}.`)
  const [from, to] = [options.text('from'), options.text('to')]
  if (from === undefined || to === undefined)
    throw new UsageError('roll needs --from and --to, the directories of both CAs.')
  const isNamed = (connectionEnv(call)[CONNECTION_VARIABLES.endpoints] ?? '') !== ''
  const given = {
    directory: options.text('dir'),
    endpoints: isNamed ? connectionSource(call).clientDefaults().endpoints : undefined,
    kubeadm: options.text('kubeadm'),
  }
  call.progress('Asking each port with a certificate of both CAs')
  const state = await rollState({ from: await caIn(from), to: await caIn(to), ...given, signal }).catch(
    (error: unknown) => {
      if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
      const { option, reason } = error.details
      throw new UsageError(`--${option === 'directory' ? 'dir' : kebab(option)} ${reason}`)
    },
  )
  const places = { from, to, directory: given.directory ?? '.', kubeadm: given.kubeadm }
  const steps = linesOf(what === 'plan' ? KINDS : [state.step?.kind ?? 'done'], state, places)
  const document: RollDocument = { ...state, steps }
  return {
    document,
    text: (print) => textOf(document, what, print),
    findings: what === 'check' && state.step === null ? [{ severity: 'error' }] : [],
  }
}

async function caIn(folder: string): Promise<RollOptions['from']> {
  const [ca, key] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
  if (existsSync(key)) return loadAuthority({ cert: (await readText(ca)) ?? '', key: (await readText(key)) ?? '' })
  return fromFiles({ ca, cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }).load()
}

interface Places {
  readonly from: string
  readonly to: string
  readonly directory: string
  readonly kubeadm: string | undefined
}

/** Followers before the leader. */
function linesOf(kinds: readonly string[], { members, step }: RollState, places: Places): RollLine[] {
  const ordered = members.toSorted((one, other) => Number(one.isLeader) - Number(other.isLeader))
  const { kubeadm } = places
  return kinds.flatMap((kind): RollLine[] => {
    if (kind !== 'restart')
      return kind === 'done' ? [] : [{ kind, host: null, command: commandOf(kind, members, places) }]
    const isNext = ({ name }: RollMember): boolean => kinds.length > 1 || step?.members.includes(name) === true
    const command = kubeadm === undefined ? 'systemctl restart etcd' : 'crictl stop $(crictl ps --quiet --name etcd)'
    return ordered.filter(isNext).map((each) => ({ kind, host: hostOf(each), command }))
  })
}

function hostOf({ name, ports: [port] }: RollMember): string {
  return port === undefined ? name : new URL(port.url).hostname
}

function commandOf(kind: string, members: readonly RollMember[], { from, to, directory, kubeadm }: Places): string {
  const [old = '', next = ''] = [from, to].map((each) => quoteForShell(join(each, 'ca.crt')))
  const dir = quoteForShell(kubeadm === undefined ? directory : join(kubeadm, 'pki'))
  if (kind === 'reissue')
    return `etcd-mtls renew ${dir} --foreign --ca-dir ${quoteForShell(to)}${kubeadm === undefined ? '' : ' --layout kubeadm'}`
  // Peers may have a CA of their own.
  const isPeers = members.every(({ ports }) =>
    ports.every(({ port, accepts }) => port === 'peer' || accepts === 'other'),
  )
  const name = isPeers ? 'peer-ca.crt' : 'ca.crt'
  const clients = isPeers ? '' : ` ${dir}/clients/*/${name}`
  const files = kubeadm === undefined ? `${dir}/members/*/${name}${clients}` : `${dir}/etcd/ca.crt`
  return `for file in ${files}; do cat ${kind === 'trust-both' ? `${old} ` : ''}${next} > "$file"; done`
}

function textOf(
  { members, step, refusals, unseen, steps }: RollDocument,
  what: string,
  { color, width }: PrintOptions,
): string {
  const rows = members.flatMap(({ name, isLeader, ports }) =>
    ports.map(({ port, accepts, serves, file }) => {
      const has = (which: string): string =>
        accepts === null ? '?' : [which, 'both', 'any'].includes(accepts) ? 'yes' : 'no'
      return [isLeader ? `${name} (leader)` : name, port, has('old'), has('new'), serves, file ?? '?']
    }),
  )
  const columns = ['MEMBER', 'PORT', 'ACCEPTS OLD', 'ACCEPTS NEW', 'SERVES', 'FILE SAYS'].map((title, i) => ({
    ...{ title, shrinks: 'never' as const },
    values: rows.map((row) => row[i] ?? ''),
  }))
  const wrap = (first: string, text: string): string => wrapText(text, { width, first, rest: '  ' }).join('\n')
  const titled = (title: string): string => (color ? `\u001b[1m${title}\u001b[0m` : title)
  const lines = (some: readonly RollLine[]): string[] =>
    some.map(({ host, command }) => `  ${host === null ? '' : `${host}: `}${printable(command)}`)
  const kinds = what === 'plan' ? KINDS : step === null ? [] : [step.kind]
  const parts = kinds.map((kind, i) => {
    const ofStep = steps.filter((each) => each.kind === kind)
    const title = what === 'plan' ? `${String(i + 1)}. ${TITLES[kind] ?? ''}` : `Next: ${TITLES[kind] ?? ''}`
    return [titled(ofStep.length === 0 ? (TITLES[kind] ?? '') : `${title}:`), ...lines(half(ofStep, kind, i))].join(
      '\n',
    )
  })
  const notSafe =
    step === null && what === 'check'
      ? [[titled('No step is safe now:'), ...refusals.map((each) => wrap('- ', each))].join('\n')]
      : []
  const asked = unseen.length === 0 ? [] : [wrap('', `Not seen: the files of ${unseen.join(', ')}. Run it there too.`)]
  return [...(rows.length === 0 ? [] : [tableLines(columns, width).join('\n')]), ...notSafe, ...parts, ...asked].join(
    '\n\n',
  )
}

/** The restarts are in the plan twice. */
function half(lines: readonly RollLine[], kind: string, i: number): readonly RollLine[] {
  if (kind !== 'restart' || i === 0) return lines
  return i === 1 ? lines.slice(0, lines.length / 2) : lines.slice(lines.length / 2)
}
