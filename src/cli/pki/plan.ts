/** What `init` makes: from a file, read by its schema, or from flags. */
import { readFile } from 'node:fs/promises'
import { checkNames } from '../../authority/cluster/cluster-credentials.js'
import type { ClusterPlan } from '../../authority/index.js'
import type { ClusterRenderPlan, EtcdVersion } from '../../config/index.js'
import { isTrue, readYaml, type YamlValue } from '../../config/read/yaml.js'
import { systemCode } from '../../files/write-failed.js'
import { classifyHost } from '../../x509/names.js'
import { type Options, UsageError } from '../command.js'
import { PLAN_SCHEMA, type PlanSchema } from './plan-schema.js'

type Extra = ClusterRenderPlan['extra']

/** A plan as a file has it; the schema says what each key means. */
interface GivenPlan {
  readonly ca?: { readonly name?: string; readonly validity?: string }
  readonly members: readonly {
    readonly name: string
    readonly hosts: readonly string[]
    readonly peerHosts?: readonly string[]
    readonly clientUrls?: readonly string[]
    readonly peerUrls?: readonly string[]
    readonly dataDir?: string
    readonly extra?: Extra
  }[]
  readonly clients?: readonly (string | { readonly name: string; readonly validity?: string })[]
  readonly validity?: string
  readonly algorithm?: ClusterPlan['algorithm']
  readonly memberDir?: string
  readonly dataDir?: string
  readonly clientPort?: number
  readonly peerPort?: number
  readonly initialClusterToken?: string
  readonly etcdVersion?: EtcdVersion
  readonly extra?: Extra
}

/** A member with all its hosts and URLs. */
export interface PlannedMember {
  readonly name: string
  readonly hosts: readonly string[]
  readonly peerHosts: readonly string[]
  readonly clientUrls: readonly string[]
  readonly peerUrls: readonly string[]
  readonly dataDir: string | undefined
  readonly extra: Extra
}

export interface Plan extends Omit<GivenPlan, 'members' | 'clients'> {
  readonly members: readonly PlannedMember[]
  readonly clients: readonly { readonly name: string; readonly validity?: string | undefined }[]
}

/** Flags for which a plan has keys. */
const FLAGS = ['member', 'client', 'validity', 'memberDir', 'dataDir', 'clientPort', 'peerPort'] as const

/** @throws {UsageError} for a plan that is not as its schema says, and for a flag next to a plan */
export async function readPlan(options: Options): Promise<Plan> {
  const file = options.text('plan')
  const flag = FLAGS.find((each) => options.text(each) !== undefined || options.list(each).length > 0)
  if (file !== undefined && flag !== undefined)
    throw new UsageError('--plan replaces --member, --client and the options about them: write these into the plan.')
  const given = file === undefined ? planOfFlags(options) : await readPlanFile(file)
  const clients = (given.clients ?? []).map((each) => (typeof each === 'string' ? { name: each } : each))
  for (const [kind, all] of Object.entries({ members: given.members, clients }))
    checkNames(
      all.map(({ name }) => name),
      `plan.${kind}`,
    )
  return { ...given, clients, members: given.members.map((member) => withUrls(member, given)) }
}

function planOfFlags(options: Options): GivenPlan {
  const members = options.list('member').map((each) => {
    const [, name = '', hosts = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? []
    if (name === '' || hosts === '')
      throw new UsageError(`--member must be NAME=HOST,…, as in etcd-0=10.0.0.1,etcd-0.etcd; received "${each}".`)
    return { name, hosts: hosts.split(',') }
  })
  if (members.length === 0) throw new UsageError('Name all members with --member NAME=HOST,…, or pass --plan FILE.')
  const port = (name: string): number | undefined => {
    const text = options.text(name)
    if (text === undefined || (/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536))
      return text === undefined ? undefined : Number(text)
    throw new UsageError(`A port must be a number from 1 to 65535; received "${text}".`)
  }
  const given = {
    members,
    clients: options.list('client'),
    validity: options.text('validity'),
    memberDir: options.text('memberDir'),
    dataDir: options.text('dataDir'),
    clientPort: port('clientPort'),
    peerPort: port('peerPort'),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as GivenPlan
}

/** The first host is in the URLs, and the hosts of all URLs are in the certificates. */
function withUrls(member: GivenPlan['members'][number], plan: GivenPlan): PlannedMember {
  const { name, hosts, peerHosts = hosts } = member
  const urlsOf = (all: readonly string[], port: number): string[] => {
    const read = all.map((host) => classifyHost(host, `hosts of ${name}`))
    const first = read.find(({ kind, value }) => kind !== 'uri' && !value.startsWith('*'))
    if (first === undefined) throw new UsageError(`The member "${name}" has no host that can be dialled.`)
    return [`https://${first.value.includes(':') ? `[${first.value}]` : first.value}:${String(port)}`]
  }
  const { clientUrls = urlsOf(hosts, plan.clientPort ?? 2379), peerUrls = urlsOf(peerHosts, plan.peerPort ?? 2380) } =
    member
  return {
    name,
    hosts: withHosts(hosts, clientUrls),
    peerHosts: withHosts(peerHosts, peerUrls),
    clientUrls,
    peerUrls,
    dataDir: member.dataDir ?? plan.dataDir,
    extra: member.extra,
  }
}

function withHosts(hosts: readonly string[], urls: readonly string[]): string[] {
  const ofUrls = urls.map((url) => {
    if (!URL.canParse(url)) throw new UsageError(`"${url}" is not a URL.`)
    return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  })
  return [...new Set([...hosts, ...ofUrls].map((host) => classifyHost(host).value))]
}

async function readPlanFile(file: string): Promise<GivenPlan> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    if (code === null) throw error
    throw new UsageError(code === 'ENOENT' ? `There is no file "${file}".` : `"${file}" cannot be read (${code}).`)
  }
  const { documents, findings, place } = await readYaml({ text, file }, 'first')
  const refuse: Refuse = (value, reason) => {
    throw new UsageError(`${file}:${String(place(value?.offset ?? 0, 'plan').line ?? 1)}: ${reason}`)
  }
  const [fault] = findings
  if (fault !== undefined) throw new UsageError(`${file}:${String(fault.place?.line ?? 1)}: ${fault.message}`)
  return valueOf(documents[0] ?? null, PLAN_SCHEMA, 'the plan', refuse) as GivenPlan // as the schema says
}

type Refuse = (value: YamlValue | null, reason: string) => never

const KINDS = { object: 'a mapping', array: 'a list', string: 'a string', number: 'a number', integer: 'a whole number', boolean: 'true or false' } as const // prettier-ignore

/** The value in JavaScript. @param name Names the value in an error. */
function valueOf(value: YamlValue | null, schema: PlanSchema, name: string, refuse: Refuse): unknown {
  const { type = 'string', anyOf } = schema
  if (anyOf !== undefined) {
    const found = anyOf.find((each) => hasType(value, each.type ?? 'string'))
    const kinds = anyOf.map((each) => KINDS[each.type ?? 'string']).join(' or ')
    return found === undefined ? refuse(value, `${name} must be ${kinds}.`) : valueOf(value, found, name, refuse)
  }
  if (value === null || !hasType(value, type)) {
    const quoted = type === 'string' && value?.kind === 'scalar' ? ': put it into quotes' : ''
    return refuse(value, `${name} must be ${KINDS[type]}${quoted}.`)
  }
  if (value.kind === 'map') return objectOf(value, schema, name, refuse)
  if (value.kind === 'list') {
    if (value.items.length < (schema.minItems ?? 0)) refuse(value, `${name} must not be empty.`)
    return value.items.map((each, i) => valueOf(each, schema.items ?? {}, `${name}[${String(i)}]`, refuse))
  }
  if (value.type === 'boolean') return isTrue(value.text)
  if (value.type === 'number') return numberOf(value.text, schema, (reason) => refuse(value, `${name} ${reason}`))
  if (schema.enum?.includes(value.text) === false)
    refuse(value, `${name} must be one of ${schema.enum.join(', ')}; received "${value.text}".`)
  return value.text
}

function objectOf(
  map: Extract<YamlValue, { kind: 'map' }>,
  { properties = {}, required = [], additionalProperties }: PlanSchema,
  name: string,
  refuse: Refuse,
): Record<string, unknown> {
  const keys = map.entries.map(({ key }) => key)
  const missing = required.find((key) => !keys.includes(key))
  if (missing !== undefined) refuse(map, `${name} must have the key "${missing}".`)
  const entries = map.entries.map(({ key, value }, i) => {
    const schema = Object.hasOwn(properties, key) ? properties[key] : additionalProperties
    if (schema === undefined || schema === false)
      return refuse(value, `unknown key "${key}"; the keys of ${name} are ${Object.keys(properties).join(', ')}.`)
    if (keys.indexOf(key) !== i) refuse(value, `the key "${key}" is there twice.`)
    return [key, valueOf(value, schema, key, refuse)] as const
  })
  return Object.fromEntries(entries)
}

function hasType(value: YamlValue | null, type: NonNullable<PlanSchema['type']>): boolean {
  if (value?.kind !== 'scalar') return { map: 'object', list: 'array' }[value?.kind ?? 'map'] === type && value !== null
  return { text: ['string'], number: ['number', 'integer'], boolean: ['boolean'], null: [] as string[] }[
    value.type
  ].includes(type)
}

function numberOf(
  text: string,
  { type, minimum = -Infinity, maximum = Infinity }: PlanSchema,
  refuse: (reason: string) => never,
): number {
  const number = Number(text)
  const isValid = type === 'integer' ? Number.isSafeInteger(number) : Number.isFinite(number)
  if (!isValid || number < minimum || number > maximum)
    return refuse(
      type === 'integer'
        ? `must be a whole number from ${String(minimum)} to ${String(maximum)}.`
        : 'must be a decimal number.',
    )
  return number
}
