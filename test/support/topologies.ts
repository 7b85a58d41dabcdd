/**
 * Random topologies of certificates: a chain, and next to it twins of its CAs that differ in name, key, validity,
 * constraints, usage, path length or issuer, among the trusted CAs and among the certificates that a server sends.
 */
import type { KeyObject } from 'node:crypto'
import { Random } from '../fuzz/random.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  directoryName,
  dns,
  EXTENSION,
  extendedKeyUsage,
  type Extension,
  keyIdentifier,
  mintCa,
  type MintCaOptions,
  type Minted,
  mintLeaf,
  nameConstraints,
  newKey,
  publicHalf,
} from './mint.js'

export const TOPOLOGY_HOST = 'etcd-0.etcd.test'

export interface Topology {
  readonly leaf: Minted
  /** What is sent after the leaf, in this order. */
  readonly sent: readonly Minted[]
  /** The trusted CAs, in this order. */
  readonly trust: readonly Minted[]
  /** Each certificate by what it is, for a test that fails. */
  readonly text: string
}

/** A CA of the chain, and how it was made. */
interface Link {
  readonly label: string
  readonly name: string
  readonly ca: Minted
  readonly options: MintCaOptions
  readonly issuer: Link | null
  readonly identifiers: Identifiers
}

/** How a certificate names the key of its issuer. */
type Identifiers = 'key' | 'none' | 'serial' | 'key and serial'

const HOUR = 3_600_000
const SUBJECTS = ['Root', 'CA 1', 'CA 2', 'CA 3']

/** Keys for all topologies: making one takes longer than the rest of a certificate. */
export class TopologyMinter {
  readonly #keys = Array.from({ length: 12 }, () => newKey())
  readonly #rsaKeys = Array.from({ length: 3 }, () => newKey('rsa-2048'))
  readonly #leafKey = newKey()
  readonly #outsider = link('Outsider', 'Outsider', null, { subject: 'Outsider' }, 'none')

  mint(seed: number): Topology {
    const random = new Random(seed)
    const chain = this.#chain(random)
    const others: Link[] = []
    const count = 1 + random.below(3)
    for (let i = 0; i < count; i++) {
      const of = random.pick([...chain, ...others])
      if (of !== undefined) others.push(this.#twin(random, of, chain, i))
    }
    const issuer = chain.at(-1) ?? link('Root', 'Root', null, { subject: 'Root' }, 'none')
    const leaf = mintLeaf({
      subject: 'etcd-0',
      key: this.#leafKey,
      issuer: issuer.ca,
      names: [dns(TOPOLOGY_HOST)],
      ...naming(issuer, drawIdentifiers(random)),
    })
    return place(random, leaf, chain, others)
  }

  #key(random: Random): KeyObject {
    return random.pick(random.once(6) ? this.#rsaKeys : this.#keys) ?? newKey()
  }

  #chain(random: Random): Link[] {
    const chain: Link[] = []
    const depth = 1 + random.below(4)
    for (const name of SUBJECTS.slice(0, depth)) {
      const issuer = chain.at(-1) ?? null
      chain.push(link(name, name, issuer, { subject: name, key: this.#key(random) }, drawIdentifiers(random)))
    }
    return chain
  }

  /** A certificate like that of a CA, with one or two differences. */
  #twin(random: Random, of: Link, chain: readonly Link[], number: number): Link {
    const options: MintCaOptions = { ...of.options, key: of.ca.key }
    let { issuer, identifiers } = of
    const differences: string[] = []
    for (let i = random.once(3) ? 2 : 1; i > 0; i--) {
      const difference = random.pick(DIFFERENCES)
      differences.push(difference)
      if (difference === 'key') options.key = this.#key(random)
      else if (difference === 'identifiers') identifiers = drawIdentifiers(random)
      else if (difference === 'issuer') issuer = random.pick(chain) ?? null
      else if (difference === 'self-signed') issuer = null
      else if (difference === 'outsider') issuer = this.#outsider
      else Object.assign(options, CHANGES[difference](of))
    }
    return link(`${of.label}/${String(number)} ${differences.join(' ')}`, of.name, issuer, options, identifiers)
  }
}

const inHours = (hours: number): Date => new Date(Date.now() + hours * HOUR)

const CHANGES = {
  expired: () => ({ notBefore: inHours(-48), notAfter: inHours(-24) }),
  early: () => ({ notBefore: inHours(24) }),
  longer: () => ({ notAfter: inHours(5000 * 24) }),
  constraints: ({ options }) => extended(options, nameConstraints({ permitted: [dns('other.test')] })),
  'no certSign': () => ({ keyUsages: ['cRLSign'] }),
  'not a CA': ({ options }) => extended(options, basicConstraints({ ca: false })),
  client: ({ options }) => extended(options, extendedKeyUsage(['clientAuth'])),
  length: () => ({ pathLength: 0 }),
  'no SKI': ({ options }) => ({ without: [...(options.without ?? []), EXTENSION.subjectKeyIdentifier] }),
} satisfies Record<string, (of: Link) => Partial<MintCaOptions>>

const DIFFERENCES = [
  ...(['key', 'key', 'identifiers', 'issuer', 'self-signed', 'outsider'] as const),
  ...(Object.keys(CHANGES) as (keyof typeof CHANGES)[]),
] as const

function extended(options: MintCaOptions, extension: Extension): Partial<MintCaOptions> {
  return { extensions: [...(options.extensions ?? []).filter(({ oid }) => oid !== extension.oid), extension] }
}

function link(
  label: string,
  name: string,
  issuer: Link | null,
  options: MintCaOptions,
  identifiers: Identifiers,
): Link {
  const { extensions = [], without = [], ...rest } = options
  const naming_ = issuer === null ? null : naming(issuer, identifiers)
  const isNaming = ({ oid }: Extension): boolean => oid === EXTENSION.authorityKeyIdentifier
  const ca = mintCa({
    ...rest,
    issuer: issuer?.ca,
    extensions: [...extensions.filter((each) => !isNaming(each)), ...(naming_?.extensions ?? [])],
    without: [...without, ...(naming_?.without ?? [])],
  })
  return { label, name, ca, options, issuer, identifiers }
}

function drawIdentifiers(random: Random): Identifiers {
  return random.pick(['key', 'key', 'none', 'none', 'serial', 'key and serial'])
}

function naming(issuer: Link, identifiers: Identifiers): { extensions: Extension[]; without: string[] } {
  if (identifiers === 'none') return { extensions: [], without: [EXTENSION.authorityKeyIdentifier] }
  const key = identifiers === 'serial' ? null : keyIdentifier(publicHalf(issuer.ca.key))
  const more =
    identifiers === 'key'
      ? {}
      : { issuer: [directoryName(issuer.issuer?.name ?? issuer.name)], serial: issuer.ca.serial }
  return { extensions: [authorityKeyIdentifier(key, more)], without: [] }
}

/** Deals the certificates out to the server and to the bundle of trusted CAs. */
function place(random: Random, leaf: Minted, chain: readonly Link[], others: readonly Link[]): Topology {
  const trust: Link[] = []
  const sent: Link[] = []
  const [root, ...intermediates] = chain
  if (root !== undefined && !random.once(12)) trust.push(root)
  if (root !== undefined && random.once(5)) sent.push(root)
  for (const each of intermediates.toReversed()) {
    if (!random.once(8)) insert(random, sent, each, random.once(6))
    if (random.once(6)) trust.push(each)
  }
  for (const each of others) {
    const where = random.below(5)
    if (where !== 0) insert(random, trust, each, true)
    if (where !== 1 && where !== 2) insert(random, sent, each, true)
  }
  for (const list of [trust, sent]) {
    const twice = random.once(8) ? random.pick(list) : undefined
    if (twice !== undefined) insert(random, list, twice, true)
  }
  const labels = (links: readonly Link[]): string => links.map(({ label }) => label).join(', ')
  const text = `leaf of ${chain.at(-1)?.label ?? ''}; trusted: ${labels(trust)}; sent: ${labels(sent)}`
  const minted = ({ ca }: Link): Minted => ca
  return { leaf, sent: sent.map(minted), trust: trust.map(minted), text }
}

function insert(random: Random, list: Link[], each: Link, anywhere: boolean): void {
  list.splice(anywhere ? random.below(list.length + 1) : list.length, 0, each)
}
