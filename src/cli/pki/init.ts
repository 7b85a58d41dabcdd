/** `etcd-mtls init`: the CA, the certificates of all members and clients, and the configuration of each member. */
import { join, resolve } from 'node:path'
import { readFile } from 'node:fs/promises'
import { migrationOf } from '../../authority/cluster/layouts.js'
import { type Authority, type Cluster, issueCluster, renewalDue, writeCluster } from '../../authority/index.js'
import { renderCluster } from '../../config/index.js'
import type { Credentials } from '../../credentials/index.js'
import { replaceFiles } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { withDirectoryLock } from '../../files/lock.js'
import { systemCode } from '../../files/write-failed.js'
import { type Answer, type Call, UsageError } from '../command.js'
import type { InitDocument, IssueResult } from '../documents.js'
import { CA_FOLDER, CONFIG_FILE, filesOf, hasCa, namesIn, openCa, readAccount, usable } from './directory.js'
import { initText, joinLine, linesOf, startLine } from './lines.js'
import { type Plan, readPlan } from './plan.js'

export async function run(call: Call): Promise<Answer> {
  const { operands, options } = call
  const plan = await readPlan(options)
  const directory = resolve(operands[0] ?? '')
  const there = { members: await namesIn(directory, 'members'), clients: await namesIn(directory, 'clients') }
  const folder = join(directory, CA_FOLDER)
  const created = !hasCa(folder)
  if (created && there.members.length + there.clients.length > 0)
    throw new UsageError(
      `"${directory}" has certificates and no CA. Restore ${CA_FOLDER}/ca.crt and ${CA_FOLDER}/ca.key.`,
    )
  const authority = await openCa(folder, options, plan.ca)
  const held = await existing(directory, plan, authority)
  const cluster = await complete(call, directory, plan, authority, held)
  const configs = await writeConfigs(call, directory, plan)
  const { certificate } = authority
  const document: InitDocument = {
    directory,
    ca: {
      file: join(folder, 'ca.crt'),
      subject: certificate.subject.toString(),
      notAfter: certificate.notAfter,
      created,
    },
    members: plan.members.map((member) => {
      const { name, hosts } = member
      const { server, peer } = of(cluster.members, name)
      const { changed, joins } = of(configs, name)
      const result = resultOf(held.members[name] !== undefined, there.members.includes(name))
      const file = join(directory, 'members', name, CONFIG_FILE)
      const join_ = joins ? joinLine(member, directory, plan) : null
      const dates = [server, peer].map(datesOf).sort((a, b) => a.due.getTime() - b.due.getTime())[0] ?? datesOf(server)
      const start = startLine(directory, name, plan)
      return { name, result, hosts: [...hosts], ...dates, config: { file, changed }, join: join_, start }
    }),
    clients: plan.clients.map(({ name }) => {
      const result = resultOf(held.clients[name] !== undefined, there.clients.includes(name))
      return { name, result, ...datesOf(of(cluster.clients, name)), ...linesOf(directory, name, plan) }
    }),
    others: (['members', 'clients'] as const).flatMap((kind) => {
      const planned = plan[kind].map(({ name }) => name)
      return there[kind].filter((name) => !planned.includes(name)).map((name) => `${kind}/${name}`)
    }),
  }
  return { document, text: () => initText(document, plan), findings: [] }
}

function of<T>(all: Readonly<Record<string, T>>, name: string): T {
  const found = all[name]
  if (found === undefined) throw new TypeError(`nothing is known of ${name}`)
  return found
}

function resultOf(isKept: boolean, wasThere: boolean): IssueResult {
  return isKept ? 'kept' : wasThere ? 'reissued' : 'issued'
}

export function datesOf(credentials: Credentials): { notAfter: Date; due: Date } {
  const { notAfter, at } = renewalDue(credentials)
  return { notAfter, due: at }
}

interface Held {
  readonly members: Readonly<Record<string, Cluster['members'][string]>>
  readonly clients: Readonly<Record<string, Credentials>>
}

/** The credentials that are as planned. */
async function existing(directory: string, plan: Plan, authority: Authority): Promise<Held> {
  const members: Record<string, Cluster['members'][string]> = {}
  const clients: Record<string, Credentials> = {}
  for (const { name, hosts, peerHosts } of plan.members) {
    const server = await usable(filesOf(directory, 'members', name, 'server'), authority, hosts)
    const peer = await usable(filesOf(directory, 'members', name, 'peer'), authority, peerHosts)
    if (server !== null && peer !== null) members[name] = { server, peer }
  }
  for (const { name } of plan.clients) {
    const client = await usable(filesOf(directory, 'clients', name, 'tls'), authority, null)
    if (client !== null) clients[name] = client
  }
  return { members, clients }
}

/** Issues and writes what is missing. With a group, what exists is written too, because its keys get the group. */
async function complete(
  { options, signal, progress }: Call,
  directory: string,
  plan: Plan,
  authority: Authority,
  held: Held,
): Promise<Held> {
  const members = plan.members
    .filter(({ name }) => held.members[name] === undefined)
    .map(({ name, hosts, peerHosts }) => ({ name, hosts, peerHosts }))
  const clients = plan.clients.filter(({ name }) => held.clients[name] === undefined)
  const { validity, algorithm } = plan
  const onProgress = ({ what, done, total }: { what: string; done: number; total: number }): void => {
    progress(`Issued ${String(done)} of ${String(total)}: ${what}`)
  }
  const isNothing = members.length + clients.length === 0
  const issued: Held = isNothing
    ? { members: {}, clients: {} }
    : await issueCluster(authority, { members, clients, validity, algorithm }, { onProgress, signal })
  const all = { members: { ...held.members, ...issued.members }, clients: { ...held.clients, ...issued.clients } }
  const group = readAccount(options, 'group')
  const trustedOwner = readAccount(options, 'trustedOwner')
  const writing = { layout: 'etcd', caKey: false, overwrite: options.flag('overwrite'), trustedOwner, signal } as const
  if (group !== undefined) await writeCluster(directory, all, { ...writing, group })
  else if (!isNothing) await writeCluster(directory, issued, writing)
  return all
}

const NOTE = '# Written by etcd-mtls init, which replaces this file. Change the plan instead.\n'
const JOINS = /^initial-cluster-state: "existing"$/m

/** Writes the configuration of each member. A member that is added to others joins their cluster, and keeps saying so. */
async function writeConfigs(
  { options, signal }: Call,
  directory: string,
  plan: Plan,
): Promise<Record<string, { changed: boolean; joins: boolean }>> {
  const names = plan.members.map(({ name }) => name)
  const before = new Map<string, string | null>()
  for (const name of names) before.set(name, await textOf(join(directory, 'members', name, CONFIG_FILE)))
  const isNew = [...before.values()].every((text) => text === null)
  const fresh = rendered(directory, plan, 'new')
  const joining = rendered(directory, plan, 'existing')
  const texts = names.map((name) => {
    const old = before.get(name) ?? null
    const joins = old === null ? !isNew : JOINS.test(old)
    return { name, joins: joins && old === null, old, text: NOTE + of(joins ? joining : fresh, name).text }
  })
  const changed = texts.filter(({ old, text }) => old !== text)
  if (changed.length > 0) {
    const fs = await guardedFileSystem(directory, readAccount(options, 'trustedOwner'), migrationOf('etcd'))
    await withDirectoryLock(fs, directory, signal, async (_root, held, locked) => {
      for (const { name, text } of changed) {
        held.throwIfAborted()
        await replaceFiles(locked, join(directory, 'members', name), [
          { name: CONFIG_FILE, content: text, mode: 0o644 },
        ])
      }
    })
  }
  return Object.fromEntries(texts.map(({ name, joins, old, text }) => [name, { joins, changed: old !== text }]))
}

function rendered(directory: string, plan: Plan, initialClusterState: 'new' | 'existing') {
  const files = plan.members.map(({ name }) => {
    const at = (pair: string) => filesOf(directory, 'members', name, pair)
    return [name, { server: at('server'), peer: at('peer') }] as const
  })
  const addresses = plan.members.map(({ name, clientUrls, peerUrls, dataDir, extra }) => {
    return [name, { clientUrls, peerUrls, dataDir, extra }] as const
  })
  const { memberDir, initialClusterToken, etcdVersion, extra } = plan
  const shared = { initialClusterState, initialClusterToken, version: etcdVersion, extra }
  const filePath = (file: string): string =>
    memberDir === undefined ? file : join(memberDir, file.split(/[\\/]/).at(-1) ?? '')
  const members = Object.fromEntries(addresses)
  return renderCluster({ members: Object.fromEntries(files) }, { ...shared, members, filePath }, 'yaml')
}

/** Null if the file does not exist. */
async function textOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}
