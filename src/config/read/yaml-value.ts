/** What YAML, and JSON, are opened into. */

/** A value of YAML with its place. Aliases are followed. */
export type YamlValue =
  | { readonly kind: 'map'; readonly entries: readonly YamlEntry[]; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly YamlValue[]; readonly offset: number }
  /** `text` is what stands there; `type` is what go-yaml makes of it. */
  | { readonly kind: 'scalar'; readonly text: string; readonly type: ScalarType; readonly offset: number }

export type ScalarType = 'text' | 'boolean' | 'number' | 'null'

export interface YamlEntry {
  readonly key: string
  readonly value: YamlValue
  readonly offset: number
}
