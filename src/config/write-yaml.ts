/**
 * Writes YAML without a library, so that rendering stays synchronous and a bundle contains all of it. Every string value is
 * in double quotes: etcd and Kubernetes read YAML 1.1, to which a bare `on`, `1e3` or `0x1f` is not a string.
 */

/** Words that YAML 1.1 reads as something else than a string. */
const TYPED_WORD = /^(?:y|n|yes|no|on|off|true|false|null)$/i
const PLAIN_KEY = /^[A-Za-z_][\w./-]*$/
/** What JSON leaves as it is and YAML does not print: C1 controls, line separators, the byte order mark. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff]/g

/** One document. As in JSON, properties that are undefined are left out and dates are strings; a bigint is a number. */
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

/** JSON is YAML, but for characters that YAML does not print. */
function quoted(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
