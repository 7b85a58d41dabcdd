/** Which pair to connect to a server with. */
import { createAuthority } from '../authority/deferred.js'
import { areValid } from '../client/diagnosis/evidence.js'
import { explainServer } from '../client/diagnosis/explain.js'
import type { Endpoint } from '../client/endpoints.js'
import type { MaterialReading } from '../credentials/assemble.js'
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { fileInput, fileOfOption } from '../credentials/load-inputs.js'
import { openInput, readCertificates } from '../credentials/parse-input.js'
import { readSource } from '../credentials/source.js'
import type { Finding, Report } from '../report/finding.js'
import { validateConnected } from '../validate/validate.js'
import { PrivateKey } from '../x509/keys/keys.js'
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
}

const NONE: Choice = { pairs: [], findings: [], blaming: null }

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
  const server = { endpoint, name: endpoint.serverName ?? endpoint.host }
  const findings = explainServer(server, { chain: [...seen.chain], report: blaming.report })
  return { pairs: [], findings, blaming: blaming.pair }
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
