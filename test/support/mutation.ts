/**
 * One mutation: it breaks (or bends) one thing of a healthy chain. The healthy chain is a root, an intermediate and a
 * leaf for server and client; a mutation applies to one or more of the three. The table of all is mutations.ts.
 */
import type { KeyObject } from 'node:crypto'
import {
  dns,
  ip,
  newKey,
  type Extension,
  type KeyKind,
  type Minted,
  mintCa,
  type MintCaOptions,
  mintLeaf,
  type MintLeafOptions,
} from './mint.js'
import type { Question } from './witnesses.js'

export const HOST = 'etcd-0.etcd.svc'
export const ROLES = ['leaf', 'intermediate', 'root'] as const
export type Role = (typeof ROLES)[number]
/** A mutation that applies to every certificate. */
export const EVERY: readonly Role[] = ROLES
export const CAS: readonly Role[] = ['intermediate', 'root']
/** A mutation that applies to a certificate that came by TLS. */
export const SHOWN: readonly Role[] = ['leaf', 'intermediate']

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
  /**
   * Which certificate is at fault, where that is not the one that was changed; null if no single one is (a
   * certificate that is not there is nobody's index).
   */
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

/** Which certificate is at fault; null if no single one is. */
function faultOf({ mutation, role }: Applied): Role | null {
  return mutation.fault === undefined ? role : mutation.fault
}

/** A minted chain with what was done to it. */
export interface MintedCase extends Omit<Question, 'usage'> {
  readonly applied: readonly Applied[]
  /** The certificate that is at fault, and what it is; null if several are, or none is. */
  readonly fault: { readonly role: Role; readonly der: Buffer } | null
}

const DAY = 86_400_000

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
  return (
    role === 'leaf' ||
    name.startsWith('extended key usage') ||
    REFUSED_BY_GO_ALONE.includes(name) ||
    name.includes('a stranger ')
  )
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
    root: { subject: 'Root', key: keyFor('root'), notAfter: new Date(Date.now() + 4000 * DAY) },
    intermediate: { subject: 'Intermediate', key: keyFor('intermediate'), pathLength: 0 },
    leaf: { subject: 'etcd-0', key: keyFor('leaf'), names: [dns(HOST), ip('127.0.0.1')] },
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

function faultIn(chain: Arranged, applied: readonly Applied[]): MintedCase['fault'] {
  const [only, second] = applied
  const role = only === undefined || second !== undefined ? null : faultOf(only)
  return role === null ? null : { role, der: (chain.atFault ?? chain[role]).der }
}

/** Sets options of one certificate. Extensions are added; one of the same OID is replaced. */
export function set(plan: Plan, role: Role, options: Partial<MintLeafOptions & MintCaOptions>): void {
  const target: Partial<MintLeafOptions & MintCaOptions> = plan[role]
  const { extensions = [], without = [], ...rest } = options
  Object.assign(target, rest)
  const replaced = new Set(extensions.map(({ oid }) => oid))
  const kept: Extension[] = (target.extensions ?? []).filter(({ oid }) => !replaced.has(oid))
  target.extensions = [...kept, ...extensions]
  target.without = [...(target.without ?? []), ...without]
}

/** A mutation that sets options of the certificate. */
export function sets(
  name: string,
  options: () => Partial<MintLeafOptions & MintCaOptions>,
  on: readonly Role[] = EVERY,
  fault?: Role | null,
): Mutation {
  return {
    name,
    on,
    apply: (plan, role) => {
      set(plan, role, options())
    },
    fault,
  }
}

/** The elements inside a constructed element, each whole. */
export function elementsOf(der: Buffer): Buffer[] {
  const elements: Buffer[] = []
  for (let at = contentStart(der, 0); at < der.length;) {
    const end = contentStart(der, at) + contentLength(der, at)
    elements.push(der.subarray(at, end))
    at = end
  }
  return elements
}

function contentStart(der: Buffer, at: number): number {
  const first = der[at + 1] ?? 0
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

function contentLength(der: Buffer, at: number): number {
  const first = der[at + 1] ?? 0
  return first < 0x80 ? first : der.readUIntBE(at + 2, first & 0x7f)
}
