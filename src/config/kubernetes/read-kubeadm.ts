/** Reads where the etcd of a kubeadm cluster is. */
import { join } from 'node:path/posix'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { ConfigText } from '../read/text.js'
import { at, entriesOf, itemsAt, readYaml, scalarsOf, textAt, type YamlReading, type YamlValue } from '../read/yaml.js'
import {
  type AccessOptions,
  AccessReader,
  type EtcdAccess,
  type PlacedFile,
  placedEntries,
  type ReadAccess,
  readRoot,
  type Role,
} from './access.js'
import { KUBEADM_VERSIONS } from './kubeadm.js'

/** A configuration of kubeadm, by one of the keys. */
export interface KubeadmInput {
  /** The path of the file that `kubeadm init --config` was given. */
  file?: string | undefined
  /** Its text, or the ConfigMap `kubeadm-config` of the namespace `kube-system`. */
  yaml?: string | undefined
}

const NAMES = {
  endpoints: 'etcd.external.endpoints',
  ca: 'etcd.external.caFile',
  cert: 'etcd.external.certFile',
  key: 'etcd.external.keyFile',
}
/** kubeadm's default `certificatesDir`, and its files there (cmd/kubeadm/app/constants). */
const CERTIFICATES = '/etc/kubernetes/pki'
const LOCAL = { ca: 'etcd/ca.crt', cert: 'apiserver-etcd-client.crt', key: 'apiserver-etcd-client.key' }
/** The member of the node itself, by the family of the address that kube-apiserver advertises. */
const LOCAL_ENDPOINTS = { v4: 'https://127.0.0.1:2379', v6: 'https://[::1]:2379' }
/** What `apiServer.extraArgs` replaces (getAPIServerCommand, overrides last). */
const OVERRIDES = { endpoints: 'etcd-servers', ca: 'etcd-cafile', cert: 'etcd-certfile', key: 'etcd-keyfile' }

const reader = new AccessReader('The access to etcd of kubeadm’s configuration', NAMES)

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function fromKubeadmConfig(input: KubeadmInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(options)
  const source = await reader.open({ ...input }, ['file', 'yaml'], root)
  const found = await clusterConfiguration(source)
  if ('findings' in found) throw reader.refused(found.findings)
  return reader.access(accessIn(found), source.file, root)
}

interface Found {
  readonly configuration: YamlValue
  readonly yaml: YamlReading
}

async function clusterConfiguration(source: ConfigText): Promise<Found | { readonly findings: readonly Finding[] }> {
  const yaml = await readYaml(source, 'all')
  const errors = yaml.findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { findings: errors }
  const { file } = source
  const ofKind = (kind: string): YamlValue | null =>
    yaml.documents.find((document) => textAt(document, 'kind') === kind) ?? null
  const inMap = textAt(ofKind('ConfigMap'), 'data', 'ClusterConfiguration')
  // Lines are then those of the inner text, which is what people edit.
  if (inMap !== undefined) return clusterConfiguration({ text: inMap, file })
  const configuration = ofKind('ClusterConfiguration')
  const none = (looked: string) => ({ findings: [finding('config/no-etcd', { kind: 'kubeadm', file, looked })] })
  if (configuration === null) return none('there is no ClusterConfiguration in it')
  const version = textAt(configuration, 'apiVersion') ?? ''
  const isKnown = KUBEADM_VERSIONS.some((known) => version === `kubeadm.k8s.io/${known}`)
  return isKnown ? { configuration, yaml } : none(`its version "${version}" is not known`)
}

/** An external etcd, or the member of the node; with what `extraArgs` replaces. */
function accessIn({ configuration, yaml }: Found): ReadAccess {
  const external = at(configuration, 'etcd', 'external')
  const args = argumentsOf(at(configuration, 'apiServer', 'extraArgs'))
  const option = (name: string): string => `apiServer.extraArgs.${name}`
  const fileAt = (value: YamlValue | null, option: string): PlacedFile | undefined => {
    const text = textAt(value)
    return value === null || text === undefined
      ? undefined
      : { text, path: text, place: yaml.place(value.offset, option) }
  }
  const local = (text: string) => ({ text, place: { option: 'certificatesDir', file: null, line: null, column: null } })
  const directory = textAt(configuration, 'certificatesDir') ?? CERTIFICATES
  const file = (role: Role): PlacedFile | undefined => {
    const given = args.findLast(({ name }) => name === OVERRIDES[role])
    if (given !== undefined) return fileAt(given.value, option(given.name))
    if (external !== null) return fileAt(at(external, `${role}File`), NAMES[role])
    const path = join(directory, LOCAL[role])
    return { ...local(path), path }
  }
  const overriding = args
    .filter(({ name }) => name === OVERRIDES.endpoints)
    .flatMap(({ value }) => scalarsOf(value))
    .flatMap(({ text, offset }) => placedEntries({ text, place: yaml.place(offset, option(OVERRIDES.endpoints)) }))
  const init = yaml.documents.find((document) => textAt(document, 'kind') === 'InitConfiguration') ?? null
  const address = textAt(init, 'localAPIEndpoint', 'advertiseAddress') ?? ''
  const own =
    external === null
      ? [local(address.includes(':') ? LOCAL_ENDPOINTS.v6 : LOCAL_ENDPOINTS.v4)]
      : itemsAt(external, 'endpoints')
          .flatMap(scalarsOf)
          .map(({ text, offset }) => ({ text, place: yaml.place(offset, NAMES.endpoints) }))
  return {
    endpoints: overriding.length === 0 ? own : overriding,
    files: { ca: file('ca'), cert: file('cert'), key: file('key') },
  }
}

/** A mapping in v1beta3, and a list of names and values in v1beta4. */
function argumentsOf(extraArgs: YamlValue | null): { name: string; value: YamlValue }[] {
  if (extraArgs?.kind === 'map') return entriesOf(extraArgs).map(({ key, value }) => ({ name: key, value }))
  return itemsAt(extraArgs).flatMap((item) => {
    const [name, value] = [textAt(item, 'name'), at(item, 'value')]
    return name === undefined || value === null ? [] : [{ name, value }]
  })
}
