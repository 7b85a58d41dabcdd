/** Findings about the syntax of a configuration, and about command lines and environment variables. */
import { error, warning } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { configurationText, verb } from './place.js'
import { type ConfigPlace, inShell, byteCount } from '../place.js'

/** A shell reads it as a comment, a redirection or an operator; etcd receives it as an argument. */
export const SHELL_SYNTAX = /^(?:#|\d*[<>]|[&|])/

const LOST_FLAGS = 'so etcd does not receive the flags on the next lines'
const RIGHT_FILE = 'Check that it is the right file'
/** `count`: bytes, entries, or characters that structure YAML. */
export interface TooLarge {
  count: number
  limit: number
}
export type TextTooLarge = TooLarge & { file: string | null }
export type PartTooLarge = TooLarge & ConfigPlace

export interface NoEtcd {
  file: string | null
  looked: string
}
export type NotExpanded = ConfigPlace & { names: string[] }

export const configReading = {
  'config/too-large': {
    file: error((d: TextTooLarge) => [
      `${configurationText(d.file)} has ${byteCount(d.count)}; at most ${byteCount(d.limit)} are read.`,
      `${RIGHT_FILE}, and pass only the configuration.`,
    ]),
    files: error((d: TextTooLarge) => [
      `With ${d.file ?? 'the last one'}, the files that the configuration reads variables from have ${byteCount(d.count)} together; at most ${byteCount(d.limit)} are read.`,
      'Check that they are the right files, and keep only the variables of etcd in them.',
    ]),
    list: error((d: PartTooLarge) => [
      `${d.option} has ${d.count.toLocaleString('en-US')} entries, of which the first ${String(d.limit)} were checked.`,
      `${RIGHT_FILE}.`,
    ]),
    density: error((d: PartTooLarge) => [
      `${configurationText(d.file)} has too many lines, brackets, commas and colons for its length: ${d.count.toLocaleString('en-US')}, and at most ${d.limit.toLocaleString('en-US')} are read.`,
      `${RIGHT_FILE}, and pass only the part that starts etcd.`,
    ]),
    aliases: error((d: PartTooLarge) => [
      `${d.option} has nested aliases that grow beyond the limit.`,
      'Write the values without aliases.',
    ]).refusedAs({ etcd: 'yaml: document contains excessive aliasing' }),
    nesting: error((d: PartTooLarge) => [
      `${d.option} is nested too deep.`,
      'Use fewer levels; a configuration of etcd needs two.',
    ]),
  },
  'config/not-text': error(
    (d: { file: string | null; is: 'UTF-16' | 'other bytes' | 'binary'; line: number | null }) => [
      d.is === 'UTF-16'
        ? `${configurationText(d.file)} is text in UTF-16.`
        : `${configurationText(d.file)} ${d.is === 'binary' ? 'has a control character' : 'is not in UTF-8'}${d.line === null ? '' : `, on line ${String(d.line)}`}.`,
      d.is === 'binary'
        ? d.line === null
          ? 'Pass another file.'
          : `Remove the character from line ${String(d.line)}.`
        : `Save it as UTF-8, for example with "iconv -f ${d.is === 'UTF-16' ? d.is : 'ISO-8859-1'} -t UTF-8 ${inShell(d)}", or pass another file.`,
    ],
  ).refusedAs([
    { etcd: 'yaml: invalid leading UTF-8 octet', when: ({ is }) => is === 'other bytes' },
    { etcd: 'yaml: control characters are not allowed', when: ({ is }) => is === 'binary' },
  ]),
  'config/yaml-malformed': {
    syntax: error((d: ConfigPlace & { reason: string; fix: string }) => [
      `${d.option} is not valid YAML: ${d.reason}`,
      d.fix,
    ]).refusedAs({
      etcd: 'error converting YAML to JSON: …',
    }),
    // `ignored`: options of etcd in the other documents.
    'several documents': warning((d: ConfigPlace & { count: number; ignored: string[] }) => [
      `${d.option} begins another document of ${String(d.count)}. etcd reads only the first one${d.ignored.length === 0 ? '' : `, and ignores ${listed(d.ignored)}`}.`,
      'Remove the line "---" or "...", so that everything is in one document.',
    ]).or('error', ({ ignored }) => ignored.length > 0),
  },
  'config/nothing-set': warning((d: { file: string | null }) => [
    `${configurationText(d.file)} sets no option of etcd. etcd serves plaintext on http://localhost:2379, for this machine only.`,
    `${RIGHT_FILE}, or set name, URLs, certificates and CAs.`,
  ]),
  'config/no-etcd': {
    etcd: error((d: NoEtcd) => [
      `${configurationText(d.file)} does not start etcd: ${d.looked}.`,
      'Pass the configuration file, flags, variables, unit or pod that starts etcd.',
    ]),
    'kube-apiserver': error((d: NoEtcd) => [
      `${configurationText(d.file, 'The command')} does not run kube-apiserver: ${d.looked}.`,
      'Pass the manifest of kube-apiserver, for example /etc/kubernetes/manifests/kube-apiserver.yaml of a control-plane node, or its command line.',
    ]),
    kubeadm: error((d: NoEtcd) => [
      `${configurationText(d.file, 'The input')} is not a configuration of kubeadm: ${d.looked}.`,
      'Pass the output of "kubectl --namespace kube-system get configmap kubeadm-config --output yaml". "kubeadm config migrate" converts an older file to v1beta3 or v1beta4.',
    ]),
  },
  'config/option-repeated': {
    flag: warning((d: ConfigPlace & { value: string }) => [
      `${d.option} is set twice. etcd uses "${d.value}".`,
      'Remove one of them.',
    ]),
    variable: warning((d: ConfigPlace & { firstLine: number | null; value: string }) => [
      `${d.option} is set already on line ${String(d.firstLine ?? 1)}. The value "${d.value}" is used.`,
      'Remove one of them.',
    ]),
    key: warning((d: ConfigPlace & { firstLine: number | null }) => [
      `${d.option} is set already on line ${String(d.firstLine ?? 1)}. etcd ignores that line.`,
      'Merge both, or remove one.',
    ]),
  },
  'config/argument-misplaced': {
    joined: error((d: ConfigPlace & { value: string }) => [
      `${d.option} and its value are one argument with a space between them. etcd does not know such a flag.`,
      `Write "${d.option}=${d.value}", or write two arguments.`,
    ]).refusedAs({ Go: 'flag provided but not defined: -…' }),
    'no value': error((d: ConfigPlace & { argument: string }) => [
      `${d.option} has no value${d.argument === '' ? '' : `, so etcd takes the next flag, "${d.argument}", as its value`}.`,
      `Write ${d.option}=VALUE.`,
    ]).refusedAs([
      { Go: 'flag needs an argument: -…', when: ({ argument }) => argument === '' },
      { etcd: "'…' is not a valid flag", when: ({ argument }) => argument !== '' },
    ]),
    'left over': error((d: ConfigPlace & { argument: string; after: string | null }) => [
      `${d.option}: the argument "${d.argument}" does not belong to a flag. etcd does not start with it.`,
      d.after === null ? leftOverRemedy(d.argument) : `Write "${d.after}=${d.argument}".`,
    ]).refusedAs({ etcd: "'…' is not a valid flag" }),
    'flag in value': error((d: ConfigPlace & { argument: string; value: string }) => [
      `${d.option} is "${d.value}": ${d.argument} is part of the value.`,
      `Make ${d.argument} an argument of its own; in a unit, write $NAME in place of "\${NAME}".`,
    ]),
  },
  'config/quotes-in-value': error((d: ConfigPlace & { value: string }) => [
    `${d.option} contains quotes, which etcd receives as part of the value.`,
    `Write ${d.value} without these quotes, or put plain quotes around the whole entry.`,
  ]),
  // By the program that passes the value to etcd, or by the form of the value.
  'config/not-expanded': {
    systemd: error((d: NotExpanded) => [
      `${d.option} contains ${withDollar(d)}, which systemd does not expand there.`,
      `Write ${listed(d.names, 'none', 'and', (name) => `\${${name}}`)}.`,
    ]),
    'systemd, in variables': error((d: NotExpanded) => [
      `${d.option} contains ${withDollar(d)}, which systemd expands in no variable.`,
      `Write the value of ${listed(d.names)}, or give the option as a flag in ExecStart=, where systemd expands \${NAME}.`,
    ]),
    'systemd, as a command': error((d: NotExpanded) => [
      `${d.option} contains ${quoted(d.names)}, which systemd does not run as a command.`,
      'Write the value, a specifier of systemd such as %H, or start etcd by a shell: sh -c "exec etcd …".',
    ]),
    Kubernetes: error((d: NotExpanded) => [
      `${d.option} contains ${withParentheses(d)}, which Kubernetes does not expand, since the container has no such variable.`,
      `Define ${listed(d.names)} under "env" of the container.`,
    ]),
    'Kubernetes, without parentheses': error((d: NotExpanded) => [
      `${d.option} contains ${withDollar(d)}, which Kubernetes does not expand: no shell runs here.`,
      `Write ${withParentheses(d)}.`,
    ]),
    'etcd, a home folder': error((d: NotExpanded) => [
      `${d.option} contains ${listed(d.names)}, which etcd does not expand: only a shell replaces "~" by a home folder.`,
      'Write the path from the root on.',
    ]).refusedAs({ Go: 'open ~/…: no such file or directory' }),
  },
  'config/line-broken': {
    quote: error((d: ConfigPlace & { quote: string }) => [
      `${d.option}: the quote ${d.quote} is not closed, so it includes everything after it.`,
      `Close it with ${d.quote}, or remove it.`,
    ]),
    'carriage return': error((d: ConfigPlace) => [
      `${d.option}: the line ends with CR LF, as on Windows, and its backslash escapes only the CR, ${LOST_FLAGS}.`,
      'Save the file with LF line ends, for example with "sed -i \'s/\\r$//\' FILE".',
    ]),
    space: error((d: ConfigPlace) => [
      `${d.option}: a space follows the backslash at the end of the line, ${LOST_FLAGS}.`,
      'Remove the space: a backslash continues a line only as its last character.',
    ]),
    backslash: error((d: ConfigPlace) => [
      `${d.option}: the line does not end with a backslash, ${LOST_FLAGS}.`,
      'End the line with a space and a backslash.',
    ]),
    'one argument': error((d: ConfigPlace) => [
      `${d.option}: the whole command is one argument, and no program has that name.`,
      'Write each argument as an entry of its own, for example ["etcd", "--name=m1"]; in a unit, remove the quotes around the command.',
    ]),
    'after script': error((d: ConfigPlace) => [
      `${d.option}: arguments after the script of a shell are not passed to etcd.`,
      'Write them within the script, after etcd.',
    ]),
    'no program': error((d: ConfigPlace) => [
      `${d.option}: the command begins with a flag, but the image has no entrypoint, so the container tries to start a program of that name.`,
      'Write "etcd" as the first entry, before the flags.',
    ]),
  },
  'config/comment-in-value': error((d: ConfigPlace & { value: string; meant: string }) => [
    `${d.option} is "${d.value}": the text from "#" on is part of the value.`,
    `Write only "${d.meant}", and put the comment on a line of its own.`,
  ]),
  'config/space-in-list': error((d: ConfigPlace & { entry: string; isRefused: boolean; isMember: boolean }) => [
    `${d.option} has the entry "${d.entry}". etcd reads the space as part of it: ${d.isMember ? 'that member does not start with this list' : d.isRefused ? 'it does not start' : 'no certificate matches'}.`,
    `Write "${d.entry.trim()}" without spaces around it.`,
  ])
    .or('warning', ({ isMember }) => isMember)
    .refusedAs([{ etcd: 'unexpected TLS cipher suite " …"', when: ({ option }) => /cipher.suites$/i.test(option) }]),
  'config/unit-invalid': {
    'two starts': error((d: ConfigPlace) => [
      `${d.option} is set twice, so systemd does not load the unit.`,
      `Keep one ${d.option}=; in a drop-in file, write "${d.option}=" without a value before the new one.`,
    ]),
    export: error((d: ConfigPlace) => [
      `${d.option} follows "export". Systemd ignores the line, so the variable is not set.`,
      `Write "${d.option}=…" without "export".`,
    ]),
    'no assignment': error((d: ConfigPlace & { text: string }) => [
      `${d.option} has "${d.text}", which is not part of the value before it: systemd ends a value at a space.`,
      /^(?:https?|unixs?):\/\//.test(d.text)
        ? 'Write a comma without a space between two URLs.'
        : `If it belongs to the value before it, quote the whole assignment: ${d.option}="NAME=value with spaces". Write no spaces around "=".`,
    ]),
  },
  'config/ignored-with-file': warning((d: ConfigPlace & { configFile: string; options: string[] }) => [
    `${d.option} ${d.options.length > 1 ? `and ${String(d.options.length - 1)} more ` : ''}${verb(d.options, 'is', 'are')} ignored, because etcd reads the file ${d.configFile}.`,
    `Move ${verb(d.options, 'it', 'them')} into the file, or remove ${verb(d.options, 'it', 'them')}: ${listed(d.options)}.`,
  ]),
}

function withDollar({ names }: NotExpanded): string {
  return listed(names, 'none', 'and', (name) => `$${name}`)
}

function withParentheses({ names }: NotExpanded): string {
  return listed(names, 'none', 'and', (name) => `$(${name})`)
}

function leftOverRemedy(argument: string): string {
  // Word processors and web pages replace "--" with one long dash.
  if (/^[\u2013\u2014]/.test(argument)) return `Write "--${argument.slice(1)}": it begins with a long dash.`
  return SHELL_SYNTAX.test(argument)
    ? `Remove "${argument}" and everything after it: only a shell reads comments, redirections and "&&", and no shell reads this command.`
    : /^(?:https?|unixs?):\/\//.test(argument)
      ? 'Write a comma without a space between two URLs.'
      : 'Remove it, or quote the value that it belongs to.'
}
