/** Reads the pods that run etcd: static pods, and the templates of workloads. */
import { rowOfVariable } from '../tables/options.js'
import { boundedValues, type EtcdCommand, substitute, type Values, valuesOf } from './command.js'
import { commandsIn, leaveCommand, readContainer, withoutEtcd } from './container.js'
import type { Variable } from './env.js'
import { type KubeYaml, mountsOf, namespaceOf, objectsIn, withMaps } from './mounts.js'
import { type KubeletProbe, Reading } from './read-option.js'
import type { ConfigText } from './text.js'
import { hasTemplate } from './template.js'
import { type Token, tokenAt } from './tokenizer.js'
import type { GivenValues } from './references.js'
import { at, entriesOf, itemsAt, readYaml, reportType, textAt, type YamlReading, type YamlValue } from './yaml.js'

export function isManifest(text: string): boolean {
  return /^(?:kind|"kind"|apiVersion)\s*:/m.test(text) || /^\s*\{(?![{%#])[^]*\b(?:kind|apiVersion)["']?\s*:/.test(text)
}

export async function readManifest(source: ConfigText, given: GivenValues): Promise<Reading[]> {
  const yaml = await readYaml(source, 'all')
  const objects = yaml.documents.flatMap(objectsIn)
  const kubeOf = withMaps(yaml, objects)
  const pods = objects.flatMap(podsOf)
  const shared = new Reading(given)
  shared.add(...yaml.findings)
  for (const object of objects) leaveOtherContainers(object, yaml, shared)
  const readings = pods.flatMap(({ spec, name, namespace }) => {
    const kube = kubeOf(namespace)
    const found = etcdsOf(spec, kube, given)
    return found.map(({ container, command }) => {
      const label = found.length === 1 ? name : `${name}/${textAt(container.value, 'name') ?? ''}`
      const place = yaml.place(container.value.offset, 'containers')
      return readEtcd(container, command, spec, kube, given).take(shared).named(label, place)
    })
  })
  const isByOperator = objects.some((each) => STARTS_ETCD.has(textAt(each, 'kind') ?? ''))
  const looked = pods.length === 0 ? 'there is no pod in it' : 'no container of its pods runs etcd'
  return readings.length > 0 ? readings : isByOperator ? [shared] : withoutEtcd(shared, yaml, source.file, looked)
}

/** Custom resources of which an operator starts an etcd. */
const STARTS_ETCD: ReadonlySet<string> = new Set(['Etcd', 'EtcdCluster', 'EtcdadmCluster'])

/** Says that an object may start a program elsewhere than in a pod that is read. */
function leaveOtherContainers(object: YamlValue, yaml: YamlReading, into: Reading): void {
  const kind = textAt(object, 'kind') ?? 'no kind'
  // Its schema has the names of the keys, but no containers.
  if (kind === 'CustomResourceDefinition') return
  const read = podsOf(object).map(({ spec }) => spec)
  if (!STARTS_ETCD.has(kind) && !hasContainers(object, read)) return
  const message = `This document (${kind}) starts etcd, or has containers or a command that were not read. Pass the pod that runs etcd.`
  into.addUnchecked('document', yaml.place((at(object, 'kind') ?? object).offset, 'kind'), message)
}

/** @param read The values that are read. */
function hasContainers(value: YamlValue, read: readonly YamlValue[]): boolean {
  if (value.kind === 'scalar' || read.includes(value)) return false
  if (value.kind === 'list') return value.items.some((each) => hasContainers(each, read))
  return value.entries.some(
    (entry) =>
      ['containers', 'container', 'command', 'args', 'extraArgs'].includes(entry.key) ||
      hasContainers(entry.value, read),
  )
}

const CONTAINERS = ['containers', 'initContainers', 'ephemeralContainers'] as const

function etcdsOf(
  spec: YamlValue,
  yaml: KubeYaml,
  given: GivenValues,
): { container: Container; command: EtcdCommand }[] {
  return CONTAINERS.flatMap((kind) => itemsAt(spec, kind))
    .map((value) => containerOf(value, spec, yaml, given))
    .flatMap((container) => commandsOfContainer(container).map((command) => ({ container, command })))
}

interface Pod {
  readonly spec: YamlValue
  readonly name: string
  readonly namespace: string
}

/** The pod of an object: its own, that of its template, or that of a CronJob. */
export function podsOf(object: YamlValue): Pod[] {
  const outer = at(object, 'spec')
  const spec = at(outer, 'template', 'spec') ?? at(outer, 'jobTemplate', 'spec', 'template', 'spec') ?? outer
  if (spec === null || at(spec, 'containers') === null) return []
  return [{ spec, name: textAt(object, 'metadata', 'name') ?? '', namespace: namespaceOf(object) }]
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
  /** Where a template writes parts of the container. */
  readonly templates: readonly YamlValue[]
  /** Sources of variables that this text does not contain. */
  readonly missing: readonly { readonly from: string; readonly offset: number }[]
}

const REFERENCES: Readonly<Record<string, string>> = { ConfigMap: 'configMapKeyRef', Secret: 'secretKeyRef' }

/** Reads `envFrom` and `env`. */
function containerOf(container: YamlValue, spec: YamlValue, yaml: KubeYaml, given: GivenValues): Container {
  const args = ['command', 'args'].flatMap((key) => itemsAt(container, key).flatMap(argumentOf))
  const [values, variables, missing]: [ContainerString[], Variable[], { from: string; offset: number }[]] = [[], [], []]
  for (const item of itemsAt(container, 'envFrom')) {
    const map = textAt(item, 'configMapRef', 'name')
    const name = map === undefined ? `Secret ${textAt(item, 'secretRef', 'name') ?? ''}` : `ConfigMap ${map}`
    const entries = yaml.objects.get(name)
    const prefix = textAt(item, 'prefix') ?? ''
    if (entries === undefined) missing.push({ from: `the ${name}`, offset: item.offset })
    for (const [key, { text, offset }] of entries ?? [])
      // Of a Secret, only the options of etcd are read, which are no secrets.
      if (map !== undefined || rowOfVariable(prefix + key) !== undefined)
        variables.push({ name: prefix + key, value: text, place: yaml.place(offset, prefix + key), syntax: 'none' })
  }
  const byName = new Map([...Object.entries(given), ...valuesOf(variables)])
  const before = boundedValues(byName)
  for (const entry of itemsAt(container, 'env')) {
    const [name, item, from] = [textAt(entry, 'name'), at(entry, 'value'), at(entry, 'valueFrom')]
    if (item !== null && (item.kind !== 'scalar' || item.type !== 'null'))
      values.push({ item, option: name ?? 'env', text: item.kind === 'scalar' ? item.text : '…' })
    if (name === undefined) continue
    const kinds = ['ConfigMap', ...(rowOfVariable(name) === undefined ? [] : ['Secret'])]
    // The value is known only if its ConfigMap or Secret is in this text.
    const [taken = `$(${name})`] = kinds.flatMap((kind) => {
      const [object = '', key = ''] = ['name', 'key'].map((each) => textAt(from, REFERENCES[kind] ?? '', each))
      return yaml.objects.get(`${kind} ${object}`)?.get(key)?.text ?? []
    })
    const written = expanded(item === null && from !== null ? taken : (textAt(item) ?? ''), before)
    byName.set(name, written)
    variables.push({ name, value: written, place: yaml.place((item ?? entry).offset, name), syntax: 'Kubernetes' })
  }
  return { value: container, args, values, variables, missing, templates: templatesIn(container, spec) }
}

/** The keys whose values a program may receive from a template. */
const LISTS: ReadonlySet<string> = new Set(['command', 'args', 'env', 'envFrom'])

/** Templates in the place of containers, of a list, of an entry of `env`, of the name of a variable, or of a key. */
function templatesIn(container: YamlValue, spec: YamlValue): YamlValue[] {
  const isOpen = (value: YamlValue | null): boolean => value?.kind === 'scalar' && hasTemplate(value.text)
  const isOpenItem = (item: YamlValue): boolean =>
    isOpen(item) || isOpen(at(item, 'name')) || entriesOf(item).some(({ key }) => hasTemplate(key))
  const ofEnv = ['env', 'envFrom'].flatMap((key) => itemsAt(container, key)).filter(isOpenItem)
  const others = entriesOf(container).filter(({ key, value }) => hasTemplate(key) || (LISTS.has(key) && isOpen(value)))
  const ofPod = entriesOf(spec).filter(({ key, value }) => CONTAINERS.some((each) => each === key) && isOpen(value))
  return [...ofEnv, ...[...others, ...ofPod].map(({ value }) => value)]
}

function commandsOfContainer({ value, args, variables }: Container): EtcdCommand[] {
  const values = boundedValues(valuesOf(variables))
  const tokensOf = (strings: readonly ContainerString[]): Token[] =>
    strings.map(({ item, text }) => tokenAt(expanded(text, values), item.offset))
  const name = textAt(value, 'name') ?? ''
  const hasEntrypoint = itemsAt(value, 'command').length > 0
  return commandsIn({ container: value, name, tokens: tokensOf(args), hasEntrypoint, variables })
}

function readEtcd(
  container: Container,
  command: EtcdCommand,
  spec: YamlValue,
  yaml: KubeYaml,
  given: GivenValues,
): Reading {
  const { value, args, values, variables, missing, templates } = container
  const reading = new Reading(given)
  const [template] = templates
  if (template !== undefined)
    reading.leaveTemplate(yaml.place(template.offset, 'containers'), 'A template writes a part of the container.')
  // Kubernetes accepts only strings as arguments and values.
  for (const { item, option, text } of [...args, ...values]) {
    if (item.kind !== 'scalar' || item.type !== 'text')
      reportType(reading, yaml.place(item.offset, option), `a string, as "${text}" with its quotes`, item)
  }
  if (command.isShell !== true) reportNotExpanded(container, yaml, reading)
  const directory = textAt(value, 'workingDir') ?? null
  const context = { directory, mounts: mountsOf(value, spec, yaml), probes: probesOf(value, yaml) }
  readContainer(command, { value, yaml, variables, syntax: 'Kubernetes', context }, reading)
  for (const keys of EXEC)
    for (const { offset } of [at(value, ...keys)].flatMap((each) => each ?? []))
      leaveCommand(
        itemsAt(value, ...keys)
          .flatMap(argumentOf)
          .map(({ text }) => tokenAt(text, 0)),
        yaml.place(offset, keys.at(-3) ?? ''),
        reading,
      )
  for (const { from, offset } of missing) {
    const message = `The variables of ${from} were not read. Put it into the same text.`
    reading.addUnchecked('env-from', yaml.place(offset, 'envFrom'), message)
  }
  return reading
}

/** Commands in a container next to its own. */
const EXEC = [
  ...(['startupProbe', 'livenessProbe', 'readinessProbe'] as const).map((probe) => [probe, 'exec', 'command']),
  ...(['postStart', 'preStop'] as const).map((hook) => ['lifecycle', hook, 'exec', 'command']),
]

/** The requests of the kubelet to this container. It uses gRPC without TLS only. */
function probesOf(container: YamlValue, yaml: YamlReading): KubeletProbe[] {
  const ports = new Map(
    itemsAt(container, 'ports').map((port) => [textAt(port, 'name'), textAt(port, 'containerPort')]),
  )
  return ['startupProbe', 'livenessProbe', 'readinessProbe'].flatMap((name): KubeletProbe[] => {
    const probe = at(container, name)
    const http = at(probe, 'httpGet')
    const target = http ?? at(probe, 'grpc')
    const port = textAt(target, 'port')
    if (target === null || port === undefined) return []
    const scheme = textAt(http, 'scheme')?.toUpperCase() === 'HTTPS' ? 'https' : 'http'
    const place = yaml.place((at(target, 'port') ?? target).offset, name)
    return [{ kind: http === null ? 'grpc' : scheme, port: ports.get(port) ?? port, place }]
  })
}

/** Reports unknown variables, and `$NAME`, which only a shell expands, in arguments and variables of etcd. */
function reportNotExpanded({ args, values, variables, missing }: Container, yaml: YamlReading, into: Reading): void {
  const known = new Set([...variables.map(({ name }) => name), ...Object.keys(into.given)])
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
