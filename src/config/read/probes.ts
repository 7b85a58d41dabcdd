/** Reads probes of etcd: requests of the kubelet, and commands in the container. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { commandsOf, type Values } from './command.js'
import type { Probe } from './read-option.js'
import { isUnresolved } from './text.js'
import { splitTokens, type Token, tokenAt } from './tokenizer.js'
import { at, itemsAt, scalarsOf, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** In a pod with several containers, another one may own the port. */
export function podProbes(container: YamlValue, spec: YamlValue, yaml: YamlReading, values: Values): Probe[] {
  const isShared = itemsAt(spec, 'containers').length > 1
  const ports = new Map(
    itemsAt(container, 'ports').map((port) => [textAt(port, 'name'), textAt(port, 'containerPort')] as const),
  )
  return ['startupProbe', 'livenessProbe', 'readinessProbe'].flatMap((name): Probe[] => {
    const probe = at(container, name)
    const command = at(probe, 'exec', 'command')
    if (command !== null) return commandProbes(tokensOf(command), values, yaml.place(command.offset, name))
    const [http, tcp] = [at(probe, 'httpGet'), at(probe, 'tcpSocket')]
    const target = http ?? tcp ?? at(probe, 'grpc')
    const written = textAt(target, 'port') ?? ''
    if (target === null || written === '' || isUnresolved(written)) return []
    const port = /^\d+$/.test(written) ? written : ports.get(written)
    const scheme = textAt(http, 'scheme')?.toUpperCase() === 'HTTPS' ? 'https' : 'http'
    return [
      {
        by: 'kubelet',
        // The kubelet uses gRPC without TLS only.
        kind: http !== null ? scheme : tcp === null ? 'grpc' : 'tcp',
        port: port ?? written,
        ...(port === undefined ? { isNameUnknown: true as const } : {}),
        host: textAt(target, 'host') ?? null,
        path: http === null ? null : pathOf(textAt(http, 'path') ?? '/'),
        hasCertificate: false,
        // The kubelet does not verify certificates.
        hasCa: true,
        isShared,
        place: yaml.place((at(target, 'port') ?? target).offset, name),
      },
    ]
  })
}

/** `healthcheck` of a Compose file (compose-spec, 05-services.md). */
export function composeProbes(service: YamlValue, yaml: YamlReading, values: Values): Probe[] {
  const test = at(service, 'healthcheck', 'test')
  if (test === null || textAt(service, 'healthcheck', 'disable') === 'true') return []
  const place = yaml.place(test.offset, 'healthcheck')
  const plain = (text = ''): string => text.replaceAll('$$', '$')
  const [form, ...rest] = test.kind === 'scalar' ? [tokenAt('CMD-SHELL', 0), tokenAt(test.text, 0)] : tokensOf(test)
  if (form?.text === 'CMD') {
    const tokens = rest.map((token) => ({ ...token, text: plain(token.text) }))
    return commandProbes(tokens, values, place)
  }
  return form?.text === 'CMD-SHELL' ? commandProbes(splitTokens(plain(rest[0]?.text), 'shell'), values, place) : []
}

function tokensOf(value: YamlValue): Token[] {
  return itemsAt(value).flatMap(scalarsOf).map(({ text, offset }) => tokenAt(text, offset)) // prettier-ignore
}

function commandProbes(tokens: readonly Token[], values: Values, place: ConfigPlace, isScript = false): Probe[] {
  return commandsOf(tokens).flatMap((command): Probe[] => {
    const assigned = new Map<string, string>()
    const first = command.findIndex(({ text }) => {
      const [, name, value = ''] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(text) ?? []
      if (name !== undefined) assigned.set(name, value)
      return name === undefined && !/^(?:exec|env|!|if)$/.test(text)
    })
    const [program = '', ...args] = first === -1 ? [] : command.slice(first).map(({ text }) => text)
    const name = program.replace(/^.*\//s, '')
    const script = args.findIndex((text) => /^-[a-z]*c$/.test(text))
    if (/^(?:ba|da|a)?sh$/.test(name) && script !== -1 && !isScript)
      return commandProbes(splitTokens(args[script + 1] ?? '', 'shell'), values, place, true)
    if (name === 'etcdctl') return etcdctlProbes(args, (key) => assigned.get(key) ?? values.get(key), place)
    return name === 'curl' || name === 'wget' ? httpProbes(name, args, place) : []
  })
}

/** Commands of etcdctl that connect to no member. */
const OFFLINE: ReadonlySet<string> = new Set(['version', 'help', 'completion'])

/** Flags of etcdctl and their variables (etcdctl/ctlv3/ctl.go v3.5.16). */
function etcdctlProbes(args: readonly string[], valueOf: Values['get'], place: ConfigPlace): Probe[] {
  const given = (flag: string, defaultValue = ''): string => {
    const index = args.findIndex((text) => text === `--${flag}` || text.startsWith(`--${flag}=`))
    if (index === -1) return valueOf(`ETCDCTL_${flag.toUpperCase().replaceAll('-', '_')}`) ?? defaultValue
    const text = args[index] ?? ''
    return text.includes('=') ? text.slice(text.indexOf('=') + 1) : (args[index + 1] ?? '')
  }
  const isUnchecked = args.includes('--insecure-skip-tls-verify') || given('insecure-skip-tls-verify') === 'true'
  const endpoints = given('endpoints', '127.0.0.1:2379')
  const isNone = valueOf('ETCDCTL_API') === '2' || args.some((text) => OFFLINE.has(text) || text === '--cluster')
  if (isNone || isUnresolved(endpoints)) return []
  const hasCertificate = given('cert') !== ''
  const hasCa = given('cacert') !== '' || isUnchecked
  const isSecure = hasCertificate || hasCa || given('insecure-transport') === 'false'
  return endpoints.split(',').flatMap((endpoint): Probe[] => {
    const [, scheme = isSecure ? 'https' : 'http', host = '', port] =
      /^(?:(https?):\/\/)?(\[[^\]]*\]|[^:/[\]]+):(\d+)\/?$/i.exec(endpoint.trim()) ?? []
    if (port === undefined) return []
    const kind = scheme.toLowerCase() === 'https' ? 'https' : 'grpc'
    return [commandProbe({ kind, port, host, path: null, hasCertificate, hasCa, place })]
  })
}

function httpProbes(program: 'curl' | 'wget', args: readonly string[], place: ConfigPlace): Probe[] {
  const url = /^(?:(https?):\/\/)?(\[[^\]]*\]|[\w.-]+):(\d+)(\/[^\s]*)?$/i
  const [, scheme = 'http', host, port, path = '/'] = args.map((text) => url.exec(text)).find((found) => found) ?? []
  if (host === undefined || port === undefined) return []
  const hasFlag = (flag: RegExp): boolean => args.some((text) => flag.test(text))
  const hasCertificate = hasFlag(/^-[a-zA-Z]*E$/) || hasFlag(/^--cert(?:ificate)?(?:=|$)/)
  // wget of BusyBox does not verify certificates.
  const isUnchecked = program === 'wget' || args.some((text) => /^-[a-zA-Z]+$/.test(text) && text.includes('k'))
  const hasCa = isUnchecked || hasFlag(/^--(?:insecure|ca(?:cert|path|-native))(?:=|$)/)
  const kind = scheme.toLowerCase() === 'https' ? 'https' : 'http'
  return [commandProbe({ kind, port, host, path: pathOf(path), hasCertificate, hasCa, place })]
}

function commandProbe(probe: Omit<Probe, 'by' | 'isShared' | 'host'> & { readonly host: string }): Probe {
  return { ...probe, by: 'command', isShared: false, host: probe.host.replace(/[[\]]/g, '') }
}

function pathOf(written: string): string | null {
  if (isUnresolved(written)) return null
  const [path = ''] = written.split('?', 1)
  return path.startsWith('/') ? path : `/${path}`
}
