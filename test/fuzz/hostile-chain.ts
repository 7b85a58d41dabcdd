/** What cases of hostile input are made of: one healthy chain, of which a case spoils a part. */
import type { KeyObject } from 'node:crypto'
import type { ChainInput, ValidateChainOptions } from '../../src/validate/index.js'
import { dns, mintCa, mintLeaf, type Minted, newKey } from '../support/mint.js'

/** Input made to exhaust a validator. */
export interface HostileCase {
  readonly name: string
  /** A code that the report must hold; null if it must pass. */
  readonly code: string | null
  /** Made when it is asked for, since some take a while. */
  readonly make: () => HostileInput
}
export type HostileRow = readonly [name: string, code: string | null, make: () => HostileInput]

export interface HostileInput {
  readonly input: ChainInput
  readonly options?: Partial<ValidateChainOptions>
}

export const HOST = 'etcd-0.etcd.svc'

export type LeafOptions = Partial<Parameters<typeof mintLeaf>[0]>
type CaOptions = Partial<Parameters<typeof mintCa>[0]>

export function many<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

interface Healthy {
  readonly root: Minted
  readonly intermediate: Minted
  readonly leaf: Minted
  readonly leafKey: KeyObject
}

let made: Healthy | null = null

export function healthy(): Healthy {
  if (made !== null) return made
  // Each outlives what is issued below it, also where a second passes in between.
  const root = mintCa({ subject: 'Root', notAfter: new Date('2060-01-01') })
  const intermediate = mintCa({ subject: 'Intermediate', issuer: root, notAfter: new Date('2050-01-01') })
  const leafKey = newKey()
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: intermediate, names: [dns(HOST)], key: leafKey })
  made = { root, intermediate, leaf, leafKey }
  return made
}

export const ders = (minted: readonly Minted[]): Buffer[] => minted.map(({ der }) => der)

/** A leaf below the last of these CAs, which are sent. */
export function below(cas: readonly Minted[], leaf: LeafOptions = {}): HostileInput {
  const options = { subject: 'x', issuer: cas.at(-1) ?? healthy().root, names: [dns(HOST)], ...leaf }
  return { input: chainOf({ leaf: mintLeaf(options).der, intermediates: ders(cas) }) }
}

/** The healthy chain with other parts. */
export function chainOf(parts: Partial<ChainInput>): ChainInput {
  const { root, intermediate, leaf } = healthy()
  return { leaf: leaf.der, intermediates: [intermediate.der], trustAnchors: [root.der], ...parts }
}

/** A leaf of the healthy chain with other contents. */
export function leafWith(options: LeafOptions): Minted {
  const { intermediate, leafKey } = healthy()
  return mintLeaf({ subject: 'etcd-0', issuer: intermediate, names: [dns(HOST)], key: leafKey, ...options })
}

/** The healthy chain with such a leaf. */
export function withLeaf(options: LeafOptions, more: Partial<ValidateChainOptions> = {}): HostileInput {
  return { input: chainOf({ leaf: leafWith(options).der }), options: more }
}

/** A chain of one CA, which was made with these options, between the root and a leaf. */
export function withCa(options: CaOptions, leaf: LeafOptions = {}): HostileInput {
  const ca = mintCa({ subject: 'CA', issuer: healthy().root, notAfter: new Date('2050-01-01'), ...options })
  return { input: chainOf({ leaf: leafWith({ issuer: ca, ...leaf }).der, intermediates: [ca.der] }) }
}

/** Certificates that differ in their serial numbers only; they are not signed again. */
export function distinctCertificates(count: number, options: LeafOptions = {}): Buffer[] {
  const serial = Buffer.alloc(16, 0x41)
  const { der } = leafWith({ serial, ...options })
  const at = der.indexOf(serial)
  return many(count, (i) => {
    const copy = Buffer.from(der)
    copy.writeUInt32BE(i, at + 4)
    return copy
  })
}
