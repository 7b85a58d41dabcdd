/** Findings about reading a configuration of etcd, and about the command lines and variables that start it. */
import { row, rowByKind } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { type ConfigPlace, inShell, octets, placed } from '../place.js'
import { theText } from './place.js'

function notText(is: 'UTF-16' | 'other octets' | 'binary', line: number | null): string {
  if (is === 'UTF-16') return 'is text in UTF-16'
  const where = line === null ? '' : `, on line ${String(line)}`
  return is === 'binary' ? `has a control character${where}` : `is not in UTF-8${where}`
}

function theProgram(kind: 'etcd' | 'kube-apiserver' | 'kubeadm', file: string | null): string {
  if (kind === 'etcd') return theText(file)
  return theText(file, kind === 'kubeadm' ? 'The input' : 'The command')
}

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

function leftOverRemedy(argument: string): string {
  // Word processors replace two dashes by one long dash.
  const [dash, flag] = [argument.charAt(0), argument.slice(1)]
  if (dash === '\u2013' || dash === '\u2014') return `It begins with a long dash: write "--${flag}".`
  if (/[\u2018-\u201e]/.test(dash))
    return `It begins with a typographic quote: write "${flag.replace(/[\u2018-\u201e]$/, '')}" with plain quotes, or without.`
  if (SHELL_SYNTAX.test(argument))
    return `Remove "${argument}" and everything after it: only a shell reads comments, redirections and "&&", and no shell reads this command.`
  return 'Remove it, or quote the value that it belongs to.'
}

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

const BROKEN = {
  quote: ({ quote }: { quote: string }) => `the quote ${quote} is not closed, so it includes everything after it`,
  'carriage return': () =>
    'the line ends with CR LF, as on Windows, and its backslash escapes only the CR, so etcd does not receive the flags on the next lines',
  space: () =>
    'a space follows the backslash at the end of the line, so etcd does not receive the flags on the next lines',
  backslash: () => 'the line does not end with a backslash, so etcd does not receive the flags on the next lines',
  'one argument': () => 'the whole command is one argument, and no program has that name',
  'after script': () => 'arguments after the script of a shell are not passed to etcd',
  'no program': () =>
    'the command begins with a flag, but the image has no entrypoint, so the container tries to start a program of that name',
}
const UNBROKEN = {
  quote: ({ quote }: { quote: string }) => `Close it with ${quote}, or remove it.`,
  'carriage return': () => 'Save the file with LF line ends, for example with "sed -i \'s/\\r$//\' FILE".',
  space: () => 'Remove the space: a backslash continues a line only as its last character.',
  backslash: () => 'End the line with a space and a backslash.',
  'one argument': () =>
    'Write each argument as an entry of its own, for example ["etcd", "--name=m1"]; in a unit, remove the quotes around the command.',
  'after script': () => 'Write them within the script, after etcd.',
  'no program': () => 'Write "etcd" as the first entry, before the flags.',
}

const aTemplate = {
  message: (details: ConfigPlace & { what: string[] }) =>
    `${placed(details)} is ${quoted(details.what)}, so this is a template. Nothing in it was checked.`,
  remedy: () => 'Lint the file that is rendered from it.',
}

export const configReading = {
  'config/too-large': rowByKind<
    ConfigPlace & {
      kind: 'file' | 'files' | 'list' | 'density' | 'aliases' | 'nesting'
      /** Bytes, entries, or characters that structure YAML. */
      count: number
      limit: number
    }
  >({
    refusals: [
      { by: 'etcd', words: 'yaml: document contains excessive aliasing', when: ({ kind }) => kind === 'aliases' },
    ],
    kinds: {
      file: {
        severity: 'error',
        message: ({ file, count, limit }) =>
          `${theText(file)} has ${octets(count)}; at most ${octets(limit)} are read.`,
        remedy: () => 'Check that it is the right file, and pass only the configuration.',
      },
      files: {
        severity: 'error',
        message: ({ file, count, limit }) =>
          `With ${file ?? 'the last one'}, the files that the configuration reads variables from have ${octets(count)} together; at most ${octets(limit)} are read.`,
        remedy: () => 'Check that they are the right files, and keep only the variables of etcd in them.',
      },
      list: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.count.toLocaleString('en-US')} entries, of which the first ${String(details.limit)} were checked.`,
        remedy: () => 'Check that it is the right file.',
      },
      density: {
        severity: 'error',
        message: ({ file, count, limit }) =>
          `${theText(file)} has too many lines, brackets, commas and colons for its length: ${count.toLocaleString('en-US')}, and at most ${limit.toLocaleString('en-US')} are read.`,
        remedy: () => 'Check that it is the right file, and pass only the part that starts etcd.',
      },
      aliases: {
        severity: 'error',
        message: (details) => `${placed(details)} has nested aliases that grow beyond the limit.`,
        remedy: () => 'Write the values without aliases.',
      },
      nesting: {
        severity: 'error',
        message: (details) => `${placed(details)} is nested too deep.`,
        remedy: () => 'Use fewer levels; a configuration of etcd needs two.',
      },
    },
  }),
  'config/not-text': row<{ file: string | null; is: 'UTF-16' | 'other octets' | 'binary'; line: number | null }>({
    severity: 'error',
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
  'config/yaml-malformed': rowByKind<
    ConfigPlace & {
      kind: 'syntax' | 'several documents'
      /** Why it is not YAML, or how many documents there are. */
      reason: string
      fix: string
    }
  >({
    refusals: [{ by: 'etcd', words: 'error converting YAML to JSON: yaml: …', when: ({ kind }) => kind === 'syntax' }],
    kinds: {
      syntax: {
        severity: 'error',
        message: (details) => `${placed(details)} is not valid YAML: ${details.reason}`,
        remedy: ({ fix }) => fix,
      },
      'several documents': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} begins another document of ${details.reason}. Etcd reads only the first one.`,
        remedy: ({ fix }) => fix,
      },
    },
  }),
  'config/nothing-set': row<{ file: string | null }>({
    severity: 'warning',
    message: ({ file }) =>
      `${theText(file)} sets no option of etcd. Etcd serves plaintext on http://localhost:2379, for this machine only.`,
    remedy: () => 'Check that it is the right file, or set name, URLs, certificates and CAs.',
  }),
  'config/one-of-several': row<ConfigPlace & { members: string[]; member: string | null }>({
    severity: 'error',
    message: (details) =>
      `${placed(details)} is one of ${String(details.members.length)} etcds: ${listed(details.members)}${details.member === null ? '' : `; none is "${details.member}"`}. None was linted.`,
    remedy: ({ members }) =>
      `Pass "${members[0] ?? ''}" or another of them as option "member", or call lintEtcdConfigs for all.`,
  }),
  'config/no-etcd': row<{ kind: 'etcd' | 'kube-apiserver' | 'kubeadm'; file: string | null; looked: string }>({
    severity: 'error',
    message: ({ kind, file, looked }) => `${theProgram(kind, file)} ${LEFT_OUT[kind].what}: ${looked}.`,
    remedy: ({ kind }) => LEFT_OUT[kind].pass,
  }),
  'config/not-checked': rowByKind<
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
        message: (details) =>
          `${placed(details)} is ${quoted(details.what)}, which is assembled elsewhere. It was not checked.`,
        remedy: () => 'Pass the finished configuration, for example /proc/PID/cmdline, to have it checked.',
      },
      'value of a file': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is ${quoted(details.what)}. Etcd expands no variables in its file, so it was not checked.`,
        remedy: () => 'Write the value. If this is a template, pass the file that is made from it.',
      },
      template: { ...aTemplate, severity: 'warning' },
      // Its author is not trusted, and nothing is known of what is rendered from it.
      'template of others': aTemplate,
      'template line': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is ${quoted(details.what)}, as in a template. Systemd ignores this line; the others were checked.`,
        remedy: aTemplate.remedy,
      },
      'configuration file': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names ${listed(details.what, 'a file')}, which was not read, so nothing in it was checked: ${details.why}.`,
        remedy: () => 'Pass that file as { file } or { yaml } to have it checked.',
      },
      variables: {
        severity: 'info',
        message: (details) =>
          `${placed(details)} takes variables from ${listed(details.what, 'another source')}, which was not read. They were not checked.`,
        remedy: () =>
          'Pass the finished configuration, for example /proc/PID/cmdline and /proc/PID/environ, to have it checked.',
      },
      files: {
        severity: 'info',
        message: ({ what }) => `These files are inside the container and were not read: ${listed(what)}.`,
        remedy: () => 'Check them inside the container, for example with "openssl x509 -noout -text -in FILE".',
      },
    },
  }),

  'config/option-repeated': rowByKind<
    ConfigPlace & { kind: 'flag' | 'variable' | 'key'; firstLine: number | null; value: string }
  >({
    kinds: {
      flag: {
        severity: 'warning',
        message: (details) => `${placed(details)} is set twice. Etcd uses "${details.value}".`,
        remedy: () => 'Remove one of them.',
      },
      variable: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is set already on line ${String(details.firstLine ?? 1)}. The value "${details.value}" is used.`,
        remedy: () => 'Remove one of them.',
      },
      key: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} is set already on line ${String(details.firstLine ?? 1)}. Etcd ignores that line.`,
        remedy: () => 'Merge both, or remove one.',
      },
    },
  }),
  'config/argument-misplaced': rowByKind<
    ConfigPlace & {
      kind: 'no value' | 'left over' | 'flag in value' | 'joined'
      argument: string
      value: string
      after: string | null
    }
  >({
    refusals: [
      { by: 'Go', words: 'flag provided but not defined: -…', when: ({ kind }) => kind === 'joined' },
      {
        by: 'Go',
        words: 'flag needs an argument: -…',
        when: ({ kind, argument }) => kind === 'no value' && argument === '',
      },
      {
        by: 'etcd',
        words: "'…' is not a valid flag",
        when: ({ kind, argument }) => kind === 'left over' || (kind === 'no value' && argument !== ''),
      },
    ],
    kinds: {
      joined: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} and its value are one argument with a space between them. Etcd does not know such a flag.`,
        remedy: ({ option, value }) => `Write "${option}=${value}", or write two arguments.`,
      },
      'no value': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has no value${details.argument === '' ? '' : `, so etcd takes the next flag, "${details.argument}", as its value`}.`,
        remedy: ({ option }) => `Write ${option}=VALUE.`,
      },
      'left over': {
        severity: 'error',
        message: (details) =>
          `${placed(details)}: the argument "${details.argument}" does not belong to a flag. Etcd does not start with it.`,
        remedy: ({ argument, after }) => (after === null ? leftOverRemedy(argument) : `Write "${after}=${argument}".`),
      },
      'flag in value': {
        severity: 'error',
        message: (details) => `${placed(details)} is "${details.value}": ${details.argument} is part of the value.`,
        remedy: ({ argument }) =>
          `Make ${argument} an argument of its own; in a unit, write $NAME in place of "\${NAME}".`,
      },
    },
  }),
  'config/quotes-in-value': row<ConfigPlace & { value: string }>({
    severity: 'error',
    message: (details) => `${placed(details)} contains quotes, which etcd receives as part of the value.`,
    remedy: ({ value }) => `Write ${value} without these quotes, or put plain quotes around the whole entry.`,
  }),
  'config/not-expanded': row<ConfigPlace & { names: string[]; by: keyof typeof NOT_EXPANDED }>({
    severity: 'error',
    refusals: [
      { by: 'Go', words: 'open ~/…: no such file or directory', when: ({ by }) => by === 'etcd, a home folder' },
    ],
    message: (details) =>
      `${placed(details)} contains ${listed(details.names.map(NOT_EXPANDED[details.by].shown))}, which ${NOT_EXPANDED[details.by].why}.`,
    remedy: ({ names, by }) => NOT_EXPANDED[by].remedy(names),
  }),
  'config/line-broken': row<ConfigPlace & { kind: keyof typeof BROKEN; quote: string }>({
    severity: 'error',
    message: (details) => `${placed(details)}: ${BROKEN[details.kind](details)}.`,
    remedy: (details) => UNBROKEN[details.kind](details),
  }),
  'config/comment-in-value': row<ConfigPlace & { value: string; meant: string }>({
    severity: 'error',
    message: (details) => `${placed(details)} is "${details.value}": the text from "#" on is part of the value.`,
    remedy: ({ meant }) => `Write only "${meant}", and put the comment on a line of its own.`,
  }),
  'config/space-in-list': row<ConfigPlace & { entry: string; isRefused: boolean; isMember: boolean }>({
    severity: ({ isMember }) => (isMember ? 'warning' : 'error'),
    refusals: [
      { by: 'etcd', words: 'unexpected TLS cipher suite " …"', when: ({ option }) => /cipher.suites$/i.test(option) },
    ],
    message: (details) =>
      `${placed(details)} has the entry "${details.entry}". Etcd reads the space as part of it: ${details.isMember ? 'that member does not start with this list' : details.isRefused ? 'it does not start' : 'no certificate matches'}.`,
    remedy: ({ entry }) => `Write "${entry.trim()}" without spaces around it.`,
  }),
  'config/unit-invalid': rowByKind<
    ConfigPlace & { kind: 'two starts' | 'export' | 'no assignment' | 'two in one'; text: string }
  >({
    kinds: {
      'two starts': {
        severity: 'error',
        message: (details) => `${placed(details)} is set twice, so systemd does not load the unit.`,
        remedy: ({ option }) =>
          `Keep one ${option}=; in a drop-in file, write "${option}=" without a value before the new one.`,
      },
      export: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} follows "export". Systemd ignores the line, so the variable is not set.`,
        remedy: ({ option }) => `Write "${option}=…" without "export".`,
      },
      'two in one': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} contains "${details.text}=": one pair of quotes has two variables in it, so the second is part of the first one's value.`,
        remedy: ({ option, text }) => `Quote each by itself: "${option}=…" "${text}=…".`,
      },
      'no assignment': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has "${details.text}", which is not part of the value before it: systemd ends a value at a space.`,
        remedy: ({ option }) =>
          `If it belongs to the value before it, quote the whole assignment: ${option}="NAME=value with spaces". Write no spaces around "=".`,
      },
    },
  }),
  'config/ignored-with-file': row<ConfigPlace & { configFile: string; options: string[] }>({
    severity: 'warning',
    message: (details) => {
      const [others, verb] = [details.options.length - 1, details.options.length === 1 ? 'is' : 'are']
      const more = others === 0 ? '' : ` and ${String(others)} more`
      return `${placed(details)}${more} ${verb} ignored, because etcd reads the file ${details.configFile}.`
    },
    remedy: ({ options }) =>
      `Move ${options.length === 1 ? 'it' : 'them'} into the file, or remove ${options.length === 1 ? 'it' : 'them'}: ${listed(options)}.`,
  }),
}
