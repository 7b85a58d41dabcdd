/** Reads images, and containers of pods, Compose services and `docker run` (docker-run(1), podman-run(1)). */
import { posix } from 'node:path'
import { rowOfFlag, rowOfVariable } from '../tables/options.js'
import { type ParsedVersion, parseVersion } from '../tables/version.js'
import {
  longestFirst,
  type Mount,
  NO_CONTEXT,
  noEtcd,
  type Reading,
  type RuntimeContext,
  unreadable,
} from './read-option.js'
import { isUnresolved } from './text.js'
import type { SyntaxFault, Token } from './tokenizer.js'
import { at, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** Images of the etcd project and of Kubernetes, which contain only the programs. */
export function isOfficialImage(image: string): boolean {
  const name =
    /^(?:quay\.io\/coreos|gcr\.io\/etcd-development|k8s\.gcr\.io|registry\.k8s\.io)\/etcd(?:-amd64|-arm64)?(?:[:@]|$)/
  return name.test(image)
}

/** Official images have no entrypoint, so a command needs a program (Dockerfile v3.4.0 to v3.7.1). */
export function missingProgram(image: string, [first]: readonly Token[]): SyntaxFault[] {
  const isMissing = isOfficialImage(image) && !/:v?2\./.test(image) && first?.text.startsWith('-') === true
  return isMissing ? [{ kind: 'no program', offset: first.offset }] : []
}

export function isEtcdImage(image: string): boolean {
  return /^etcd(?:-amd64|-arm64)?(?:[:@]|$)/.test(baseOf(image))
}

export function versionOf(image: string): ParsedVersion | null {
  const [, tag] = /^etcd(?:-amd64|-arm64)?:v?(3\.\d{1,4}\.\d{1,4})(?![^-.@])/.exec(baseOf(image)) ?? []
  return tag === undefined ? null : parseVersion(tag)
}

/** The last part of an image's name, with tag and digest. Neither contains a slash. */
function baseOf(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1)
}

/** Whether a variable is for URLs or members. Other programs may use variables such as ETCD_CERT_FILE. */
export function areOfEtcd(names: Iterable<string>): boolean {
  return Array.from(names).some((name) => isAddress(rowOfVariable(name)?.kind))
}

/** Whether flags without a program are those of etcd. */
export function areEtcdFlags(tokens: readonly Token[]): boolean {
  return tokens.some(({ text }) => isAddress(rowOfFlag(/^--?([a-z-]+)/.exec(text)?.[1] ?? '')?.kind))
}

function isAddress(kind: string | undefined): boolean {
  return kind === 'urls' || kind === 'cluster'
}

export interface ContainerRun {
  readonly context: RuntimeContext
  readonly isEtcd: boolean
  readonly hasEntrypoint: boolean
  /** Names of variables that the engine passes from its own environment. */
  readonly passed: readonly string[]
  readonly files: readonly Token[]
  readonly engine: string
  /** The number of arguments up to and including the image. */
  readonly length: number
}

/** Options without a value. All others have a value, after "=" or as the next argument. */
const SWITCHES =
  /^(?:-[dtiPq]+|--(?:detach|interactive|tty|rm|rmi|init|privileged|publish-all|read-only|read-only-tmpfs|no-healthcheck|no-hosts|oom-kill-disable|quiet|replace|env-host|help|disable-content-trust|http-proxy|sig-proxy|tls-verify))$/
const SHORT: Readonly<Record<string, string>> = { v: 'volume', e: 'env', u: 'user', w: 'workdir' }

/** Null if the command starts no container, or cannot be parsed. */
export function containerRun(tokens: readonly Token[]): ContainerRun | null {
  const [, engine] = /(?:^|\/)(docker|podman|nerdctl)$/.exec(tokens[0]?.text ?? '') ?? []
  const run = tokens.findIndex(({ text }, i) => i > 0 && (text === 'run' || text === 'create'))
  if (engine === undefined || run === -1) return null
  const given: { key: string; token: Token }[] = []
  for (let i = run + 1; i < tokens.length; i++) {
    const token = tokens[i]
    if (token === undefined) break
    const { text } = token
    if (!text.startsWith('-')) return { ...containerRunOf(text, given), engine, length: i + 1 }
    if (text === '--read-only') given.push({ key: 'read-only', token: { ...token, text: 'true' } })
    if (SWITCHES.test(text)) continue
    const [, long, value] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(text) ?? []
    const [, letter = '', joined = ''] = /^-[dtiPq]*([a-zA-Z])=?([\s\S]*)$/.exec(text) ?? []
    const own = long === undefined && joined !== '' ? joined : value
    const found = own === undefined ? tokens[++i] : { ...token, text: own }
    if (found !== undefined) given.push({ key: long ?? SHORT[letter] ?? letter, token: found })
  }
  return null
}

function containerRunOf(
  image: string,
  given: readonly { readonly key: string; readonly token: Token }[],
): Omit<ContainerRun, 'engine' | 'length'> {
  const tokensOf = (key: string): Token[] => given.flatMap((each) => (each.key === key ? [each.token] : []))
  const textsOf = (key: string): string[] => tokensOf(key).map(({ text }) => text)
  const last = (key: string): string | undefined => textsOf(key).at(-1)
  const entrypoint = last('entrypoint')
  return {
    context: {
      ...NO_CONTEXT,
      directory: last('workdir') ?? null,
      user: last('user')?.split(':', 1)[0] ?? null,
      version: versionOf(image),
      image,
      isRootReadOnly: last('read-only') === 'true',
      mounts: longestFirst([
        ...textsOf('volume').map(volumeMount),
        ...textsOf('mount').flatMap(longMount),
        ...textsOf('tmpfs').map((text) => mount(text.split(':', 1)[0] ?? '', '', { isLostWith: 'tmpfs' })),
        // The mount points of another container are not known, so every path may be mounted.
        ...textsOf('volumes-from')
          .slice(0, 1)
          .map(() => ({ inside: '/', outside: null })),
      ]),
    },
    isEtcd: entrypoint === undefined ? isEtcdImage(image) : /(?:^|\/)etcd$/.test(entrypoint),
    hasEntrypoint: entrypoint !== undefined,
    passed: textsOf('env').filter((text) => !text.includes('=')),
    files: tokensOf('env-file'),
  }
}

function volumeMount(text: string): Mount {
  const [source = '', inside, options = ''] = text.split(':')
  if (inside === undefined) return mount(source, '')
  return mount(inside, source, options.split(',').includes('ro') ? { isReadOnly: true } : {})
}

/** `type=bind,source=/etc/etcd/ssl,target=/pki` */
function longMount(text: string): Mount[] {
  const parts = new Map(text.split(',').map((part) => part.split('=', 2) as [string, string | undefined]))
  const inside = parts.get('target') ?? parts.get('dst') ?? parts.get('destination')
  if (inside === undefined) return []
  const isReadOnly = ['readonly', 'ro'].some((key) => parts.has(key) && !/^(?:false|0)$/.test(parts.get(key) ?? ''))
  const lost = parts.get('type') === 'tmpfs' ? { isLostWith: 'tmpfs' as const } : {}
  return [mount(inside, parts.get('source') ?? parts.get('src') ?? '', { isReadOnly, ...lost })]
}

/** A source that is not an absolute path is a volume, or is relative to an unknown folder. */
function mount(inside: string, source: string, more: Partial<Mount> = {}): Mount {
  const outside = source.startsWith('/') && !isUnresolved(source) ? source : null
  return { inside: posix.normalize(inside), outside, ...more }
}

export function releaseOf(
  container: YamlValue,
  yaml: YamlReading,
): Pick<RuntimeContext, 'version' | 'versionPlace' | 'image'> {
  const value = at(container, 'image')
  const image = textAt(container, 'image') ?? ''
  const version = versionOf(image)
  return value === null ? { version } : { version, versionPlace: yaml.place(value.offset, 'image'), image }
}

export function withoutEtcd({ findings }: YamlReading, file: string | null, looked: string): Reading[] {
  const isBroken = findings.some(({ severity }) => severity === 'error')
  return [unreadable(...findings, ...(isBroken ? [] : [noEtcd(file, looked)]))]
}

interface Named {
  readonly name: string | undefined
  readonly offset: number
}

/** The unknown names, and the offset of the first one; null if all names are known. */
export function unknownAmong(
  mounts: readonly Named[],
  isKnown: (name: string) => boolean,
): { names: string[]; offset: number } | null {
  const unknown = mounts.flatMap(({ name, offset }) => (name === undefined || isKnown(name) ? [] : [{ name, offset }]))
  const names = [...new Set(unknown.map(({ name }) => name))]
  return unknown[0] === undefined ? null : { names, offset: unknown[0].offset }
}

/** Values whose name occurred before. A trailing slash does not matter. */
export function repeatedAmong(values: readonly Named[]): { names: string[]; offset: number }[] {
  const seen = new Set<string | undefined>([undefined])
  return values.flatMap(({ name, offset }) => {
    const key = name?.replace(/(?<=.)\/$/, '')
    const isFirst = key === undefined || !seen.has(key)
    seen.add(key)
    return isFirst ? [] : [{ names: [key], offset }]
  })
}
