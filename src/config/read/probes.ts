/** Probes of etcd: those of the kubelet, and commands that a container engine or the kubelet runs next to it. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { commandsOf, type Values } from './command.js'
import { isUnresolved, type Probe } from './read-option.js'
import { splitText, type Word } from './tokenizer.js'
import type { YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const

/** The probes of a container of a pod. Its ports may be those of another container. */
export function podProbes(container: YamlValue, spec: YamlValue, yaml: YamlReading, values: Values): Probe[] {
  const isShared = itemsOf(at(spec, 'containers')).length > 1
  const ports = new Map(
    itemsOf(at(container, 'ports')).map((port) => [textAt(port, 'name'), textAt(port, 'containerPort')] as const),
  )
  return PROBES.flatMap((name): Probe[] => {
    const probe = at(container, name)
    const command = at(at(probe, 'exec'), 'command')
    if (command !== null) return commandProbes(wordsOf(command), values, yaml.place(command.offset, name))
    const http = at(probe, 'httpGet')
    const [tcp, grpc] = [at(probe, 'tcpSocket'), at(probe, 'grpc')]
    const target = http ?? tcp ?? grpc
    const written = textAt(target, 'port') ?? ''
    if (target === null || written === '' || isUnresolved(written)) return []
    const port = /^\d+$/.test(written) ? written : (ports.get(written) ?? '')
    const scheme = textAt(http, 'scheme')?.toUpperCase() === 'HTTPS' ? ('https' as const) : ('http' as const)
    const place = yaml.place((at(target, 'port') ?? target).offset, name)
    const path = http === null ? null : pathOf(textAt(http, 'path') ?? '/')
    return [
      {
        by: 'kubelet',
        // The kubelet speaks gRPC without TLS alone.
        kind: http === null ? (tcp === null ? 'grpc' : 'tcp') : scheme,
        port: port === '' ? written : port,
        ...(port === '' ? { isNameUnknown: true as const } : {}),
        host: textAt(target, 'host') ?? null,
        path,
        hasCertificate: false,
        // The kubelet verifies no certificate.
        hasCa: true,
        isShared,
        place,
      },
    ]
  })
}

/** `healthcheck` of a Compose file (compose-spec, 05-services.md). */
export function composeProbes(service: YamlValue, yaml: YamlReading, values: Values): Probe[] {
  const check = at(service, 'healthcheck')
  const test = at(check, 'test')
  if (test === null || textAt(check, 'disable') === 'true') return []
  const place = yaml.place(test.offset, 'healthcheck')
  const plain = (text: string): string => text.replaceAll('$$', '$')
  if (test.kind === 'scalar') return commandProbes(splitText(plain(test.text), 'shell').words, values, place)
  const [form, ...rest] = wordsOf(test).map((word) => ({ ...word, text: plain(word.text) }))
  const words = form?.text === 'CMD-SHELL' ? splitText(rest[0]?.text ?? '', 'shell').words : rest
  return form?.text === 'CMD' || form?.text === 'CMD-SHELL' ? commandProbes(words, values, place) : []
}

function wordsOf(value: YamlValue): Word[] {
  return itemsOf(value).flatMap((item) =>
    item.kind === 'scalar' ? [{ text: item.text, offset: item.offset, isEnd: false }] : [],
  )
}

/** What the commands of one probe connect to. */
function commandProbes(words: readonly Word[], values: Values, place: ConfigPlace, depth = 0): Probe[] {
  return commandsOf(words).flatMap((command): Probe[] => {
    const assigned = new Map<string, string>()
    const first = command.findIndex(({ text }) => {
      const [, name, value] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(text) ?? []
      if (name !== undefined) assigned.set(name, value ?? '')
      return name === undefined && !/^(?:exec|env|!|if)$/.test(text)
    })
    const [program, ...args] = first === -1 ? [] : command.slice(first).map(({ text }) => text)
    const name = program?.replace(/^.*\//s, '') ?? ''
    const script = args.findIndex((text) => /^-[a-z]*c$/.test(text))
    if (/^(?:ba|da|a)?sh$/.test(name) && script !== -1 && depth === 0)
      return commandProbes(splitText(args[script + 1] ?? '', 'shell').words, values, place, 1)
    const own: Values = { get: (key) => assigned.get(key) ?? values.get(key) }
    if (name === 'etcdctl') return etcdctlProbes(args, own, place)
    return name === 'curl' || name === 'wget' ? httpProbes(name, args, place) : []
  })
}

/** Commands of etcdctl that connect to no member. */
const OFFLINE: ReadonlySet<string> = new Set(['version', 'help', 'completion'])

/** Flags of etcdctl and their variables (etcdctl/ctlv3/ctl.go v3.5.16). */
function etcdctlProbes(args: readonly string[], values: Values, place: ConfigPlace): Probe[] {
  const given = (flag: string): string | undefined => {
    const index = args.findIndex((text) => text === `--${flag}` || text.startsWith(`--${flag}=`))
    if (index === -1) return values.get(`ETCDCTL_${flag.toUpperCase().replaceAll('-', '_')}`)
    const text = args[index] ?? ''
    return text.includes('=') ? text.slice(text.indexOf('=') + 1) : (args[index + 1] ?? '')
  }
  const has = (flag: string): boolean => (given(flag) ?? '') !== ''
  const isOn = (flag: string): boolean => args.includes(`--${flag}`) || given(flag) === 'true'
  const endpoints = given('endpoints') ?? '127.0.0.1:2379'
  const version = values.get('ETCDCTL_API')
  const isCluster = args.includes('--cluster')
  if (version === '2' || isCluster || isUnresolved(endpoints) || args.some((text) => OFFLINE.has(text))) return []
  const hasCertificate = has('cert')
  const hasCa = has('cacert') || isOn('insecure-skip-tls-verify')
  const isSecure = hasCertificate || hasCa || given('insecure-transport') === 'false'
  return endpoints.split(',').flatMap((endpoint): Probe[] => {
    const [, scheme = isSecure ? 'https' : 'http', host = '', port = ''] =
      /^(?:(https?):\/\/)?(\[[^\]]*\]|[^:/[\]]+):(\d+)\/?$/i.exec(endpoint.trim()) ?? []
    if (port === '') return []
    const kind = scheme.toLowerCase() === 'https' ? ('https' as const) : ('grpc' as const)
    return [{ ...COMMAND, kind, port, host: host.replace(/[[\]]/g, ''), path: null, hasCertificate, hasCa, place }]
  })
}

const COMMAND = { by: 'command', isShared: false } as const

/** The URL that curl or wget gets. */
function httpProbes(program: 'curl' | 'wget', args: readonly string[], place: ConfigPlace): Probe[] {
  const [, scheme = 'http', host, port, path = '/'] =
    args
      .map((text) => /^(?:(https?):\/\/)?(\[[^\]]*\]|[\w.-]+):(\d+)(\/[^\s]*)?$/i.exec(text))
      .find((found) => found !== null) ?? []
  if (host === undefined || port === undefined) return []
  const hasFlag = (flag: RegExp): boolean => args.some((text) => flag.test(text))
  const hasCertificate =
    args.some((text) => /^-[a-zA-Z]+$/.test(text) && text.endsWith('E')) || hasFlag(/^--cert(?:ificate)?(?:=|$)/)
  // The wget of BusyBox verifies nothing.
  const isUnchecked = args.some((text) => /^-[a-zA-Z]+$/.test(text) && text.includes('k'))
  const hasCa = program === 'wget' || isUnchecked || hasFlag(/^--(?:insecure|ca(?:cert|path|-native))(?:=|$)/)
  const kind = scheme.toLowerCase() === 'https' ? ('https' as const) : ('http' as const)
  return [
    { ...COMMAND, kind, port, host: host.replace(/[[\]]/g, ''), path: pathOf(path), hasCertificate, hasCa, place },
  ]
}

function pathOf(written: string): string | null {
  if (isUnresolved(written)) return null
  const [path = ''] = written.split('?', 1)
  return path.startsWith('/') ? path : `/${path}`
}
