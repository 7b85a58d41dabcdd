/**
 * The door to `yaml`: the only file that names it. It is loaded at its first use, since most who import this package never
 * see a YAML file, and synchronously, since rendering is no work to wait for.
 */
import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'

export type { ErrorCode as YamlErrorCode, Node } from 'yaml'

export function yaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml') as typeof Yaml
}
