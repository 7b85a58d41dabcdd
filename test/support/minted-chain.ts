/** A valid chain, and the codes and details of the findings about a chain. */
import type { Finding, FindingCode, FindingDetails } from '../../src/report/finding.js'
import type { ChainInput } from '../../src/validate/index.js'
import { dns, ip, type Minted, mintCa, mintLeaf, type MintCaOptions, type MintLeafOptions } from './mint.js'

const DAY = 86_400_000
export const HOST = 'etcd-0.etcd.svc'

export interface MintedChain {
  readonly root: Minted
  readonly intermediate: Minted
  readonly leaf: Minted
}

/** A root, an intermediate below it, and a leaf below that; each part may be minted otherwise. */
export function mintChain(
  parts: {
    root?: Partial<MintCaOptions>
    intermediate?: Partial<MintCaOptions>
    leaf?: Partial<MintLeafOptions>
  } = {},
): MintedChain {
  // Each outlives what is below it, also where a second passes between two mintings.
  const root = mintCa({ subject: 'Test Root', notAfter: new Date(Date.now() + 4000 * DAY), ...parts.root })
  const intermediate = mintCa({ subject: 'Test Intermediate', issuer: root, pathLength: 0, ...parts.intermediate })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: intermediate, names: [dns(HOST), ip('127.0.0.1')], ...parts.leaf })
  return { root, intermediate, leaf }
}

/** The chain as an input. */
export function inputOf(chain: MintedChain): ChainInput {
  return { leaf: chain.leaf.der, intermediates: [chain.intermediate.der], trustAnchors: [chain.root.der] }
}

/** `code@index` of every finding of a severity; `code` for one about no certificate. */
export function codesOf(findings: readonly Finding[], severity: Finding['severity'] = 'error'): string[] {
  return findings
    .flatMap((each) => [each, ...(each.repeats ?? [])])
    .filter((each) => each.severity === severity)
    .map(({ code, certificate }) => (certificate === null ? code : `${code}@${String(certificate.index)}`))
}

/**
 * The details of every finding of a code, those folded under others included, in the order of the list. With a kind, only those of
 * that kind, without it.
 */
export function detailsOf<C extends FindingCode>(findings: readonly Finding[], code: C): FindingDetails[C][]
export function detailsOf<C extends FindingCode, K extends string>(
  findings: readonly Finding[],
  code: C,
  kind: K,
): OfKind<FindingDetails[C], K>[]
export function detailsOf(findings: readonly Finding[], code: FindingCode, kind?: string): object[] {
  return findings.flatMap((each) => [
    ...(each.code === code ? ofKind(each.details, kind) : []),
    ...detailsOf(each.consequences, code, kind ?? ''),
    ...detailsOf(each.repeats ?? [], code, kind ?? ''),
  ])
}

type OfKind<D, K> = D extends { kind: infer P } ? (K extends P ? Omit<D, 'kind'> : never) : never

function ofKind(details: object, kind = ''): object[] {
  if (kind === '') return [details]
  const { kind: own, ...rest } = { kind: '', ...details }
  return own === kind ? [rest] : []
}
