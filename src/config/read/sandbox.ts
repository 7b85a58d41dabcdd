/** What a unit of systemd hides from etcd, and where it may not write (systemd.exec(5), "Sandboxing"). */
import { posix } from 'node:path'
import type { Sandbox } from './read-option.js'

/** The directives of a unit. */
export interface Directives {
  /** The value in force; null if there is none. */
  readonly last: (key: string) => string | null
  /** The entries of a list that are in force. */
  readonly all: (key: string) => string[]
}

/** What systemd reads as true (systemd.syntax(7)). */
export const YES = /^(?:1|yes|y|true|t|on)$/i

const HOMES = ['/home', '/root', '/run/user']
const TEMPORARY = ['/tmp', '/var/tmp']
/** Directories that systemd makes for the unit, and gives it. */
const OWN: Readonly<Record<string, string>> = {
  StateDirectory: '/var/lib',
  CacheDirectory: '/var/cache',
  LogsDirectory: '/var/log',
  RuntimeDirectory: '/run',
}
/** What `ProtectSystem=` makes read-only. */
const PROTECTED: Readonly<Record<string, readonly string[]>> = {
  strict: ['/'],
  full: ['/usr', '/boot', '/efi', '/etc'],
  yes: ['/usr', '/boot', '/efi'],
}
/** What `ProtectSystem=strict` leaves as it is. */
const KERNEL = ['/dev', '/proc', '/sys']

interface Area {
  readonly path: string
  readonly by: string
}

/** Null if the unit has a root of its own, whose files are not known. */
export function sandboxOf({ last, all }: Directives): Sandbox | null {
  if (last('RootDirectory') !== null || last('RootImage') !== null) return null
  const isDynamic = YES.test(last('DynamicUser') ?? '')
  const isOn = (key: string): boolean => YES.test(last(key) ?? '')
  const paths = (key: string, pick = (text: string): string => text): Area[] =>
    all(key).map((text) => ({ path: posix.normalize(pick(text.replace(/^[-+]+/, ''))), by: `${key}=` }))
  const areas = (values: readonly string[], by: string): Area[] => values.map((path) => ({ path, by }))
  const home = last('ProtectHome') ?? (isDynamic ? 'read-only' : '')
  const isHomeHidden = YES.test(home) || home === 'tmpfs'
  const isTmpPrivate = isOn('PrivateTmp') || last('PrivateTmp') === 'disconnected'
  const written = last('ProtectSystem') ?? ''
  const system = isDynamic ? 'strict' : YES.test(written) ? 'yes' : written
  const hidden = [
    ...areas(isTmpPrivate ? TEMPORARY : [], 'PrivateTmp='),
    ...areas(isHomeHidden ? HOMES : [], 'ProtectHome='),
    ...paths('InaccessiblePaths'),
    ...paths('InaccessibleDirectories'),
    ...paths('TemporaryFileSystem', (text) => text.split(':', 1)[0] ?? ''),
  ]
  // `SOURCE:TARGET:OPTIONS`
  const target = (text: string): string => text.split(':')[1] ?? text
  const shown = [...paths('BindPaths', target), ...paths('BindReadOnlyPaths', target)]
  const locked = [
    ...areas(Object.hasOwn(PROTECTED, system) ? (PROTECTED[system] ?? []) : [], 'ProtectSystem='),
    ...areas(home === 'read-only' ? HOMES : [], 'ProtectHome='),
    ...paths('ReadOnlyPaths'),
    ...paths('ReadOnlyDirectories'),
    ...paths('BindReadOnlyPaths', target),
  ]
  const open = [
    ...paths('ReadWritePaths'),
    ...paths('ReadWriteDirectories'),
    ...paths('BindPaths', target),
    ...Object.entries(OWN).flatMap(([key, parent]) =>
      paths(key, (text) => posix.join(parent, text.split(':', 1)[0] ?? '')),
    ),
    ...areas([...KERNEL, ...(isTmpPrivate || isDynamic ? TEMPORARY : [])], ''),
  ]
  return {
    hides: (path) => deepest(path, hidden, shown),
    locks: (path) => deepest(path, locked, open),
  }
}

/** The directive of the deepest area that a path is in, unless an exception is as deep. */
function deepest(path: string, areas: readonly Area[], exceptions: readonly Area[]): string | null {
  const within = (all: readonly Area[]): Area | undefined =>
    all
      .filter((each) => path === each.path || path.startsWith(`${each.path.replace(/\/$/, '')}/`))
      .reduce<Area | undefined>((a, b) => (a === undefined || b.path.length > a.path.length ? b : a), undefined)
  const [area, exception] = [within(areas), within(exceptions)]
  if (area === undefined) return null
  return exception !== undefined && exception.path.length >= area.path.length ? null : area.by
}
