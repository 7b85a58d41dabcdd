/** Findings about reading a configuration of etcd: a file, a systemd unit, a pod’s manifest; and of those about commands. */
import { row } from '../row.js'
import { configCommand } from './config-command.js'
import { type ConfigPlace, placed } from './config-place.js'
import { listed, quoted } from '../words.js'
import { inShell, octets } from './place.js'

const BOOLEAN = 'true or false'
const TLS_VERSION = 'TLS1.2 or TLS1.3'
const NUMBERS = /^a (?:whole number|duration)/

function notText(is: 'UTF-16' | 'other octets' | 'binary', line: number | null): string {
  if (is === 'UTF-16') return 'is text in UTF-16'
  const where = line === null ? '' : `, on line ${String(line)}`
  return is === 'binary' ? `has a control character${where}` : `is not in UTF-8${where}`
}

const NOT_READ = {
  'files are not read': 'readFiles is false',
  'path not known': 'its path is assembled elsewhere',
  'not on this machine': 'the configuration says that it is not on this machine',
}

function there({ belongs }: { belongs: string | null }): string {
  return belongs === null ? '' : ' there'
}

/** `belongs` is the place where etcd knows the key: a path with dots. */
function keyRemedy({ nearest, belongs }: { nearest: string | null; belongs: string | null }): string {
  if (belongs !== null) {
    const [key = '', block] = belongs.split('.').toReversed()
    return block === undefined
      ? `Move it out to the top level, as "${key}", without indentation.`
      : `Move it into "${block}", as "${key}".`
  }
  return nearest === null ? 'Remove it.' : `Write "${nearest}" if you mean that.`
}

/** The file, or the configuration if it has no name. */
function theText(file: string | null): string {
  return file === null ? 'The configuration' : `The file ${file}`
}

export const configReading = {
  ...configCommand,
  'config/too-large': row<{ file: string | null; octets: number; limit: number }>({
    severity: 'error',
    meaning: 'The file is many times longer than any configuration of etcd. It was not read.',
    source: 'a limit of this package',
    message: (details) =>
      `${theText(details.file)} has ${octets(details.octets)}; at most ${octets(details.limit)} are read.`,
    remedy: () => 'Check that it is the right file, and pass only the configuration.',
  }),
  'config/files-too-large': row<{ file: string; octets: number; limit: number }>({
    severity: 'error',
    meaning:
      'The files that a configuration reads variables from are together many times longer than any configuration of etcd. The rest was not read.',
    source: 'a limit of this package',
    message: (details) =>
      `With ${details.file}, the files that the configuration reads variables from have ${octets(details.octets)} together; at most ${octets(details.limit)} are read.`,
    remedy: () => 'Check that they are the right files, and keep only the variables of etcd in them.',
  }),
  'config/too-dense': row<{ file: string | null; marks: number; limit: number }>({
    severity: 'error',
    meaning:
      'The file has too many keys, brackets or anchors for its length. Such a file is not a configuration; it keeps a parser busy.',
    source: 'a limit of this package: 6,000 indicators of YAML, or 1,000 and one more for every 12 bytes',
    message: ({ file, marks, limit }) =>
      `${theText(file)} has too many lines, brackets, commas and colons for its length: ${marks.toLocaleString('en-US')}, and at most ${limit.toLocaleString('en-US')} are read.`,
    remedy: () => 'Check that it is the right file, and pass only the part that starts etcd.',
  }),
  'config/not-text': row<{ file: string | null; is: 'UTF-16' | 'other octets' | 'binary'; line: number | null }>({
    severity: 'error',
    meaning:
      'A configuration must be UTF-8. Etcd does not read a file with bytes of another encoding or with control characters.',
    source: 'YAML 1.2.2 section 5.2; systemd.syntax(7); go.yaml.in/yaml/v2 readerc.go',
    refusals: [
      { by: 'etcd', words: 'yaml: invalid leading UTF-8 octet', when: ({ is }) => is === 'other octets' },
      { by: 'etcd', words: 'yaml: control characters are not allowed', when: ({ is }) => is === 'binary' },
    ],
    message: ({ file, is, line }) => `${theText(file)} ${notText(is, line)}.`,
    remedy: ({ file, is, line }) => {
      if (is === 'binary')
        return line === null ? 'Pass another file.' : `Remove the character from line ${String(line)}.`
      const from = is === 'UTF-16' ? is : 'ISO-8859-1'
      return `Save it as UTF-8, for example with "iconv -f ${from} -t UTF-8 ${inShell({ file })}", or pass another file.`
    },
  }),
  'config/yaml-malformed': row<ConfigPlace & { reason: string; fix: string }>({
    severity: 'error',
    meaning: 'The file is not valid YAML. Etcd does not start with it.',
    source: 'YAML 1.2.2; server/embed/config.go v3.5.16 configFromFile',
    refusals: [{ by: 'etcd', words: 'error converting YAML to JSON: yaml: …' }],
    message: (details) => `${placed(details)} is not valid YAML: ${details.reason}`,
    remedy: ({ fix }) => fix,
  }),
  'config/yaml-excessive': row<ConfigPlace & { reason: 'aliases' | 'nesting' }>({
    severity: 'error',
    meaning: 'Nested aliases or brackets would grow beyond the limit of any parser. Etcd refuses such aliases, too.',
    source: 'go.yaml.in/yaml/v2 decode.go: "document contains excessive aliasing"',
    refusals: [
      {
        by: 'etcd',
        words: 'yaml: document contains excessive aliasing',
        when: ({ reason }) => reason === 'aliases',
      },
    ],
    message: (details) =>
      `${placed(details)} ${details.reason === 'aliases' ? 'has nested aliases that grow beyond the limit' : 'is nested too deep'}.`,
    remedy: ({ reason }) =>
      reason === 'aliases'
        ? 'Write the values without aliases.'
        : 'Use fewer levels; a configuration of etcd needs two.',
  }),
  'config/yaml-several-documents': row<ConfigPlace & { documents: number }>({
    severity: 'warning',
    meaning: 'Etcd reads the first document of a file and ignores everything after the line "---" without a message.',
    source: 'go.yaml.in/yaml/v2 Unmarshal; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} begins another document of ${String(details.documents)}. Etcd reads only the first one.`,
    remedy: () => 'Remove the line "---", so that everything is in one document.',
  }),
  'config/value-type': row<ConfigPlace & { wants: string; has: string }>({
    severity: 'error',
    meaning:
      'A YAML value has another type than etcd accepts there, for example a quoted "true", a number for a name, or a list instead of a string with commas.',
    source: 'server/embed/config.go v3.5.16 configJSON, securityConfig; sigs.k8s.io/yaml v1.2.0',
    refusals: [{ by: 'etcd', words: 'json: cannot unmarshal … into Go … of type …' }],
    message: (details) => `${placed(details)} must be ${details.wants}; it is ${details.has}.`,
    remedy: ({ wants }) =>
      wants === 'a string' ? 'Write one string, in quotes if it looks like a number or a boolean.' : `Write ${wants}.`,
  }),
  'config/value-malformed': row<ConfigPlace & { value: string; wants: string }>({
    severity: 'error',
    meaning: 'The option does not accept the value. Etcd does not start.',
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
      {
        by: 'etcd',
        words: 'json: cannot unmarshal number … into Go struct field … of type …',
        when: ({ wants, option }) => !/^(?:-|ETCD_)/.test(option) && NUMBERS.test(wants),
      },
    ],
    message: (details) =>
      `${placed(details)} is "${details.value}"; it must be ${details.wants}. Etcd does not start with it.`,
    remedy: ({ wants }) => `Write ${wants}.`,
  }),
  'config/key-repeated': row<ConfigPlace & { firstLine: number }>({
    severity: 'warning',
    meaning:
      'A key occurs twice in one mapping. Etcd uses the last one without a message; if the key is a block, everything in the first block is lost.',
    source: 'go.yaml.in/yaml/v2, not strict; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is set already on line ${String(details.firstLine)}. Etcd ignores that line.`,
    remedy: () => 'Merge both, or remove one.',
  }),
  'config/key-unknown': row<ConfigPlace & { nearest: string | null; belongs: string | null }>({
    severity: 'warning',
    meaning: 'Etcd ignores unknown keys without a message.',
    source: 'server/embed/config.go v3.5.16 configFromFile: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is not a key of etcd${there(details)}. Etcd ignores it.`,
    remedy: keyRemedy,
  }),
  'config/tls-key-unknown': row<ConfigPlace & { nearest: string | null; belongs: string | null }>({
    severity: 'error',
    meaning: 'Etcd ignores unknown keys without a message. The protection that this key should configure is missing.',
    source: 'server/embed/config.go v3.5.16 securityConfig: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is not a key of etcd there. Etcd ignores it, so it protects nothing.`,
    remedy: keyRemedy,
  }),
  'config/keys-too-deep': row<ConfigPlace & { keys: string[] }>({
    severity: 'error',
    meaning:
      'Options of etcd are nested in an unknown key. Etcd ignores all of them without a message and runs with its defaults.',
    source: 'server/embed/config.go v3.5.16 configFromFile: not strict; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is not a key of etcd. Etcd ignores everything in it: ${listed(details.keys)}.`,
    remedy: ({ option }) => `Remove "${option}", and move its keys to the top level, with less indentation.`,
  }),
  'config/key-of-other-version': row<ConfigPlace & { version: string; lines: string[] }>({
    severity: 'info',
    meaning: 'Other releases of etcd know the key. This release ignores it without a message.',
    source: 'server/embed/config.go v3.4.34, v3.5.33, v3.6.14, v3.7.1',
    message: (details) =>
      `${placed(details)} is not a key of etcd ${details.version}; it is a key of ${listed(details.lines)}.`,
    remedy: () => 'Remove it.',
  }),
  'config/nothing-set': row<{ file: string | null }>({
    severity: 'warning',
    meaning:
      'No option is set. Etcd starts with its defaults: plaintext for every user of this machine, and no other member.',
    source: 'server/embed/config.go v3.5.16 NewConfig',
    message: ({ file }) =>
      `${theText(file)} sets no option of etcd. Etcd serves plaintext on http://localhost:2379, for this machine only.`,
    remedy: () => 'Check that it is the right file, or set name, URLs, certificates and CAs.',
  }),
  'config/one-of-several': row<ConfigPlace & { members: string[]; member: string | null }>({
    severity: 'error',
    meaning:
      'A manifest or a Compose file starts several etcds, and the call does not name the one to lint. None is linted.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} is one of ${String(details.members.length)} etcds: ${listed(details.members)}${details.member === null ? '' : `; none is "${details.member}"`}. None was linted.`,
    remedy: ({ members }) =>
      `Pass "${members[0] ?? ''}" or another of them as option "member", or call lintEtcdConfigs for all.`,
  }),
  'config/crl-not-in-force': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'A configuration file cannot name a CRL, and next to such a file etcd ignores the flag. Etcd accepts revoked certificates.',
    source: 'server/embed/config.go v3.5.16, v3.6.14 securityConfig: no key for CRLFile; etcd 3.5.16, run',
    message: (details) => `${placed(details)} has no effect: etcd takes a CRL only from flags or variables.`,
    remedy: () =>
      'Set all options by flags or variables, without --config-file, and add --client-crl-file and --peer-crl-file.',
  }),
  'config/crl-undocumented': row<ConfigPlace>({
    severity: 'info',
    meaning:
      'A configuration file has no documented key for a CRL. ClientTLSInfo and PeerTLSInfo are fields of a Go struct; their CRLFile is in force, and a later release may drop it.',
    source: 'server/embed/config.go v3.5.16 Config.ClientTLSInfo, PeerTLSInfo, copySecurityDetails; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is in force, although etcd does not document it.`,
    remedy: () => 'Keep it, and verify after each update of etcd that a revoked certificate is refused.',
  }),
  'config/value-unresolved': row<ConfigPlace & { value: string }>({
    severity: 'info',
    meaning: 'The value is assembled elsewhere, from variables, templates or specifiers. It was not checked.',
    source: 'a rule of this package',
    message: (details) => `${placed(details)} is "${details.value}", which is assembled elsewhere. It was not checked.`,
    remedy: () => 'Pass the finished configuration, for example /proc/PID/cmdline, to have it checked.',
  }),
  'config/file-not-read': row<
    ConfigPlace & { path: string; why: 'files are not read' | 'path not known' | 'not on this machine' }
  >({
    severity: 'warning',
    meaning:
      'Etcd takes its whole configuration from a file that was not read: it is in a container, a Secret or a volume, its path is assembled elsewhere, or readFiles is false. Nothing was checked.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} names ${details.path}, which was not read, so nothing in it was checked: ${NOT_READ[details.why]}.`,
    remedy: () => 'Pass that file as { file } or { yaml } to have it checked.',
  }),
  'config/variables-not-read': row<ConfigPlace & { from: string }>({
    severity: 'info',
    meaning:
      'Variables come from a source that was not read: a ConfigMap or Secret that is not in the manifest, or a file. They were not checked.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} takes variables from ${details.from}, which was not read. They were not checked.`,
    remedy: () =>
      'Pass the finished configuration, for example /proc/PID/cmdline and /proc/PID/environ, to have it checked.',
  }),
  'config/volume-undefined': row<ConfigPlace & { names: string[]; by: 'Kubernetes' | 'Compose' }>({
    severity: 'error',
    meaning:
      'A container mounts a volume that its pod, or the Compose file, does not define. Kubernetes refuses the pod, and Compose the file, so etcd does not start.',
    source: 'Kubernetes API: volumeMounts of a container; Compose specification: volumes',
    message: (details) =>
      `${placed(details)} mounts ${quoted(details.names)}, which ${details.names.length === 1 ? 'is' : 'are'} not defined: ${details.by} refuses that.`,
    remedy: ({ names, by }) =>
      `Define ${quoted(names)} under "volumes" of ${by === 'Compose' ? 'the Compose file' : 'the pod'}, or correct the name.`,
  }),
  'config/no-etcd': row<{ file: string | null; looked: string }>({
    severity: 'error',
    meaning: 'The input does not start etcd, so nothing was checked.',
    source: 'a rule of this package',
    message: ({ file, looked }) => `${theText(file)} does not start etcd: ${looked}.`,
    remedy: () => 'Pass what starts etcd: its configuration file, flags, variables, unit or pod.',
  }),
}
