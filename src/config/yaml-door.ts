/**
 * The door to `yaml`: the only file that names it. It is loaded at its first use, since most who import this package never
 * read a YAML file, and by `import()`, which bundlers follow.
 */
import type * as Yaml from 'yaml'

export type { ErrorCode as YamlErrorCode, Node } from 'yaml'
export type YamlLibrary = typeof Yaml

export function loadYaml(): Promise<YamlLibrary> {
  return import('yaml')
}
