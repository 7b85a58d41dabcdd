/** Findings about single options of etcd. */
import { listed, quoted } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { optionKinds, optionRow, releases, verb } from './place.js'

/** The forms in which etcd takes options. */
type Form = 'yaml' | 'flags' | 'env'

const FORM_NAMES: Readonly<Record<Form, string>> = {
  yaml: 'a YAML file',
  flags: 'flags',
  env: 'environment variables',
}

const NO_SUCH_FLAG = 'flag provided but not defined: -…'
const NO_COMMON_SUITE = 'tls: no cipher suite supported by both client and server'
const BOOLEAN = 'true or false'
const NUMBERS = /^a (?:whole number|duration)/

export const configOption = {
  'config/option-unknown': optionKinds<
    ConfigPlace & {
      kind: 'flag' | 'extra' | 'field of its own'
      nearest: string | null
      /** The release lines that have it. */
      lines: string[]
      /** The key that sets it in a configuration file, the only form that can. */
      key: string | null
    }
  >({
    kinds: {
      flag: {
        refusals: { Go: NO_SUCH_FLAG },
        says: ({ lines }) => `is not a flag of this etcd${lines.length === 0 ? '' : `; ${listed(lines)} had it`}.`,
        remedy: ({ nearest, key }) => (key === null ? meant(nearest) : inFile(key)),
      },
      extra: {
        refusals: { Go: NO_SUCH_FLAG },
        says: () => 'is not an option of etcd.',
        remedy: ({ nearest }) => meant(nearest, 'Write the name of the flag without its dashes, or remove it.'),
      },
      'field of its own': {
        says: () => 'cannot be set by extra.',
        remedy: ({ nearest }) => `${nearest === null ? 'R' : `Set ${nearest} instead, and r`}emove it from extra.`,
      },
    },
  }),
  'config/option-ignored': optionKinds<
    ConfigPlace & { kind: 'key' | 'variable'; nearest: string | null; belongs: string | null }
  >({
    kinds: {
      key: {
        severity: 'warning',
        says: ({ belongs }) => `is not a key of etcd${belongs === null ? '' : ' there'}. Etcd ignores it.`,
        remedy: keyRemedy,
      },
      variable: {
        severity: 'warning',
        says: () => 'is not a variable of etcd. Etcd ignores it.',
        remedy: ({ nearest }) => (nearest === null ? 'Remove it.' : `Write ${nearest} if you mean that.`),
      },
    },
  }),
  'config/protection-ignored': optionKinds<
    ConfigPlace & {
      kind: 'key' | 'variable' | 'nested keys'
      nearest: string | null
      belongs: string | null
      keys: string[]
      /** The URL that etcd uses instead; absent for what is not a URL. */
      uses?: string
    }
  >({
    kinds: {
      key: {
        says: (details) => `is not a key of etcd there. Etcd ignores it${insteadOf(details)}.`,
        remedy: keyRemedy,
      },
      variable: {
        says: (details) => `is not a variable of etcd. Etcd ignores it${insteadOf(details)}.`,
        remedy: ({ nearest, belongs }) =>
          belongs === null ? `Write ${nearest ?? 'another name'} if you mean that.` : inFile(belongs),
      },
      'nested keys': {
        says: ({ keys }) => `is not a key of etcd. Etcd ignores everything in it: ${listed(keys)}.`,
        remedy: ({ option }) => `Remove "${option}", and move its keys to the top level, with less indentation.`,
      },
    },
  }),
  'config/option-not-in-version': optionRow<
    ConfigPlace & {
      form: Form
      version: string
      /** Empty if no release has it in this form. */
      since: string[]
      until: string | null
      forms: Form[]
      /** The name that this version uses instead. */
      instead?: string | undefined
    }
  >({
    refusals: [{ Go: NO_SUCH_FLAG, when: ({ form, since }) => form === 'flags' && since.length > 0 }],
    says(details) {
      const { version, form, until, since } = details
      const cannot = `cannot be set by ${FORM_NAMES[form]} for etcd ${version}`
      if (since.length === 0) return `${cannot}.`
      if (isGone(details)) return `${cannot}: it was removed in ${until ?? ''}.`
      if (isRelease(version)) return `${cannot}: it was added in ${listed(since, 'a later release')}.`
      return `is not in every etcd ${version} by ${FORM_NAMES[form]}${until === null ? '' : `; it was removed in ${until}`}.`
    },
    remedy(details) {
      const { version, since, until, forms, form, instead } = details
      const named = listed(forms.map((each) => FORM_NAMES[each]))
      if (since.length === 0) {
        return forms.length === 0
          ? 'Remove the option, or run a version of etcd that has it.'
          : `Use another form: ${named} can set it.`
      }
      const others = forms.length === 0 ? '' : `use ${named}, which can set it`
      if (!isRelease(version)) {
        return `Set the version to the release that you run, if it is ${releases(since)}${until === null ? '' : ` and older than ${until}`}${others === '' ? '' : `, or ${others}`}; or update etcd.`
      }
      if (instead !== undefined) return `Write ${instead}.`
      const does = form === 'flags' ? 'etcd does not start with it' : 'etcd ignores it'
      const remove = `${isGone(details) ? 'R' : `Update etcd to ${releases(since)}, or r`}emove it: ${does}`
      return `${remove}${others === '' ? '' : `. Or ${others}`}.`
    },
  }),
  'config/option-of-other-version': optionKinds<
    ConfigPlace & { kind: 'deprecated' | 'unknown key'; version: string; lines: string[] }
  >({
    kinds: {
      deprecated: {
        severity: 'info',
        says: ({ version }) => `is deprecated since ${version}.`,
        remedy: () => 'Use the name of the newer release.',
      },
      'unknown key': {
        severity: 'info',
        says: ({ option, version, lines }) =>
          `is not ${option.startsWith('ETCD_') ? 'a variable' : 'a key'} of etcd ${version}; it is one of ${listed(lines)}. Etcd ignores it.`,
        remedy: () => 'Remove it.',
      },
    },
  }),
  'config/one-value-only': optionRow<
    ConfigPlace & { version: string; count: number; since: string[]; isList: boolean }
  >({
    says({ isList, version, count }) {
      if (isList) return `is a list; etcd ${version} takes one string there.`
      const reads = isRelease(version)
        ? `Etcd ${version} reads them as one`
        : `Not every etcd ${version} takes more than one`
      return `has ${String(count)} values. ${reads}.`
    },
    remedy: ({ version, since, isList }) =>
      isRelease(version)
        ? `${isList ? 'Write one string' : 'Keep one value'}, or update etcd to ${releases(since)}.`
        : `Keep one value, or set the version to the release that you run, if it is ${releases(since)}.`,
  }),
  'config/value-type': optionKinds<
    ConfigPlace & {
      kind: 'type' | 'no list' | 'empty block'
      wants: string
      has: string
      since: string[]
      value?: string
    }
  >({
    kinds: {
      type: {
        refusals: { etcd: 'json: cannot unmarshal … into Go … of type …' },
        says: ({ wants, has }) => `must be ${wants}; it is ${has}.`,
        remedy: typeRemedy,
      },
      'no list': {
        refusals: {
          etcd: 'json: cannot unmarshal string into Go struct field securityConfig….allowed-cn of type []string',
        },
        says: ({ since }) => `is a string; etcd requires a list there since ${listed(since, 'a later release')}.`,
        remedy: () => 'Write it as a list: "[NAME]".',
      },
      'empty block': {
        refusals: { etcd: 'invalid peer-transport-security' },
        says: ({ since }) => `is empty, which etcd ${listed(since, '3.6')} refuses.`,
        remedy: ({ option }) => `Remove the line "${option}:", or write "${option}: {}".`,
      },
    },
  }),
  'config/value-invalid': optionKinds<
    ConfigPlace & {
      kind: 'refused' | 'refuses logins' | 'not used' | 'not writable' | 'empty list' | 'relative path'
      value: string
      wants: string
    }
  >({
    refusals: [
      { Go: 'invalid boolean value "…" for -…: parse error', when: ({ wants }) => wants === BOOLEAN },
      {
        Go: 'invalid value "…" for flag -…: parse error',
        when: ({ wants, option }) => option.startsWith('-') && NUMBERS.test(wants),
      },
      {
        etcd: 'invalid value "…" for ETCD_…: parse error',
        when: ({ wants, option }) => option.startsWith('ETCD_') && NUMBERS.test(wants),
      },
      { etcd: 'unexpected TLS version "…"', when: ({ wants }) => wants === 'TLS1.2 or TLS1.3' },
      {
        etcd: 'json: cannot unmarshal number … into Go struct field … of type …',
        when: ({ wants, option }) => !/^(?:-|ETCD_)/.test(option) && NUMBERS.test(wants),
      },
    ],
    kinds: {
      refused: {
        says: ({ value, wants }) => `is "${value}"; it must be ${wants}. Etcd does not start with it.`,
        remedy: ({ wants }) =>
          `Write ${wants.replace(' unless ', ', or let ').replace(' names exactly', ' name exactly')}.`,
      },
      'refuses logins': {
        says: ({ value, wants }) => `is "${value}"; it must be ${wants}. Etcd starts with it, and refuses every login.`,
        remedy: ({ wants }) => `Write ${wants}.`,
      },
      'not used': {
        severity: 'warning',
        says: ({ value }) => `is "${value}". Etcd starts with it, and uses the default instead.`,
        remedy: ({ wants }) => `Write ${wants}.`,
      },
      'not writable': {
        says: ({ value, wants }) => `cannot be "${value}": it ${wants}.`,
        remedy: ({ option }) => `Set ${option} to another value.`,
      },
      'empty list': {
        says: () => 'is an empty list.',
        remedy: ({ option }) => `Add an entry to ${option}, or remove the option.`,
      },
      'relative path': {
        says: ({ value }) => `is the relative path "${value}".`,
        remedy: () => 'Write an absolute path, for example "/etc/etcd/server.crt".',
      },
    },
  }),
  'config/url-invalid': optionRow<ConfigPlace & { url: string; reason: string }>({
    refusals: {
      etcd: [
        'URL must not contain a path: …',
        'URL scheme must be http, https, unix, or unixs: …',
        'URL address does not have the form "host:port": …',
        'expected IP in URL for binding (…)',
      ],
    },
    says: ({ url, reason }) => `has "${url}": it ${reason}.`,
    remedy: () =>
      'Write only scheme, host and port, for example "https://10.0.0.1:2379" or "https://[2001:db8::1]:2379".',
  }),
  'config/cipher-suites-unfit': optionKinds<
    ConfigPlace & {
      kind: 'unknown' | 'weak' | 'only weak' | 'no HTTP/2' | 'TLS 1.2' | 'all versions'
      /** The suites that do not fit, and the names of Go for those that have one. */
      suites: string[]
      suggestions: string[]
      /** The certificate that no suite fits. */
      algorithm: string
      subject: string
      cert: string
    }
  >({
    kinds: {
      unknown: {
        refusals: { etcd: 'unexpected TLS cipher suite "…"' },
        says: ({ suites }) => `has ${quoted(suites)}, which this etcd does not know.`,
        remedy: ({ suites, suggestions }) => {
          if (suggestions.length === 0) return `${removeFrom(suites)} Write only suites that Go knows.`
          const rest = suites.length > suggestions.length ? ', and remove the others' : ''
          return `Write ${listed(suggestions)}${rest}.`
        },
      },
      weak: { severity: 'warning', says: weak, remedy: strong },
      'only weak': { says: weak, remedy: strong },
      'no HTTP/2': {
        refusals: { etcd: 'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher' },
        says: () => 'lacks a suite that HTTP/2 requires.',
        remedy: () =>
          `Add ${suiteFor('ECDSA')} or ${suiteFor('RSA')}, the one that matches the key of the certificate.`,
      },
      'TLS 1.2': {
        severity: 'info',
        refusals: { Go: NO_COMMON_SUITE },
        says: (details) => `${noSuite(details)}, so TLS 1.2 does not work there.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}, or allow only TLS 1.3, without a list.`,
      },
      'all versions': {
        refusals: { Go: NO_COMMON_SUITE },
        says: (details) => `${noSuite(details)}, so no client can connect.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}.`,
      },
    },
  }),
}

/** Whether a version is one release, not a release line. */
function isRelease(version: string): boolean {
  return version.split('.').length === 3
}

function isGone({ version, until }: { version: string; until: string | null }): boolean {
  return isRelease(version) && until !== null && version.localeCompare(until, 'en', { numeric: true }) >= 0
}

function meant(nearest: string | null, otherwise = 'Remove it.'): string {
  return nearest === null ? otherwise : `Write "${nearest}" if you mean that.`
}

/** `belongs` is the place where etcd knows the key: a path with dots. */
function keyRemedy({ nearest, belongs }: { nearest: string | null; belongs: string | null }): string {
  if (belongs === null) return meant(nearest)
  const [key = '', block] = belongs.split('.').toReversed()
  return block === undefined
    ? `Move it out to the top level, as "${key}", without indentation.`
    : `Move it into "${block}", as "${key}".`
}

function inFile(key: string): string {
  return `Write "${key}" in a configuration file (--config-file), with all other options: etcd has no flag and no variable for it.`
}

function insteadOf({ uses }: { uses?: string }): string {
  return uses === undefined ? ', so it protects nothing' : ` and uses ${uses}`
}

/** What to write in a file in place of a value of another type. */
function typeRemedy({ option, wants, value = '' }: { option: string; wants: string; value?: string }): string {
  const key = option.slice(option.lastIndexOf('.') + 1)
  switch (wants) {
    case 'a string':
      return 'Write one string, in quotes if it looks like a number or a boolean.'
    case 'a list':
      return `Write a list: "${key}: [first, second]".`
    case 'a number':
      return /^\d+$/.test(value)
        ? `Write the number without quotes: "${key}: ${value}".`
        : 'Write a plain number, without quotes, units or operators.'
    case 'a mapping':
      return `Write "${key}:" alone on its line, and below it each key as "key: value" with two spaces before it.`
    default:
      return `Write ${wants}.`
  }
}

function weak({ suites }: { suites: string[] }): string {
  return `has ${listed(suites)}, which Go calls insecure.`
}

function strong({ suites }: { suites: string[] }): string {
  return `${removeFrom(suites)} Every client of etcd supports ECDHE with AES-GCM or ChaCha20-Poly1305.`
}

function removeFrom(suites: readonly string[]): string {
  return `Remove ${verb(suites, 'it', 'them')} from the list.`
}

function noSuite({ algorithm, subject, cert }: { algorithm: string; subject: string; cert: string }): string {
  return `has no suite for the ${algorithm} key of "${subject}" (${cert})`
}

function suiteFor(algorithm: string): string {
  return `TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256`
}
