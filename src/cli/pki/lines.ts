/** The lines to copy after `init`: etcd, etcdctl and a program. */
import { join } from 'node:path'
import { renderEtcdctl } from '../../config/index.js'
import { quoteForShell } from '../../config/internal.js'
import type { CredentialFiles } from '../../credentials/index.js'
import { printable } from '../../report/internal.js'
import type { InitDocument, InitializedClient } from '../documents.js'
import { type Column, tableLines } from '../table.js'
import { CONFIG_FILE, filesOf } from './directory.js'
import { inUrl, type Plan } from './plan.js'

export function startLine(directory: string, name: string, { memberDir }: Plan): string {
  const folder = memberDir ?? join(directory, 'members', name)
  return `etcd --config-file ${quoteForShell(join(folder, CONFIG_FILE))}`
}

/** To run before the member starts, with the first client and the members before it. */
export function joinLine(directory: string, name: string, before: readonly string[], plan: Plan): string {
  const [client] = plan.clients
  const urls = plan.members.flatMap((each) => (before.includes(each.name) ? each.clientUrls : []))
  const files = client === undefined ? null : filesOf(directory, 'clients', client.name, 'tls')
  const flags = files === null ? '' : `${renderEtcdctl(files, urls, 'flags')} `
  const peerUrls = plan.members.find((each) => each.name === name)?.peerUrls ?? []
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

/** A table of which the last column may be cut, for lines that are indented; empty without rows. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[], width: number): string[] {
  const columns = titles.map((title, i): Column => {
    const shrinks = i === titles.length - 1 ? 'first' : 'never'
    return { title, shrinks, values: rows.map((row) => printable(row[i] ?? '')) }
  })
  return rows.length === 0 ? [] : tableLines(columns, width - 2)
}

export function initText(document: InitDocument, { memberDir }: Plan, width: number): string {
  const { directory, ca, members, clients, others } = document
  const now = new Date()
  const due = [...members, ...clients].filter((each) => each.due <= now)
  const [first] = clients
  const copies = members.map(({ name, hosts: [host = name] }) => {
    const from = quoteForShell(`${join(directory, 'members', name)}/`)
    return `rsync -a ${from} ${quoteForShell(`${inUrl(host)}:${memberDir ?? ''}/`)}`
  })
  const certificates = [
    ...members.map(({ hosts, ...each }) => ['member', ...cells(each), hosts.join(', ')]),
    ...clients.map((each) => ['client', ...cells(each), '']),
  ]
  const key = ca.file.replace(/\.crt$/, '.key')
  const age = `${ca.created ? 'New' : 'Existing'} CA ${ca.subject}, valid until ${dayOf(ca.notAfter)}`
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    [`${age}. Keep its key secret:`, [key]],
    ['Certificates:', table(['FOR', 'NAME', 'RESULT', 'EXPIRES', 'HOSTS'], certificates, width)],
    ['Not in the plan, and not deleted:', others],
    [`Due for renewal, by etcd-mtls renew ${quoteForShell(directory)}:`, due.map(({ name }) => name)],
    ['Copy the files of each member to its machine:', memberDir === undefined ? [] : copies],
    [
      'Add each new member to the cluster, and start it before the next one:',
      members.flatMap((each) => each.join ?? []),
    ],
    ['Start each member:', members.map(({ start }) => start)],
    ['Call etcd:', clients.map(({ etcdctl }) => etcdctl)],
    [`Connect as ${first?.name ?? ''}, in a file such as app.mjs:`, first?.program.trimEnd().split('\n') ?? []],
  ]
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`.trimEnd())].map(printable).join('\n'))
    .join('\n\n')
}

function cells({ name, result, notAfter }: Pick<InitializedClient, 'name' | 'result' | 'notAfter'>): string[] {
  return [name, result, dayOf(notAfter)]
}
