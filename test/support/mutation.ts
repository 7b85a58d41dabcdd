/**
 * One mutation: it breaks (or bends) one thing of a healthy chain. The healthy chain is a root, an intermediate and a
 * leaf for server and client; a mutation applies to one or more of the three. The table of all is mutations.ts.
 */
import type { KeyObject } from 'node:crypto'
import {
  dns,
  type Extension,
  ip,
  type KeyKind,
  mintCa,
  type MintCaOptions,
  type Minted,
  mintLeaf,
  type MintLeafOptions,
  newKey,
} from './mint.js'
import type { Question } from './oracles.js'

export const HOST = 'etcd-0.etcd.svc'
export const OWN_NAMES = [dns(HOST), ip('127.0.0.1')]
export type Role = 'leaf' | 'intermediate' | 'root'
/** Which certificates a mutation applies to: every one, the CAs, those that come by TLS, or the leaf. */
export const EVERY: readonly Role[] = ['leaf', 'intermediate', 'root']
export const CAS: readonly Role[] = ['intermediate', 'root']
export const SHOWN: readonly Role[] = ['leaf', 'intermediate']
export const LEAF: readonly Role[] = ['leaf']

/** How the chain shall be minted and arranged. Mutations change it. */
export interface Plan {
  readonly root: Partial<MintCaOptions>
  readonly intermediate: Partial<MintCaOptions>
  readonly leaf: Partial<MintLeafOptions>
  host: string
  /** Run in order on what was minted. */
  readonly arrangements: ((chain: Arranged, plan: Plan) => void)[]
}

/** What was minted: who is sent and who is trusted. */
export interface Arranged {
  readonly root: Minted
  readonly intermediate: Minted
  leaf: Minted
  sent: Minted[]
  trust: Minted[]
  crls: { der: Buffer; pem: string }[]
  /** The certificate at fault, where it is none of the three. */
  atFault: Minted | null
}

/** One thing to break. */
export interface Mutation {
  readonly name: string
  readonly on: readonly Role[]
  readonly apply: (plan: Plan, role: Role) => void
  /** The certificate at fault, where that is not the one that was changed; null if it is not a single one. */
  readonly fault?: Role | null | undefined
}

/** A mutation on one certificate. */
export interface Applied {
  readonly mutation: Mutation
  readonly role: Role
}

/** `leaf: expired` */
export function nameOf({ mutation, role }: Applied): string {
  return `${role}: ${mutation.name}`
}

/** A minted chain with what was done to it. */
export interface MintedCase extends Omit<Question, 'usage'> {
  readonly applied: readonly Applied[]
  /** The certificate that is at fault, and what it is; null if several are, or none is. */
  readonly fault: { readonly role: Role; readonly der: Buffer } | null
}

const DAY = 86_400_000
export const inDays = (days: number): Date => new Date(Date.now() + days * DAY)

/** Mutations of CAs that Go alone refuses, so that the result differs between server and client. */
const REFUSED_BY_GO_ALONE = [
  'self-issued below a path length of 0',
  'constraints: the subject permitted',
  'constraints: a name of a self-issued CA beyond',
  'constraints: a URI below a host that is excluded',
  'constraints: a mailbox that begins with a dot',
  'CRL distribution points relative to the issuer',
  'names: critical, of a kind that Go does not know',
]

/** Whether the result may differ between server and client: for leaves, extended key usages and what Go alone refuses. */
export function concernsUsage({ mutation: { name }, role }: Applied): boolean {
  const isOfUsage = name.startsWith('extended key usage') || name.includes('a stranger ')
  return role === 'leaf' || isOfUsage || REFUSED_BY_GO_ALONE.includes(name)
}

/** Keys, made once: making those of RSA costs more than all the rest. */
const keys = new Map<string, KeyObject>()

/** A key of this kind; the same one for the same `purpose`, or, of RSA, for all. */
export function keyFor(purpose: string, kind: KeyKind = 'p256'): KeyObject {
  const id = kind.startsWith('rsa') ? kind : `${purpose} ${kind}`
  const known = keys.get(id) ?? newKey(kind)
  keys.set(id, known)
  return known
}

export function mintCase(applied: readonly Applied[]): MintedCase {
  const plan: Plan = {
    root: { subject: 'Root', key: keyFor('root'), notAfter: inDays(4000) },
    intermediate: { subject: 'Intermediate', key: keyFor('intermediate'), pathLength: 0 },
    leaf: { subject: 'etcd-0', key: keyFor('leaf'), names: OWN_NAMES },
    host: HOST,
    arrangements: [],
  }
  for (const { mutation, role } of applied) mutation.apply(plan, role)
  const root = mintCa({ subject: '', ...plan.root })
  const intermediate = mintCa({ subject: '', issuer: root, ...plan.intermediate })
  const leaf = mintLeaf({ subject: '', issuer: intermediate, ...plan.leaf })
  const chain: Arranged = { root, intermediate, leaf, sent: [intermediate], trust: [root], crls: [], atFault: null }
  for (const arrange of plan.arrangements) arrange(chain, plan)
  const { sent, trust, crls } = chain
  return { applied, host: plan.host, leaf: chain.leaf, sent, trust, crls, fault: faultIn(chain, applied) }
}

function faultIn(chain: Arranged, [only, second]: readonly Applied[]): MintedCase['fault'] {
  if (only === undefined || second !== undefined) return null
  const role = only.mutation.fault === undefined ? only.role : only.mutation.fault
  return role === null ? null : { role, der: (chain.atFault ?? chain[role]).der }
}

/** Null for parts that do not go together: a key of one kind, and a signature of another. */
export function mintIfPossible(applied: readonly Applied[]): MintedCase | null {
  try {
    return mintCase(applied)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}

export type Options = Partial<MintLeafOptions & MintCaOptions>

/** Sets options of one certificate. Extensions are added; one of the same OID is replaced. */
export function set(plan: Plan, role: Role, options: Options): void {
  const target: Options = plan[role]
  const { extensions = [], without = [], ...rest } = options
  Object.assign(target, rest)
  const replaced = new Set(extensions.map(({ oid }) => oid))
  const kept: Extension[] = (target.extensions ?? []).filter(({ oid }) => !replaced.has(oid))
  target.extensions = [...kept, ...extensions]
  target.without = [...(target.without ?? []), ...without]
}

/** A mutation that changes the plan. */
export function plans(name: string, on: readonly Role[], apply: Mutation['apply'], fault?: Role | null): Mutation {
  return { name, on, apply, fault }
}

/** A mutation that sets options of the certificate. */
export function sets(
  name: string,
  options: Options | ((role: Role) => Options),
  on: readonly Role[] = EVERY,
  fault?: Role | null,
): Mutation {
  const apply: Mutation['apply'] = (plan, role) => {
    set(plan, role, typeof options === 'function' ? options(role) : options)
  }
  return { name, on, apply, fault }
}

/** A mutation that adds an extension; one that the certificate has already is replaced. */
export function carries(
  name: string,
  extension: Extension | ((role: Role) => Extension),
  on?: readonly Role[],
  fault?: Role | null,
): Mutation {
  return sets(
    name,
    (role) => ({ extensions: [typeof extension === 'function' ? extension(role) : extension] }),
    on,
    fault,
  )
}

/** A mutation of what is sent or trusted; `role` is what is concerned. */
export function arranged(
  name: string,
  role: Role,
  arrange: (chain: Arranged, plan: Plan) => void,
  fault?: Role | null,
): Mutation {
  return plans(name, [role], (plan) => plan.arrangements.push(arrange), fault)
}
