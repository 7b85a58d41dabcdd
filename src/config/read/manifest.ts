/** Reads the manifest of a pod that runs etcd: a static pod, or the template of a StatefulSet, Deployment or DaemonSet. */
import { join, posix } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { rowOfVariable } from '../tables/options.js'
import { boundedValues, type EtcdCommand, etcdCommand, substitute, type Values } from './command.js'
import type { Variable } from './env.js'
import { type ConfigMaps, configMapsOf, filesOfVolume, valueFrom, variablesFrom } from './config-maps.js'
import { finding } from '../finding.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, releaseOf } from './image.js'
import {
  type ConfigReading,
  type Mount,
  notReadVariables,
  unreadable,
  isUnresolved,
  type Probe,
} from './read-option.js'
import { faultFindings, readStart } from './start.js'
import { type ConfigText, MAX_MEMBERS, refuseText } from './text.js'
import type { Word } from './tokenizer.js'
import { kindText, readYaml, type YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

export async function readManifest(source: ConfigText): Promise<ConfigReading[]> {
  const refused = refuseText(source)
  if (refused !== null) return [unreadable(refused)]
  const yaml = await readYaml(source, 'all')
  const pods = yaml.documents.flatMap((document) => podsOf(document, 0))
  const maps = configMapsOf(yaml)
  const readings = pods.flatMap(({ spec, name, claims }) => {
    const own = etcdsOf(spec, yaml, maps)
    return own.map(({ container, command }): ConfigReading => {
      const reading = readContainer(container, command, spec, yaml, maps)
      const volumes = undefinedVolumes(container, spec, claims, yaml)
      const inside = textAt(container, 'name') ?? ''
      const label = own.length === 1 ? name : `${name}/${inside}`
      const findings = [...yaml.findings, ...reading.findings, ...volumes]
      return { ...reading, findings, label, labelPlace: yaml.place(container.offset, 'containers') }
    })
  })
  if (readings.length > 0) return readings.slice(0, MAX_MEMBERS)
  if (yaml.findings.some(({ severity }) => severity === 'error')) return [unreadable(...yaml.findings)]
  const looked = pods.length === 0 ? 'there is no pod in it' : 'no container of its pods runs etcd'
  return [unreadable(...yaml.findings, finding('config/no-etcd', { kind: 'etcd', file: source.file, looked }))]
}

interface EtcdContainer {
  readonly container: YamlValue
  readonly command: EtcdCommand
}

/** The containers of a pod that run etcd. A container next to etcd may have its image, too: a plain start goes first. */
function etcdsOf(spec: YamlValue, yaml: YamlReading, maps: ConfigMaps): EtcdContainer[] {
  for (const kind of ['containers', 'initContainers']) {
    for (const find of [commandOf, commandByVariables]) {
      const found = itemsOf(at(spec, kind)).flatMap((container) => {
        const command = find(container, yaml, maps)
        return command === null ? [] : [{ container, command }]
      })
      if (found.length > 0) return found
    }
  }
  return []
}

/** The specifications of pods in a document. */
export function podSpecs(document: YamlValue | null, depth: number): YamlValue[] {
  return podsOf(document, depth).map(({ spec }) => spec)
}

interface Pod {
  readonly spec: YamlValue
  readonly name: string
  /** Volumes that a StatefulSet makes. */
  readonly claims: readonly string[]
}

function podsOf(document: YamlValue | null, depth: number): Pod[] {
  if (document === null || depth > 2) return []
  if (textAt(document, 'kind') === 'List')
    return itemsOf(at(document, 'items')).flatMap((item) => podsOf(item, depth + 1))
  const spec = at(document, 'spec')
  if (spec === null) return []
  const template = at(at(at(spec, 'jobTemplate') ?? spec, 'template') ?? spec, 'spec')
  const name = textAt(at(document, 'metadata'), 'name') ?? ''
  const claims = itemsOf(at(spec, 'volumeClaimTemplates')).map((claim) => textAt(at(claim, 'metadata'), 'name') ?? '')
  return at(template ?? spec, 'containers') === null ? [] : [{ spec: template ?? spec, name, claims }]
}

function commandOf(container: YamlValue, yaml: YamlReading, maps: ConfigMaps): EtcdCommand | null {
  const { variables } = variablesOf(container, yaml, maps)
  const byName = boundedValues(new Map(variables.map(({ name, value }) => [name, value])))
  const words = ['command', 'args'].flatMap((key) =>
    itemsOf(at(container, key)).flatMap((item) => wordOf(item, byName)),
  )
  const isImage = isEtcdImage(textAt(container, 'image') ?? '')
  const [first] = words
  if (first === undefined) return isImage ? NOTHING : null
  // Without a program, the image's own is started.
  const isBare = first.text.startsWith('-')
  const isEtcd = isImage || areEtcdFlags(words) || areOfEtcd(variables.map(({ name }) => name))
  return isBare && !isEtcd ? null : etcdCommand(words)
}

/** Of an image with a script of its own, which starts etcd by variables. */
function commandByVariables(container: YamlValue, yaml: YamlReading, maps: ConfigMaps): EtcdCommand | null {
  const names = variablesOf(container, yaml, maps).variables.map(({ name }) => name)
  const isImage = isEtcdImage(textAt(container, 'image') ?? '')
  const isEtcd = isImage ? names.some((name) => rowOfVariable(name) !== undefined) : areOfEtcd(names)
  return isEtcd ? NOTHING : null
}

function readContainer(
  container: YamlValue,
  command: EtcdCommand,
  spec: YamlValue,
  yaml: YamlReading,
  maps: ConfigMaps,
): ConfigReading {
  const { variables, missing } = variablesOf(container, yaml, maps)
  const start = readStart(command, variables, (offset, option) => yaml.place(offset, option))
  return {
    ...start,
    findings: [
      ...faultFindings(command.faults, yaml.text, (offset) => yaml.place(offset, 'command')),
      ...wrongTexts(container, yaml),
      ...(missing.length > 0 || command.isShell === true ? [] : undefinedVariables(container, variables, yaml)),
      ...start.findings,
      ...missing.map(({ from, offset }) => notReadVariables(yaml.place(offset, 'envFrom'), from)),
    ],
    context: {
      directory: textAt(container, 'workingDir') ?? null,
      groups: [],
      isUserDynamic: false,
      user:
        textAt(at(container, 'securityContext'), 'runAsUser') ??
        textAt(at(spec, 'securityContext'), 'runAsUser') ??
        null,
      ...releaseOf(container, yaml),
      mounts: mountsOf(container, spec, (volume) => filesOfVolume(volume, maps, yaml)),
      probes: probesOf(container, spec, yaml),
    },
    isWhole: start.isWhole && missing.length === 0,
  }
}

const NOTHING: EtcdCommand = { args: [], variables: [], faults: [] }

/** Arguments and values that are no texts, with which Kubernetes does not take the pod. */
function wrongTexts(container: YamlValue, yaml: YamlReading): Finding[] {
  const items = ['command', 'args'].flatMap((key) =>
    itemsOf(at(container, key)).flatMap((item) => {
      const text = argumentText(item)
      return isText(item) || text === null ? [] : [{ item, option: text.replace(/[=\s].*$/s, ''), text }]
    }),
  )
  const values = itemsOf(at(container, 'env')).flatMap((each) => {
    const item = at(each, 'value')
    if (item === null || isText(item) || (item.kind === 'scalar' && item.type === 'null')) return []
    return [{ item, option: textAt(each, 'name') ?? 'env', text: item.kind === 'scalar' ? item.text : '…' }]
  })
  return [...items, ...values].map(({ item, option, text }) =>
    finding('config/value-type', {
      ...yaml.place(item.offset, option),
      kind: 'type',
      wants: `a string, as "${text}" with its quotes`,
      has: kindText(item),
      since: [],
    }),
  )
}

/** Variables in arguments, and in variables of etcd, that the container does not have: Kubernetes leaves them as they are. */
function undefinedVariables(container: YamlValue, variables: readonly Variable[], yaml: YamlReading): Finding[] {
  const known = new Set(variables.map(({ name }) => name))
  const judge = (text: string, option: string, offset: number): Finding[] => {
    const names = Array.from(text.matchAll(/(?<!\$)\$\(([A-Za-z_][\w.-]*)\)/g), ([, name = '']) => name)
    const unknown = [...new Set(names.filter((name) => !known.has(name)))]
    if (unknown.length === 0) return []
    const place = yaml.place(offset, option)
    return [finding('config/not-expanded', { ...place, names: unknown, by: 'Kubernetes' })]
  }
  const inArguments = ['command', 'args'].flatMap((key) =>
    itemsOf(at(container, key)).flatMap((item) => {
      const text = argumentText(item) ?? ''
      return judge(text, text.replace(/[=\s].*$/s, ''), item.offset)
    }),
  )
  const inVariables = itemsOf(at(container, 'env')).flatMap((item) => {
    const [name = '', value] = [textAt(item, 'name'), at(item, 'value')]
    const isOption = value?.kind === 'scalar' && rowOfVariable(name) !== undefined
    return isOption ? judge(value.text, name, value.offset) : []
  })
  return [...inArguments, ...inVariables]
}

function isText(value: YamlValue): boolean {
  return value.kind === 'scalar' && value.type === 'text'
}

/** An argument as it is meant: `--name: a` is a map, and `--name=a` in a sane world. */
function argumentText(item: YamlValue): string | null {
  if (item.kind === 'scalar') return item.text
  const [entry] = item.kind === 'map' ? item.entries : []
  return entry?.value.kind === 'scalar' ? `${entry.key}=${entry.value.text}` : null
}

function wordOf(item: YamlValue, variables: Values): Word[] {
  const written = argumentText(item)
  if (written === null) return []
  // Kubernetes knows $(NAME) alone, and $$ for a dollar sign.
  const text = written.includes('$(') ? substitute(written.replace(/\$(?![($])/g, '$$$$'), variables) : written
  return [{ text, offset: item.offset, isEnd: false }]
}

function variablesOf(
  container: YamlValue,
  yaml: YamlReading,
  maps: ConfigMaps,
): { variables: Variable[]; missing: { from: string; offset: number }[] } {
  const { variables: found, missing } = variablesFrom(container, maps, yaml)
  const byName = new Map(found.map(({ name, value }) => [name, value]))
  const before = boundedValues(byName)
  for (const item of itemsOf(at(container, 'env'))) {
    const name = textAt(item, 'name')
    if (name === undefined) continue
    // One that is taken from elsewhere is there, and not known where it is in no ConfigMap of this text.
    const isElsewhere = at(item, 'value') === null && at(item, 'valueFrom') !== null
    const written = isElsewhere ? (valueFrom(item, maps) ?? `$(${name})`) : (textAt(item, 'value') ?? '')
    const value = written.includes('$(') ? substitute(written.replace(/\$(?![($])/g, '$$$$'), before) : written
    byName.set(name, value)
    found.push({ name, value, place: yaml.place((at(item, 'value') ?? item).offset, name) })
  }
  return { variables: found, missing }
}

/** Whether a manifest of Kubernetes is what a text is. */
export function isManifest(text: string): boolean {
  return /^(?:kind|"kind"|apiVersion)\s*:/m.test(text) || /^\s*\{[\s\S]*"(?:kind|apiVersion)"\s*:/.test(text)
}

/**
 * The folders of the container, the longest first, and what they are on the host.
 *
 * @param filesOf The files of a volume whose text is known.
 */
export function mountsOf(
  container: YamlValue,
  spec: YamlValue,
  filesOf: (volume: YamlValue) => ReadonlyMap<string, ConfigText> | null = () => null,
): Mount[] {
  const volumes = new Map(itemsOf(at(spec, 'volumes')).map((volume) => [textAt(volume, 'name'), volume]))
  const mounts = itemsOf(at(container, 'volumeMounts')).flatMap((mount): Mount[] => {
    const inside = textAt(mount, 'mountPath')
    if (inside === undefined) return []
    const volume = volumes.get(textAt(mount, 'name')) ?? null
    const host = textAt(at(volume, 'hostPath'), 'path')
    const subPath = textAt(mount, 'subPath') ?? ''
    const files = volume === null ? null : filesOf(volume)
    return [
      {
        inside: posix.normalize(inside),
        outside: host === undefined ? null : join(host, subPath),
        ...(files === null ? {} : { files: below(files, subPath) }),
      },
    ]
  })
  return mounts.sort((a, b) => b.inside.length - a.inside.length)
}

/** The files of one folder, or the one file, that a mount takes of a volume. */
function below(files: ReadonlyMap<string, ConfigText>, subPath: string): ReadonlyMap<string, ConfigText> {
  if (subPath === '') return files
  const folder = `${posix.normalize(subPath).replace(/\/$/, '')}/`
  return new Map(
    [...files].flatMap(([path, text]) =>
      `${path}/`.startsWith(folder) ? [[path.slice(folder.length), text] as const] : [],
    ),
  )
}

/** Mounts of volumes that the pod does not have, with which Kubernetes does not take the pod. */
function undefinedVolumes(
  container: YamlValue,
  spec: YamlValue,
  claims: readonly string[],
  yaml: YamlReading,
): Finding[] {
  const known = new Set([...itemsOf(at(spec, 'volumes')).map((volume) => textAt(volume, 'name')), ...claims])
  const missing = itemsOf(at(container, 'volumeMounts')).flatMap((mount) => {
    const name = textAt(mount, 'name')
    return name === undefined || known.has(name) || isUnresolved(name) ? [] : [{ name, mount }]
  })
  const [first] = missing
  // Without any, it is an excerpt.
  if (first === undefined || known.size === 0 || [...known].some((name) => isUnresolved(name ?? ''))) return []
  const place = yaml.place(first.mount.offset, 'volumeMounts')
  return [
    finding('config/volume-missing', {
      ...place,
      kind: 'not defined',
      names: [...new Set(missing.map(({ name }) => name))],
      mounts: [],
      by: 'Kubernetes',
    }),
  ]
}

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const

/** The probes of the only container of a pod: a port may be that of another container. */
function probesOf(container: YamlValue, spec: YamlValue, yaml: YamlReading): Probe[] {
  if (itemsOf(at(spec, 'containers')).length > 1) return []
  const ports = new Map(
    itemsOf(at(container, 'ports')).map((port) => [textAt(port, 'name'), textAt(port, 'containerPort')] as const),
  )
  return PROBES.flatMap((name): Probe[] => {
    const probe = at(container, name)
    const http = at(probe, 'httpGet')
    const target = http ?? at(probe, 'tcpSocket')
    const written = textAt(target, 'port') ?? ''
    const port = /^\d+$/.test(written) ? written : ports.get(written)
    if (target === null || port === undefined || !/^\d+$/.test(port)) return []
    const scheme = textAt(http, 'scheme')?.toUpperCase() === 'HTTPS' ? 'https' : 'http'
    const place = yaml.place((at(target, 'port') ?? target).offset, name)
    return [{ kind: http === null ? 'tcp' : scheme, port, host: textAt(target, 'host') ?? null, place }]
  })
}
