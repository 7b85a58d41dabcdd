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

/** The value of a key; the last one counts. */
export function at(value: YamlValue | null, key: string): YamlValue | null {
  if (value?.kind !== 'map') return null
  return value.entries.findLast((entry) => entry.key === key)?.value ?? null
}

/** The text of a key that has a plain value. */
export function textAt(value: YamlValue | null, key: string): string | undefined {
  const found = at(value, key)
  return found?.kind === 'scalar' && found.type !== 'null' ? found.text : undefined
}

/** The items of a list; none of anything else. */
export function itemsOf(value: YamlValue | null): readonly YamlValue[] {
  return value?.kind === 'list' ? value.items : []
}
