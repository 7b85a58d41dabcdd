/** Findings about command lines and variables that start etcd: how they are written, and which of several is in force. */
import { row } from '../row.js'
import { type ConfigPlace, placed } from './config-place.js'
import { listed } from '../words.js'

function leftOverRemedy(argument: string): string {
  // Word processors replace two dashes by one long dash.
  const [dash, flag] = [argument.charAt(0), argument.slice(1)]
  if (dash === '\u2013' || dash === '\u2014') return `It begins with a long dash: write "--${flag}".`
  return 'Remove it, or quote the value that it belongs to.'
}

const NOT_CONTINUED = {
  'carriage return': 'the line ends with CR LF, as on Windows, and its backslash escapes only the CR',
  blank: 'a space follows the backslash at the end of the line',
  backslash: 'the line does not end with a backslash',
}
const CONTINUE = {
  'carriage return': 'Save the file with LF line ends, for example with "sed -i \'s/\\r$//\' FILE".',
  blank: 'Remove the space: a backslash continues a line only as its last character.',
  backslash: 'End the line with a space and a backslash.',
}

function inFile(key: string): string {
  return `Write "${key}" in a configuration file (--config-file), with all other options: etcd has no flag and no variable for it.`
}

/** What is not expanded, and by whom. */
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
}

export const configCommand = {
  'config/flag-repeated': row<ConfigPlace & { firstLine: number | null; value: string }>({
    severity: 'warning',
    meaning: 'A flag is set twice with different values. Etcd uses the last one.',
    source: 'Go flag',
    message: (details) => `${placed(details)} is set twice. Etcd uses "${details.value}".`,
    remedy: () => 'Remove one of them.',
  }),
  'config/flag-unknown': row<ConfigPlace & { nearest: string | null; lines: string[]; key?: string }>({
    severity: 'error',
    meaning: 'Etcd does not start with a flag that it does not know.',
    source: 'Go flag; server/etcdmain/config.go of each line',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) =>
      `${placed(details)} is not a flag of this etcd${details.lines.length === 0 ? '' : `; ${listed(details.lines)} had it`}.`,
    remedy: ({ nearest, key }) => {
      if (key !== undefined) return inFile(key)
      return nearest === null ? 'Remove it.' : `Write "${nearest}" if you mean that.`
    },
  }),
  'config/flag-value-missing': row<ConfigPlace & { next: string | null }>({
    severity: 'error',
    meaning: 'A flag requires a value and has none. Etcd takes the next argument as its value, even if that is a flag.',
    source: 'Go flag; etcd 3.5.16, run',
    refusals: [
      { by: 'Go', words: 'flag needs an argument: -…', when: ({ next }) => next === null },
      { by: 'etcd', words: "'…' is not a valid flag", when: ({ next }) => next !== null },
    ],
    message: (details) =>
      `${placed(details)} has no value${details.next === null ? '' : `, so etcd takes the next flag, "${details.next}", as its value`}.`,
    remedy: ({ option }) => `Write ${option}=VALUE.`,
  }),
  'config/quotes-in-value': row<ConfigPlace & { value: string }>({
    severity: 'error',
    meaning:
      'Quotes are part of a value. Only a shell and systemd remove them: in a list of Compose, in the arguments of a pod and in a file of variables of Docker, etcd receives them.',
    source:
      'Compose specification, environment and command as lists; docker-run(1) --env-file; Kubernetes API, args; etcd 3.5.16, run',
    message: (details) => `${placed(details)} begins and ends with quotes, which etcd receives as part of the value.`,
    remedy: ({ value }) => `Write ${value} without these quotes, or put the quotes around the whole entry.`,
  }),
  'config/variable-not-expanded': row<ConfigPlace & { names: string[]; by: keyof typeof NOT_EXPANDED }>({
    severity: 'error',
    meaning:
      'Etcd receives the characters "$NAME" or "$(NAME)". Systemd expands ${NAME} in a command, $NAME as an argument of its own, and nothing in Environment= or a file of variables; it runs no command. Kubernetes expands $(NAME) if the container has that variable.',
    source:
      'systemd.service(5), "Command lines"; systemd.exec(5), Environment=; Kubernetes API, command, args and env; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} contains ${listed(details.names.map(NOT_EXPANDED[details.by].shown))}, which ${NOT_EXPANDED[details.by].why}.`,
    remedy: ({ names, by }) => NOT_EXPANDED[by].remedy(names),
  }),
  'config/start-repeated': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'A unit has two ExecStart= settings, which systemd allows in a unit of Type=oneshot alone. It does not load the unit.',
    source: 'systemd.service(5), ExecStart=; systemd 257, run',
    message: (details) => `${placed(details)} is set twice, so systemd does not load the unit.`,
    remedy: ({ option }) =>
      `Keep one ${option}=; in a drop-in file, write "${option}=" without a value before the new one.`,
  }),
  'config/tilde-in-path': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning:
      'A path begins with "~". A shell alone replaces that by a home folder, at the beginning of an argument; etcd looks for a folder of that name.',
    source: 'POSIX.1-2024 Shell Command Language 2.6.1; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'open ~/…: no such file or directory' }],
    message: (details) => `${placed(details)} is ${details.path}, and etcd does not replace "~" by a home folder.`,
    remedy: () => 'Write the path from the root on.',
  }),
  'config/flag-in-value': row<ConfigPlace & { value: string; flag: string }>({
    severity: 'error',
    meaning:
      'The value of an option contains another flag, which etcd therefore does not receive. Systemd makes one argument of ${NAME}, and several of $NAME.',
    source: 'systemd.service(5), "Command lines"; etcd 3.5.16, run',
    message: (details) => `${placed(details)} is "${details.value}": ${details.flag} is part of the value.`,
    remedy: ({ flag }) => `Make ${flag} an argument of its own; in a unit, write $NAME in place of "\${NAME}".`,
  }),
  'config/flag-with-blank': row<ConfigPlace & { value: string }>({
    severity: 'error',
    meaning:
      'A flag and its value are one argument with a space between them. Etcd reads all of it as the name of a flag and does not start.',
    source: 'Go flag; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) =>
      `${placed(details)} and its value are one argument with a space between them. Etcd does not know such a flag.`,
    remedy: ({ option, value }) => `Write "${option}=${value}", or write two arguments.`,
  }),
  'config/argument-left-over': row<ConfigPlace & { argument: string; after: string | null }>({
    severity: 'error',
    meaning:
      'An argument does not belong to a flag. Etcd does not start. A boolean flag takes its value only after "=".',
    source: 'Go flag; server/etcdmain/config.go v3.5.16 parse',
    refusals: [{ by: 'etcd', words: "'…' is not a valid flag" }],
    message: (details) =>
      `${placed(details)}: the argument "${details.argument}" does not belong to a flag. Etcd does not start with it.`,
    remedy: ({ argument, after }) => (after === null ? leftOverRemedy(argument) : `Write "${after}=${argument}".`),
  }),
  'config/variable-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'warning',
    meaning: 'Etcd ignores unknown variables, with a line in its log.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    message: (details) => `${placed(details)} is not a variable of etcd. Etcd ignores it.`,
    remedy: ({ nearest }) => (nearest === null ? 'Remove it.' : `Write ${nearest} if you mean that.`),
  }),
  'config/tls-variable-unknown': row<ConfigPlace & { nearest: string | null; key?: string }>({
    severity: 'error',
    meaning:
      'Etcd ignores unknown variables, with a line in its log. The protection that this variable should configure is missing.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    message: (details) => `${placed(details)} is not a variable of etcd. Etcd ignores it, so it protects nothing.`,
    remedy: ({ nearest, key }) =>
      key === undefined ? `Write ${nearest ?? 'another name'} if you mean that.` : inFile(key),
  }),
  'config/variable-repeated': row<ConfigPlace & { firstLine: number; value: string }>({
    severity: 'warning',
    meaning: 'A variable is set twice in one file, to different values. The last value is used.',
    source: 'systemd.exec(5) EnvironmentFile=',
    message: (details) =>
      `${placed(details)} is set already on line ${String(details.firstLine)}. The value "${details.value}" is used.`,
    remedy: () => 'Remove one of them.',
  }),
  'config/remark-in-value': row<ConfigPlace & { value: string; meant: string }>({
    severity: 'error',
    meaning: 'A comment follows a value in an environment file. Systemd reads it as part of the value.',
    source: 'systemd.exec(5) EnvironmentFile=; systemd src/basic/env-file.c; systemd 257, run',
    message: (details) => `${placed(details)} is "${details.value}": the text from "#" on is part of the value.`,
    remedy: ({ meant }) => `Write only "${meant}", and put the comment on a line of its own.`,
  }),
  'config/quote-open': row<ConfigPlace & { quote: string }>({
    severity: 'error',
    meaning:
      'A quote is not closed. A shell refuses the command, systemd ignores the line, and in an environment file everything up to its end is one value.',
    source: 'POSIX.1-2024 Shell Command Language 2.2; systemd.syntax(7); systemd src/basic/env-file.c',
    message: (details) =>
      `${placed(details)}: the quote ${details.quote} is not closed, so it includes everything after it.`,
    remedy: ({ quote }) => `Close it with ${quote}, or remove it.`,
  }),
  'config/line-not-continued': row<ConfigPlace & { why: 'carriage return' | 'blank' | 'backslash' }>({
    severity: 'error',
    meaning:
      'A command ends at the end of a line, but the next line has more flags: the line has no backslash at its end, or a space or CR (of Windows) follows it. Etcd does not receive the flags after it, or does not start.',
    source: 'POSIX.1-2024 Shell Command Language 2.2.1; systemd.syntax(7)',
    message: (details) =>
      `${placed(details)}: ${NOT_CONTINUED[details.why]}, so etcd does not receive the flags on the next lines.`,
    remedy: ({ why }) => CONTINUE[why],
  }),
  'config/blank-in-list': row<ConfigPlace & { entry: string; isRefused: boolean; member?: string }>({
    severity: ({ member }) => (member === undefined ? 'error' : 'warning'),
    meaning:
      'An entry of a list begins or ends with a space, for example after a comma. Etcd removes spaces only around URLs. It does not know such a cipher suite, or its own name in initial-cluster, and no certificate has such a common name or host.',
    source: 'pkg/flags/strings.go v3.5.16; client/pkg/types/urlsmap.go v3.5.16; etcd 3.5.16, run',
    refusals: [
      { by: 'etcd', words: 'unexpected TLS cipher suite " …"', when: ({ option }) => /cipher.suites$/i.test(option) },
    ],
    message: (details) =>
      `${placed(details)} has the entry "${details.entry}". Etcd reads the space as part of it: ${details.member !== undefined ? `"${details.member}" does not start with this list` : details.isRefused ? 'it does not start' : 'no certificate matches'}.`,
    remedy: ({ entry }) => `Write "${entry.trim()}" without spaces around it.`,
  }),
  'config/variable-exported': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'A line of an EnvironmentFile begins with "export", as for a shell. Systemd ignores such a line, so etcd does not receive the option.',
    source: 'systemd.exec(5) EnvironmentFile=; systemd src/basic/env-file.c; systemd 257, run',
    message: (details) => `${placed(details)} follows "export". Systemd ignores the line, so the variable is not set.`,
    remedy: ({ option }) => `Write "${option}=…" without "export".`,
  }),
  'config/flag-and-variable': row<ConfigPlace & { variable: string }>({
    severity: 'error',
    meaning: 'An option is set by a flag and by a variable. Etcd does not start, even if both have the same value.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    refusals: [
      { by: 'etcd', words: 'conflicting environment variable is shadowed by corresponding command-line flag' },
      { by: 'etcd', words: 'conflicting environment variable "…" is shadowed by corresponding command-line flag' },
    ],
    message: (details) => `${placed(details)} is also set by ${details.variable}. Etcd does not start with both.`,
    remedy: ({ option, variable }) => `Keep one of ${option} and ${variable}.`,
  }),
  'config/ignored-beside-file': row<ConfigPlace & { configFile: string; options: string[] }>({
    severity: 'warning',
    meaning: 'With a configuration file, etcd ignores all other flags and variables.',
    source: 'server/etcdmain/config.go v3.5.16 parse; etcd 3.5.16, run',
    message: (details) => {
      const [others, verb] = [details.options.length - 1, details.options.length === 1 ? 'is' : 'are']
      const more = others === 0 ? '' : ` and ${String(others)} more`
      return `${placed(details)}${more} ${verb} ignored, because etcd reads the file ${details.configFile}.`
    },
    remedy: ({ options }) =>
      `Move ${options.length === 1 ? 'it' : 'them'} into the file, or remove ${options.length === 1 ? 'it' : 'them'}: ${listed(options)}.`,
  }),
}
