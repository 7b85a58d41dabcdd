/** Findings about single options of etcd. */
import { error, info, warning } from '../../row.js'
import { listed, quoted } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { releases, verb } from './place.js'

type Form = 'yaml' | 'flags' | 'env'

const FORM_NAMES: Readonly<Record<Form, string>> = {
  yaml: 'a YAML file',
  flags: 'flags',
  env: 'environment variables',
}

const NO_SUCH_FLAG = { Go: 'flag provided but not defined: -…' }
const NO_COMMON_SUITE = 'tls: no cipher suite supported by both client and server'
const BOOLEAN = 'true or false'
const NUMBERS = /^a (?:whole number|duration)/

export type Nearest = ConfigPlace & { nearest: string | null }

/** `belongs`: the path of keys, with dots, at which etcd accepts the key. */
export type OptionIgnored = Nearest & { belongs: string | null }

/** `uses`: the URL that etcd uses instead; absent for other values. */
export type ProtectionIgnored = OptionIgnored & { uses?: string }

export type ValueInvalid = ConfigPlace & { value: string; wants: string }

/** `cert`: the option that names the certificate. */
export type CertificateUnfit = ConfigPlace & { algorithm: string; subject: string; cert: string }

export interface OptionNotInVersion extends ConfigPlace {
  form: Form
  version: string
  /** The releases that have it in this form. */
  since: string[]
  until: string | null
  forms: Form[]
  /** The name that this version uses instead. */
  instead?: string | undefined
}

export const configOption = {
  'config/option-unknown': {
    flag: error((d: Nearest) => [`${d.option} is not a flag of this etcd.`, nearestRemedy(d.nearest)]).refusedAs(
      NO_SUCH_FLAG,
    ),
    'only a key': error((d: ConfigPlace & { key: string }) => [
      `${d.option} is not a flag of this etcd.`,
      fileRemedy(d.key),
    ]).refusedAs(NO_SUCH_FLAG),
    'other releases': error((d: ConfigPlace & { lines: string[] }) => [
      `${d.option} is not a flag of this etcd; ${listed(d.lines)} had it.`,
      'Remove it.',
    ]).refusedAs(NO_SUCH_FLAG),
    extra: error((d: Nearest) => [
      `${d.option} is not an option of etcd.`,
      nearestRemedy(d.nearest, 'Write the name of the flag without its dashes, or remove it.'),
    ]).refusedAs(NO_SUCH_FLAG),
    'field of its own': error((d: ConfigPlace & { field: string | null }) => [
      `${d.option} cannot be set by extra.`,
      `${d.field === null ? 'R' : `Set ${d.field} instead, and r`}emove it from extra.`,
    ]),
  },
  'config/option-ignored': {
    key: warning((d: OptionIgnored) => [
      `${d.option} is not a key of etcd${d.belongs === null ? '' : ' there'}. etcd ignores it.`,
      keyRemedy(d),
    ]),
    variable: warning((d: Nearest) => [
      `${d.option} is not a variable of etcd. etcd ignores it.`,
      d.nearest === null ? 'Remove it.' : `Write ${d.nearest} if you mean that.`,
    ]),
  },
  'config/protection-ignored': {
    key: error((d: ProtectionIgnored) => [
      `${d.option} is not a key of etcd there. etcd ignores it${fallbackClause(d)}.`,
      keyRemedy(d),
    ]),
    variable: error((d: ProtectionIgnored) => [
      `${d.option} is not a variable of etcd. etcd ignores it${fallbackClause(d)}.`,
      d.belongs === null ? `Write ${d.nearest ?? 'another name'} if you mean that.` : fileRemedy(d.belongs),
    ]),
    'nested keys': error((d: ConfigPlace & { keys: string[] }) => [
      `${d.option} is not a key of etcd. etcd ignores everything in it: ${listed(d.keys)}.`,
      `Remove "${d.option}", and move its keys to the top level, with less indentation.`,
    ]),
  },
  'config/option-not-in-version': error((d: OptionNotInVersion) => [
    `${d.option} ${notInVersion(d)}`,
    otherVersion(d),
  ]).refusedAs([{ ...NO_SUCH_FLAG, when: ({ form, since }) => form === 'flags' && since.length > 0 }]),
  'config/option-of-other-version': info((d: ConfigPlace & { version: string; lines: string[] }) => [
    `${d.option} is not ${d.option.startsWith('ETCD_') ? 'a variable' : 'a key'} of etcd ${d.version}; it is one of ${listed(d.lines)}. etcd ignores it.`,
    'Remove it.',
  ]),
  'config/one-value-only': error(
    (d: ConfigPlace & { version: string; count: number; since: string[]; isList: boolean }) => [
      d.isList
        ? `${d.option} is a list; etcd ${d.version} takes one string there.`
        : `${d.option} has ${String(d.count)} values. ${isRelease(d.version) ? `etcd ${d.version} reads them as one` : `Not every etcd ${d.version} takes more than one`}.`,
      isRelease(d.version)
        ? `${d.isList ? 'Write one string' : 'Keep one value'}, or update etcd to ${releases(d.since)}.`
        : `Keep one value, or set the version to the release that you run, if it is ${releases(d.since)}.`,
    ],
  ),
  'config/value-type': {
    type: error((d: ConfigPlace & { wants: string; has: string; value?: string }) => [
      `${d.option} must be ${d.wants}; it is ${d.has}.`,
      typeRemedy(d),
    ]).refusedAs({
      etcd: 'json: cannot unmarshal … into Go … of type …',
    }),
    'no list': error((d: ConfigPlace & { since: string[] }) => [
      `${d.option} is a string; etcd requires a list there since ${listed(d.since, 'a later release')}.`,
      'Write it as a list: "[NAME]".',
    ]).refusedAs({
      etcd: 'json: cannot unmarshal string into Go struct field securityConfig….allowed-cn of type []string',
    }),
    'empty block': error((d: ConfigPlace & { version: string }) => [
      `${d.option} is empty, which etcd ${d.version} refuses.`,
      `Remove the line "${d.option}:", or write "${d.option}: {}".`,
    ]).refusedAs({ etcd: 'invalid peer-transport-security' }),
  },
  'config/value-invalid': {
    refused: error((d: ValueInvalid) => [
      `${d.option} is "${d.value}"; it must be ${d.wants}. etcd does not start with it.`,
      `Write ${d.wants.replace(' unless ', ', or let ').replace(' names exactly', ' name exactly')}.`,
    ]).refusedAs([
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
    ]),
    'refuses logins': error((d: ValueInvalid) => [
      `${d.option} is "${d.value}"; it must be ${d.wants}. etcd starts with it, and refuses every login.`,
      `Write ${d.wants}.`,
    ]),
    'not used': warning((d: ValueInvalid) => [
      `${d.option} is "${d.value}". etcd starts with it, and uses the default instead.`,
      `Write ${d.wants}.`,
    ]),
    'not writable': error((d: ValueInvalid) => [
      `${d.option} cannot be "${d.value}": it ${d.wants}.`,
      `Set ${d.option} to another value.`,
    ]),
    'empty list': error((d: ConfigPlace) => [
      `${d.option} is an empty list.`,
      `Add an entry to ${d.option}, or remove the option.`,
    ]),
    'relative path': error((d: ConfigPlace & { value: string }) => [
      `${d.option} is the relative path "${d.value}".`,
      'Write an absolute path, for example "/etc/etcd/server.crt".',
    ]),
  },
  'config/url-invalid': error((d: ConfigPlace & { url: string; reason: string }) => [
    `${d.option} has "${d.url}": it ${d.reason}.`,
    'Write only scheme, host and port, for example "https://10.0.0.1:2379" or "https://[2001:db8::1]:2379".',
  ]).refusedAs({
    etcd: [
      'URL must not contain a path: …',
      'URL scheme must be http, https, unix, or unixs: …',
      'URL address does not have the form "host:port": …',
      'expected IP in URL for binding (…)',
      'invalid character "…" in host name',
      'invalid URL escape "…"',
    ],
  }),
  'config/cipher-suites-unfit': {
    unknown: error((d: ConfigPlace & { suites: string[]; suggestions: string[] }) => [
      `${d.option} has ${quoted(d.suites)}, which this etcd does not know.`,
      d.suggestions.length === 0
        ? `${removeFrom(d.suites)} Write only suites that Go knows.`
        : `Write ${listed(d.suggestions)}${d.suites.length > d.suggestions.length ? ', and remove the others' : ''}.`,
    ]).refusedAs({ etcd: 'unexpected TLS cipher suite "…"' }),
    // `isAlone`: the list has no other suite.
    weak: warning((d: ConfigPlace & { suites: string[]; isAlone: boolean }) => [
      `${d.option} has ${listed(d.suites)}, which Go calls insecure.`,
      `${removeFrom(d.suites)} Every client of etcd supports ECDHE with AES-GCM or ChaCha20-Poly1305.`,
    ]).or('error', ({ isAlone }) => isAlone),
    'no HTTP/2': error((d: ConfigPlace) => [
      `${d.option} lacks a suite that HTTP/2 requires.`,
      `Add ${suiteFor('ECDSA')} or ${suiteFor('RSA')}, the one that matches the key of the certificate.`,
    ]).refusedAs({ etcd: 'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher' }),
    'TLS 1.2': info((d: CertificateUnfit) => [
      `${d.option} ${noSuite(d)}, so TLS 1.2 does not work there.`,
      `Add ${suiteFor(d.algorithm)}, or allow only TLS 1.3, without a list.`,
    ]).refusedAs({ Go: NO_COMMON_SUITE }),
    'all versions': error((d: CertificateUnfit) => [
      `${d.option} ${noSuite(d)}, so no client can connect.`,
      `Add ${suiteFor(d.algorithm)}.`,
    ]).refusedAs({ Go: NO_COMMON_SUITE }),
  },
}

function notInVersion(d: OptionNotInVersion): string {
  const { version, form, since, until } = d
  const cannot = `cannot be set by ${FORM_NAMES[form]} for etcd ${version}`
  if (since.length === 0) return `${cannot}.`
  if (isRemoved(d)) return `${cannot}: it was removed in ${until ?? ''}.`
  if (isRelease(version)) return `${cannot}: it was added in ${listed(since, 'a later release')}.`
  return `is not in every etcd ${version} by ${FORM_NAMES[form]}${until === null ? '' : `; it was removed in ${until}`}.`
}

function otherVersion(d: OptionNotInVersion): string {
  const { version, since, until, forms, form, instead } = d
  const named = listed(forms.map((each) => FORM_NAMES[each]))
  if (since.length === 0)
    return forms.length === 0
      ? 'Remove the option, or run a version of etcd that has it.'
      : `Use another form: ${named} can set it.`
  const others = forms.length === 0 ? '' : `use ${named}, which can set it`
  if (!isRelease(version))
    return `Set the version to the release that you run, if it is ${releases(since)}${until === null ? '' : ` and older than ${until}`}${others === '' ? '' : `, or ${others}`}; or update etcd.`
  if (instead !== undefined) return `Write ${instead}.`
  const does = form === 'flags' ? 'etcd does not start with it' : 'etcd ignores it'
  return `${isRemoved(d) ? 'R' : `Update etcd to ${releases(since)}, or r`}emove it: ${does}${others === '' ? '' : `. Or ${others}`}.`
}

/** True for `3.5.16`, false for a release line such as `3.5`. */
function isRelease(version: string): boolean {
  return version.split('.').length === 3
}

function isRemoved({ version, until }: { version: string; until: string | null }): boolean {
  return isRelease(version) && until !== null && version.localeCompare(until, 'en', { numeric: true }) >= 0
}

function nearestRemedy(nearest: string | null, otherwise = 'Remove it.'): string {
  return nearest === null ? otherwise : `Write "${nearest}" if you mean that.`
}

function keyRemedy({ nearest, belongs }: OptionIgnored): string {
  if (belongs === null) return nearestRemedy(nearest)
  const [key = '', block] = belongs.split('.').toReversed()
  return block === undefined
    ? `Move it out to the top level, as "${key}", without indentation.`
    : `Move it into "${block}", as "${key}".`
}

function fileRemedy(key: string): string {
  return `Write "${key}" in a configuration file (--config-file), with all other options: etcd has no flag and no variable for it.`
}

function fallbackClause({ uses }: { uses?: string }): string {
  return uses === undefined ? ', so it protects nothing' : ` and uses ${uses}`
}

/** The remedy for a value of the wrong type in a file. */
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

function removeFrom(suites: readonly string[]): string {
  return `Remove ${verb(suites, 'it', 'them')} from the list.`
}

function noSuite({ algorithm, subject, cert }: CertificateUnfit): string {
  return `has no suite for the ${algorithm} key of "${subject}" (${cert})`
}

function suiteFor(algorithm: string): string {
  return `TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256`
}
