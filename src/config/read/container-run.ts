/** Reads `docker run` and its like: what of the host the container sees (docker-run(1), podman-run(1)). */
import { posix } from 'node:path'
import { isEtcdImage, versionOf } from './image.js'
import { isUnresolved, type Mount, NO_CONTEXT, type RuntimeContext } from './read-option.js'
import type { Word } from './tokenizer.js'

/** A container that a command line starts. */
export interface ContainerRun {
  readonly context: RuntimeContext
  /** Whether the image or its entrypoint starts etcd. */
  readonly isEtcd: boolean
  readonly hasEntrypoint: boolean
  /** Variables that are taken from the environment of the engine. */
  readonly passed: readonly string[]
  /** Files of variables. */
  readonly files: readonly Word[]
  /** `docker`, `podman` or `nerdctl`. */
  readonly engine: string
  /** How many arguments there are up to the image, and with it. */
  readonly length: number
}

/** Options without a value. All others have one, after "=" or as the next argument. */
const SWITCHES =
  /^(?:-[dtiPq]+|--(?:detach|interactive|tty|rm|rmi|init|privileged|publish-all|read-only|read-only-tmpfs|no-healthcheck|no-hosts|oom-kill-disable|quiet|replace|env-host|help|disable-content-trust|http-proxy|sig-proxy|tls-verify))$/
const SHORT: Readonly<Record<string, string>> = { v: 'volume', e: 'env', u: 'user', w: 'workdir' }

/** The container of a command; null if it starts none, or cannot be understood. */
export function containerRun(words: readonly Word[]): ContainerRun | null {
  const [, engine] = /(?:^|\/)(docker|podman|nerdctl)$/.exec(words[0]?.text ?? '') ?? []
  const run = words.findIndex(({ text }, i) => i > 0 && (text === 'run' || text === 'create'))
  if (engine === undefined || run === -1) return null
  const options = new Map<string, Word[]>()
  for (let i = run + 1; i < words.length; i++) {
    const word = words[i]
    if (word === undefined) break
    if (!word.text.startsWith('-')) return { ...describe(word.text, options), engine, length: i + 1 }
    if (word.text === '--read-only' || word.text === '--read-only=true') options.set('read-only', [word])
    if (SWITCHES.test(word.text)) continue
    const [, long, given] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word.text) ?? []
    const [, letter = '', joined = ''] = /^-[dtiPq]*([a-zA-Z])=?([\s\S]*)$/.exec(word.text) ?? []
    const value = long === undefined && joined !== '' ? joined : given
    const found = value === undefined ? words[++i] : { ...word, text: value }
    const key = long ?? SHORT[letter] ?? letter
    const before = options.get(key)
    if (found !== undefined && before === undefined) options.set(key, [found])
    else if (found !== undefined) before?.push(found)
  }
  return null
}

function describe(
  image: string,
  options: ReadonlyMap<string, readonly Word[]>,
): Omit<ContainerRun, 'engine' | 'length'> {
  const textsOf = (key: string): string[] => (options.get(key) ?? []).map(({ text }) => text)
  const last = (key: string): string | undefined => textsOf(key).at(-1)
  const mounts = [
    ...textsOf('volume').flatMap(volumeMount),
    ...textsOf('mount').flatMap(longMount),
    ...textsOf('tmpfs').map((text) => mount(text.split(':', 1)[0] ?? '', '', { isLostWith: 'tmpfs' })),
    // Volumes of another container may be anywhere.
    ...(options.has('volumes-from') ? [{ inside: '/', outside: null }] : []),
  ]
  const entrypoint = last('entrypoint')
  return {
    context: {
      ...NO_CONTEXT,
      directory: last('workdir') ?? null,
      user: last('user')?.split(':', 1)[0] ?? null,
      version: versionOf(image),
      image,
      isRootReadOnly: options.has('read-only'),
      mounts: mounts.sort((a, b) => b.inside.length - a.inside.length),
    },
    isEtcd: entrypoint === undefined ? isEtcdImage(image) : /(?:^|\/)etcd$/.test(entrypoint),
    hasEntrypoint: entrypoint !== undefined,
    passed: textsOf('env').filter((text) => !text.includes('=')),
    files: options.get('env-file') ?? [],
  }
}

/** `/etc/etcd/ssl:/pki:ro` */
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

/** What is not a path from the root is a volume, or begins in a folder that is not known. */
function mount(inside: string, source: string, more: Partial<Mount> = {}): Mount {
  const outside = source.startsWith('/') && !isUnresolved(source) ? source : null
  return { inside: posix.normalize(inside), outside, ...more }
}
