/** Findings about single options of etcd. */
import { row, rowByKind } from '../../row.js'
import { listed } from '../../words.js'
import { type ConfigPlace, placed } from '../place.js'
import { releases } from './place.js'

/** The forms in which etcd takes options. */
type Form = 'yaml' | 'flags' | 'env'

const FORM_NAMES: Readonly<Record<Form, string>> = {
  yaml: 'a YAML file',
  flags: 'flags',
  env: 'environment variables',
}

/** Whether a version is one release, not a release line. */
function isRelease(version: string): boolean {
  return version.split('.').length === 3
}

function isGone({ version, until }: { version: string; until: string | null }): boolean {
  return until !== null && version.localeCompare(until, 'en', { numeric: true }) >= 0
}

/** `belongs` is the place where etcd knows the key: a path with dots. */
function keyRemedy({ nearest, belongs }: { nearest: string | null; belongs: string | null }): string {
  if (belongs !== null) {
    const [key = '', block] = belongs.split('.').toReversed()
    return block === undefined
      ? `Move it out to the top level, as "${key}", without indentation.`
      : `Move it into "${block}", as "${key}".`
  }
  return meant(nearest)
}

function meant(nearest: string | null, otherwise = 'Remove it.'): string {
  return nearest === null ? otherwise : `Write "${nearest}" if you mean that.`
}

function inFile(key: string): string {
  return `Write "${key}" in a configuration file (--config-file), with all other options: etcd has no flag and no variable for it.`
}

function insteadOf({ uses }: { uses?: string }): string {
  return uses === undefined ? ', so it protects nothing' : ` and uses ${uses}`
}

/** What to write in a file in place of a value of another type. */
function aName({ option }: { option: string }): string {
  return option.startsWith('ETCD_') ? 'a variable' : 'a key'
}

function typeRemedy({ option, wants, value = '' }: { option: string; wants: string; value?: string }): string {
  const key = option.slice(option.lastIndexOf('.') + 1)
  if (wants === 'a string') return 'Write one string, in quotes if it looks like a number or a boolean.'
  if (wants === 'a list') return `Write a list: "${key}: [first, second]".`
  if (wants === 'a number') {
    return /^\d+$/.test(value)
      ? `Write the number without quotes: "${key}: ${value}".`
      : 'Write a plain number, without quotes, units or operators.'
  }
  return wants === 'a mapping'
    ? `Write "${key}:" alone on its line, and below it each key as "key: value" with two spaces before it.`
    : `Write ${wants}.`
}

const BOOLEAN = 'true or false'
const TLS_VERSION = 'TLS1.2 or TLS1.3'
const NUMBERS = /^a (?:whole number|duration)/

export const configOption = {
  'config/option-unknown': rowByKind<
    ConfigPlace & {
      kind: 'flag' | 'extra' | 'field of its own'
      nearest: string | null
      /** The release lines that have it. */
      lines: string[]
      /** The key that sets it in a configuration file, the only form that can. */
      key: string | null
    }
  >({
    refusals: [
      {
        by: 'Go',
        words: 'flag provided but not defined: -…',
        when: ({ kind }) => kind !== 'field of its own',
      },
    ],
    kinds: {
      flag: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is not a flag of this etcd${details.lines.length === 0 ? '' : `; ${listed(details.lines)} had it`}.`,
        remedy: ({ nearest, key }) => (key === null ? meant(nearest) : inFile(key)),
      },
      extra: {
        severity: 'error',
        message: (details) => `${placed(details)} is not an option of etcd.`,
        remedy: ({ nearest }) => meant(nearest, 'Write the name of the flag without its dashes, or remove it.'),
      },
      'field of its own': {
        severity: 'error',
        message: (details) => `${placed(details)} cannot be set by extra.`,
        remedy: ({ nearest }) =>
          nearest === null ? 'Remove it from extra.' : `Set ${nearest} instead, and remove it from extra.`,
      },
    },
  }),
  'config/option-ignored': rowByKind<
    ConfigPlace & { kind: 'key' | 'variable'; nearest: string | null; belongs: string | null }
  >({
    kinds: {
      key: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is not a key of etcd${details.belongs === null ? '' : ' there'}. Etcd ignores it.`,
        remedy: keyRemedy,
      },
      variable: {
        severity: 'warning',
        message: (details) => `${placed(details)} is not a variable of etcd. Etcd ignores it.`,
        remedy: ({ nearest }) => (nearest === null ? 'Remove it.' : `Write ${nearest} if you mean that.`),
      },
    },
  }),
  'config/protection-ignored': rowByKind<
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
        severity: 'error',
        message: (details) => `${placed(details)} is not a key of etcd there. Etcd ignores it${insteadOf(details)}.`,
        remedy: keyRemedy,
      },
      variable: {
        severity: 'error',
        message: (details) => `${placed(details)} is not a variable of etcd. Etcd ignores it${insteadOf(details)}.`,
        remedy: ({ nearest, belongs }) =>
          belongs === null ? `Write ${nearest ?? 'another name'} if you mean that.` : inFile(belongs),
      },
      'nested keys': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is not a key of etcd. Etcd ignores everything in it: ${listed(details.keys)}.`,
        remedy: ({ option }) => `Remove "${option}", and move its keys to the top level, with less indentation.`,
      },
    },
  }),
  'config/option-not-in-version': row<
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
    severity: 'error',
    refusals: [
      {
        by: 'Go',
        words: 'flag provided but not defined: …',
        when: ({ form, since }) => form === 'flags' && since.length > 0,
      },
    ],
    message: (details) => {
      const { version, form, until, since } = details
      if (since.length === 0) return `${placed(details)} cannot be set by ${FORM_NAMES[form]} for etcd ${version}.`
      if (!isRelease(version)) {
        return `${placed(details)} is not in every etcd ${version} by ${FORM_NAMES[form]}${until === null ? '' : `; it was removed in ${until}`}.`
      }
      const history = isGone(details)
        ? `it was removed in ${until ?? ''}`
        : `it was added in ${listed(since, 'a later release')}`
      return `${placed(details)} cannot be set by ${FORM_NAMES[form]} for etcd ${version}: ${history}.`
    },
    remedy: (details) => {
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
      const update = isGone(details) ? '' : `Update etcd to ${releases(since)}, or r`
      return `${update === '' ? 'R' : update}emove it: ${does}${others === '' ? '' : `. Or ${others}`}.`
    },
  }),
  'config/option-of-other-version': rowByKind<
    ConfigPlace & { kind: 'deprecated' | 'unknown key'; version: string; lines: string[] }
  >({
    kinds: {
      deprecated: {
        severity: 'info',
        message: (details) => `${placed(details)} is deprecated since ${details.version}.`,
        remedy: () => 'Use the name of the newer release.',
      },
      'unknown key': {
        severity: 'info',
        message: (details) =>
          `${placed(details)} is not ${aName(details)} of etcd ${details.version}; it is one of ${listed(details.lines)}. Etcd ignores it.`,
        remedy: () => 'Remove it.',
      },
    },
  }),
  'config/one-value-only': row<ConfigPlace & { version: string; count: number; since: string[]; isList: boolean }>({
    severity: 'error',
    message: (details) => {
      const { isList, version, count } = details
      if (isList) return `${placed(details)} is a list; etcd ${version} takes one string there.`
      return `${placed(details)} has ${String(count)} values. ${isRelease(version) ? `Etcd ${version} reads them as one` : `Not every etcd ${version} takes more than one`}.`
    },
    remedy: ({ version, since, isList }) =>
      isRelease(version)
        ? `${isList ? 'Write one string' : 'Keep one value'}, or update etcd to ${releases(since)}.`
        : `Keep one value, or set the version to the release that you run, if it is ${releases(since)}.`,
  }),
  'config/value-type': rowByKind<
    ConfigPlace & {
      kind: 'type' | 'no list' | 'empty block'
      wants: string
      has: string
      since: string[]
      value?: string
    }
  >({
    refusals: [
      { by: 'etcd', words: 'json: cannot unmarshal … into Go … of type …', when: ({ kind }) => kind === 'type' },
      {
        by: 'etcd',
        words: 'json: cannot unmarshal string into Go struct field securityConfig….allowed-cn of type []string',
        when: ({ kind }) => kind === 'no list',
      },
      { by: 'etcd', words: 'invalid peer-transport-security', when: ({ kind }) => kind === 'empty block' },
    ],
    kinds: {
      type: {
        severity: 'error',
        message: (details) => `${placed(details)} must be ${details.wants}; it is ${details.has}.`,
        remedy: typeRemedy,
      },
      'no list': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is a string; etcd requires a list there since ${listed(details.since, 'a later release')}.`,
        remedy: () => 'Write it as a list: "[NAME]".',
      },
      'empty block': {
        severity: 'error',
        message: (details) => `${placed(details)} is empty, which etcd ${listed(details.since, '3.6')} refuses.`,
        remedy: ({ option }) => `Remove the line "${option}:", or write "${option}: {}".`,
      },
    },
  }),
  'config/value-invalid': rowByKind<
    ConfigPlace & {
      kind: 'refused' | 'refuses logins' | 'not used' | 'not writable' | 'empty list' | 'relative path'
      value: string
      wants: string
    }
  >({
    refusals: [
      { by: 'Go', words: 'invalid boolean value "…" for -…: parse error', when: ({ wants }) => wants === BOOLEAN },
      {
        by: 'Go',
        words: 'invalid value "…" for flag -…: parse error',
        when: ({ wants, option }) => option.startsWith('-') && NUMBERS.test(wants),
      },
      {
        by: 'etcd',
        words: 'invalid value "…" for ETCD_…: parse error',
        when: ({ wants, option }) => option.startsWith('ETCD_') && NUMBERS.test(wants),
      },
      { by: 'etcd', words: 'unexpected TLS version "…"', when: ({ wants }) => wants === TLS_VERSION },
      {
        by: 'etcd',
        words: 'json: cannot unmarshal number … into Go struct field … of type …',
        when: ({ wants, option }) => !/^(?:-|ETCD_)/.test(option) && NUMBERS.test(wants),
      },
    ],
    kinds: {
      refused: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is "${details.value}"; it must be ${details.wants}. Etcd does not start with it.`,
        remedy: ({ wants }) =>
          `Write ${wants.replace(' unless ', ', or let ').replace(' names exactly', ' name exactly')}.`,
      },
      'refuses logins': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is "${details.value}"; it must be ${details.wants}. Etcd starts with it, and refuses every login.`,
        remedy: ({ wants }) => `Write ${wants}.`,
      },
      'not used': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is "${details.value}". Etcd starts with it, and uses the default instead.`,
        remedy: ({ wants }) => `Write ${wants}.`,
      },
      'not writable': {
        severity: 'error',
        message: (details) => `${placed(details)} cannot be "${details.value}": it ${details.wants}.`,
        remedy: (details) => `Set ${details.option} to another value.`,
      },
      'empty list': {
        severity: 'error',
        message: (details) => `${placed(details)} is an empty list.`,
        remedy: ({ option }) => `Add an entry to ${option}, or remove the option.`,
      },
      'relative path': {
        severity: 'error',
        message: (details) => `${placed(details)} is the relative path "${details.value}".`,
        remedy: () => 'Write an absolute path, for example "/etc/etcd/server.crt".',
      },
    },
  }),
  'config/url-invalid': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    refusals: [
      { by: 'etcd', words: 'URL must not contain a path: …' },
      { by: 'etcd', words: 'URL scheme must be http, https, unix, or unixs: …' },
      { by: 'etcd', words: 'URL address does not have the form "host:port": …' },
      { by: 'etcd', words: 'expected IP in URL for binding (…)' },
    ],
    message: (details) => `${placed(details)} has "${details.url}": it ${details.reason}.`,
    remedy: () =>
      'Write only scheme, host and port, for example "https://10.0.0.1:2379" or "https://[2001:db8::1]:2379".',
  }),
  'config/cipher-suites-unfit': rowByKind<
    ConfigPlace & {
      kind: 'unknown' | 'weak' | 'only weak' | 'no HTTP/2' | 'TLS 1.2' | 'all versions'
      /** The suite, or one to write instead of it. */
      suite: string
      suggestion: string | null
      /** The certificate that no suite fits. */
      algorithm: string
      subject: string
      cert: string
    }
  >({
    refusals: [
      { by: 'etcd', words: 'unexpected TLS cipher suite "…"', when: ({ kind }) => kind === 'unknown' },
      {
        by: 'etcd',
        words: 'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher',
        when: ({ kind }) => kind === 'no HTTP/2',
      },
      {
        by: 'Go',
        words: 'tls: no cipher suite supported by both client and server',
        when: ({ kind }) => kind === 'TLS 1.2' || kind === 'all versions',
      },
    ],
    kinds: {
      unknown: {
        severity: 'error',
        message: (details) => `${placed(details)} has "${details.suite}", which this etcd does not know.`,
        remedy: ({ suggestion }) =>
          suggestion === null ? 'Remove it from the list, or write a suite that Go knows.' : `Write ${suggestion}.`,
      },
      weak: { severity: 'warning', message: weakSuite, remedy: () => STRONG },
      'only weak': { severity: 'error', message: weakSuite, remedy: () => STRONG },
      'no HTTP/2': {
        severity: 'error',
        message: (details) => `${placed(details)} lacks a suite that HTTP/2 requires.`,
        remedy: () =>
          'Add TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, the one that matches the key of the certificate.',
      },
      'TLS 1.2': {
        severity: 'info',
        message: (details) =>
          `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so TLS 1.2 does not work there.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}, or allow only TLS 1.3, without a list.`,
      },
      'all versions': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so no client can connect.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}.`,
      },
    },
  }),
}

const STRONG = 'Remove it from the list. Every client of etcd supports ECDHE with AES-GCM or ChaCha20-Poly1305.'

function weakSuite(details: ConfigPlace & { suite: string }): string {
  return `${placed(details)} has ${details.suite}, which Go calls insecure.`
}

function suiteFor(algorithm: string): string {
  return `TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256`
}
