/** Mutations of the chain as a whole: what is sent, and what is trusted. */
import { boolean, integer, sequence } from './der-writer.js'
import {
  dns,
  EXTENSION,
  type Extension,
  mintCa,
  type MintCaOptions,
  mintLeaf,
  type Minted,
  relativeDistributionPoint,
  subjectAltName,
  uri,
} from './mint.js'
import { type Arranged, HOST, keyFor, type Mutation, type Plan, type Role, set } from './mutation.js'

/** Changes what is sent or trusted; `role` is what is concerned. */
function arranged(
  name: string,
  role: Role,
  arrange: (chain: Arranged, plan: Plan) => void,
  fault?: Role | null,
): Mutation {
  return {
    name,
    on: [role],
    apply: (plan) => {
      plan.arrangements.push(arrange)
    },
    fault,
  }
}

/** A CA that has nothing to do with the chain. */
function stranger(subject = 'Stranger'): Minted {
  return mintCa({ subject, key: keyFor('stranger') })
}

const NEGATIVE_PATH_LENGTH: Extension = {
  oid: EXTENSION.basicConstraints,
  critical: true,
  value: sequence(boolean(true), integer(-1)),
}

/** What Go does not read of a certificate that the path does not use. */
const UNREADABLE: readonly (readonly [string, Partial<MintCaOptions>])[] = [
  ['on a curve that Go does not read', { key: 'brainpool' }],
  ['with a relative distribution point', { extensions: [relativeDistributionPoint()] }],
  ['with a malformed URI', { extensions: [subjectAltName([uri('http://[bad/%zz')])] }],
  ['with a negative serial number', { serial: -5n }],
  ['with a path length of -1', { extensions: [NEGATIVE_PATH_LENGTH] }],
]

function besides(what: string, options: Partial<MintCaOptions>): Mutation[] {
  const other = (): Minted => mintCa({ subject: 'Stranger', ...options })
  return [
    arranged(`a stranger ${what} is sent`, 'intermediate', (chain) => chain.sent.push(other()), null),
    arranged(`trusted next to a stranger ${what}`, 'root', (chain) => chain.trust.push(other()), null),
  ]
}

/** Issues the leaf again, under another issuer. */
function reissue(chain: Arranged, plan: Plan, issuer: Minted): void {
  chain.leaf = mintLeaf({ subject: '', ...plan.leaf, issuer })
}

const DAY = 86_400_000

export const chainMutations: readonly Mutation[] = [
  arranged('not sent', 'intermediate', (chain) => (chain.sent = []), 'leaf'),
  arranged('sent twice', 'intermediate', (chain) => chain.sent.push(chain.intermediate)),
  arranged('sent too', 'root', (chain) => chain.sent.push(chain.root)),
  arranged('sent before the intermediate', 'root', (chain) => chain.sent.unshift(chain.root)),
  arranged('a stranger is sent', 'intermediate', (chain) => chain.sent.unshift(stranger())),
  arranged(
    'something unreadable is sent',
    'intermediate',
    (chain) => {
      const { der } = stranger()
      const cut = der.subarray(0, -7)
      const pem = `-----BEGIN CERTIFICATE-----\n${cut.toString('base64')}\n-----END CERTIFICATE-----\n`
      chain.sent.push({ ...stranger(), der: cut, pem })
    },
    null,
  ),
  ...UNREADABLE.flatMap(([what, options]) => besides(what, options)),
  arranged('not trusted', 'root', (chain) => (chain.trust = [stranger()]), 'intermediate'),
  arranged('not trusted, but sent', 'root', (chain) => {
    chain.sent.push(chain.root)
    chain.trust = [stranger()]
  }),
  arranged('made anew with another key', 'root', (chain) => (chain.trust = [stranger('Root')]), 'intermediate'),
  {
    name: 'made anew with another key, without key identifiers',
    on: ['root'],
    apply: (plan) => {
      set(plan, 'intermediate', { without: [EXTENSION.authorityKeyIdentifier] })
      plan.arrangements.push((chain) => {
        chain.trust = [mintCa({ subject: 'Root', key: keyFor('stranger'), without: [EXTENSION.subjectKeyIdentifier] })]
      })
    },
    fault: 'intermediate',
  },
  arranged('trusted beside a stranger', 'root', (chain) => chain.trust.unshift(stranger())),
  arranged('trusted beside a namesake with another key', 'root', (chain) => chain.trust.unshift(stranger('Root'))),
  arranged('trusted twice', 'root', (chain) => chain.trust.push(chain.root)),
  arranged('nobody is trusted', 'root', (chain) => (chain.trust = []), null),
  arranged(
    'nobody is trusted, nothing is sent',
    'root',
    (chain) => {
      chain.trust = []
      chain.sent = []
    },
    null,
  ),
  arranged('trusted itself, without its root', 'intermediate', (chain) => (chain.trust = [chain.intermediate])),
  arranged('trusted itself', 'leaf', (chain) => (chain.trust = [chain.leaf])),
  {
    name: 'trusted itself, signed by ecdsa-sha1',
    on: ['leaf'],
    apply: (plan) => {
      set(plan, 'leaf', { signature: 'ecdsa-sha1' })
      plan.arrangements.push((chain) => (chain.trust = [chain.leaf]))
    },
  },
  {
    name: 'self-signed',
    on: ['leaf'],
    apply: (plan) => {
      set(plan, 'leaf', { issuer: undefined })
    },
  },
  {
    name: 'self-signed and trusted, without a subject',
    on: ['leaf'],
    apply: (plan) => {
      set(plan, 'leaf', { issuer: undefined, subject: '' })
      plan.arrangements.push((chain) => (chain.trust = [chain.leaf]))
    },
  },
  {
    name: 'self-signed and trusted',
    on: ['leaf'],
    apply: (plan) => {
      set(plan, 'leaf', { issuer: undefined })
      plan.arrangements.push((chain) => (chain.trust = [chain.leaf]))
    },
  },
  arranged('issued by the root', 'leaf', (chain, plan) => {
    reissue(chain, plan, chain.root)
  }),
  arranged('a second one below, against its path length', 'intermediate', (chain, plan) => {
    const low = mintCa({ subject: 'Low', key: keyFor('low'), issuer: chain.intermediate })
    reissue(chain, plan, low)
    chain.sent = [low, chain.intermediate]
  }),
  {
    name: 'a second one below, sent in the wrong order',
    on: ['intermediate'],
    apply: (plan) => {
      set(plan, 'intermediate', { pathLength: 1 })
      plan.arrangements.push((chain) => {
        const low = mintCa({ subject: 'Low', key: keyFor('low'), issuer: chain.intermediate })
        reissue(chain, plan, low)
        chain.sent = [chain.intermediate, low]
      })
    },
  },
  arranged(
    'signed by a leaf',
    'leaf',
    (chain, plan) => {
      const half = mintLeaf({ subject: 'Half', key: keyFor('half'), issuer: chain.intermediate, names: [dns(HOST)] })
      reissue(chain, plan, half)
      chain.sent = [half, chain.intermediate]
      chain.atFault = half
    },
    'intermediate',
  ),
  arranged('an expired twin is sent first', 'intermediate', (chain) => {
    const { key } = chain.intermediate
    const ago = (days: number): Date => new Date(Date.now() - days * DAY)
    const twin = mintCa({ subject: 'Intermediate', key, issuer: chain.root, notBefore: ago(9), notAfter: ago(1) })
    chain.sent.unshift(twin)
  }),
  arranged(
    'certified in a circle',
    'intermediate',
    (chain) => {
      const { key } = chain.intermediate
      const other = stranger()
      chain.sent = [
        mintCa({ subject: 'Intermediate', key, issuer: other }),
        mintCa({ subject: 'Stranger', key: other.key, issuer: chain.intermediate }),
      ]
    },
    null,
  ),
  arranged('cross-signed by a stranger, that one first', 'intermediate', (chain) => {
    const { key } = chain.intermediate
    chain.sent.unshift(mintCa({ subject: 'Intermediate', key, issuer: stranger() }))
  }),
]
