/**
 * Writes YAML without a library, so that rendering stays synchronous and works in a bundle. Every string value is in
 * double quotes: etcd and Kubernetes read YAML 1.1, in which a plain `on`, `1e3` or `0x1f` is not a string.
 */

/** Plain scalars that YAML 1.1 does not read as strings. */
const TYPED_WORD = /^(?:y|n|yes|no|on|off|true|false|null)$/i
const PLAIN_KEY = /^[A-Za-z_][\w./-]*$/
/** Characters that JSON does not escape and YAML does not allow: C1 controls, line separators, the byte order mark. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff]/g

/** Writes one document. As in JSON, undefined properties are omitted and dates are strings; a bigint is a number. */
export function writeYaml(value: object): string {
  return `${linesOf(value).join('\n')}\n`
}

function linesOf(value: unknown): string[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.flatMap((each: unknown) => {
      const [first = '', ...rest] = linesOf(each)
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)]
    })
  }
  if (isMap(value)) {
    return Object.entries(value).flatMap(([key, each]) => {
      if (each === undefined) return []
      const inner = linesOf(each)
      const isNested = isMap(each) || (Array.isArray(each) && each.length > 0)
      return isNested ? [`${keyOf(key)}:`, ...inner.map((line) => `  ${line}`)] : [`${keyOf(key)}: ${inner.join('')}`]
    })
  }
  if (Array.isArray(value)) return ['[]']
  return [typeof value === 'bigint' ? String(value) : quoted(value ?? null)]
}

function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) return false
  return Object.values(value).some((each) => each !== undefined)
}

function keyOf(key: string): string {
  return PLAIN_KEY.test(key) && !TYPED_WORD.test(key) ? key : quoted(key)
}

/** A JSON string is a YAML string if it contains none of {@link UNPRINTABLE}. */
function quoted(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
