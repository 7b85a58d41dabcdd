/** `etcd-mtls renew`: renews what is due in a directory, and runs a command after a change. */
import { codeOf } from '../../report/internal.js'
import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { type DirectoryRenewal, renewDirectory } from '../../authority/index.js'
import type { Answer, Call } from '../command.js'
import type { RenewDocument } from '../documents.js'
import { CA_FOLDER, openExistingCa } from './directory.js'
import { dayOf, table } from './lines.js'

/** What needs nobody's attention. */
const QUIET = ['not-due', 'due']

export async function run(call: Call): Promise<Answer> {
  const { operands, options, signal } = call
  const directory = resolve(operands[0] ?? '')
  const layout = options.choice('layout', ['etcd', 'kubeadm']) ?? 'etcd'
  // kubeadm has the CA of etcd next to its certificates.
  const folder = options.text('caDir') ?? join(directory, layout === 'etcd' ? CA_FOLDER : 'etcd')
  const dryRun = options.flag('dryRun')
  const authority = await openExistingCa(folder, options)
  const trustedOwner = options.account('trustedOwner')
  const { renewed, kept, due } = await renewDirectory(authority, directory, {
    ...{ layout, dryRun, force: options.flag('force'), foreign: options.flag('foreign'), trustedOwner, signal },
  })
  const command = options.text('exec')
  const end = command === undefined || renewed.length === 0 ? null : await execute(command, signal)
  const document: RenewDocument = {
    directory,
    dryRun,
    renewed: renewed.map(({ what, notAfter, due: next }) => ({ what, notAfter, due: next })),
    kept: kept.map(({ what, why, reason, due: at, expired, findings }) => {
      return { what, why, reason, due: at, expired, findings: [...findings] }
    }),
    due,
    exec: end?.code ?? null,
  }
  return {
    document,
    text: ({ width }) => textOf(document, width),
    findings: kept.filter(({ why }) => !QUIET.includes(why)).map(() => ({ severity: 'error' })),
    isDue: kept.some(({ why }) => why === 'due'),
    ...(end === null || end.code === 0 ? {} : { failure: `The command of --exec ${end.how}: ${command ?? ''}` }),
  }
}

interface End {
  readonly code: number | null
  readonly how: string
}

/** Runs `/bin/sh -c COMMAND`. Its output goes to stderr, because the answer is on stdout. */
function execute(command: string, signal: AbortSignal): Promise<End> {
  return new Promise((done, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 2, 2], signal })
    child.on('error', (error) => {
      if (signal.aborted) reject(error)
      else done({ code: null, how: `cannot be started (${codeOf(error) ?? error.message})` })
    })
    child.on('close', (code, by) => {
      done({ code, how: code === null ? `was ended by ${by ?? 'a signal'}` : `failed with exit code ${String(code)}` })
    })
  })
}

function textOf({ dryRun, renewed, kept, due }: RenewDocument, width: number): string {
  const isOf = (why: string) => (each: { why: string }) => each.why === why
  const troubled = kept.filter(({ why }) => !QUIET.includes(why))
  const waiting = kept.filter(isOf('not-due')).length
  const done = renewed.map((each) => [each.what, dayOf(each.notAfter)])
  const open = kept.filter(isOf('due')).map((each) => [each.what, each.expired ? 'expired' : dateText(each.due)])
  const sections = [
    ['Renewed:', table(['CERTIFICATE', 'EXPIRES'], done, width)],
    ['Due for renewal:', table(['CERTIFICATE', 'SINCE'], open, width)],
    ['Not renewed:', troubled.map(({ what, why, reason }) => `${what} (${why}): ${reason}.`)],
  ] as const
  const shown = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`.trimEnd())].join('\n'))
  const rest = waiting === 0 ? [] : [`${String(waiting)} not due`]
  const next = due === null || (dryRun && kept.some(isOf('due'))) ? [] : [`next due ${dateText(due)}`]
  const summary = [...rest, ...next].join(', ')
  return [...shown, ...(summary === '' ? [] : [`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`])].join('\n\n')
}

function dateText(date: DirectoryRenewal['due']): string {
  return date === null ? 'an unknown time' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
