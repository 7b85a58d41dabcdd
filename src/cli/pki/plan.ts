/** What `init` makes: from a file, or from flags; both are read by the schema of a plan. */
import { checkNames, readValidity } from '../../authority/internal.js'
import type { ClusterPlan } from '../../authority/index.js'
import type { ClusterRenderPlan, EtcdVersion } from '../../config/index.js'
import { isTrue, readYaml, type YamlValue } from '../../config/internal-read.js'
import { classifyHost } from '../../x509/internal.js'
import { type Options, UsageError } from '../command.js'
import { readText } from '../input.js'
import { PLAN_SCHEMA, type PlanSchema } from './plan-schema.js'

interface GivenMember extends Pick<ClusterRenderPlan['members'][string], 'dataDir' | 'extra'> {
  readonly name: string
  readonly hosts: readonly string[]
  readonly peerHosts?: readonly string[]
  readonly clientUrls?: readonly string[]
  readonly peerUrls?: readonly string[]
}

/** A plan as the schema describes it. */
interface GivenPlan extends Pick<GivenMember, 'dataDir' | 'extra'> {
  readonly ca?: { readonly name?: string; readonly validity?: string }
  readonly members: readonly GivenMember[]
  readonly clients?: readonly (string | { readonly name: string; readonly validity?: string })[]
  readonly validity?: string
  readonly algorithm?: ClusterPlan['algorithm']
  readonly memberDir?: string
  readonly clientPort?: number
  readonly peerPort?: number
  readonly initialClusterToken?: string
  readonly etcdVersion?: EtcdVersion
}

/** A member with all its hosts and URLs. */
export type PlannedMember = Required<Omit<GivenMember, 'dataDir' | 'extra'>> & Pick<GivenMember, 'dataDir' | 'extra'>

export interface Plan extends Omit<GivenPlan, 'members' | 'clients'> {
  readonly members: readonly PlannedMember[]
  readonly clients: readonly { readonly name: string; readonly validity?: string }[]
}

/** Flags for which a plan has keys of the same names. */
const FLAGS = ['validity', 'memberDir', 'dataDir', 'clientPort', 'peerPort'] as const

/** @throws {UsageError} for a plan that is not as its schema says, and for a flag next to a plan */
export async function readPlan(options: Options): Promise<Plan> {
  const file = options.text('plan')
  const isFlagged = FLAGS.some((each) => options.text(each) !== undefined)
  if (file !== undefined && (isFlagged || options.list('member').length + options.list('client').length > 0))
    throw new UsageError('--plan replaces --member, --client and the options about them: write these into the plan.')
  const given = file === undefined ? await planOfFlags(options) : await parsePlan(await textOf(file), file)
  const clients = (given.clients ?? []).map((each) => (typeof each === 'string' ? { name: each } : each))
  for (const [kind, all] of Object.entries({ members: given.members, clients })) {
    const names = all.map(({ name }) => name)
    checkNames(names, `plan.${kind}`)
  }
  // Before a CA is created; issueCluster checks it again.
  for (const { validity } of [given, ...clients])
    if (validity !== undefined) readValidity(validity, 'validity', new Date())
  return { ...given, clients, members: given.members.map((member) => withUrls(member, given)) }
}

function planOfFlags(options: Options): Promise<GivenPlan> {
  const members = options.list('member').map((each) => {
    const [, name = '', hosts = ''] = /^([^=]+)=(.+)$/s.exec(each) ?? []
    if (name === '')
      throw new UsageError(`--member must be NAME=HOST,…, as in etcd-0=10.0.0.1,etcd-0.etcd; received "${each}".`)
    return { name, hosts: hosts.split(',') }
  })
  if (members.length === 0) throw new UsageError('Name all members with --member NAME=HOST,…, or pass --plan FILE.')
  const others = FLAGS.map((flag): [string, unknown] => {
    const text = options.text(flag)
    return [flag, text !== undefined && flag.endsWith('Port') ? Number(text) : text]
  })
  const plan = { members, clients: options.list('client'), ...Object.fromEntries(others) }
  return parsePlan(JSON.stringify(plan), 'options')
}

/** The first host is in the URLs, and the hosts of all URLs are in the certificates. */
function withUrls(member: GivenMember, plan: GivenPlan): PlannedMember {
  const { name, hosts, peerHosts = hosts } = member
  const urlOf = (all: readonly string[], port: number): [string] => {
    const read = all.map((host) => classifyHost(host, `hosts of ${name}`))
    const first = read.find(({ kind, value }) => kind !== 'uri' && !value.startsWith('*'))
    if (first === undefined) throw new UsageError(`The member "${name}" has no host that can be dialled.`)
    return [`https://${inUrl(first.value)}:${String(port)}`]
  }
  const clientUrls = member.clientUrls ?? urlOf(hosts, plan.clientPort ?? 2379)
  const peerUrls = member.peerUrls ?? urlOf(peerHosts, plan.peerPort ?? 2380)
  const own = { hosts: withHosts(hosts, clientUrls), peerHosts: withHosts(peerHosts, peerUrls) }
  return { ...member, ...own, clientUrls, peerUrls, dataDir: member.dataDir ?? plan.dataDir }
}

/** An address of IPv6 is in brackets. */
export function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function withHosts(hosts: readonly string[], urls: readonly string[]): string[] {
  const ofUrls = urls.map((url) => {
    if (!URL.canParse(url)) throw new UsageError(`"${url}" is not a URL.`)
    return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  })
  return [...new Set([...hosts, ...ofUrls].map((host) => classifyHost(host).value))]
}

async function textOf(file: string): Promise<string> {
  const text = await readText(file)
  if (text === null) throw new UsageError(`There is no file "${file}".`)
  return text
}

async function parsePlan(text: string, file: string): Promise<GivenPlan> {
  const { documents, findings, place } = await readYaml({ text, file }, 'first')
  const refuse: Refuse = (value, reason) => {
    throw new UsageError(`${file}:${String(place(value?.offset ?? 0, 'plan').line ?? 1)}: ${reason}`)
  }
  const [fault] = findings
  if (fault !== undefined) throw new UsageError(`${file}:${String(fault.place?.line ?? 1)}: ${fault.message}`)
  return valueOf(documents[0] ?? null, PLAN_SCHEMA, { name: 'the plan', refuse }) as GivenPlan // as the schema says
}

type Refuse = (value: YamlValue | null, reason: string) => never

/** What a value is called in an error, and how it is refused. */
interface Where {
  readonly name: string
  readonly refuse: Refuse
}

const KINDS = {
  ...{ object: 'a mapping', array: 'a list', string: 'a string in quotes' },
  ...{ number: 'a number', integer: 'a whole number', boolean: 'true or false' },
} as const

function valueOf(value: YamlValue | null, schema: PlanSchema, where: Where): unknown {
  const alternatives = schema.anyOf ?? [schema]
  const found = alternatives.find(({ type = 'string' }) => typesOf(value).includes(type))
  const kinds = alternatives.map(({ type = 'string' }) => KINDS[type]).join(' or ')
  if (found === undefined || value === null) return where.refuse(value, `${where.name} must be ${kinds}.`)
  if (value.kind === 'map') return objectOf(value, found, where)
  if (value.kind === 'list') {
    if (value.items.length < (found.minItems ?? 0)) where.refuse(value, `${where.name} must not be empty.`)
    const name = (i: number): string => `${where.name}[${String(i)}]`
    return value.items.map((each, i) => valueOf(each, found.items ?? {}, { ...where, name: name(i) }))
  }
  if (value.type === 'boolean') return isTrue(value.text)
  if (value.type === 'text') {
    if (found.enum?.includes(value.text) === false)
      where.refuse(value, `${where.name} must be one of ${found.enum.join(', ')}; received "${value.text}".`)
    return value.text
  }
  const { minimum = -Infinity, maximum = Infinity } = found
  const number = Number(value.text)
  if (Number.isFinite(number) && number >= minimum && number <= maximum) return number
  return where.refuse(value, `${where.name} must be a number from ${String(minimum)} to ${String(maximum)}.`)
}

type Type = NonNullable<PlanSchema['type']>

function typesOf(value: YamlValue | null): readonly Type[] {
  if (value?.kind === 'map') return ['object']
  if (value?.kind === 'list') return ['array']
  if (value?.type === 'number') return /^-?\d+$/.test(value.text) ? ['integer', 'number'] : ['number']
  return value === null || value.type === 'null' ? [] : [value.type === 'text' ? 'string' : 'boolean']
}

function objectOf(map: Extract<YamlValue, { kind: 'map' }>, schema: PlanSchema, where: Where): object {
  const { properties = {}, required = [], additionalProperties = false } = schema
  const keys = map.entries.map(({ key }) => key)
  const missing = required.find((key) => !keys.includes(key))
  if (missing !== undefined) where.refuse(map, `${where.name} must have the key "${missing}".`)
  const entries = map.entries.map(({ key, value }, i) => {
    const inner = (Object.hasOwn(properties, key) ? properties[key] : undefined) ?? additionalProperties
    if (inner === false)
      return where.refuse(value, `"${key}" is not a key of ${where.name}: ${Object.keys(properties).join(', ')}.`)
    if (keys.indexOf(key) !== i) where.refuse(value, `the key "${key}" is there twice.`)
    return [key, valueOf(value, inner, { ...where, name: key })] as const
  })
  return Object.fromEntries(entries)
}
