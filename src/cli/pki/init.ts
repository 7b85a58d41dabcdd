/** `etcd-mtls init`: the CA, the certificates of all members and clients, and the configuration of each member. */
import { join, resolve } from 'node:path'
import {
  type Authority,
  type Cluster,
  type Certificate,
  issueCluster,
  withTrustAnchors,
  writeCluster,
} from '../../authority/index.js'
import type { Credentials } from '../../credentials/index.js'
import { type Answer, type Call, UsageError } from '../command.js'
import type { InitDocument, IssueResult } from '../documents.js'
import { planConfigs, writeConfigs } from './configs.js'
import { CA_FOLDER, CONFIG_FILE, datesOf, filesOf, hasCa, namesIn, openCa, trustedIn, usable } from './directory.js'
import { initText, joinLine, linesOf, startLine } from './lines.js'
import { type Plan, readPlan } from './plan.js'

export async function run(call: Call): Promise<Answer> {
  const plan = await readPlan(call.options)
  const directory = resolve(call.operands[0] ?? '')
  const there = { members: await namesIn(directory, 'members'), clients: await namesIn(directory, 'clients') }
  const folder = call.options.text('caDir') ?? join(directory, CA_FOLDER)
  const created = !hasCa(folder)
  if (created && there.members.length + there.clients.length > 0)
    throw new UsageError(`"${directory}" has certificates and no CA: restore ca.crt and ca.key in "${folder}".`)
  // Before a CA is created, because it throws for a plan that etcd does not accept.
  const configs = await planConfigs(directory, plan)
  const authority = await openCa(folder, call.options, plan.ca)
  const trusted = call.options.flag('overwrite') ? [] : await trustedIn(directory, folder, authority)
  const held = await existing(directory, plan, authority)
  const { members, clients } = await complete(call, directory, plan, { authority, trusted, held })
  await writeConfigs(call, directory, configs)
  const { subject, notAfter } = authority.certificate
  const document: InitDocument = {
    directory,
    ca: { file: join(folder, 'ca.crt'), subject: subject.toString(), notAfter, created },
    members: configs.map(({ name, changed, joins }) => {
      const result = resultOf(name in held.members, there.members.includes(name))
      const { hosts } = known(plan.members.find((each) => each.name === name))
      const { server, peer } = known(members[name])
      const [first, second] = [datesOf(server), datesOf(peer)]
      return {
        ...{ name, result, hosts: [...hosts], ...(first.due < second.due ? first : second) },
        config: { file: join(directory, 'members', name, CONFIG_FILE), changed },
        join: joins === null ? null : joinLine(directory, name, joins, plan),
        start: startLine(directory, name, plan),
      }
    }),
    clients: plan.clients.map(({ name }) => {
      const result = resultOf(name in held.clients, there.clients.includes(name))
      return { name, result, ...datesOf(known(clients[name])), ...linesOf(directory, name, plan) }
    }),
    others: (['members', 'clients'] as const).flatMap((kind) => {
      const planned = plan[kind].map(({ name }) => name)
      return there[kind].filter((name) => !planned.includes(name)).map((name) => `${kind}/${name}`)
    }),
  }
  return { document, text: ({ width }) => initText(document, plan, width), findings: [] }
}

/** For what the plan names, and so exists. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('a member or client of the plan was not issued')
  return value
}

function resultOf(isKept: boolean, wasThere: boolean): IssueResult {
  return isKept ? 'kept' : wasThere ? 'reissued' : 'issued'
}

type Issued = Pick<Cluster, 'members' | 'clients'>

/** The credentials that are as planned. */
async function existing(directory: string, plan: Plan, authority: Authority): Promise<Issued> {
  const members: Record<string, Issued['members'][string]> = {}
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
  { validity, algorithm, ...plan }: Plan,
  { authority, trusted, held }: { authority: Authority; trusted: readonly Certificate[]; held: Issued },
): Promise<Issued> {
  const members = plan.members.flatMap(({ name, hosts, peerHosts }) => {
    return name in held.members ? [] : [{ name, hosts, peerHosts }]
  })
  const clients = plan.clients.filter(({ name }) => !(name in held.clients))
  const isComplete = members.length + clients.length === 0
  const onProgress = ({ what, done, total }: { what: string; done: number; total: number }): void => {
    progress(`Issued ${String(done)} of ${String(total)}: ${what}`)
  }
  const own: Issued = isComplete
    ? { members: {}, clients: {} }
    : await issueCluster(authority, { members, clients, validity, algorithm }, { onProgress, signal })
  // While a CA is replaced, the members serve certificates of both.
  const issued = trusted.length > 0 && !isComplete ? withTrustAnchors(own, trusted) : own
  const all = { members: { ...held.members, ...issued.members }, clients: { ...held.clients, ...issued.clients } }
  const group = options.account('group')
  const trustedOwner = options.account('trustedOwner')
  const writing = { layout: 'etcd', caKey: false, overwrite: options.flag('overwrite'), trustedOwner, signal } as const
  if (group !== undefined) await writeCluster(directory, all, { ...writing, group })
  else if (!isComplete) await writeCluster(directory, issued, writing)
  return all
}
