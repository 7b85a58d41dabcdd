/** Findings about reading a configuration of etcd: a file, flags, variables, a systemd unit, a pod's manifest. */
import { row } from '../row.js'
import { type ConfigPlace, listed, placed } from './config-place.js'
import { octets } from './place.js'

const BOOLEAN = 'true or false'
const TLS_VERSION = 'TLS1.2 or TLS1.3'
const NUMBERS = /^a (?:whole number|duration)/

/** Where a text came from, as far as it has a name. */
function theText(file: string | null): string {
  return file === null ? 'The configuration' : `The file ${file}`
}

export const configReading = {
  'config/too-large': row<{ file: string | null; octets: number; limit: number }>({
    severity: 'error',
    meaning: 'A text that is many times longer than any configuration of etcd is not read.',
    source: 'a limit of this package',
    message: (details) =>
      `${theText(details.file)} has ${octets(details.octets)}; at most ${octets(details.limit)} are read.`,
    remedy: () => 'Check that it is the right file, and hand over the configuration alone.',
  }),
  'config/too-dense': row<{ file: string | null; marks: number; limit: number }>({
    severity: 'error',
    meaning:
      'A text has so many keys, brackets or anchors for its length that it is no configuration, but made to keep a reader busy.',
    source: 'a limit of this package: 1,000 marks of YAML and one more for every 12 octets',
    message: ({ file, marks, limit }) =>
      `${theText(file)} has ${marks.toLocaleString('en-US')} marks of YAML; at most ${limit.toLocaleString('en-US')} are read in a text of its length.`,
    remedy: () => 'Check that it is the right file.',
  }),
  'config/not-text': row<{ file: string | null; is: 'UTF-16' | 'binary' }>({
    severity: 'error',
    meaning: 'A configuration is text in UTF-8, and this one is something else.',
    source: 'YAML 1.2.2 section 5.2; systemd.syntax(7)',
    message: ({ file, is }) =>
      `${theText(file)} is ${is === 'UTF-16' ? 'text in UTF-16' : 'no text: it has control characters'}.`,
    remedy: ({ file }) =>
      `Save it as UTF-8, as with "iconv -f UTF-16 -t UTF-8 ${file ?? 'FILE'}", or name another file.`,
  }),
  'config/yaml-malformed': row<ConfigPlace & { reason: string }>({
    severity: 'error',
    meaning: 'The text is no YAML, so etcd does not start with it.',
    source: 'YAML 1.2.2; server/embed/config.go v3.5.16 configFromFile',
    refusals: [{ by: 'etcd', words: 'error converting YAML to JSON: yaml: …' }],
    message: (details) => `${placed(details)} is no YAML: ${details.reason}`,
    remedy: () => 'Mend that line: indent by spaces, and quote values that begin with a mark of YAML.',
  }),
  'config/yaml-excessive': row<ConfigPlace & { reason: 'aliases' | 'nesting' }>({
    severity: 'error',
    meaning:
      'Aliases or brackets within each other would grow into more than any reader takes; etcd refuses such aliases, too.',
    source: 'go.yaml.in/yaml/v2 decode.go: "document contains excessive aliasing"',
    refusals: [
      {
        by: 'etcd',
        words: 'yaml: document contains excessive aliasing',
        when: ({ reason }) => reason === 'aliases',
      },
    ],
    message: (details) =>
      `${placed(details)} has ${details.reason === 'aliases' ? 'aliases of aliases that grow beyond measure' : 'too many levels within each other'}.`,
    remedy: () => 'Write the values out; a configuration of etcd needs two levels.',
  }),
  'config/yaml-several-documents': row<ConfigPlace & { documents: number }>({
    severity: 'warning',
    meaning: 'Etcd reads the first document of a file, and passes over what stands after the line "---" in silence.',
    source: 'go.yaml.in/yaml/v2 Unmarshal; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} begins another document, of ${String(details.documents)} in all, and etcd reads the first alone.`,
    remedy: () => 'Put everything into one document: take the line "---" out.',
  }),
  'config/value-type': row<ConfigPlace & { wants: string; has: string }>({
    severity: 'error',
    meaning:
      'A value of YAML has another type than etcd takes there, such as a quoted "true", a number for a name, or a list where a text with commas is meant.',
    source: 'server/embed/config.go v3.5.16 configJSON, securityConfig; sigs.k8s.io/yaml v1.2.0',
    refusals: [{ by: 'etcd', words: 'json: cannot unmarshal … into Go struct field … of type …' }],
    message: (details) => `${placed(details)} must be ${details.wants}, and is ${details.has}.`,
    remedy: ({ wants }) =>
      `Write ${wants}: true and false without quotes, texts with quotes where they look otherwise.`,
  }),
  'config/value-malformed': row<ConfigPlace & { value: string; wants: string }>({
    severity: 'error',
    meaning: 'A value cannot be read as what the option takes, so etcd does not start.',
    source:
      'Go flag, strconv.ParseBool; pkg/flags/selective_string.go v3.5.16; server/embed/config.go v3.5.16 Validate',
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
    ],
    message: (details) => `${placed(details)} is "${details.value}", and must be ${details.wants}.`,
    remedy: ({ wants }) => `Write ${wants}.`,
  }),
  'config/key-repeated': row<ConfigPlace & { firstLine: number }>({
    severity: 'warning',
    meaning:
      'A key stands twice in one mapping. Etcd takes the last one and says nothing; of a block, everything in the first is lost.',
    source: 'go.yaml.in/yaml/v2, not strict; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} stands already on line ${String(details.firstLine)}, which is not in force.`,
    remedy: () => 'Put both together, or take one out.',
  }),
  'config/flag-repeated': row<ConfigPlace & { firstLine: number | null; value: string }>({
    severity: 'warning',
    meaning: 'A flag is given twice with different values. The last one is in force.',
    source: 'Go flag',
    message: (details) => `${placed(details)} is given twice, and "${details.value}" is in force.`,
    remedy: () => 'Take one of them out.',
  }),
  'config/key-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'warning',
    meaning: 'Etcd passes over keys that it does not know, without a word.',
    source: 'server/embed/config.go v3.5.16 configFromFile: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is no key that etcd knows, so it does nothing.`,
    remedy: ({ nearest }) => (nearest === null ? 'Take it out.' : `Write "${nearest}" if that is meant.`),
  }),
  'config/tls-key-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'error',
    meaning:
      'Etcd passes over keys that it does not know, without a word, so what this key should protect is not protected.',
    source: 'server/embed/config.go v3.5.16 securityConfig: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is no key that etcd knows there, so it protects nothing.`,
    remedy: ({ nearest }) => (nearest === null ? 'Take it out.' : `Write "${nearest}" if that is meant.`),
  }),
  'config/key-of-other-version': row<ConfigPlace & { version: string; lines: string[] }>({
    severity: 'info',
    meaning: 'Other releases of etcd know the key; this one passes over it without a word.',
    source: 'server/embed/config.go v3.4.34, v3.5.33, v3.6.14, v3.7.1',
    message: (details) =>
      `${placed(details)} is no key of etcd ${details.version}; it is one of ${listed(details.lines)}.`,
    remedy: () => 'Take it out.',
  }),
  'config/flag-unknown': row<ConfigPlace & { nearest: string | null; lines: string[] }>({
    severity: 'error',
    meaning: 'Etcd does not start with a flag that it does not know.',
    source: 'Go flag; server/etcdmain/config.go of each line',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) =>
      `${placed(details)} is no flag of this etcd${details.lines.length === 0 ? '' : `; ${listed(details.lines)} had it`}.`,
    remedy: ({ nearest }) => (nearest === null ? 'Take it out.' : `Write "${nearest}" if that is meant.`),
  }),
  'config/flag-value-missing': row<ConfigPlace>({
    severity: 'error',
    meaning: 'A flag needs a value and has none.',
    source: 'Go flag',
    refusals: [{ by: 'Go', words: 'flag needs an argument: -…' }],
    message: (details) => `${placed(details)} has no value.`,
    remedy: ({ option }) => `Write ${option}=VALUE.`,
  }),
  'config/argument-left-over': row<ConfigPlace & { argument: string; after: string | null }>({
    severity: 'error',
    meaning:
      'A word that belongs to no flag ends the reading of flags, and etcd. Flags that are true or false take their value after "=" alone.',
    source: 'Go flag; server/etcdmain/config.go v3.5.16 parse',
    refusals: [{ by: 'etcd', words: "'…' is not a valid flag" }],
    message: (details) => `${placed(details)}: the word "${details.argument}" belongs to no flag.`,
    remedy: ({ argument, after }) =>
      after === null ? 'Take it out, or quote what it belongs to.' : `Write "${after}=${argument}".`,
  }),
  'config/variable-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'warning',
    meaning: 'Etcd passes over variables that it does not know, with a line in its log.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    message: (details) => `${placed(details)} is no variable that etcd knows, so it does nothing.`,
    remedy: ({ nearest }) => (nearest === null ? 'Take it out.' : `Write ${nearest} if that is meant.`),
  }),
  'config/variable-exported': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'A line of an EnvironmentFile begins with "export", as for a shell. Systemd passes over such a line, so etcd is not told the option.',
    source: 'systemd.exec(5) EnvironmentFile=; systemd src/basic/env-file.c; systemd 257, run',
    message: (details) => `${placed(details)} stands after "export", which systemd passes over: it is not set.`,
    remedy: ({ option }) => `Write "${option}=…" without "export".`,
  }),
  'config/flag-and-variable': row<ConfigPlace & { variable: string }>({
    severity: 'error',
    meaning: 'An option is given by a flag and by a variable, and etcd ends at that, also where both say the same.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    refusals: [
      { by: 'etcd', words: 'conflicting environment variable is shadowed by corresponding command-line flag' },
    ],
    message: (details) => `${placed(details)} is given by ${details.variable} as well.`,
    remedy: ({ option, variable }) => `Keep one of ${option} and ${variable}.`,
  }),
  'config/ignored-beside-file': row<ConfigPlace & { configFile: string }>({
    severity: 'warning',
    meaning: 'Beside a configuration file, etcd ignores all other flags and variables.',
    source: 'server/etcdmain/config.go v3.5.16 parse; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is not in force, since etcd is given the file ${details.configFile}.`,
    remedy: () => 'Write it into the file, or take --config-file away.',
  }),
  'config/crl-not-in-force': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'A configuration file cannot name a revocation list, and beside such a file the flag is ignored, so revoked certificates are let in.',
    source: 'server/embed/config.go v3.5.16, v3.6.14 securityConfig: no key for CRLFile; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is not in force: etcd reads a revocation list from flags or variables alone.`,
    remedy: () =>
      'Give all options by flags or variables, without --config-file, with --client-crl-file and --peer-crl-file among them.',
  }),
  'config/value-unresolved': row<ConfigPlace & { value: string }>({
    severity: 'info',
    meaning: 'A value is put together elsewhere: from variables, templates or specifiers. It was not judged.',
    source: 'a rule of this package',
    message: (details) => `${placed(details)} is "${details.value}", which is completed elsewhere, and was not judged.`,
    remedy: () => 'Hand over the finished configuration, as from /proc/PID/cmdline, to have it judged.',
  }),
  'config/no-etcd': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning: 'Nothing here starts etcd, so there was nothing to judge.',
    source: 'a rule of this package',
    message: ({ file, looked }) => `${theText(file)} starts no etcd: ${looked}.`,
    remedy: () => 'Hand over what starts etcd: its configuration file, flags, variables, unit or pod.',
  }),
}
