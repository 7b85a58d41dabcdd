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
  return is === 'binary' ? `has a control character${where}, as no text has` : `is not in UTF-8${where}`
}

const NOT_READ = {
  'files are not read': 'readFiles is false',
  'path not known': 'its path is completed elsewhere',
  'not on this machine': 'it is not on this machine, as the configuration has it',
}

function there({ belongs }: { belongs: string | null }): string {
  return belongs === null ? '' : ' there'
}

/** `belongs` is where a key is known that is right in itself: a path with dots. */
function keyRemedy({ nearest, belongs }: { nearest: string | null; belongs: string | null }): string {
  if (belongs !== null) {
    const [key = '', block] = belongs.split('.').toReversed()
    return block === undefined
      ? `Move it out to the top level, as "${key}", without indentation.`
      : `Move it into "${block}", as "${key}".`
  }
  return nearest === null ? 'Take it out.' : `Write "${nearest}" if that is meant.`
}

/** Where a text came from, as far as it has a name. */
function theText(file: string | null): string {
  return file === null ? 'The configuration' : `The file ${file}`
}

export const configReading = {
  ...configCommand,
  'config/too-large': row<{ file: string | null; octets: number; limit: number }>({
    severity: 'error',
    meaning: 'A text that is many times longer than any configuration of etcd is not read.',
    source: 'a limit of this package',
    message: (details) =>
      `${theText(details.file)} has ${octets(details.octets)}; at most ${octets(details.limit)} are read.`,
    remedy: () => 'Check that it is the right file, and hand over the configuration alone.',
  }),
  'config/files-too-large': row<{ file: string; octets: number; limit: number }>({
    severity: 'error',
    meaning:
      'The files that a configuration takes variables from are together many times longer than any configuration of etcd; the rest of them is not read.',
    source: 'a limit of this package',
    message: (details) =>
      `With ${details.file}, the files that the configuration takes variables from have ${octets(details.octets)} together; at most ${octets(details.limit)} are read.`,
    remedy: () => 'Check that they are the right files, and keep in them what etcd needs.',
  }),
  'config/too-dense': row<{ file: string | null; marks: number; limit: number }>({
    severity: 'error',
    meaning:
      'A text has so many keys, brackets or anchors for its length that it is no configuration, but made to keep a reader busy.',
    source: 'a limit of this package: 6,000 marks of YAML, or 1,000 and one more for every 12 octets',
    message: ({ file, marks, limit }) =>
      `${theText(file)} has too many lines, brackets, commas and colons for its length: ${marks.toLocaleString('en-US')}, and at most ${limit.toLocaleString('en-US')} are read.`,
    remedy: () => 'Check that it is the right file, and hand over the part alone that starts etcd.',
  }),
  'config/not-text': row<{ file: string | null; is: 'UTF-16' | 'other octets' | 'binary'; line: number | null }>({
    severity: 'error',
    meaning:
      'A configuration is text in UTF-8, and this one is something else. Etcd reads no file with octets of another encoding, or with control characters.',
    source: 'YAML 1.2.2 section 5.2; systemd.syntax(7); go.yaml.in/yaml/v2 readerc.go',
    refusals: [
      { by: 'etcd', words: 'yaml: invalid leading UTF-8 octet', when: ({ is }) => is === 'other octets' },
      { by: 'etcd', words: 'yaml: control characters are not allowed', when: ({ is }) => is === 'binary' },
    ],
    message: ({ file, is, line }) => `${theText(file)} ${notText(is, line)}.`,
    remedy: ({ file, is, line }) => {
      if (is === 'binary')
        return line === null ? 'Name another file.' : `Take the character out of line ${String(line)}.`
      const from = is === 'UTF-16' ? is : 'ISO-8859-1'
      return `Save it as UTF-8, as with "iconv -f ${from} -t UTF-8 ${inShell({ file })}", or name another file.`
    },
  }),
  'config/yaml-malformed': row<ConfigPlace & { reason: string; mend: string }>({
    severity: 'error',
    meaning: 'The text is no YAML, so etcd does not start with it.',
    source: 'YAML 1.2.2; server/embed/config.go v3.5.16 configFromFile',
    refusals: [{ by: 'etcd', words: 'error converting YAML to JSON: yaml: …' }],
    message: (details) => `${placed(details)} is no YAML: ${details.reason}`,
    remedy: ({ mend }) => mend,
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
      `${placed(details)} ${details.reason === 'aliases' ? 'has aliases of aliases that grow beyond measure' : 'is nested too deep to be read here'}.`,
    remedy: ({ reason }) =>
      reason === 'aliases' ? 'Write the values out.' : 'Write fewer levels; a configuration of etcd needs two.',
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
    refusals: [{ by: 'etcd', words: 'json: cannot unmarshal … into Go … of type …' }],
    message: (details) => `${placed(details)} must be ${details.wants}, and is ${details.has}.`,
    remedy: ({ wants }) =>
      wants === 'a text'
        ? 'Write one text, in quotes where it looks like a number, as true or as false.'
        : `Write ${wants}.`,
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
    message: (details) =>
      `${placed(details)} is "${details.value}", and must be ${details.wants}; etcd does not start with it.`,
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
  'config/key-unknown': row<ConfigPlace & { nearest: string | null; belongs: string | null }>({
    severity: 'warning',
    meaning: 'Etcd passes over keys that it does not know, without a word.',
    source: 'server/embed/config.go v3.5.16 configFromFile: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is no key that etcd knows${there(details)}, so it does nothing.`,
    remedy: keyRemedy,
  }),
  'config/tls-key-unknown': row<ConfigPlace & { nearest: string | null; belongs: string | null }>({
    severity: 'error',
    meaning:
      'Etcd passes over keys that it does not know, without a word, so what this key should protect is not protected.',
    source: 'server/embed/config.go v3.5.16 securityConfig: not strict; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is no key that etcd knows there, so it protects nothing.`,
    remedy: keyRemedy,
  }),
  'config/keys-too-deep': row<ConfigPlace & { keys: string[] }>({
    severity: 'error',
    meaning:
      'Options of etcd stand within a key that etcd does not know, so etcd passes over all of them without a word, and runs with its defaults.',
    source: 'server/embed/config.go v3.5.16 configFromFile: not strict; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is no key that etcd knows, so nothing within it is in force: ${listed(details.keys)}.`,
    remedy: ({ option }) =>
      `Take "${option}" out, and write what stands within it at the top level, with less indentation.`,
  }),
  'config/key-of-other-version': row<ConfigPlace & { version: string; lines: string[] }>({
    severity: 'info',
    meaning: 'Other releases of etcd know the key; this one passes over it without a word.',
    source: 'server/embed/config.go v3.4.34, v3.5.33, v3.6.14, v3.7.1',
    message: (details) =>
      `${placed(details)} is no key of etcd ${details.version}; it is one of ${listed(details.lines)}.`,
    remedy: () => 'Take it out.',
  }),
  'config/nothing-set': row<{ file: string | null }>({
    severity: 'warning',
    meaning:
      'Nothing is set. Etcd starts with its defaults: plaintext for everybody on this machine, and no other member.',
    source: 'server/embed/config.go v3.5.16 NewConfig',
    message: ({ file }) =>
      `${theText(file)} sets no option of etcd, so etcd serves plaintext on http://localhost:2379, for this machine alone.`,
    remedy: () => 'Check that it is the right text, or set name, URLs, certificates and CAs.',
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
      'A configuration file cannot name a revocation list, and beside such a file the flag is ignored, so revoked certificates are let in.',
    source: 'server/embed/config.go v3.5.16, v3.6.14 securityConfig: no key for CRLFile; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is not in force: etcd reads a revocation list from flags or variables alone.`,
    remedy: () =>
      'Give all options by flags or variables, without --config-file, with --client-crl-file and --peer-crl-file among them.',
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
    meaning: 'A value is put together elsewhere: from variables, templates or specifiers. It was not judged.',
    source: 'a rule of this package',
    message: (details) => `${placed(details)} is "${details.value}", which is completed elsewhere, and was not judged.`,
    remedy: () => 'Hand over the finished configuration, as from /proc/PID/cmdline, to have it judged.',
  }),
  'config/file-not-read': row<
    ConfigPlace & { path: string; why: 'files are not read' | 'path not known' | 'not on this machine' }
  >({
    severity: 'warning',
    meaning:
      'Etcd takes its whole configuration from a file that was not read: it is in a container, a Secret or a volume, its path is completed elsewhere, or readFiles is false. Nothing was judged.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} names ${details.path}, which was not read, so nothing in it was judged: ${NOT_READ[details.why]}.`,
    remedy: () => 'Hand over that file by itself, as { file } or { yaml }, to have it judged.',
  }),
  'config/variables-not-read': row<ConfigPlace & { from: string }>({
    severity: 'info',
    meaning:
      'Variables come from somewhere that was not read: a ConfigMap or Secret that is not in the manifest, or a file. They were not judged.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} takes variables from ${details.from}, which was not read: they were not judged.`,
    remedy: () =>
      'Hand over the finished configuration, as from /proc/PID/cmdline and /proc/PID/environ, to have it judged.',
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
    meaning: 'Nothing here starts etcd, so there was nothing to judge.',
    source: 'a rule of this package',
    message: ({ file, looked }) => `${theText(file)} starts no etcd: ${looked}.`,
    remedy: () => 'Hand over what starts etcd: its configuration file, flags, variables, unit or pod.',
  }),
}
