/** Reads where the etcd of a kubeadm cluster is. */
import { join } from 'node:path/posix'
import { optionInvalid } from '../../misuse.js'
import type { Finding } from '../../report/finding.js'
import { at, itemsOf, textAt } from '../read/manifest.js'
import { type ConfigText, refuseText } from '../read/text.js'
import { readYaml, type YamlReading, type YamlValue } from '../read/yaml-text.js'
import { configInvalid } from '../refuse.js'
import {
  type AccessOptions,
  accessOf,
  type EtcdAccess,
  onlyKey,
  type Placed,
  type ReadAccess,
  readNodeFile,
  readRoot,
} from './access.js'
import { finding } from './finding.js'
import { KUBEADM_VERSIONS } from './kubeadm.js'

/** A configuration of kubeadm, by one of the keys. */
export interface KubeadmInput {
  /** The path of the file that `kubeadm init --config` was given. */
  file?: string | undefined
  /** Its text, or the ConfigMap `kubeadm-config` of the namespace `kube-system`. */
  yaml?: string | undefined
}

const WHAT = 'The access to etcd of kubeadm’s configuration'
const NAMES = {
  endpoints: 'etcd.external.endpoints',
  ca: 'etcd.external.caFile',
  cert: 'etcd.external.certFile',
  key: 'etcd.external.keyFile',
}
/** kubeadm's default `certificatesDir`, and what it calls its files there (cmd/kubeadm/app/constants). */
const CERTIFICATES = '/etc/kubernetes/pki'
const LOCAL = { ca: 'etcd/ca.crt', cert: 'apiserver-etcd-client.crt', key: 'apiserver-etcd-client.key' }
/** The member of the node itself. */
const LOCAL_ENDPOINT = 'https://127.0.0.1:2379'

/**
 * The etcd of a kubeadm cluster, and the credentials that its kube-apiserver uses there. An external etcd is as the
 * configuration says; one that kubeadm runs itself is the member of the control-plane node that this runs on.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` with everything that is missing or cannot be read, also an etcd without TLS.
 */
export async function fromKubeadmConfig(input: KubeadmInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(options)
  const key = onlyKey(input, ['file', 'yaml'])
  const value: unknown = input[key]
  if (typeof value !== 'string' || value === '') throw optionInvalid(`input.${key}`, 'must be a text that is not empty')
  const source = key === 'yaml' ? { text: value, file: null } : await readNodeFile(value, root)
  if ('code' in source) throw configInvalid(WHAT, [source], 'read')
  const found = clusterConfiguration(source)
  if ('findings' in found) throw configInvalid(WHAT, found.findings, 'read')
  return accessOf(WHAT, readAccess(found.configuration, found.yaml), NAMES, source.file, root)
}

type Found =
  { readonly configuration: YamlValue; readonly yaml: YamlReading } | { readonly findings: readonly Finding[] }

function clusterConfiguration(source: ConfigText): Found {
  const refused = refuseText(source)
  if (refused !== null) return { findings: [refused] }
  const yaml = readYaml(source, 'all')
  const errors = yaml.findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { findings: errors }
  const { file } = source
  for (const document of yaml.documents) {
    const inMap =
      textAt(document, 'kind') === 'ConfigMap' ? textAt(at(document, 'data'), 'ClusterConfiguration') : undefined
    // Lines are then those of the inner text, which is what people edit.
    if (inMap !== undefined) return clusterConfiguration({ text: inMap, file })
  }
  const configuration = yaml.documents.find((document) => textAt(document, 'kind') === 'ClusterConfiguration')
  const none = (looked: string): Found => ({ findings: [finding('config/no-kubeadm-configuration', { file, looked })] })
  if (configuration === undefined || configuration === null) return none('there is no ClusterConfiguration in it')
  const version = textAt(configuration, 'apiVersion') ?? ''
  const isKnown = KUBEADM_VERSIONS.some((known) => version === `kubeadm.k8s.io/${known}`)
  return isKnown ? { configuration, yaml } : none(`its version "${version}" is not known`)
}

function readAccess(configuration: YamlValue, yaml: YamlReading): ReadAccess {
  const external = at(at(configuration, 'etcd'), 'external')
  if (external === null) return localAccess(textAt(configuration, 'certificatesDir') ?? CERTIFICATES)
  const file = (name: string, option: string) => {
    const value = at(external, name)
    const text = textAt(external, name)
    return value === null || text === undefined
      ? undefined
      : { text, path: text, place: yaml.place(value.offset, option) }
  }
  return {
    endpoints: itemsOf(at(external, 'endpoints')).flatMap((item): Placed[] =>
      item.kind === 'scalar' ? [{ text: item.text, place: yaml.place(item.offset, NAMES.endpoints) }] : [],
    ),
    files: { ca: file('caFile', NAMES.ca), cert: file('certFile', NAMES.cert), key: file('keyFile', NAMES.key) },
    findings: [],
  }
}

function localAccess(directory: string): ReadAccess {
  const placed = (text: string) => ({
    text,
    place: { option: 'certificatesDir', file: null, line: null, column: null },
  })
  const file = (name: string) => ({ ...placed(join(directory, name)), path: join(directory, name) })
  return {
    endpoints: [placed(LOCAL_ENDPOINT)],
    files: { ca: file(LOCAL.ca), cert: file(LOCAL.cert), key: file(LOCAL.key) },
    findings: [],
  }
}
