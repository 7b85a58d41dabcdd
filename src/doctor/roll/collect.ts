/** Collects what {@link decide} needs: the members as the doctor sees them, what each port accepts, and the files of the directory. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureClient, type SecureEtcd3 } from '../../client/index.js'
import { mapLimited } from '../../client/internal.js'
import { localEndpointsOf, readConfigMembers } from '../../config/internal.js'
import { type Credentials, fromFiles } from '../../credentials/index.js'
import { fileInput, fileOfOption, openInput, readCertificates } from '../../credentials/internal.js'
import { asError, checkOptions, codeOf, optionInvalid, printable, reasonOf } from '../../report/internal.js'
import type { Certificate } from '../../x509/internal.js'
import type { Asking, ExaminedMember, Port } from '../evidence.js'
import { withMembers } from '../examine.js'
import { PORTS, sideOf } from '../read-evidence.js'
import {
  type ClientEvidence,
  decide,
  isVerified,
  type MemberEvidence,
  type PortEvidence,
  type RollCas,
} from './decide.js'
import { type PortAnswer, probePort } from './probe.js'
import type { RollOptions, RollPort, RollState, Trust } from './roll-state.js'

const OPTIONS = [
  ...(['from', 'to', 'directory', 'endpoints', 'configs', 'root', 'kubeadm'] as const),
  ...(['dialTimeout', 'timeout', 'signal'] as const),
]
/** Members that are asked at the same time. */
const CONCURRENT = 4
const PROBE = { name: 'etcd-mtls-roll', hosts: [] }

/**
 * Tells which step of the replacement of a CA is safe now: it asks each port of each member with a certificate of both CAs, and compares
 * that with the files of the members. It changes nothing.
 *
 * @example
 * ```ts
 * const from = await openAuthority('pki/ca', { name: 'etcd-ca' })
 * const to = await openAuthority('ca-2027', { name: 'etcd-ca-2027' })
 * const { step, refusals } = await rollState({ from, to, directory: 'pki', endpoints: 'https://10.0.0.1:2379' })
 * console.log(step ?? refusals)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call, or if no cluster or several are found; `ERR_ISSUE_REFUSED`
 *   if one of the CAs can issue no certificate for the probes.
 * @experimental It may change in a minor release.
 */
export async function rollState(options: RollOptions): Promise<RollState> {
  checkOptions('options', options, OPTIONS)
  const { from, to, directory, ...asked } = options
  const [old, next] = [new RollCa('from', from), new RollCa('to', to)]
  const cas = { from: old.anchors, to: next.anchors }
  const checkedAt = new Date()
  const early = cas.to.find(({ notBefore }) => notBefore > checkedAt)
  if (early !== undefined) {
    const refusal = `The new CA is not valid before ${early.notBefore.toISOString()}: members would refuse its certificates.`
    return { checkedAt, members: [], step: null, refusals: [refusal], unseen: [] }
  }
  const plan = await readPlan(directory)
  const endpoints = asked.endpoints ?? (plan.endpoints.length > 0 ? plan.endpoints : undefined)
  const probes = (): Promise<Credentials[]> => mapLimited(1, [old, next], (ca) => ca.pairFor(PROBE, cas))
  return withMembers({ ...asked, endpoints }, probes, async ({ members: found, pairs, asking }) => {
    const trusted = found.flatMap((each) => PORTS.flatMap((port) => anchorsOf(each, port, plan) ?? []))
    const given = { asking, cas, both: [old, next], plan, trusted }
    const members = await mapLimited(CONCURRENT, found, (each) => memberOf(each, given))
    const others = pairs.flatMap(({ of, credentials: { chain, trustAnchors: anchors } }): ClientEvidence[] =>
      of === 'kube-apiserver' ? [{ name: of, chain, anchors }] : [],
    )
    const clients = [...plan.clients, ...others]
    const decision = decide({ cas, members, clients, problems: plan.problems, at: checkedAt })
    const unseen = members.filter(({ isVisible }) => !isVisible).map(({ name }) => name)
    return { checkedAt, members: members.map(shown), ...decision, unseen }
  })
}

function shown({ name, isLeader, isVisible, ports }: MemberEvidence): RollState['members'][number] {
  const shownPort = ({ port, url, accepts, serves, file }: PortEvidence): RollPort => ({
    port,
    url,
    accepts,
    serves,
    file,
  })
  return { name, isLeader, isVisible, ports: ports.map(shownPort) }
}

/** A CA as the caller has it. */
class RollCa {
  readonly anchors: readonly Certificate[]
  readonly #given: RollOptions['from']

  constructor(option: string, given: RollOptions['from']) {
    this.#given = given
    const { trustAnchors } = given
    const isOwn = (each: Certificate): boolean => 'issue' in given || isVerified(given.chain, [each], new Date())
    this.anchors = trustAnchors.filter(isOwn)
    if (this.anchors.length === 0)
      throw optionInvalid(option, 'has no CA certificate that verifies its own certificate now')
  }

  get isIssuing(): boolean {
    return 'issue' in this.#given
  }

  async pairFor({ name, hosts }: { name: string; hosts: readonly string[] }, cas: RollCas): Promise<Credentials> {
    const given = this.#given
    const issue = { role: 'client', name, hosts, validity: '10m' } as const
    const pair = 'issue' in given ? await given.issue(issue) : given
    return { ...pair, trustAnchors: [...cas.from, ...cas.to] }
  }
}

interface Plan {
  readonly endpoints: readonly string[]
  readonly clients: readonly ClientEvidence[]
  readonly problems: readonly string[]
  readonly anchorsOf: (member: string, port: Port) => readonly Certificate[] | null
}

/** What the directory has for its members and clients. */
async function readPlan(directory: string | undefined): Promise<Plan> {
  const [problems, endpoints, clients]: [string[], string[], ClientEvidence[]] = [[], [], []]
  const anchors = new Map<string, readonly Certificate[]>()
  const folder = (...names: string[]): string => join(directory ?? '', ...names)
  for (const name of await namesIn(directory, 'members')) {
    for (const file of ['ca.crt', 'peer-ca.crt']) {
      const { bytes, ...input } = await fileInput(fileOfOption('ca', folder('members', name, file)))
      if (bytes === null && file === 'peer-ca.crt') continue
      const { certificates, findings } = readCertificates(openInput({ ...input, bytes }))
      problems.push(...findings.flatMap(({ severity, message }) => (severity === 'error' ? [message] : [])))
      anchors.set(
        `${name}/${file}`,
        certificates.map(({ certificate }) => certificate),
      )
    }
    const config = folder('members', name, 'etcd.conf.yml')
    const planned = await readConfigMembers({ file: config }, { readFiles: false }, config).catch(() => [])
    endpoints.push(...planned.flatMap(localEndpointsOf))
  }
  for (const name of await namesIn(directory, 'clients')) {
    const [ca = '', cert = '', key = ''] = ['ca.crt', 'tls.crt', 'tls.key'].map((each) => folder('clients', name, each))
    try {
      const { chain, trustAnchors } = await fromFiles({ ca, cert, key }).load()
      clients.push({ name: printable(name), chain, anchors: trustAnchors })
    } catch (error) {
      problems.push(printable(reasonOf(asError(error))))
    }
  }
  const anchorsOf = (name: string, port: Port): readonly Certificate[] | null =>
    (port === 'peer' ? anchors.get(`${name}/peer-ca.crt`) : undefined) ?? anchors.get(`${name}/ca.crt`) ?? null
  return { endpoints, clients, problems, anchorsOf }
}

async function namesIn(directory: string | undefined, kind: string): Promise<string[]> {
  if (directory === undefined) return []
  const names = await readdir(join(directory, kind)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw optionInvalid('directory', `cannot be read: ${printable(reasonOf(asError(error)))}`)
  })
  return names.filter((name) => !name.startsWith('.')).sort()
}

interface Given {
  readonly asking: Asking
  readonly cas: RollCas
  readonly both: readonly RollCa[]
  readonly plan: Plan
  /** What any member trusts, to verify a port of another CA. */
  readonly trusted: readonly Certificate[]
}

async function memberOf(member: ExaminedMember, given: Given): Promise<MemberEvidence> {
  const { client, label: name, listed } = member
  const seen = PORTS.filter((port) => member[port] !== null)
  const ports = await Promise.all(seen.map((port) => portOf(member, port, given)))
  const isVisible = seen.length > 0 && seen.every((port) => ofFile(member, port) !== null)
  const differing = seen.flatMap((port): string[] => {
    const [file, planned] = [ofFile(member, port), given.plan.anchorsOf(listed.name, port)]
    const isSame = file === null || planned === null || textOf(file) === textOf(planned)
    return isSame ? [] : [printable(sideOf(member, port)?.ca?.path ?? '')]
  })
  const [accepted] = ports.flatMap(({ port, pair }) => (port === 'client' && pair !== null ? [pair] : []))
  return {
    ...{ name, isVisible, ports, differing: [...new Set(differing)] },
    host: client === null ? name : new URL(client.url).hostname,
    isLeader: client?.answers?.role === 'leader',
    unread: listed.isLearner ? null : await readOnce(client?.url ?? null, accepted, given.asking),
    clock: ports.find(({ clock }) => clock !== null)?.clock ?? null,
  }
}

function textOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ fingerprint256 }) => fingerprint256).join()
}

/** The CAs in the file that the member reads; null if it was not seen. */
function ofFile(member: ExaminedMember, port: Port): readonly Certificate[] | null {
  const ca = sideOf(member, port)?.ca ?? null
  return ca?.problem !== null || ca.certificates.length === 0 ? null : ca.certificates
}

/** The CAs that the port trusts after the next restart; null if that is not known. */
function anchorsOf(member: ExaminedMember, port: Port, plan: Plan): readonly Certificate[] | null {
  return plan.anchorsOf(member.listed.name, port) ?? ofFile(member, port)
}

type AskedPort = PortEvidence & Pick<PortAnswer, 'clock'> & { readonly pair: Credentials | null }

async function portOf(
  member: ExaminedMember,
  port: Port,
  { asking, cas, both, plan, trusted }: Given,
): Promise<AskedPort> {
  const { url = '', chain = [], clientCertificate = null, refusal = null } = member[port] ?? {}
  const anchors = anchorsOf(member, port, plan)
  const verifies = (ca: readonly Certificate[]): boolean => isVerified(chain, ca, asking.at)
  const has = (ca: readonly Certificate[]): boolean =>
    ca.some(
      (one) =>
        anchors?.some((other) => Buffer.compare(other.spki, one.spki) === 0 && other.subject.equals(one.subject)) ===
        true,
    )
  const serves = trustOf(verifies(cas.from), verifies(cas.to))
  const file = anchors === null ? null : trustOf(has(cas.from), has(cas.to))
  const known = { port, url, chain, anchors, serves }
  const unknown = { ...known, file, accepts: null, clock: null, pair: null }
  const [leaf] = chain
  if (leaf === undefined) return { ...unknown, problem: printable(refusal?.detail ?? '') || 'it showed no certificate' }
  const hosts = leaf.subjectAltNames.flatMap(({ kind, value }) => (kind === 'dns' || kind === 'ip' ? [value] : []))
  const { commonName } = leaf.subject
  const name = commonName === null || commonName === '' || commonName.length > 64 ? PROBE.name : commonName
  const asked = { name, hosts }
  if (clientCertificate === 'not-requested') {
    const pair = (await both[1]?.pairFor(asked, cas)) ?? null
    return { ...known, accepts: 'any', file: file === null ? null : 'any', problem: null, clock: null, pair }
  }
  const { dialTimeout: timeout, signal } = asking
  const trustAnchors = [...cas.from, ...cas.to, ...trusted]
  const answers = await mapLimited(1, both, async (ca) => {
    const pair = await ca.pairFor(asked, cas)
    const answer = await probePort({ url, pair, trustAnchors, timeout, signal })
    // A peer port demands that the names are those of the machine that asks, if there are any (etcd listener_tls.go, checkCertSAN).
    if (answer.problem === null || port === 'client' || !ca.isIssuing) return { ...answer, pair }
    return {
      ...(await probePort({ url, pair: await ca.pairFor({ name, hosts: [] }, cas), trustAnchors, timeout, signal })),
      pair,
    }
  })
  const [byOld, byNew] = answers
  const unsure = answers.find(({ problem }) => problem !== null)
  if (byOld === undefined || byNew === undefined || unsure !== undefined)
    return { ...unknown, problem: unsure?.problem ?? 'it did not answer' }
  return {
    ...{ ...known, file, problem: null, clock: byOld.clock ?? byNew.clock },
    accepts: trustOf(byOld.accepts === true, byNew.accepts === true),
    pair: byNew.accepts === true ? byNew.pair : byOld.pair,
  }
}

function trustOf(old: boolean, next: boolean): Exclude<Trust, 'any'> {
  return old ? (next ? 'both' : 'old') : next ? 'new' : 'other'
}

const ANSWERED = /etcdserver: (?:permission denied|user name is empty)/

/** Why a member does not answer a linearizable read; null if it does, also if it says that this client may not read. */
async function readOnce(
  url: string | null,
  credentials: Credentials | undefined,
  { dialTimeout, signal }: Asking,
): Promise<string | null> {
  if (url === null) return 'it advertises no https URL for clients'
  if (credentials === undefined) return 'it accepts neither CA'
  const options = { endpoints: url, credentials, preflight: 'none', rotation: 'off', signal } as const
  let client: SecureEtcd3 | null = null
  try {
    client = await createSecureClient({ ...options, dialTimeout: `${String(dialTimeout)}ms` })
    await client.get(PROBE.name).options({ deadline: Date.now() + dialTimeout })
    return null
  } catch (error) {
    const reason = reasonOf(asError(error))
    return ANSWERED.test(reason) ? null : printable(reason)
  } finally {
    client?.close()
  }
}
