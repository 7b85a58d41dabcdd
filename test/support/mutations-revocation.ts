/** Mutations of revocation lists. Each gives the lists of both CAs, or what a mutation makes of them. */
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  EXTENSION,
  type Extension,
  flipBit,
  mintCrl,
  type MintCrlOptions,
  publicHalf,
  unknownExtension,
} from './mint.js'
import { boolean, contextPrimitive, nullValue, oid, sequence } from './der-writer.js'
import { type Arranged, keyFor, type Mutation, type Role, set } from './mutation.js'

const DAY = 86_400_000
const inDays = (days: number): Date => new Date(Date.now() + days * DAY)

const UNKNOWN = sequence(oid('1.3.6.1.4.1.99999.7'))

type ListOptions = (chain: Arranged) => Partial<MintCrlOptions>

/** The list of the CA that issued `role`, changed; the other CA's list is in order. */
function list(
  name: string,
  options: ListOptions,
  on: readonly Role[] = ['leaf', 'intermediate'],
  fault?: Role | null,
): Mutation {
  return {
    name: `revocation list: ${name}`,
    on,
    apply: (plan, role) => {
      plan.arrangements.push((chain) => {
        const changed = role === 'leaf' ? chain.intermediate : chain.root
        chain.crls = [chain.intermediate, chain.root].map((issuer) =>
          mintCrl({ issuer, ...(issuer === changed ? options(chain) : {}) }),
        )
      })
    },
    fault,
  }
}

/** A fault of the list is no certificate's. */
function faulty(name: string, options: ListOptions): Mutation {
  return list(name, options, ['leaf'], null)
}

function extended(...extensions: Extension[]): ListOptions {
  return () => ({
    extensions: [authorityKeyIdentifier(publicHalf(keyFor('intermediate'))), crlNumber(1), ...extensions],
  })
}

/** The flag of an issuing distribution point: 1 only leaves, 2 only CAs, 4 indirect, 5 attributes. */
function scope(flag: 1 | 2 | 4 | 5): Extension {
  const value = sequence(contextPrimitive(flag, boolean(true).subarray(2)))
  return { oid: EXTENSION.issuingDistributionPoint, critical: true, value }
}

/** An issuing distribution point for one reason, keyCompromise. */
function reasons(): Extension {
  const value = sequence(contextPrimitive(3, Buffer.from([6, 0x40])))
  return { oid: EXTENSION.issuingDistributionPoint, critical: true, value }
}

function garbled(): Extension {
  return { oid: EXTENSION.issuingDistributionPoint, critical: true, value: sequence(nullValue()) }
}

export const revocationMutations: readonly Mutation[] = [
  list('in order', () => ({})),
  list('names the certificate', (chain) => ({ revoked: [{ serial: chain.leaf.serial, reason: 1 }] }), ['leaf']),
  list('names the certificate', (chain) => ({ revoked: [{ serial: chain.intermediate.serial }] }), ['intermediate']),
  list('holds the certificate', (chain) => ({ revoked: [{ serial: chain.leaf.serial, reason: 6 }] }), ['leaf']),
  list('names another certificate', () => ({ revoked: [{ serial: 4711, reason: 1 }] })),
  faulty('out of date', () => ({ thisUpdate: inDays(-9), nextUpdate: inDays(-1) })),
  faulty('of the future', () => ({ thisUpdate: inDays(1), nextUpdate: inDays(2) })),
  faulty('without a next update', () => ({ nextUpdate: null })),
  faulty('signature altered', () => ({ tamperSignature: (bits) => flipBit(bits, -1) })),
  faulty('signed with another key', (chain) => ({
    issuer: { key: keyFor('stranger'), subject: chain.intermediate.subject },
  })),
  faulty('signed by ecdsa-sha1', () => ({ signature: 'ecdsa-sha1' })),
  faulty('without a number', () => ({ extensions: [] })),
  faulty('an unknown critical extension', extended(unknownExtension(true))),
  faulty('a delta list', extended(deltaCrlIndicator(1))),
  faulty('of leaves only', extended(scope(1))),
  faulty('of CAs only', extended(scope(2))),
  faulty('indirect', extended(scope(4))),
  faulty('of attribute certificates only', extended(scope(5))),
  faulty('of some reasons only', extended(reasons())),
  faulty('of another authority key identifier', () => ({
    extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9)), crlNumber(1)],
  })),
  faulty('algorithms disagree', () => ({ innerSignature: 'ecdsa-sha384' })),
  faulty('an unknown signature algorithm', () => ({ innerSignature: UNKNOWN, outerSignature: UNKNOWN })),
  faulty('ends before it begins', () => ({ thisUpdate: inDays(-1), nextUpdate: inDays(-2) })),
  faulty('an unreadable distribution point', extended(garbled())),
  faulty('unreadable', () => ({ tamper: (der) => der.subarray(0, -7) })),
  {
    name: 'revocation list: none of its issuer',
    on: ['leaf', 'intermediate'],
    apply: (plan, role) => {
      plan.arrangements.push((chain) => {
        chain.crls = [mintCrl({ issuer: role === 'leaf' ? chain.root : chain.intermediate })]
      })
    },
    fault: null,
  },
  {
    name: 'revocation list: its CA may not sign lists',
    on: ['intermediate'],
    apply: (plan) => {
      set(plan, 'intermediate', { keyUsages: ['keyCertSign'] })
      plan.arrangements.push((chain) => {
        chain.crls = [chain.intermediate, chain.root].map((issuer) => mintCrl({ issuer }))
      })
    },
  },
]
