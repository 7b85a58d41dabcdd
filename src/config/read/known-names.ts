/** The names of the options that are no rows of the table of TLS, with the release lines that have them. */
import { linesOf, otherOptions } from '../options-other.js'
import type { EtcdLine } from '../version.js'

/** Flags; some are taken and ignored. */
export const KNOWN_FLAGS: ReadonlyMap<string, readonly EtcdLine[]> = new Map(
  otherOptions.flatMap(({ flag }) => (flag === null ? [] : [[flag.name, linesOf(flag)] as const])),
)

/** Keys at the top of a configuration file. */
export const KNOWN_KEYS: ReadonlyMap<string, readonly EtcdLine[]> = new Map(
  otherOptions.flatMap(({ yaml }) => (yaml === null ? [] : [[yaml.name[0] ?? '', linesOf(yaml)] as const])),
)
