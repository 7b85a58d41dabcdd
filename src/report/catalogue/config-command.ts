/** Findings about command lines and variables that start etcd: how they are written, and which of several is in force. */
import { row } from '../row.js'
import { type ConfigPlace, placed } from './config-place.js'
import { listed } from '../words.js'

function leftOverRemedy(argument: string): string {
  // Word processors make one of two.
  const [dash, flag] = [argument.charAt(0), argument.slice(1)]
  if (dash === '\u2013' || dash === '\u2014') return `It begins with a long dash: write "--${flag}".`
  return 'Take it out, or quote what it belongs to.'
}

const NOT_CONTINUED = {
  'carriage return': 'the line ends with CR LF, as on Windows, and a shell takes its backslash for the CR alone',
  blank: 'a blank follows the backslash at the end of the line',
  backslash: 'the line does not end with a backslash',
}
const CONTINUE = {
  'carriage return': 'Save the text with line ends of LF alone, as with "sed -i \'s/\\r$//\' FILE".',
  blank: 'Take the blank out: a backslash continues a line as its very last character alone.',
  backslash: 'End the line with a blank and a backslash.',
}

function inFile(key: string): string {
  return `Write "${key}" in a configuration file (--config-file), with all other options: no flag and no variable says it.`
}

export const configCommand = {
  'config/flag-repeated': row<ConfigPlace & { firstLine: number | null; value: string }>({
    severity: 'warning',
    meaning: 'A flag is given twice with different values. The last one is in force.',
    source: 'Go flag',
    message: (details) => `${placed(details)} is given twice, and "${details.value}" is in force.`,
    remedy: () => 'Take one of them out.',
  }),
  'config/flag-unknown': row<ConfigPlace & { nearest: string | null; lines: string[]; key?: string }>({
    severity: 'error',
    meaning: 'Etcd does not start with a flag that it does not know.',
    source: 'Go flag; server/etcdmain/config.go of each line',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) =>
      `${placed(details)} is no flag of this etcd${details.lines.length === 0 ? '' : `; ${listed(details.lines)} had it`}.`,
    remedy: ({ nearest, key }) => {
      if (key !== undefined) return inFile(key)
      return nearest === null ? 'Take it out.' : `Write "${nearest}" if that is meant.`
    },
  }),
  'config/flag-value-missing': row<ConfigPlace & { next: string | null }>({
    severity: 'error',
    meaning: 'A flag needs a value and has none. The next word is its value then, also if that is a flag.',
    source: 'Go flag; etcd 3.5.16, run',
    refusals: [
      { by: 'Go', words: 'flag needs an argument: -…', when: ({ next }) => next === null },
      { by: 'etcd', words: "'…' is not a valid flag", when: ({ next }) => next !== null },
    ],
    message: (details) =>
      `${placed(details)} has no value${details.next === null ? '' : `, so etcd takes the next flag, "${details.next}", for it`}.`,
    remedy: ({ option }) => `Write ${option}=VALUE.`,
  }),
  'config/quotes-in-value': row<ConfigPlace & { value: string }>({
    severity: 'error',
    meaning:
      'Quotes are part of a value. Only a shell and systemd take them off: in a list of Compose, in the arguments of a pod and in a file of variables of Docker, etcd receives them.',
    source:
      'Compose specification, environment and command as lists; docker-run(1) --env-file; Kubernetes API, args; etcd 3.5.16, run',
    message: (details) => `${placed(details)} begins and ends with quotes, which etcd receives as part of the value.`,
    remedy: ({ value }) => `Write ${value} without these quotes, or put the quotes around the whole entry.`,
  }),
  'config/variable-not-expanded': row<ConfigPlace & { names: string[] }>({
    severity: 'error',
    meaning:
      'Systemd expands $NAME only as an argument of its own. Within an argument, etcd receives the characters "$NAME". ${NAME} is expanded anywhere.',
    source: 'systemd.service(5), "Command lines"; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} contains ${listed(details.names.map((name) => `$${name}`))}, which systemd does not expand there.`,
    remedy: ({ names }) => `Write ${listed(names.map((name) => `\${${name}}`))}.`,
  }),
  'config/flag-with-blank': row<ConfigPlace & { value: string }>({
    severity: 'error',
    meaning:
      'A flag and its value are one argument with a blank between. Etcd takes all of it for the name of a flag, and does not start.',
    source: 'Go flag; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) =>
      `${placed(details)} and its value are one argument with a blank between, so etcd knows no such flag.`,
    remedy: ({ option, value }) => `Write "${option}=${value}", or make them two arguments.`,
  }),
  'config/argument-left-over': row<ConfigPlace & { argument: string; after: string | null }>({
    severity: 'error',
    meaning:
      'A word that belongs to no flag ends the reading of flags, and etcd. Flags that are true or false take their value after "=" alone.',
    source: 'Go flag; server/etcdmain/config.go v3.5.16 parse',
    refusals: [{ by: 'etcd', words: "'…' is not a valid flag" }],
    message: (details) =>
      `${placed(details)}: the word "${details.argument}" belongs to no flag, and etcd does not start with it.`,
    remedy: ({ argument, after }) => (after === null ? leftOverRemedy(argument) : `Write "${after}=${argument}".`),
  }),
  'config/variable-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'warning',
    meaning: 'Etcd passes over variables that it does not know, with a line in its log.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    message: (details) => `${placed(details)} is no variable that etcd knows, so it does nothing.`,
    remedy: ({ nearest }) => (nearest === null ? 'Take it out.' : `Write ${nearest} if that is meant.`),
  }),
  'config/tls-variable-unknown': row<ConfigPlace & { nearest: string | null; key?: string }>({
    severity: 'error',
    meaning:
      'Etcd passes over variables that it does not know, with a line in its log, so what this one should protect is not protected.',
    source: 'pkg/flags/flag.go v3.5.16 verifyEnv',
    message: (details) => `${placed(details)} is no variable that etcd knows, so it protects nothing.`,
    remedy: ({ nearest, key }) =>
      key === undefined ? `Write ${nearest ?? 'another name'} if that is meant.` : inFile(key),
  }),
  'config/variable-repeated': row<ConfigPlace & { firstLine: number; value: string }>({
    severity: 'warning',
    meaning: 'A variable is set twice in one file, to different values. The last one is in force.',
    source: 'systemd.exec(5) EnvironmentFile=',
    message: (details) =>
      `${placed(details)} is set already on line ${String(details.firstLine)}, and "${details.value}" is in force.`,
    remedy: () => 'Take one of them out.',
  }),
  'config/remark-in-value': row<ConfigPlace & { value: string; meant: string }>({
    severity: 'error',
    meaning: 'A remark stands behind a value in a file of variables. Systemd takes it as part of the value.',
    source: 'systemd.exec(5) EnvironmentFile=; systemd src/basic/env-file.c; systemd 257, run',
    message: (details) => `${placed(details)} is "${details.value}": what begins with "#" is part of the value.`,
    remedy: ({ meant }) => `Write "${meant}" alone; a comment stands at the beginning of a line.`,
  }),
  'config/quote-open': row<ConfigPlace & { quote: string }>({
    severity: 'error',
    meaning:
      'A quote is opened and not closed. A shell refuses the command, systemd passes over the line, and in a file of variables everything to its end is one value.',
    source: 'POSIX.1-2024 Shell Command Language 2.2; systemd.syntax(7); systemd src/basic/env-file.c',
    message: (details) =>
      `${placed(details)}: the quote ${details.quote} is not closed, so all that follows is within it.`,
    remedy: ({ quote }) => `Close it with ${quote}, or take it out.`,
  }),
  'config/line-not-continued': row<ConfigPlace & { why: 'carriage return' | 'blank' | 'backslash' }>({
    severity: 'error',
    meaning:
      'A command ends with a line, though the next line holds more of its flags: there is no backslash at the end, or a blank or CR (of Windows) follows it. The flags after it are lost, or end etcd.',
    source: 'POSIX.1-2024 Shell Command Language 2.2.1; systemd.syntax(7)',
    message: (details) =>
      `${placed(details)}: ${NOT_CONTINUED[details.why]}, so the flags on the lines after it are not etcd’s.`,
    remedy: ({ why }) => CONTINUE[why],
  }),
  'config/blank-in-list': row<ConfigPlace & { entry: string; isRefused: boolean; member?: string }>({
    severity: ({ member }) => (member === undefined ? 'error' : 'warning'),
    meaning:
      'An entry of a list has a blank at its beginning or end, as after a comma. Etcd takes blanks from URLs alone: such a cipher suite, or a member of initial-cluster by this member’s own name, is not known, and no certificate has such a common name or host.',
    source: 'pkg/flags/strings.go v3.5.16; client/pkg/types/urlsmap.go v3.5.16; etcd 3.5.16, run',
    refusals: [
      { by: 'etcd', words: 'unexpected TLS cipher suite " …"', when: ({ option }) => /cipher.suites$/i.test(option) },
    ],
    message: (details) =>
      `${placed(details)} has the entry "${details.entry}", and etcd takes the blank as part of it: ${details.member !== undefined ? `"${details.member}" does not start with this list` : details.isRefused ? 'it does not start' : 'no certificate has that'}.`,
    remedy: ({ entry }) => `Write "${entry.trim()}" without blanks around it.`,
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
    message: (details) =>
      `${placed(details)} is given by ${details.variable} as well, and etcd does not start with both.`,
    remedy: ({ option, variable }) => `Keep one of ${option} and ${variable}.`,
  }),
  'config/ignored-beside-file': row<ConfigPlace & { configFile: string; options: string[] }>({
    severity: 'warning',
    meaning: 'Beside a configuration file, etcd ignores all other flags and variables.',
    source: 'server/etcdmain/config.go v3.5.16 parse; etcd 3.5.16, run',
    message: (details) => {
      const [others, verb] = [details.options.length - 1, details.options.length === 1 ? 'is' : 'are']
      const more = others === 0 ? '' : ` and ${String(others)} more`
      return `${placed(details)}${more} ${verb} not in force, since etcd is given the file ${details.configFile}.`
    },
    remedy: ({ options }) =>
      `Write ${options.length === 1 ? 'it' : 'them'} into the file, or take ${options.length === 1 ? 'it' : 'them'} out: ${listed(options)}.`,
  }),
}
