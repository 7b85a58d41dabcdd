/** Which pair to connect to a server with. */
import { createAuthority } from '../authority/index.js'
import { areValid, explainServer } from '../client/internal-diagnosis.js'
import type { Endpoint } from '../client/internal.js'
import {
  fileInput,
  fileOfOption,
  type MaterialReading,
  openInput,
  readCertificates,
  readSource,
} from '../credentials/internal.js'
import type { Credentials, CredentialSource } from '../credentials/index.js'
import type { EtcdConfigMember } from '../config/index.js'
import type { Finding, Report } from '../report/index.js'
import { listed } from '../report/internal.js'
import { validateConnected } from '../validate/internal.js'
import { type Certificate, PrivateKey } from '../x509/internal.js'
import type { DateRules, Pair, SeenPort } from './evidence.js'
import type { FoundCredentials } from './sources.js'
import { isOfAccepted } from './read-evidence.js'

/** The pairs that can be read, and what is wrong with the files of each source. */
export interface ReadPairs {
  readonly pairs: readonly Pair[]
  readonly findings: readonly { readonly of: Pair['of']; readonly findings: readonly Finding[] }[]
}

/** @param ca The CAs of the caller, who has no client certificate. */
export async function readPairs(
  given: CredentialSource | null,
  found: readonly FoundCredentials[],
  ca?: string | URL,
): Promise<ReadPairs> {
  const ofCaller = { of: 'caller', config: null } as const
  const reading = (source: CredentialSource) => (): Promise<MaterialReading> => readSource(source)
  const sources =
    ca !== undefined
      ? [{ ...ofCaller, from: String(ca), read: () => readAnchors(ca) }]
      : given !== null
        ? [{ ...ofCaller, from: given.origin, read: reading(given) }]
        : found.map(({ source, ...each }) => ({ ...each, read: reading(source) }))
  const all = await Promise.all(sources.map(async ({ read, ...each }) => ({ ...each, ...(await read()) })))
  return {
    pairs: all.flatMap(({ credentials, ...each }) => (credentials === null ? [] : [{ ...each, credentials }])),
    findings: all,
  }
}

/** Credentials for servers that request no certificate. The key of theirs was dropped, so that they cannot be presented. */
async function readAnchors(ca: string | URL): Promise<MaterialReading> {
  const input = openInput(await fileInput(fileOfOption('ca', ca)))
  const { certificates, findings } = readCertificates(input)
  if (findings.some(({ severity }) => severity === 'error')) return { credentials: null, findings }
  const authority = await createAuthority({ name: 'no client certificate' })
  const { chain, trustAnchors: clientAnchors } = await authority.issue({ role: 'client', name: 'none' })
  const { origin } = input.place
  const key = PrivateKey.ofPair(new Uint8Array(), chain[0].spki, origin)
  const trustAnchors = certificates.map(({ certificate }) => certificate)
  return { credentials: { trustAnchors, clientAnchors, chain, key, crls: [], origin }, findings }
}

/** The pairs to try, the most suitable first; with none, what is wrong with the server, if one of the pairs can tell. */
export interface Choice {
  readonly pairs: readonly Pair[]
  readonly findings: readonly Finding[]
  readonly blaming: Pair | null
  /** Why no pair was chosen, if no finding says it. */
  readonly problem: string | null
}

const NONE: Choice = { pairs: [], findings: [], blaming: null, problem: null }

const NAMES = 'Pass --endpoints with one of these names, as its clients have it'

function dnsNamesOf([leaf]: readonly Certificate[]): string[] {
  return (leaf?.subjectAltNames ?? []).flatMap(({ kind, value }) => (kind === 'dns' ? [value] : []))
}

/**
 * Whether only the address is not covered, and the certificate has only domains: the clients of a single etcd, such as that of Cilium's
 * cluster mesh, may verify one of them. Members of a cluster have their own URLs, which others use.
 */
export function isForNames(
  findings: readonly Finding[],
  chain: readonly Certificate[],
  members: readonly EtcdConfigMember[],
): boolean {
  const names = dnsNamesOf(chain)
  const isSingle = members.length === 1 && members.every(({ initialCluster }) => initialCluster.length < 2)
  const errors = findings.filter(({ severity }) => severity === 'error')
  const areOfNames = errors.every(({ code, details }) => code === 'san/host-not-covered' && details.kind === 'ip')
  return (
    isSingle &&
    areOfNames &&
    names.length === chain[0]?.subjectAltNames.length &&
    names.every((each) => /\..*\./.test(each))
  )
}

/** As in the client. */
export const MAX_CHAIN = 100

/**
 * A pair that was found is used only for a server that it verifies, and that accepts its CA. Otherwise it is of another etcd, and says
 * nothing about this one. Without a certificate of the server, the first pair is tried: the client fails in the same way and explains it.
 */
export function choosePairs(endpoint: Endpoint, seen: SeenPort, pairs: readonly Pair[], rules: DateRules): Choice {
  const isValid = ({ credentials: { chain } }: Pair): boolean => areValid(chain.slice(0, 1), rules.at.getTime())
  // The lint reports the dates of a member's certificate: the client would say that they are those of a client.
  if (seen.sent.length === 0)
    return { ...NONE, pairs: pairs.filter((each) => each.of !== 'member' || isValid(each)).slice(0, 1) }
  const checked = pairs
    .toSorted((a, b) => Number(isValid(b)) - Number(isValid(a)))
    .map((pair) => ({ pair, report: validateServer(endpoint, seen, pair.credentials, rules) }))
  const verified = checked.filter(({ report }) => report.ok).map(({ pair }) => pair)
  if (verified.length > 0) return { ...NONE, pairs: verified.filter((pair) => isAccepted(pair, seen)) }
  const blaming = checked.find(({ pair, report }) => pair.of === 'caller' || isIssued(report))
  if (blaming === undefined) return NONE
  if (
    blaming.pair.of !== 'caller' &&
    isForNames(blaming.report.findings, seen.chain, blaming.pair.config?.members ?? [])
  )
    return { ...NONE, problem: `its certificate is for ${listed(dnsNamesOf(seen.chain))}. ${NAMES}` }
  const server = { endpoint, name: endpoint.serverName ?? endpoint.host }
  const findings = explainServer(server, { chain: [...seen.chain], report: blaming.report })
  return { ...NONE, findings, blaming: blaming.pair }
}

/** Whether the certificate is of this CA, which can then tell what is wrong with it. */
function isIssued({ path, findings }: Report): boolean {
  const isOfChain = ({ code, severity }: Finding): boolean =>
    severity === 'error' && /^(?:chain|signature)\//.test(code)
  return path !== null && !findings.some(isOfChain)
}

function validateServer(
  { serverName, host }: Endpoint,
  { chain: read, sent }: SeenPort,
  { trustAnchors, crls }: Credentials,
  { at, expiryWarning }: DateRules,
): Report {
  const chain = read.length === Math.min(sent.length, MAX_CHAIN) ? [...read] : [...sent]
  const hosts = [(serverName ?? host).value]
  return validateConnected({ chain, trustAnchors, crls }, { usage: 'server', hosts, at, expiryWarning })
}

function isAccepted({ of, credentials: { chain, key } }: Pair, seen: SeenPort): boolean {
  const accepted = seen.acceptedAuthorities ?? []
  if (!key.isHeld) return seen.clientCertificate === 'not-requested'
  return of === 'caller' || accepted.length === 0 || isOfAccepted(chain, accepted)
}
