/** Reads the manifest of a pod that runs etcd: a static pod, or the template of a StatefulSet, Deployment or DaemonSet. */
import type { Finding } from '../../report/finding.js'
import { rowOfVariable } from '../tables/options.js'
import { boundedValues, type EtcdCommand, etcdCommand, substitute, type Values } from './command.js'
import type { Variable } from './env.js'
import {
  filesOfVolume,
  type KubeObjects,
  kubeObjectsOf,
  valueFrom,
  variablesFrom,
  type VolumeFiles,
} from './kube-objects.js'
import { finding } from '../finding.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, missingProgram, releaseOf } from './image.js'
import { mountsOf, volumeFindings } from './pod-volumes.js'
import { podProbes } from './probes.js'
import { type ConfigReading, notReadVariables, type Replicas, unreadable } from './read-option.js'
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
  const maps = kubeObjectsOf(yaml)
  const readings = pods.flatMap((pod) => {
    const { spec, name } = pod
    const own = etcdsOf(spec, yaml, maps)
    return own.map(({ container, command }): ConfigReading => {
      const reading = readContainer(container, command, pod, yaml, maps)
      const inside = textAt(container, 'name') ?? ''
      const label = own.length === 1 ? name : `${name}/${inside}`
      const findings = [...yaml.findings, ...reading.findings]
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
function etcdsOf(spec: YamlValue, yaml: YamlReading, maps: KubeObjects): EtcdContainer[] {
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
  /** How many of them are made; null if nothing says so. */
  readonly replicas: (Omit<Replicas, 'variables' | 'place'> & { readonly offset: number }) | null
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
  const replicas = replicasOf(document, spec, name)
  return at(template ?? spec, 'containers') === null ? [] : [{ spec: template ?? spec, name, claims, replicas }]
}

function replicasOf(document: YamlValue, spec: YamlValue, name: string): Pod['replicas'] {
  const [kind = '', count = ''] = [textAt(document, 'kind'), textAt(spec, 'replicas')]
  if (!/^(?:StatefulSet|Deployment|ReplicaSet)$/.test(kind) || !/^\d{1,3}$/.test(count)) return null
  const first = Number(textAt(at(spec, 'ordinals'), 'start') ?? '0')
  const namespace = textAt(at(document, 'metadata'), 'namespace') ?? null
  const service = textAt(spec, 'serviceName') ?? null
  const offset = at(spec, 'replicas')?.offset ?? 0
  return { kind, name, count: Number(count), first, service, namespace, offset }
}

function commandOf(container: YamlValue, yaml: YamlReading, maps: KubeObjects): EtcdCommand | null {
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
  const command = isBare && !isEtcd ? null : etcdCommand(words)
  if (command === null) return null
  return { ...command, faults: [...missingProgram(textAt(container, 'image') ?? '', words), ...command.faults] }
}

/** Of an image with a script of its own, which starts etcd by variables. */
function commandByVariables(container: YamlValue, yaml: YamlReading, maps: KubeObjects): EtcdCommand | null {
  const names = variablesOf(container, yaml, maps).variables.map(({ name }) => name)
  const isImage = isEtcdImage(textAt(container, 'image') ?? '')
  const isEtcd = isImage ? names.some((name) => rowOfVariable(name) !== undefined) : areOfEtcd(names)
  return isEtcd ? NOTHING : null
}

function readContainer(
  container: YamlValue,
  command: EtcdCommand,
  { spec, claims, replicas }: Pod,
  yaml: YamlReading,
  maps: KubeObjects,
): ConfigReading {
  const { variables, missing } = variablesOf(container, yaml, maps)
  const start = readStart(command, variables, (offset, option) => yaml.place(offset, option))
  const files = new Map<YamlValue, VolumeFiles | null>()
  const filesOf = (volume: YamlValue): VolumeFiles | null => {
    const known = files.get(volume)
    if (known !== undefined) return known
    const found = filesOfVolume(volume, maps, yaml)
    files.set(volume, found)
    return found
  }
  const values = new Map(variables.map(({ name, value }) => [name, value]))
  const [own, ofPod] = [at(container, 'securityContext'), at(spec, 'securityContext')]
  return {
    ...start,
    findings: [
      ...faultFindings(command.faults, yaml.text, (offset) => yaml.place(offset, 'command')),
      ...wrongTexts(container, yaml),
      ...(missing.length > 0 || command.isShell === true ? [] : undefinedVariables(container, variables, yaml)),
      ...(command.isShell === true ? [] : variablesOfShell(container, yaml)),
      ...start.findings,
      ...missing.map(({ from, offset }) => notReadVariables(yaml.place(offset, 'envFrom'), from)),
      ...volumeFindings(container, spec, claims, yaml, filesOf),
    ],
    context: {
      directory: textAt(container, 'workingDir') ?? null,
      groups: [],
      isUserDynamic: false,
      user: textAt(own, 'runAsUser') ?? textAt(ofPod, 'runAsUser') ?? null,
      ...releaseOf(container, yaml),
      mounts: mountsOf(container, spec, filesOf),
      probes: podProbes(container, spec, yaml, values),
      engine: 'Kubernetes',
      isRootReadOnly: textAt(own, 'readOnlyRootFilesystem') === 'true',
      volumeGroups: volumeGroups(own, ofPod),
      ...(replicas === null
        ? {}
        : {
            replicas: {
              ...replicas,
              variables: nameVariables(container, spec),
              place: yaml.place(replicas.offset, 'replicas'),
            },
          }),
    },
    isWhole: start.isWhole && missing.length === 0,
  }
}

/** The groups of etcd, which root owns the files of a volume for; null if the volume gets a group of its own. */
function volumeGroups(own: YamlValue | null, ofPod: YamlValue | null): string[] | null {
  if (at(ofPod, 'fsGroup') !== null) return null
  const more = itemsOf(at(ofPod, 'supplementalGroups')).flatMap((each) => (each.kind === 'scalar' ? each.text : []))
  // Without one, the primary group is that of root.
  return [textAt(own, 'runAsGroup') ?? textAt(ofPod, 'runAsGroup') ?? '0', ...more]
}

/** The variables that hold the name of the pod. */
function nameVariables(container: YamlValue, spec: YamlValue): string[] {
  const named = itemsOf(at(container, 'env')).flatMap((item) => {
    const path = textAt(at(at(item, 'valueFrom'), 'fieldRef'), 'fieldPath')
    return path === 'metadata.name' ? [textAt(item, 'name') ?? ''] : []
  })
  const isOwnHost = textAt(spec, 'hostNetwork') !== 'true' && at(spec, 'hostname') === null
  return isOwnHost ? [...named, 'HOSTNAME'] : named
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

/** `$NAME` in flags and in variables of etcd, which only a shell expands. */
function variablesOfShell(container: YamlValue, yaml: YamlReading): Finding[] {
  const flags = ['command', 'args'].flatMap((key) =>
    itemsOf(at(container, key)).flatMap((item) => {
      const text = argumentText(item) ?? ''
      return text.startsWith('-') ? [{ text, option: text.replace(/[=\s].*$/s, ''), offset: item.offset }] : []
    }),
  )
  const values = itemsOf(at(container, 'env')).flatMap((item) => {
    const [name = '', value] = [textAt(item, 'name'), at(item, 'value')]
    const isOption = value?.kind === 'scalar' && rowOfVariable(name) !== undefined
    return isOption ? [{ text: value.text, option: name, offset: value.offset }] : []
  })
  return [...flags, ...values].flatMap(({ text, option, offset }) => {
    const names = Array.from(text.matchAll(/(?<!\$)\$\{?([A-Za-z_]\w*)/g), ([, name = '']) => name)
    if (names.length === 0) return []
    const place = yaml.place(offset, option)
    return [finding('config/not-expanded', { ...place, names, by: 'Kubernetes, without parentheses' })]
  })
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
  maps: KubeObjects,
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
