/** Findings about reading a configuration of etcd, and about the command lines and variables that start it. */
import { row } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { optionKinds, optionRow, theText, verb } from './place.js'
import { type ConfigPlace, inShell, byteCount } from '../place.js'

const LEFT_OUT = {
  etcd: {
    what: 'does not start etcd',
    pass: 'Pass what starts etcd: its configuration file, flags, variables, unit or pod.',
  },
  'kube-apiserver': {
    what: 'does not run kube-apiserver',
    pass: 'Pass the manifest of kube-apiserver, for example /etc/kubernetes/manifests/kube-apiserver.yaml of a control-plane node, or its command line.',
  },
  kubeadm: {
    what: 'is not a configuration of kubeadm',
    pass: 'Pass the output of "kubectl --namespace kube-system get configmap kubeadm-config --output yaml". "kubeadm config migrate" converts an older file to v1beta3 or v1beta4.',
  },
}

/** An argument that is a comment, a redirection or an operator to a shell, and to etcd an argument. */
export const SHELL_SYNTAX = /^(?:#|\d*[<>]|[&|])/

/** Who does not expand a variable, and what to write instead. */
const NOT_EXPANDED = {
  systemd: {
    shown: (name: string) => `$${name}`,
    why: 'systemd does not expand there',
    remedy: (names: readonly string[]) => `Write ${listed(names.map((name) => `\${${name}}`))}.`,
  },
  'systemd, in variables': {
    shown: (name: string) => `$${name}`,
    why: 'systemd expands in no variable',
    remedy: (names: readonly string[]) =>
      `Write the value of ${listed(names)}, or give the option as a flag in ExecStart=, where systemd expands \${NAME}.`,
  },
  'systemd, as a command': {
    shown: (name: string) => `"${name}"`,
    why: 'systemd does not run as a command',
    remedy: () => 'Write the value, a specifier of systemd such as %H, or start etcd by a shell: sh -c "exec etcd …".',
  },
  Kubernetes: {
    shown: (name: string) => `$(${name})`,
    why: 'Kubernetes does not expand, since the container has no such variable',
    remedy: (names: readonly string[]) => `Define ${listed(names)} under "env" of the container.`,
  },
  'Kubernetes, without parentheses': {
    shown: (name: string) => `$${name}`,
    why: 'Kubernetes does not expand: no shell runs here',
    remedy: (names: readonly string[]) => `Write ${listed(names.map((name) => `$(${name})`))}.`,
  },
  'etcd, a home folder': {
    shown: (path: string) => path,
    why: 'etcd does not expand: only a shell replaces "~" by a home folder',
    remedy: () => 'Write the path from the root on.',
  },
}

const LOST_FLAGS = 'so etcd does not receive the flags on the next lines'

/** What broke a line, and what to do. */
const BROKEN = {
  quote: [
    ({ quote }: { quote: string }) => `the quote ${quote} is not closed, so it includes everything after it`,
    ({ quote }: { quote: string }) => `Close it with ${quote}, or remove it.`,
  ],
  'carriage return': [
    () => `the line ends with CR LF, as on Windows, and its backslash escapes only the CR, ${LOST_FLAGS}`,
    () => 'Save the file with LF line ends, for example with "sed -i \'s/\\r$//\' FILE".',
  ],
  space: [
    () => `a space follows the backslash at the end of the line, ${LOST_FLAGS}`,
    () => 'Remove the space: a backslash continues a line only as its last character.',
  ],
  backslash: [
    () => `the line does not end with a backslash, ${LOST_FLAGS}`,
    () => 'End the line with a space and a backslash.',
  ],
  'one argument': [
    () => 'the whole command is one argument, and no program has that name',
    () =>
      'Write each argument as an entry of its own, for example ["etcd", "--name=m1"]; in a unit, remove the quotes around the command.',
  ],
  'after script': [
    () => 'arguments after the script of a shell are not passed to etcd',
    () => 'Write them within the script, after etcd.',
  ],
  'no program': [
    () =>
      'the command begins with a flag, but the image has no entrypoint, so the container tries to start a program of that name',
    () => 'Write "etcd" as the first entry, before the flags.',
  ],
} as const

const RIGHT_FILE = 'Check that it is the right file'
const PASS_FINISHED = 'Pass the finished configuration, for example /proc/PID/cmdline'

const TEMPLATE = {
  says: ({ what }: { what: string[] }) => `is ${quoted(what)}, so this is a template. Nothing in it was checked.`,
  remedy: () => 'Lint the file that is rendered from it.',
}

export const configReading = {
  'config/too-large': optionKinds<
    ConfigPlace & {
      kind: 'file' | 'files' | 'list' | 'density' | 'aliases' | 'nesting'
      /** Bytes, entries, or characters that structure YAML. */
      count: number
      limit: number
    }
  >({
    kinds: {
      file: {
        message: ({ file, count, limit }) =>
          `${theText(file)} has ${byteCount(count)}; at most ${byteCount(limit)} are read.`,
        remedy: () => `${RIGHT_FILE}, and pass only the configuration.`,
      },
      files: {
        message: ({ file, count, limit }) =>
          `With ${file ?? 'the last one'}, the files that the configuration reads variables from have ${byteCount(count)} together; at most ${byteCount(limit)} are read.`,
        remedy: () => 'Check that they are the right files, and keep only the variables of etcd in them.',
      },
      list: {
        says: ({ count, limit }) =>
          `has ${count.toLocaleString('en-US')} entries, of which the first ${String(limit)} were checked.`,
        remedy: () => `${RIGHT_FILE}.`,
      },
      density: {
        message: ({ file, count, limit }) =>
          `${theText(file)} has too many lines, brackets, commas and colons for its length: ${count.toLocaleString('en-US')}, and at most ${limit.toLocaleString('en-US')} are read.`,
        remedy: () => `${RIGHT_FILE}, and pass only the part that starts etcd.`,
      },
      aliases: {
        refusals: { etcd: 'yaml: document contains excessive aliasing' },
        says: () => 'has nested aliases that grow beyond the limit.',
        remedy: () => 'Write the values without aliases.',
      },
      nesting: {
        says: () => 'is nested too deep.',
        remedy: () => 'Use fewer levels; a configuration of etcd needs two.',
      },
    },
  }),
  'config/not-text': row<{ file: string | null; is: 'UTF-16' | 'other bytes' | 'binary'; line: number | null }>({
    refusals: [
      { etcd: 'yaml: invalid leading UTF-8 octet', when: ({ is }) => is === 'other bytes' },
      { etcd: 'yaml: control characters are not allowed', when: ({ is }) => is === 'binary' },
    ],
    message({ file, is, line }) {
      if (is === 'UTF-16') return `${theText(file)} is text in UTF-16.`
      const what = is === 'binary' ? 'has a control character' : 'is not in UTF-8'
      return `${theText(file)} ${what}${line === null ? '' : `, on line ${String(line)}`}.`
    },
    remedy({ file, is, line }) {
      if (is === 'binary') {
        return line === null ? 'Pass another file.' : `Remove the character from line ${String(line)}.`
      }
      const from = is === 'UTF-16' ? is : 'ISO-8859-1'
      return `Save it as UTF-8, for example with "iconv -f ${from} -t UTF-8 ${inShell({ file })}", or pass another file.`
    },
  }),
  'config/yaml-malformed': optionKinds<
    ConfigPlace & {
      kind: 'syntax' | 'several documents'
      /** Why it is not YAML, or how many documents there are. */
      reason: string
      fix: string
    }
  >({
    kinds: {
      syntax: {
        refusals: { etcd: 'error converting YAML to JSON: yaml: …' },
        says: ({ reason }) => `is not valid YAML: ${reason}`,
        remedy: ({ fix }) => fix,
      },
      'several documents': {
        severity: 'warning',
        says: ({ reason }) => `begins another document of ${reason}. Etcd reads only the first one.`,
        remedy: ({ fix }) => fix,
      },
    },
  }),
  'config/nothing-set': row<{ file: string | null }>({
    severity: 'warning',
    message: ({ file }) =>
      `${theText(file)} sets no option of etcd. Etcd serves plaintext on http://localhost:2379, for this machine only.`,
    remedy: () => `${RIGHT_FILE}, or set name, URLs, certificates and CAs.`,
  }),
  'config/one-of-several': optionRow<ConfigPlace & { members: string[]; member: string | null }>({
    says: ({ members, member }) =>
      `is one of ${String(members.length)} etcds: ${listed(members)}${member === null ? '' : `; none is "${member}"`}. None was linted.`,
    remedy: ({ members }) =>
      `Pass "${members[0] ?? ''}" or another of them as option "member", or call lintEtcdConfigs for all.`,
  }),
  'config/no-etcd': row<{ kind: 'etcd' | 'kube-apiserver' | 'kubeadm'; file: string | null; looked: string }>({
    message({ kind, file, looked }) {
      const subject = theText(file, { etcd: undefined, 'kube-apiserver': 'The command', kubeadm: 'The input' }[kind])
      return `${subject} ${LEFT_OUT[kind].what}: ${looked}.`
    },
    remedy: ({ kind }) => LEFT_OUT[kind].pass,
  }),
  'config/not-checked': optionKinds<
    ConfigPlace & {
      kind:
        | 'value'
        | 'value of a file'
        | 'template'
        | 'template of others'
        | 'template line'
        | 'configuration file'
        | 'variables'
        | 'files'
      what: string[]
      why: string
    }
  >({
    kinds: {
      value: {
        severity: 'info',
        says: ({ what }) => `is ${quoted(what)}, which is assembled elsewhere. It was not checked.`,
        remedy: () => `${PASS_FINISHED}, to have it checked.`,
      },
      'value of a file': {
        severity: 'warning',
        says: ({ what }) => `is ${quoted(what)}. Etcd expands no variables in its file, so it was not checked.`,
        remedy: () => 'Write the value. If this is a template, pass the file that is made from it.',
      },
      template: { ...TEMPLATE, severity: 'warning' },
      // Its author is not trusted, and nothing is known of what is rendered from it.
      'template of others': TEMPLATE,
      'template line': {
        severity: 'warning',
        says: ({ what }) => `is ${quoted(what)}, as in a template. Systemd ignores this line; the others were checked.`,
        remedy: TEMPLATE.remedy,
      },
      'configuration file': {
        severity: 'warning',
        says: ({ what, why }) =>
          `names ${listed(what, 'a file')}, which was not read, so nothing in it was checked: ${why}.`,
        remedy: () => 'Pass that file as { file } or { yaml } to have it checked.',
      },
      variables: {
        severity: 'info',
        says: ({ what }) =>
          `takes variables from ${listed(what, 'another source')}, which was not read. They were not checked.`,
        remedy: () => `${PASS_FINISHED} and /proc/PID/environ, to have it checked.`,
      },
      files: {
        severity: 'info',
        message: ({ what }) => `These files are inside the container and were not read: ${listed(what)}.`,
        remedy: () => 'Check them inside the container, for example with "openssl x509 -noout -text -in FILE".',
      },
    },
  }),
  'config/option-repeated': optionKinds<
    ConfigPlace & { kind: 'flag' | 'variable' | 'key'; firstLine: number | null; value: string }
  >({
    kinds: {
      flag: {
        severity: 'warning',
        says: ({ value }) => `is set twice. Etcd uses "${value}".`,
        remedy: () => 'Remove one of them.',
      },
      variable: {
        severity: 'warning',
        says: ({ firstLine, value }) =>
          `is set already on line ${String(firstLine ?? 1)}. The value "${value}" is used.`,
        remedy: () => 'Remove one of them.',
      },
      key: {
        severity: 'warning',
        says: ({ firstLine }) => `is set already on line ${String(firstLine ?? 1)}. Etcd ignores that line.`,
        remedy: () => 'Merge both, or remove one.',
      },
    },
  }),
  'config/argument-misplaced': optionKinds<
    ConfigPlace & {
      kind: 'no value' | 'left over' | 'flag in value' | 'joined'
      argument: string
      value: string
      after: string | null
    }
  >({
    kinds: {
      joined: {
        refusals: { Go: 'flag provided but not defined: -…' },
        says: () => 'and its value are one argument with a space between them. Etcd does not know such a flag.',
        remedy: ({ option, value }) => `Write "${option}=${value}", or write two arguments.`,
      },
      'no value': {
        refusals: [
          { Go: 'flag needs an argument: -…', when: ({ argument }) => argument === '' },
          { etcd: "'…' is not a valid flag", when: ({ argument }) => argument !== '' },
        ],
        says: ({ argument }) =>
          `has no value${argument === '' ? '' : `, so etcd takes the next flag, "${argument}", as its value`}.`,
        remedy: ({ option }) => `Write ${option}=VALUE.`,
      },
      'left over': {
        refusals: { etcd: "'…' is not a valid flag" },
        says: ({ argument }) => `: the argument "${argument}" does not belong to a flag. Etcd does not start with it.`,
        remedy: ({ argument, after }) => (after === null ? leftOverRemedy(argument) : `Write "${after}=${argument}".`),
      },
      'flag in value': {
        says: ({ argument, value }) => `is "${value}": ${argument} is part of the value.`,
        remedy: ({ argument }) =>
          `Make ${argument} an argument of its own; in a unit, write $NAME in place of "\${NAME}".`,
      },
    },
  }),
  'config/quotes-in-value': optionRow<ConfigPlace & { value: string }>({
    says: () => 'contains quotes, which etcd receives as part of the value.',
    remedy: ({ value }) => `Write ${value} without these quotes, or put plain quotes around the whole entry.`,
  }),
  'config/not-expanded': optionRow<ConfigPlace & { names: string[]; by: keyof typeof NOT_EXPANDED }>({
    refusals: [{ Go: 'open ~/…: no such file or directory', when: ({ by }) => by === 'etcd, a home folder' }],
    says: ({ names, by }) => `contains ${listed(names.map(NOT_EXPANDED[by].shown))}, which ${NOT_EXPANDED[by].why}.`,
    remedy: ({ names, by }) => NOT_EXPANDED[by].remedy(names),
  }),
  'config/line-broken': optionRow<ConfigPlace & { kind: keyof typeof BROKEN; quote: string }>({
    says: (details) => `: ${BROKEN[details.kind][0](details)}.`,
    remedy: (details) => BROKEN[details.kind][1](details),
  }),
  'config/comment-in-value': optionRow<ConfigPlace & { value: string; meant: string }>({
    says: ({ value }) => `is "${value}": the text from "#" on is part of the value.`,
    remedy: ({ meant }) => `Write only "${meant}", and put the comment on a line of its own.`,
  }),
  'config/space-in-list': optionRow<ConfigPlace & { entry: string; isRefused: boolean; isMember: boolean }>({
    severity: ({ isMember }) => (isMember ? 'warning' : 'error'),
    refusals: [{ etcd: 'unexpected TLS cipher suite " …"', when: ({ option }) => /cipher.suites$/i.test(option) }],
    says({ entry, isMember, isRefused }) {
      const effect = isRefused ? 'it does not start' : 'no certificate matches'
      return `has the entry "${entry}". Etcd reads the space as part of it: ${isMember ? 'that member does not start with this list' : effect}.`
    },
    remedy: ({ entry }) => `Write "${entry.trim()}" without spaces around it.`,
  }),
  'config/unit-invalid': optionKinds<
    ConfigPlace & { kind: 'two starts' | 'export' | 'no assignment' | 'two in one'; text: string }
  >({
    kinds: {
      'two starts': {
        says: () => 'is set twice, so systemd does not load the unit.',
        remedy: ({ option }) =>
          `Keep one ${option}=; in a drop-in file, write "${option}=" without a value before the new one.`,
      },
      export: {
        says: () => 'follows "export". Systemd ignores the line, so the variable is not set.',
        remedy: ({ option }) => `Write "${option}=…" without "export".`,
      },
      'two in one': {
        says: ({ text }) =>
          `contains "${text}=": one pair of quotes has two variables in it, so the second is part of the first one's value.`,
        remedy: ({ option, text }) => `Quote each by itself: "${option}=…" "${text}=…".`,
      },
      'no assignment': {
        says: ({ text }) => `has "${text}", which is not part of the value before it: systemd ends a value at a space.`,
        remedy: ({ option }) =>
          `If it belongs to the value before it, quote the whole assignment: ${option}="NAME=value with spaces". Write no spaces around "=".`,
      },
    },
  }),
  'config/ignored-with-file': optionRow<ConfigPlace & { configFile: string; options: string[] }>({
    severity: 'warning',
    says({ options, configFile }) {
      const more = options.length > 1 ? `and ${String(options.length - 1)} more ` : ''
      return `${more}${verb(options, 'is', 'are')} ignored, because etcd reads the file ${configFile}.`
    },
    remedy: ({ options }) =>
      `Move ${verb(options, 'it', 'them')} into the file, or remove ${verb(options, 'it', 'them')}: ${listed(options)}.`,
  }),
}

function leftOverRemedy(argument: string): string {
  // Word processors replace two dashes by one long dash.
  const [dash, flag] = [argument.charAt(0), argument.slice(1)]
  if (dash === '\u2013' || dash === '\u2014') return `It begins with a long dash: write "--${flag}".`
  if (/[\u2018-\u201e]/.test(dash)) {
    return `It begins with a typographic quote: write "${flag.replace(/[\u2018-\u201e]$/, '')}" with plain quotes, or without.`
  }
  return SHELL_SYNTAX.test(argument)
    ? `Remove "${argument}" and everything after it: only a shell reads comments, redirections and "&&", and no shell reads this command.`
    : 'Remove it, or quote the value that it belongs to.'
}
