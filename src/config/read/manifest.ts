/** Reads a pod that runs etcd: a static pod, or the template of a StatefulSet, Deployment or DaemonSet. */
import { rowOfVariable } from '../tables/options.js'
import {
  boundedValues,
  commandOf,
  type EtcdCommand,
  NO_ARGUMENTS,
  readStart,
  substitute,
  type Values,
  valuesOf,
} from './command.js'
import { areOfEtcd, isEtcdImage, releaseOf, withoutEtcd } from './container.js'
import type { Variable } from './env.js'
import { checkVolumes, type KubeYaml, mountsOf, withObjects } from './pod-volumes.js'
import { podProbes } from './probes.js'
import { NO_CONTEXT, Reading, type Replicas } from './read-option.js'
import { type ConfigText, MAX_MEMBERS } from './text.js'
import { tokenAt } from './tokenizer.js'
import { at, entriesOf, itemsAt, readYaml, reportType, textAt, type YamlReading, type YamlValue } from './yaml.js'

export function isManifest(text: string): boolean {
  return /^(?:kind|"kind"|apiVersion)\s*:/m.test(text) || /^\s*\{[\s\S]*"(?:kind|apiVersion)"\s*:/.test(text)
}

export async function readManifest(source: ConfigText): Promise<Reading[]> {
  const yaml = withObjects(await readYaml(source, 'all'))
  const pods = yaml.documents.flatMap((document) => podsOf(document))
  const readings: Reading[] = []
  for (const pod of pods) {
    const found = etcdsOf(pod.spec, yaml)
    for (const { container, command } of found.slice(0, MAX_MEMBERS - readings.length)) {
      const reading = await readContainer(container, command, pod, yaml)
      reading.label = found.length === 1 ? pod.name : `${pod.name}/${textAt(container.value, 'name') ?? ''}`
      reading.labelPlace = yaml.place(container.value.offset, 'containers')
      readings.push(reading)
    }
  }
  if (readings.length > 0) return readings
  const looked = pods.length === 0 ? 'there is no pod in it' : 'no container of its pods runs etcd'
  return withoutEtcd(yaml, source.file, looked)
}

/** A sidecar may use the image of etcd, so containers with a command of etcd take precedence. */
function etcdsOf(spec: YamlValue, yaml: KubeYaml): { container: Container; command: EtcdCommand }[] {
  for (const kind of ['containers', 'initContainers']) {
    const containers = itemsAt(spec, kind).map((value) => containerOf(value, yaml))
    for (const isByVariables of [false, true]) {
      const found = containers.flatMap((container) => {
        const command = commandIn(container, isByVariables)
        return command === null ? [] : [{ container, command }]
      })
      if (found.length > 0) return found
    }
  }
  return []
}

interface Pod {
  readonly spec: YamlValue
  readonly name: string
  readonly claims: readonly string[]
  readonly replicas: (Omit<Replicas, 'variables' | 'place'> & { readonly offset: number }) | null
}

export function podsOf(document: YamlValue | null, depth = 0): Pod[] {
  if (document === null || depth > 2) return []
  if (textAt(document, 'kind') === 'List') return itemsAt(document, 'items').flatMap((item) => podsOf(item, depth + 1))
  const outer = at(document, 'spec')
  const spec = at(outer, 'template', 'spec') ?? outer
  if (outer === null || spec === null || at(spec, 'containers') === null) return []
  const name = textAt(document, 'metadata', 'name') ?? ''
  const claims = itemsAt(outer, 'volumeClaimTemplates').map((claim) => textAt(claim, 'metadata', 'name') ?? '')
  return [{ spec, name, claims, replicas: replicasOf(document, outer, name) }]
}

function replicasOf(document: YamlValue, spec: YamlValue, name: string): Pod['replicas'] {
  const [kind = '', count = ''] = [textAt(document, 'kind'), textAt(spec, 'replicas')]
  if (!/^(?:StatefulSet|Deployment|ReplicaSet)$/.test(kind) || !/^\d{1,3}$/.test(count)) return null
  return {
    kind,
    name,
    count: Number(count),
    first: Number(textAt(spec, 'ordinals', 'start') ?? '0'),
    service: textAt(spec, 'serviceName') ?? null,
    namespace: textAt(document, 'metadata', 'namespace') ?? null,
    offset: at(spec, 'replicas')?.offset ?? 0,
  }
}

/** An argument, or the value of a variable. `option` is the name of the flag or the variable. */
interface ContainerString {
  readonly item: YamlValue
  readonly text: string
  readonly option: string
}

interface Container {
  readonly value: YamlValue
  readonly args: readonly ContainerString[]
  readonly values: readonly ContainerString[]
  readonly variables: readonly Variable[]
  /** Sources of variables that this text does not contain. */
  readonly missing: readonly { readonly from: string; readonly offset: number }[]
}

/** Reads `envFrom` and `env`. Values of Secrets are not shown. */
function containerOf(container: YamlValue, yaml: KubeYaml): Container {
  const args = ['command', 'args'].flatMap((key) => itemsAt(container, key).flatMap(argumentOf))
  const [values, variables, missing]: [ContainerString[], Variable[], { from: string; offset: number }[]] = [[], [], []]
  for (const item of itemsAt(container, 'envFrom')) {
    const map = textAt(item, 'configMapRef', 'name')
    const entries = map === undefined ? undefined : yaml.objects.get(`ConfigMap ${map}`)
    const prefix = textAt(item, 'prefix') ?? ''
    const from = map === undefined ? `the Secret ${textAt(item, 'secretRef', 'name') ?? ''}` : `the ConfigMap ${map}`
    if (entries === undefined) missing.push({ from, offset: item.offset })
    for (const [key, { text, offset }] of entries ?? [])
      variables.push({ name: prefix + key, value: text, place: yaml.place(offset, prefix + key) })
  }
  const byName = valuesOf(variables)
  const before = boundedValues(byName)
  for (const entry of itemsAt(container, 'env')) {
    const [name, item, from] = [textAt(entry, 'name'), at(entry, 'value'), at(entry, 'valueFrom')]
    if (item !== null && (item.kind !== 'scalar' || item.type !== 'null'))
      values.push({ item, option: name ?? 'env', text: item.kind === 'scalar' ? item.text : '…' })
    if (name === undefined) continue
    const [map = '', key = ''] = ['name', 'key'].map((each) => textAt(from, 'configMapKeyRef', each))
    // The value is known only if its ConfigMap is in this text.
    const taken = yaml.objects.get(`ConfigMap ${map}`)?.get(key)?.text ?? `$(${name})`
    const written = expanded(item === null && from !== null ? taken : (textAt(item) ?? ''), before)
    byName.set(name, written)
    variables.push({ name, value: written, place: yaml.place((item ?? entry).offset, name) })
  }
  return { value: container, args, values, variables, missing }
}

/** @param isByVariables Whether the container has its own start script, which configures etcd by variables. */
function commandIn({ value, args, variables }: Container, isByVariables: boolean): EtcdCommand | null {
  const names = variables.map(({ name }) => name)
  if (isByVariables) {
    const isImage = isEtcdImage(textAt(value, 'image') ?? '')
    const isEtcd = isImage ? names.some((name) => rowOfVariable(name) !== undefined) : areOfEtcd(names)
    return isEtcd ? NO_ARGUMENTS : null
  }
  const values = boundedValues(valuesOf(variables))
  const tokens = args.map(({ item, text }) => tokenAt(expanded(text, values), item.offset))
  return commandOf(value, tokens, names)
}

async function readContainer(
  container: Container,
  command: EtcdCommand,
  { spec, claims, replicas }: Pod,
  yaml: KubeYaml,
): Promise<Reading> {
  const { value, args, values, variables, missing } = container
  const reading = new Reading()
  reading.add(...yaml.findings)
  // Kubernetes accepts only strings as arguments and values.
  for (const { item, option, text } of [...args, ...values]) {
    if (item.kind !== 'scalar' || item.type !== 'text')
      reportType(reading, yaml.place(item.offset, option), `a string, as "${text}" with its quotes`, item)
  }
  if (command.isShell !== true) reportNotExpanded(container, yaml, reading)
  await readStart(command, variables, { ...yaml, option: 'command' }, null, reading)
  for (const { from, offset } of missing) {
    reading.report('config/not-checked', { ...yaml.place(offset, 'envFrom'), kind: 'variables', what: [from] })
    reading.isComplete = false
  }
  checkVolumes(value, spec, claims, yaml, reading)
  const own = (key: string): string | undefined =>
    textAt(value, 'securityContext', key) ?? textAt(spec, 'securityContext', key)
  const groups = itemsAt(spec, 'securityContext', 'supplementalGroups').flatMap((each) => textAt(each) ?? [])
  reading.context = {
    ...NO_CONTEXT,
    directory: textAt(value, 'workingDir') ?? null,
    user: own('runAsUser') ?? null,
    ...releaseOf(value, yaml),
    mounts: mountsOf(value, spec, yaml),
    probes: podProbes(value, spec, yaml, valuesOf(variables)),
    engine: 'Kubernetes',
    isRootReadOnly: textAt(value, 'securityContext', 'readOnlyRootFilesystem') === 'true',
    // Without fsGroup, the group of root owns the files of a volume. It is also the default group of the container.
    volumeGroups: at(spec, 'securityContext', 'fsGroup') === null ? [own('runAsGroup') ?? '0', ...groups] : null,
    ...(replicas === null ? {} : { replicas: replicasIn(replicas, value, spec, yaml) }),
  }
  return reading
}

function replicasIn(
  { offset, ...replicas }: NonNullable<Pod['replicas']>,
  container: YamlValue,
  spec: YamlValue,
  yaml: YamlReading,
): Replicas {
  const named = itemsAt(container, 'env').flatMap((item) =>
    textAt(item, 'valueFrom', 'fieldRef', 'fieldPath') === 'metadata.name' ? [textAt(item, 'name') ?? ''] : [],
  )
  const isOwnHost = textAt(spec, 'hostNetwork') !== 'true' && at(spec, 'hostname') === null
  const variables = isOwnHost ? [...named, 'HOSTNAME'] : named
  return { ...replicas, variables, place: yaml.place(offset, 'replicas') }
}

/** Reports unknown variables, and `$NAME`, which only a shell expands, in arguments and variables of etcd. */
function reportNotExpanded({ args, values, variables, missing }: Container, yaml: YamlReading, into: Reading): void {
  const known = new Set(variables.map(({ name }) => name))
  const ofEtcd = values.filter(({ item, option }) => item.kind === 'scalar' && rowOfVariable(option) !== undefined)
  for (const written of [...args, ...ofEtcd]) {
    const { item, option, text } = written
    const report = (kind: 'Kubernetes' | 'Kubernetes, without parentheses', pattern: RegExp): void => {
      const all = Array.from(text.matchAll(pattern)).flatMap(([, name]) => name ?? [])
      const names = [...new Set(all)].filter((name) => kind !== 'Kubernetes' || !known.has(name))
      if (names.length > 0) into.report('config/not-expanded', { ...yaml.place(item.offset, option), names, kind })
    }
    if (missing.length === 0) report('Kubernetes', /\$\$|\$\(([A-Za-z_][\w.-]*)\)/g)
    if (ofEtcd.includes(written) || text.startsWith('-'))
      report('Kubernetes, without parentheses', /\$\$|\$\{?([A-Za-z_]\w*)/g)
  }
}

/** YAML reads `--name: a` as a mapping; read it as `--name=a`. */
function argumentOf(item: YamlValue): ContainerString[] {
  const [entry] = entriesOf(item)
  const mapped = entry?.value.kind === 'scalar' ? `${entry.key}=${entry.value.text}` : undefined
  const text = item.kind === 'scalar' ? item.text : mapped
  return text === undefined ? [] : [{ item, text, option: text.replace(/[=\s].*$/s, '') }]
}

/** Kubernetes expands only `$(NAME)`, and `$$` to a dollar sign. */
function expanded(text: string, values: Values): string {
  return text.includes('$(') ? substitute(text.replace(/\$(?![($])/g, '$$$$'), values) : text
}
