/** The lines to copy after `init`: etcd, etcdctl and a program. */
import { join } from 'node:path'
import { renderEtcdctl } from '../../config/index.js'
import { quoteForShell } from '../../config/render/quote.js'
import type { CredentialFiles } from '../../credentials/index.js'
import { printable } from '../../report/printable.js'
import type { InitDocument, InitializedClient } from '../documents.js'
import { CONFIG_FILE, filesOf } from './directory.js'
import type { Plan, PlannedMember } from './plan.js'

export function startLine(directory: string, name: string, { memberDir }: Plan): string {
  const folder = memberDir ?? join(directory, 'members', name)
  return `etcd --config-file ${quoteForShell(join(folder, CONFIG_FILE))}`
}

/** For another member than the one that joins. */
export function joinLine({ name, peerUrls }: PlannedMember, directory: string, plan: Plan): string {
  const [client] = plan.clients
  const others = plan.members.filter((each) => each.name !== name).flatMap(({ clientUrls }) => clientUrls)
  const files = client === undefined ? null : filesOf(directory, 'clients', client.name, 'tls')
  const flags = files === null ? '' : `${renderEtcdctl(files, others, 'flags')} `
  return `etcdctl ${flags}member add ${quoteForShell(name)} --peer-urls=${quoteForShell(peerUrls.join(','))}`
}

export function linesOf(
  directory: string,
  name: string,
  { members }: Plan,
): Pick<InitializedClient, 'files' | 'etcdctl' | 'program'> {
  const { ca, cert, key } = filesOf(directory, 'clients', name, 'tls')
  const endpoints = members.flatMap(({ clientUrls }) => clientUrls)
  const etcdctl = `etcdctl ${renderEtcdctl({ ca, cert, key }, endpoints, 'flags')} member list`
  return { files: { ca, cert, key }, etcdctl, program: programOf(endpoints, { ca, cert, key }) }
}

function programOf(endpoints: readonly string[], { ca, cert, key }: CredentialFiles): string {
  const [ofCa, ofCert, ofKey, ...urls] = [ca, cert, key, ...endpoints].map((text) => JSON.stringify(text))
  return [
    "import { createSecureClient, fromFiles } from 'etcd-mtls'",
    '',
    'const etcd = await createSecureClient({',
    `  endpoints: [${urls.join(', ')}],`,
    '  credentials: fromFiles({',
    `    ca: ${ofCa ?? ''},`,
    `    cert: ${ofCert ?? ''},`,
    `    key: ${ofKey ?? ''},`,
    '  }),',
    '})',
    "await etcd.put('greeting').value('hello')",
    'etcd.close()',
    '',
  ].join('\n')
}

export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** Columns as wide as their longest cell, with two spaces between them. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map(printable))
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)))
  return cells.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
}

export function initText({ directory, ca, members, clients, others }: InitDocument, { memberDir }: Plan): string {
  const now = new Date()
  const due = [...members, ...clients].filter((each) => each.due <= now).map(({ name }) => name)
  const joining = members.flatMap((each) => each.join ?? [])
  const [first] = clients
  const copies = members.map(({ name, hosts: [host = name] }) => {
    const to = `${host.includes(':') ? `[${host}]` : host}:${memberDir ?? ''}/`
    return `  rsync -a ${quoteForShell(join(directory, 'members', name))}/ ${quoteForShell(to)}`
  })
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    [
      `${ca.created ? 'New' : 'Existing'} CA ${ca.subject}, valid until ${dayOf(ca.notAfter)}. Whoever reads ca.key can issue certificates:`,
      [`  ${ca.file.replace(/\.crt$/, '.key')}`],
    ],
    [
      'Certificates:',
      table([
        ...members.map(({ name, result, notAfter, hosts }) => [
          ...['member', name, result, `until ${dayOf(notAfter)}`, hosts.join(', ')],
        ]),
        ...clients.map(({ name, result, notAfter }) => ['client', name, result, `until ${dayOf(notAfter)}`, '']),
      ]),
    ],
    ['Not in the plan, and not deleted:', others.map((each) => `  ${each}`)],
    [`Due for renewal (run etcd-mtls renew ${quoteForShell(directory)}):`, due.map((each) => `  ${each}`)],
    ['Copy the files of each member to its machine:', memberDir === undefined ? [] : copies],
    ['Add the new members to the cluster, one after the other:', joining.map((line) => `  ${line}`)],
    ['Start each member:', members.map(({ start }) => `  ${start}`)],
    ['Call etcd:', clients.map(({ etcdctl }) => `  ${etcdctl}`)],
    [
      `Connect as ${first?.name ?? ''}, in a file such as app.mjs:`,
      (first?.program ?? '')
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`.trimEnd()),
    ],
  ]
  return sections
    .filter(([title, lines]) => lines.length > 0 && (first !== undefined || !title.startsWith('Connect')))
    .map(([title, lines]) => [printable(title), ...lines].join('\n'))
    .join('\n\n')
}
