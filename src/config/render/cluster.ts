/** Renders all members of a cluster from the files that `writeCluster` wrote. */
import type { ClusterFiles } from '../../authority/cluster/cluster-credentials.js'
import { checkOptions, valueInvalid } from '../../report/option-error.js'
import type { ClientSide, MemberConfig, PeerSide } from '../model.js'
import { readPlainUrl } from '../url.js'
import { checkExtra } from './member-options.js'
import { renderEtcdConfig, versionToRender } from './render.js'

/** Options that are the same for all members. */
const SHARED = [
  ...(['initialClusterState', 'initialClusterToken', 'tlsMinVersion', 'tlsMaxVersion'] as const),
  ...(['cipherSuites', 'enableGrpcGateway', 'version'] as const),
]
const ACCESS = ['crlFile', 'allowedCn', 'allowedHostname'] as const
type Access = (typeof ACCESS)[number]

/** The addresses of a member, and its other options. Its `extra` takes precedence over that of the plan. */
export interface MemberAddresses
  extends Pick<ClientSide, 'httpUrls'>, Pick<MemberConfig, 'metricsUrls' | 'dataDir' | 'extra'> {
  /** The advertised client URLs, such as `https://etcd-0.example.com:2379`. */
  clientUrls: readonly string[]
  /** The advertised peer URLs, such as `https://etcd-0.example.com:2380`. */
  peerUrls: readonly string[]
  /** @default clientUrls, with 0.0.0.0 in place of names, on which etcd cannot listen */
  listenClientUrls?: readonly string[] | undefined
  /** @default peerUrls, in the same way */
  listenPeerUrls?: readonly string[] | undefined
}

const REQUIRED = ['clientUrls', 'peerUrls'] as const
const URLS = [...REQUIRED, 'listenClientUrls', 'listenPeerUrls', 'httpUrls', 'metricsUrls'] as const
const ADDRESSES = [...URLS, 'dataDir', 'extra'] as const satisfies readonly (keyof MemberAddresses)[]

/** The options of all members, and the addresses of each one. */
export interface ClusterRenderPlan<M extends string = string> extends Pick<
  MemberConfig,
  (typeof SHARED)[number] | 'extra'
> {
  /** One entry for each member of the files. */
  members: Readonly<Record<M, MemberAddresses>>
  /** Which clients are accepted, in addition to the check by the CA. @default all that have a certificate of the CA */
  client?: Pick<ClientSide, Access | 'clientCertAuth'> | undefined
  /** Which members are accepted, in addition to the check by the CA. @default all that have a certificate of the CA */
  peer?: Pick<PeerSide, Access | 'skipClientSanVerification'> | undefined
  /** Returns the path of a file on the member's machine. @default the path where it was written */
  filePath?: ((file: string, member: M) => string) | undefined
}

/** A member of a cluster that was rendered. */
export interface RenderedMember {
  /** For {@link renderSystemdUnit}. */
  config: MemberConfig
  /** As {@link renderEtcdConfig} writes it. */
  text: string
}

/**
 * Writes the configuration of every member of a cluster.
 *
 * @example
 * ```ts
 * const files = await writeCluster('/etc/etcd/pki', cluster, { layout: 'etcd' })
 * const urls = { clientUrls: ['https://10.0.0.1:2379'], peerUrls: ['https://10.0.0.1:2380'] }
 * const members = renderCluster(files, { members: { 'etcd-0': urls } }, 'flags')
 * console.log(members['etcd-0'].text)
 * ```
 * @returns The configuration of each member as an object and as text, by the names of the members.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the plan and the files are not of the same members.
 * @throws as {@link renderEtcdConfig}
 */
export function renderCluster<M extends string>(
  files: Pick<ClusterFiles<M>, 'members'>,
  plan: ClusterRenderPlan<NoInfer<M>>,
  form: 'yaml' | 'flags' | 'env',
): Record<M, RenderedMember> {
  checkPlan(files, plan)
  const { filePath = (file: string) => file, client = {}, peer = {} } = plan
  // One warning for all members.
  const versioned = { ...plan, version: versionToRender(plan.version) }
  const shared = Object.fromEntries(SHARED.map((field) => [field, versioned[field]]))
  const members = entriesOf(plan.members)
  const initialCluster = Object.fromEntries(members.map(([name, { peerUrls }]) => [name, peerUrls]))
  const side = (name: M, kind: 'server' | 'peer'): Pick<PeerSide, 'certFile' | 'keyFile' | 'trustedCaFile'> => {
    const { ca, cert, key } = files.members[name][kind]
    const [certFile = '', keyFile = '', trustedCaFile = ''] = [cert, key, ca].map((file): string => {
      const path: unknown = filePath(file, name)
      if (typeof path === 'string') return path
      throw valueInvalid('plan.filePath', path, 'a function that returns a path')
    })
    return { certFile, keyFile, trustedCaFile }
  }
  const rendered = members.map(([name, at]) => {
    const { trustedCaFile, ...server } = side(name, 'server')
    const config: MemberConfig = {
      ...shared,
      name,
      dataDir: at.dataDir,
      metricsUrls: at.metricsUrls,
      initialCluster,
      extra: { ...plan.extra, ...at.extra },
      client: {
        listenUrls: at.listenClientUrls ?? at.clientUrls.map(toListen),
        advertiseUrls: at.clientUrls,
        httpUrls: at.httpUrls,
        ...server,
        // With a CA file, etcd requires certificates even if `clientCertAuth` is false.
        ...(client.clientCertAuth === false ? {} : { trustedCaFile }),
        ...client,
      },
      peer: {
        listenUrls: at.listenPeerUrls ?? at.peerUrls.map(toListen),
        advertiseUrls: at.peerUrls,
        ...side(name, 'peer'),
        ...peer,
      },
    }
    return [name, { config, text: renderEtcdConfig(config, form) }] as const
  })
  return Object.fromEntries(rendered) as Record<M, RenderedMember> // one entry for each member
}

function checkPlan<M extends string>(files: Pick<ClusterFiles<M>, 'members'>, plan: ClusterRenderPlan<M>): void {
  checkOptions('plan', plan, ['members', 'client', 'peer', 'filePath', 'extra', ...SHARED])
  checkExtra(plan.extra, 'plan.extra')
  for (const [side, more] of [
    ['client', 'clientCertAuth'],
    ['peer', 'skipClientSanVerification'],
  ] as const)
    if (plan[side] !== undefined) checkOptions(`plan.${side}`, plan[side], [more, ...ACCESS])
  const given = Object(Reflect.get(Object(files), 'members')) as Readonly<Record<string, unknown>>
  const known = Object.keys(given)
  if (known.length === 0) throw valueInvalid('files', files, 'the files that writeCluster returns')
  for (const [name, of] of Object.entries(given))
    for (const kind of ['server', 'peer'] as const)
      checkOptions(`files.members.${name}.${kind}`, Reflect.get(Object(of), kind), ['ca', 'cert', 'key'])
  checkOptions('plan.members', plan.members, known)
  for (const name of known) {
    if (!Object.hasOwn(plan.members, name))
      throw valueInvalid(`plan.members.${name}`, undefined, 'the URLs of this member, which has files')
  }
  for (const [name, addresses] of entriesOf(plan.members)) {
    const option = `plan.members.${name}`
    checkOptions(option, addresses, ADDRESSES)
    checkExtra(addresses.extra, `${option}.extra`)
    for (const field of URLS) {
      const urls: unknown = addresses[field]
      const texts = Array.isArray(urls) && urls.length > 0 && urls.every((url) => typeof url === 'string')
      const isLeftOut = urls === undefined && !REQUIRED.some((each) => each === field)
      if (!texts && !isLeftOut) throw valueInvalid(`${option}.${field}`, urls, 'an array of URLs')
    }
  }
  if (plan.filePath !== undefined && typeof plan.filePath !== 'function') {
    throw valueInvalid('plan.filePath', plan.filePath, 'a function')
  }
}

/** etcd listens only on addresses. The renderer reports an invalid URL later. */
function toListen(text: string): string {
  const reading = readPlainUrl(text, 'advertise')
  if ('refused' in reading || reading.url.isIp || reading.url.host === 'localhost') return text
  return `${reading.url.isTls ? 'https' : 'http'}://0.0.0.0:${reading.url.port}`
}

/** The cast is safe, because the caller has checked the keys. */
function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][]
}
