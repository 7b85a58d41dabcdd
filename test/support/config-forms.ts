/** One member in every form in which a configuration may have variables, with a part of its text in a variable. */
import type { ConfigInput } from '../../src/config/read/input.js'
import { etcdOptions, rowOfFlag, variableOf } from '../../src/config/tables/options.js'

/** The options of a member by their flags, in order. */
export type Options = readonly (readonly [flag: string, value: string])[]

/** Stands for the reference in the values of {@link Options}. */
export const REFERENCE = '\u0001'

export interface Form {
  readonly name: string
  /** Whether the input has the value of the variable. */
  readonly isKnown: boolean
  /** @param value What the variable holds. */
  readonly write: (options: Options, value: string) => ConfigInput
}

function flagsOf(options: Options, reference: string): string[] {
  return options.map(([flag, value]) => `--${flag}=${value}`.replaceAll(REFERENCE, reference))
}

function variablesOf(options: Options, reference: string): string[] {
  return options.map(([flag, value]) => `${variableOf(flag)}=${value}`.replaceAll(REFERENCE, reference))
}

/** A file of etcd. */
function yamlOf(options: Options, reference: string): string {
  const blocks = new Map<string, string[]>()
  for (const [flag, written] of options) {
    const path = rowOfFlag(flag)?.yaml?.name ?? [flag]
    const [block, key = ''] = path.length === 2 ? path : ['', path[0]]
    const value = written.replaceAll(REFERENCE, reference)
    const isList = rowOfFlag(flag)?.kind === 'suites' || rowOfFlag(flag)?.kind === 'names'
    const line = isList ? `${key}: [${value}]` : `${key}: ${value.startsWith('{') ? `"${value}"` : value}`
    blocks.set(block, [...(blocks.get(block) ?? []), block === '' ? line : `  ${line}`])
  }
  return [...blocks].map(([block, all]) => `${block === '' ? '' : `${block}:\n`}${all.join('\n')}\n`).join('')
}

function unit(more: string, args: readonly string[]): string {
  return `[Service]\n${more}ExecStart=/usr/bin/etcd \\\n  ${args.join(' \\\n  ')}\n`
}

function pod(container: object): ConfigInput {
  const spec = { containers: [{ name: 'etcd', image: 'registry.k8s.io/etcd', ...container }] }
  return { manifest: `apiVersion: v1\nkind: Pod\nspec: ${JSON.stringify(spec)}\n` }
}

function compose(service: object): ConfigInput {
  return { manifest: `services:\n  etcd: ${JSON.stringify({ image: 'quay.io/coreos/etcd', ...service })}\n` }
}

const FROM_FIELD = { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }

/** The nine forms of variables that people use, each with its other spellings. */
export const FORMS: readonly Form[] = [
  ...['${X}', '$(hostname -i)', '`hostname -i`', '${X#*.}', '$1'].map((reference) =>
    open(`shell ${reference}`, (options) => ({ flags: `etcd ${flagsOf(options, reference).join(' ')}` })),
  ),
  open('shell in quotes', (options) => ({ flags: `etcd "${flagsOf(options, '${X}').join('" "')}"` })),
  open('script', (options) => ({
    flags: `#!/bin/sh\nset -eu\nX=$(hostname -i)\nexec etcd \\\n  ${flagsOf(options, '${X}').join(' \\\n  ')}\n`,
  })),
  open('script with variables', (options) => ({
    flags: `#!/bin/sh\nX=$(hostname -i)\nexport ${variablesOf(options, '"${X}"').join('\nexport ')}\nexec etcd\n`,
  })),
  known('unit with Environment=', (options, value) => ({
    unit: unit(`Environment="X=${value}"\n`, flagsOf(options, '${X}')),
  })),
  open('unit with EnvironmentFile=', (options) => ({
    unit: unit('EnvironmentFile=/etc/etcd/none.env\n', flagsOf(options, '${X}')),
  })),
  open('unit with %i', (options) => ({ unit: unit('', flagsOf(options, '%i')) })),
  open('unit with %i in variables', (options) => ({
    unit: `[Service]\n${variablesOf(options, '%i')
      .map((each) => `Environment="${each}"\n`)
      .join('')}ExecStart=/usr/bin/etcd\n`,
  })),
  open('pod with fieldRef', (options) =>
    pod({ command: ['etcd', ...flagsOf(options, '$(X)')], env: [{ name: 'X', ...FROM_FIELD }] }),
  ),
  open('pod with fieldRef in variables', (options) =>
    pod({
      command: ['etcd'],
      env: [
        { name: 'X', ...FROM_FIELD },
        ...options.map(([flag, value]) => ({
          name: variableOf(flag),
          value: value.replaceAll(REFERENCE, '$(X)'),
        })),
      ],
    }),
  ),
  open('pod with a shell', (options) =>
    pod({
      command: ['/bin/sh', '-ec', `exec etcd ${flagsOf(options, '$(X)').join(' ')}`],
      env: [{ name: 'X', ...FROM_FIELD }],
    }),
  ),
  open('pod with a variable of a shell', (options) =>
    pod({
      command: ['/bin/sh', '-ec', `exec etcd ${flagsOf(options, '${X}').join(' ')}`],
      env: [{ name: 'X', ...FROM_FIELD }],
    }),
  ),
  known('pod with value', (options, value) =>
    pod({ command: ['etcd', ...flagsOf(options, '$(X)')], env: [{ name: 'X', value }] }),
  ),
  ...['${X}', '$X$Y'].map((reference) =>
    open(`Compose ${reference}`, (options) => compose({ command: ['etcd', ...flagsOf(options, reference)] })),
  ),
  open('Compose with a string', (options) => compose({ command: `etcd ${flagsOf(options, '${X}').join(' ')}` })),
  open('Compose with variables', (options) =>
    compose({ command: ['etcd'], environment: variablesOf(options, '${X}') }),
  ),
  open('Compose with a text for an error', (options) =>
    compose({ command: ['etcd', ...flagsOf(options, '${X:?text}')] }),
  ),
  open('Compose with a text instead', (options) => compose({ command: ['etcd', ...flagsOf(options, '${X:+x}')] })),
  open('Compose with a shell', (options) =>
    compose({ command: ['sh', '-c', `exec etcd ${flagsOf(options, '$${X}').join(' ')}`] }),
  ),
  open('Compose in JSON', (options) => ({
    manifest: JSON.stringify({
      services: { etcd: { image: 'quay.io/coreos/etcd', command: ['etcd', ...flagsOf(options, '$X')] } },
    }),
  })),
  open('unit with a shell', (options) => ({
    unit: `[Service]\nExecStart=/bin/sh -c 'exec etcd ${flagsOf(options, '$${X}').join(' ')}'\n`,
  })),
  open('unit of another user', (options) => ({
    unit: `[Service]\nExecStart=/usr/bin/gosu etcd etcd ${flagsOf(options, '%H').join(' ')}\n`,
  })),
  open('unit of Jinja', (options) => ({ unit: unit('', flagsOf(options, '{{ x }}')) })),
  open('pod with a Secret', (options) =>
    pod({
      command: ['etcd', ...flagsOf(options, '$(X)')],
      env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }],
    }),
  ),
  open('pod of a List', (options) => {
    const { manifest = '' } = pod({ command: ['etcd', ...flagsOf(options, '{{ x }}')] })
    return { manifest: `apiVersion: v1\nkind: List\nitems:\n- ${manifest.trim().replaceAll('\n', '\n  ')}\n` }
  }),
  open('Jinja in a file', (options) => ({ yaml: yamlOf(options, '{{ x }}') })),
  open('Jinja in flags', (options) => ({ flags: `etcd ${flagsOf(options, '{{ x.y | default("z") }}').join(' ')}` })),
  open('Jinja in variables', (options) => ({ env: variablesOf(options, '{{ x }}').join('\n') })),
  open('Jinja in a pod', (options) => pod({ command: ['etcd', ...flagsOf(options, '{{ .Values.x }}')] })),
  open('Jinja with conditions', (options) => ({ yaml: yamlOf(options, '{% if a %}x{% endif %}') })),
]

/** The same with the value as the default of the variable. */
export const FORMS_WITH_DEFAULT: readonly Form[] = [
  open('shell with a default', (options, value) => ({
    flags: `etcd ${flagsOf(options, `\${X:-${value}}`).join(' ')}`,
  })),
  open('Compose with a default', (options, value) =>
    compose({ command: ['etcd', ...flagsOf(options, `\${X:-${value}}`)] }),
  ),
]

function open(name: string, write: Form['write']): Form {
  return { name, isKnown: false, write }
}

function known(name: string, write: Form['write']): Form {
  return { name, isKnown: true, write }
}

/** The options that the form can have: a file has no key for some. */
export function writable({ name }: Form, options: Options): Options {
  if (!/in a file|with conditions/.test(name)) return options
  return options.filter(([flag]) => etcdOptions.some((row) => row.flag?.name === flag && row.yaml !== null))
}
