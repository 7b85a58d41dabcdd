/** Reads the pods that run etcd: static pods, and the templates of workloads. */
import { rowOfVariable } from '../tables/options.js'
import { boundedValues, type EtcdCommand, NO_ARGUMENTS, substitute, type Values, valuesOf } from './command.js'
import { areOfEtcd, commandsIn, isEtcdImage, readContainer, withoutEtcd } from './container.js'
import type { Variable } from './env.js'
import { type KubeYaml, mountsOf, withObjects } from './mounts.js'
import { type KubeletProbe, Reading } from './read-option.js'
import type { ConfigText } from './text.js'
import { hasTemplate } from './template.js'
import { tokenAt } from './tokenizer.js'
import type { GivenValues } from './unknown.js'
import { at, entriesOf, itemsAt, readYaml, reportType, textAt, type YamlReading, type YamlValue } from './yaml.js'

export function isManifest(text: string): boolean {
  return /^(?:kind|"kind"|apiVersion)\s*:/m.test(text) || /^\s*\{[\s\S]*"(?:kind|apiVersion)"\s*:/.test(text)
}

export async function readManifest(source: ConfigText, given: GivenValues): Promise<Reading[]> {
  const yaml = withObjects(await readYaml(source, 'all'))
  const pods = yaml.documents.flatMap((document) => podsOf(document))
  const shared = new Reading(given)
  shared.add(...yaml.findings)
  for (const document of yaml.documents) leaveUnknownKind(document, yaml, shared)
  const readings = pods.flatMap(({ spec, name }) => {
    const found = etcdsOf(spec, yaml, given)
    return found.map(({ container, command }) => {
      const label = found.length === 1 ? name : `${name}/${textAt(container.value, 'name') ?? ''}`
      const place = yaml.place(container.value.offset, 'containers')
      return readEtcd(container, command, spec, yaml, given).take(shared).named(label, place)
    })
  })
  const looked = pods.length === 0 ? 'there is no pod in it' : 'no container of its pods runs etcd'
  return readings.length > 0 ? readings : withoutEtcd(shared, source.file, looked)
}

/** Says that a document that may start a program is of no kind that is read. */
function leaveUnknownKind(document: YamlValue | null, yaml: YamlReading, into: Reading): void {
  const kind = textAt(document, 'kind') ?? 'no kind'
  // A schema names the keys of containers, and has none.
  if (document === null || kind === 'CustomResourceDefinition') return
  if (podsOf(document).length > 0 || !hasContainers(document)) return
  const message = `This document (${kind}) has containers or a command, and is of no kind that is read. Pass its pod.`
  into.leave('document', yaml.place(document.offset, 'kind'), message)
}

/** Whether a document of an unknown kind may start a program. */
function hasContainers(value: YamlValue, depth = 0): boolean {
  if (depth > 8) return false
  const inner =
    value.kind === 'map' ? value.entries.map((entry) => entry.value) : value.kind === 'list' ? value.items : []
  const isStart = entriesOf(value).some(({ key }) => ['containers', 'container', 'command', 'args'].includes(key))
  return isStart || inner.some((each) => hasContainers(each, depth + 1))
}

const CONTAINERS = ['containers', 'initContainers', 'ephemeralContainers'] as const

/** If no container has a command of etcd, one may have its own start script, which configures etcd by variables. */
function etcdsOf(
  spec: YamlValue,
  yaml: KubeYaml,
  given: GivenValues,
): { container: Container; command: EtcdCommand }[] {
  const containers = CONTAINERS.flatMap((kind) =>
    itemsAt(spec, kind).map((value) => containerOf(value, spec, yaml, given)),
  )
  const found = containers.flatMap((container) =>
    commandsOfContainer(container).map((command) => ({ container, command })),
  )
  const others = containers.filter((container) => !found.some((each) => each.container === container))
  const scripts = others.filter((container) => isByVariables(container, found.length === 0))
  return [...found, ...scripts.map((container) => ({ container, command: NO_ARGUMENTS }))]
}

interface Pod {
  readonly spec: YamlValue
  readonly name: string
}

/** The pods of a document: its own, that of its template, or those of a CronJob and of the items of a List. */
export function podsOf(document: YamlValue | null, depth = 0): Pod[] {
  if (document === null || depth > 2) return []
  if (textAt(document, 'kind') === 'List') return itemsAt(document, 'items').flatMap((item) => podsOf(item, depth + 1))
  const outer = at(document, 'spec')
  const spec = at(outer, 'template', 'spec') ?? at(outer, 'jobTemplate', 'spec', 'template', 'spec') ?? outer
  if (outer === null || spec === null || at(spec, 'containers') === null) return []
  return [{ spec, name: textAt(document, 'metadata', 'name') ?? '' }]
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

/** Reads `envFrom` and `env`. Values of Secrets are not shown. */
function containerOf(container: YamlValue, spec: YamlValue, yaml: KubeYaml, given: GivenValues): Container {
  const args = ['command', 'args'].flatMap((key) => itemsAt(container, key).flatMap(argumentOf))
  const [values, variables, missing]: [ContainerString[], Variable[], { from: string; offset: number }[]] = [[], [], []]
  for (const item of itemsAt(container, 'envFrom')) {
    const map = textAt(item, 'configMapRef', 'name')
    const entries = map === undefined ? undefined : yaml.objects.get(`ConfigMap ${map}`)
    const prefix = textAt(item, 'prefix') ?? ''
    const from = map === undefined ? `the Secret ${textAt(item, 'secretRef', 'name') ?? ''}` : `the ConfigMap ${map}`
    if (entries === undefined) missing.push({ from, offset: item.offset })
    for (const [key, { text, offset }] of entries ?? [])
      variables.push({ name: prefix + key, value: text, place: yaml.place(offset, prefix + key), syntax: 'none' })
  }
  const byName = new Map([...Object.entries(given), ...valuesOf(variables)])
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

/** @param isOnly Whether no other container starts etcd. Then any variable of etcd counts in an image of etcd. */
function isByVariables({ value, variables }: Container, isOnly: boolean): boolean {
  const isImage = isOnly && isEtcdImage(textAt(value, 'image') ?? '')
  return areOfEtcd(variables) || (isImage && variables.some(({ name }) => rowOfVariable(name) !== undefined))
}

function commandsOfContainer({ value, args, variables }: Container): EtcdCommand[] {
  const values = boundedValues(valuesOf(variables))
  const commandsOf = (strings: readonly ContainerString[]): EtcdCommand[] => {
    const tokens = strings.map(({ item, text }) => tokenAt(expanded(text, values), item.offset))
    return commandsIn(value, tokens, variables)
  }
  const hooks = ['postStart', 'preStop'].flatMap((hook) =>
    commandsOf(itemsAt(value, 'lifecycle', hook, 'exec', 'command').flatMap(argumentOf)),
  )
  return [...commandsOf(args), ...hooks.filter((command) => command.args.length > 0)]
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
  for (const { from, offset } of missing) {
    const message = `The variables of ${from} were not read. Put it into the same text.`
    reading.leave('env-from', yaml.place(offset, 'envFrom'), message)
  }
  return reading
}

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
