/** Which pair to connect to a server with. */
import { explainServer } from '../client/diagnosis/explain.js'
import type { Endpoint } from '../client/endpoints.js'
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { createAuthority } from '../authority/deferred.js'
import type { MaterialReading } from '../credentials/assemble.js'
import { fileInput, fileOfOption } from '../credentials/load-inputs.js'
import { openInput, readCertificates } from '../credentials/parse-input.js'
import { readSource } from '../credentials/source.js'
import type { Finding, Report } from '../report/finding.js'
import { validateConnected } from '../validate/validate.js'
import type { ServerObservation } from '../client/diagnosis/observe-server.js'
import type { Certificate } from '../x509/certificate.js'
import { PrivateKey } from '../x509/keys/keys.js'
import type { ConfigEvidence, FoundCredentials } from './sources.js'

/** A CA, a certificate and its key, and whose they are. */
export interface Pair {
  readonly credentials: Credentials
  /** `caller`: the caller passed it. */
  readonly of: FoundCredentials['of'] | 'caller'
  /** Where it was found, for display. */
  readonly from: string
  /** The configuration that names it; null if that is not one of etcd. */
  readonly config: ConfigEvidence | null
}

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
  if (ca !== undefined) {
    const { credentials, findings } = await readAnchors(ca)
    const pairs =
      credentials === null ? [] : [{ credentials, of: 'caller' as const, from: credentials.origin, config: null }]
    return { pairs, findings: [{ of: 'caller', findings }] }
  }
  const sources = given === null ? found : [{ source: given, of: 'caller' as const, from: given.origin, config: null }]
  const read = await Promise.all(sources.map(async (each) => ({ ...each, ...(await readSource(each.source)) })))
  return {
    pairs: read.flatMap(({ credentials, ...each }) => (credentials === null ? [] : [{ ...each, credentials }])),
    findings: read.map(({ of, findings }) => ({ of, findings })),
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

/** What a port serves, as one handshake without a certificate shows it. */
interface Served {
  readonly observation: ServerObservation
  readonly chain: readonly Certificate[]
}

interface Rules {
  readonly at: Date
  readonly expiryWarning: string | undefined
}

/** The pairs to try, the most suitable first; with none, what is wrong with the server, if one of the pairs can tell. */
export interface Choice {
  readonly pairs: readonly Pair[]
  readonly findings: readonly Finding[]
  /** The pair that tells it. */
  readonly blaming: Pair | null
}

const NONE: Choice = { pairs: [], findings: [], blaming: null }

/** As in the client. */
export const MAX_CHAIN = 100

/**
 * A pair that was found is used only for a server that it verifies, and that accepts its CA. Otherwise it is of another etcd, and says
 * nothing about this one. Without a certificate of the server, the first pair is tried: the client fails in the same way and explains it.
 */
export function choosePairs(endpoint: Endpoint, served: Served, pairs: readonly Pair[], rules: Rules): Choice {
  if (served.observation.chain.length === 0) {
    // The lint reports the dates of a member's certificate: the client would say that they are those of a client.
    const usable = pairs.filter(({ of, credentials }) => of !== 'member' || isValidAt(credentials, rules.at))
    return { ...NONE, pairs: usable.slice(0, 1) }
  }
  const isPast = ({ credentials }: Pair): number => Number(!isValidAt(credentials, rules.at))
  const checked = pairs
    .toSorted((a, b) => isPast(a) - isPast(b))
    .map((pair) => ({ pair, report: validateServer(endpoint, served, pair.credentials, rules) }))
  const verified = checked.filter(({ report }) => report.ok).map(({ pair }) => pair)
  if (verified.length > 0) return { ...NONE, pairs: verified.filter((pair) => isAccepted(pair, served)) }
  const blaming = checked.find(({ pair, report }) => pair.of === 'caller' || isIssued(report))
  if (blaming === undefined) return NONE
  const server = { endpoint, name: endpoint.serverName ?? endpoint.host }
  const findings = explainServer(server, { chain: [...served.chain], report: blaming.report })
  return { pairs: [], findings, blaming: blaming.pair }
}

/** Whether the certificate is of this CA, which can then tell what is wrong with it. */
function isIssued({ path, findings }: Report): boolean {
  return (
    path !== null && !findings.some(({ code, severity }) => severity === 'error' && /^(?:chain|signature)\//.test(code))
  )
}

function validateServer(
  endpoint: Endpoint,
  { observation, chain: read }: Served,
  { trustAnchors, crls }: Credentials,
  { at, expiryWarning }: Rules,
): Report {
  const sent = observation.chain
  const chain = read.length === Math.min(sent.length, MAX_CHAIN) ? [...read] : [...sent]
  const { value } = endpoint.serverName ?? endpoint.host
  return validateConnected({ chain, trustAnchors, crls }, { usage: 'server', hosts: [value], at, expiryWarning })
}

export function isValidAt({ chain: [leaf] }: Credentials, at: Date): boolean {
  return leaf.notBefore <= at && at <= leaf.notAfter
}

/** By the names of CAs that the server sent. */
function isAccepted({ of, credentials: { chain, key } }: Pair, { observation }: Served): boolean {
  const accepted = observation.acceptedAuthorities ?? []
  if (!key.isHeld) return observation.clientCertificate === 'not-requested'
  return (
    of === 'caller' || accepted.length === 0 || chain.some(({ issuer }) => accepted.some((each) => each.equals(issuer)))
  )
}
