/** Reads where the etcd of a kubeadm cluster is. */
import { join } from 'node:path/posix'
import { optionInvalid } from '../../report/option-error.js'
import type { Finding } from '../../report/finding.js'
import { at, itemsOf, textAt } from '../read/yaml/yaml-value.js'
import { type ConfigText, refuseText } from '../read/text.js'
import { readYaml, type YamlReading, type YamlValue } from '../read/yaml/yaml-text.js'
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
import { finding } from '../finding.js'
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
/** The member of the node itself, which kube-apiserver is told of by the family of the address that it advertises. */
const LOCAL_ENDPOINTS = { v4: 'https://127.0.0.1:2379', v6: 'https://[::1]:2379' }
/** What `apiServer.extraArgs` puts in place of what kubeadm tells kube-apiserver (getAPIServerCommand, overrides last). */
const OVERRIDES = { endpoints: 'etcd-servers', ca: 'etcd-cafile', cert: 'etcd-certfile', key: 'etcd-keyfile' }

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function fromKubeadmConfig(input: KubeadmInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(options)
  const key = onlyKey(input, ['file', 'yaml'])
  const value: unknown = input[key]
  if (typeof value !== 'string' || value === '')
    throw optionInvalid(`input.${key}`, 'must be a string that is not empty')
  const source = key === 'yaml' ? { text: value, file: null } : await readNodeFile(value, root)
  if ('code' in source) throw configInvalid(WHAT, [source], 'read')
  const found = await clusterConfiguration(source)
  if ('findings' in found) throw configInvalid(WHAT, found.findings, 'read')
  const access = overridden(readAccess(found), found)
  return accessOf(WHAT, access, NAMES, source.file, root)
}

interface Found {
  readonly configuration: YamlValue
  readonly yaml: YamlReading
}

async function clusterConfiguration(source: ConfigText): Promise<Found | { readonly findings: readonly Finding[] }> {
  const refused = refuseText(source)
  if (refused !== null) return { findings: [refused] }
  const yaml = await readYaml(source, 'all')
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
  const none = (looked: string) => ({ findings: [finding('config/no-etcd', { kind: 'kubeadm', file, looked })] })
  if (configuration === undefined || configuration === null) return none('there is no ClusterConfiguration in it')
  const version = textAt(configuration, 'apiVersion') ?? ''
  const isKnown = KUBEADM_VERSIONS.some((known) => version === `kubeadm.k8s.io/${known}`)
  return isKnown ? { configuration, yaml } : none(`its version "${version}" is not known`)
}

function readAccess(found: Found): ReadAccess {
  const { configuration, yaml } = found
  const external = at(at(configuration, 'etcd'), 'external')
  if (external === null) return localAccess(found)
  const file = (name: string, option: string) => placedFile(at(external, name), option, yaml)
  return {
    endpoints: itemsOf(at(external, 'endpoints')).flatMap((item): Placed[] =>
      item.kind === 'scalar' ? [{ text: item.text, place: yaml.place(item.offset, NAMES.endpoints) }] : [],
    ),
    files: { ca: file('caFile', NAMES.ca), cert: file('certFile', NAMES.cert), key: file('keyFile', NAMES.key) },
    findings: [],
  }
}

function localAccess({ configuration, yaml }: Found): ReadAccess {
  const directory = textAt(configuration, 'certificatesDir') ?? CERTIFICATES
  const init = yaml.documents.find((document) => textAt(document, 'kind') === 'InitConfiguration') ?? null
  const address = textAt(at(init, 'localAPIEndpoint'), 'advertiseAddress') ?? ''
  const placed = (text: string) => ({
    text,
    place: { option: 'certificatesDir', file: null, line: null, column: null },
  })
  const file = (name: string) => ({ ...placed(join(directory, name)), path: join(directory, name) })
  return {
    endpoints: [placed(address.includes(':') ? LOCAL_ENDPOINTS.v6 : LOCAL_ENDPOINTS.v4)],
    files: { ca: file(LOCAL.ca), cert: file(LOCAL.cert), key: file(LOCAL.key) },
    findings: [],
  }
}

function overridden(access: ReadAccess, { configuration, yaml }: Found): ReadAccess {
  const args = argumentsOf(at(at(configuration, 'apiServer'), 'extraArgs'))
  const option = (name: string): string => `apiServer.extraArgs.${name}`
  const endpoints = args
    .filter(({ name }) => name === OVERRIDES.endpoints)
    .flatMap(({ name, value }) => placedTexts(value, option(name), yaml))
  const file = (role: 'ca' | 'cert' | 'key') => {
    const given = args.findLast(({ name }) => name === OVERRIDES[role])
    return given === undefined ? access.files[role] : placedFile(given.value, option(given.name), yaml)
  }
  return {
    endpoints: endpoints.length === 0 ? access.endpoints : endpoints,
    files: { ca: file('ca'), cert: file('cert'), key: file('key') },
    findings: access.findings,
  }
}

/** A mapping in v1beta3, and a list of names and values in v1beta4. */
function argumentsOf(extraArgs: YamlValue | null): { name: string; value: YamlValue }[] {
  if (extraArgs?.kind === 'map') return extraArgs.entries.map(({ key, value }) => ({ name: key, value }))
  return itemsOf(extraArgs).flatMap((item) => {
    const [name, value] = [textAt(item, 'name'), at(item, 'value')]
    return name === undefined || value === null ? [] : [{ name, value }]
  })
}

/** Texts with commas between. */
function placedTexts(value: YamlValue, option: string, yaml: YamlReading): Placed[] {
  if (value.kind !== 'scalar') return []
  const place = yaml.place(value.offset, option)
  return value.text.split(',').flatMap((text) => (text.trim() === '' ? [] : [{ text: text.trim(), place }]))
}

function placedFile(value: YamlValue | null, option: string, yaml: YamlReading): ReadAccess['files']['ca'] {
  if (value?.kind !== 'scalar' || value.type === 'null') return undefined
  return { text: value.text, path: value.text, place: yaml.place(value.offset, option) }
}
