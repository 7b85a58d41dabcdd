/** What a command is: its row in the table of commands, the call that it gets, and the answer that it returns. */
import type { Finding } from '../report/index.js'
import { printableJson, type PrintOptions } from '../report/internal.js'

/** An option: its flags as commander reads them, and the line of the help. */
export type OptionRow = readonly [flags: string, description: string]

/** A row of the table of commands. Its code is loaded when the command is called. */
export interface CommandRow {
  readonly name: string
  /** As commander reads them, such as `<target...>`. */
  readonly operands: string
  readonly summary: string
  /** Two calls, without the name of the program. A test runs them. */
  readonly examples: readonly [string, string]
  readonly options: readonly OptionRow[]
  /** Whether a minor release may change it. */
  readonly isExperimental?: boolean
  /** Lines of the help after the options. */
  readonly notes?: readonly string[]
  /** Whether it has the flags of etcdctl for a connection. */
  readonly connects: boolean
  readonly load: () => Promise<{ run: (call: Call) => Promise<Answer> }>
}

/** A call of a command, with its operands and options parsed, but not checked. */
export interface Call {
  readonly operands: readonly string[]
  readonly options: Options
  readonly input: NodeJS.ReadStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** Says what the command is waiting for. It is shown on a terminal only, after a second. */
  readonly progress: (text: string) => void
  /** Writes a line that is not part of the answer. */
  readonly hint: (line: string) => void
}

/** What `--json` prints. A field that goes or gets another meaning makes another version. */
export function jsonText(document: object): string {
  return printableJson({ version: 1, ...document })
}

/** What a command found. The frame prints it and makes the exit code of it. */
export interface Answer {
  /** What `--json` prints. */
  readonly document: object
  /** What is printed for people, without a newline at the end. */
  readonly text: (print: PrintOptions) => string
  readonly findings: readonly Pick<Finding, 'severity'>[]
  /** No error, but a certificate is due, or something was not checked. */
  readonly isDue?: boolean
  /** A sentence about a part of its work that it could not do: the exit code is 2. */
  readonly failure?: string
}

/** A wrong call of the command: the exit code is 2. */
export class UsageError extends Error {
  /** Lines that follow the message. */
  readonly more: readonly string[]

  constructor(message: string, more: readonly string[] = []) {
    super(message)
    this.more = more
  }
}

/** The values of the options by their names in camel case, as commander gives them. */
export class Options {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  /** The last value; undefined if the option was not given. */
  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** A user or a group: a name, or a number. */
  account(name: string): string | number | undefined {
    const text = this.text(name)
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
  }

  /** All values of an option that can be repeated. */
  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** @throws {UsageError} for a value that is not one of `accepted` */
  choice<T extends string>(name: string, accepted: readonly T[]): T | undefined {
    const value = this.text(name)
    const found = accepted.find((each) => each === value)
    if (value !== undefined && found === undefined)
      throw new UsageError(`--${kebab(name)} must be one of ${accepted.join(', ')}; received ${JSON.stringify(value)}.`)
    return found
  }
}

/** The name of a flag, without its hyphens. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
