/** Reads flags as Go does (package flag, FlagSet.parseOne): `-name=value`, `--name value`, and `--name` for a boolean. */
import { SHELL_SYNTAX } from '../../report/catalogue/config/reading.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { FindingDetails } from '../../report/finding.js'
import {
  type EtcdOptionRow,
  etcdOptions,
  KNOWN_FLAGS,
  passthroughOfFlag,
  type PassthroughRow,
  rowOfFlag,
} from '../tables/options.js'
import { knownNames, meantByValue, meantByWords, nearest } from './meaning.js'
import { type Reading, textOption } from './read-option.js'
import type { PlaceOf } from './text.js'
import { splitTokens, type Token } from './tokenizer.js'
import { type ResolvedText, resolveText, shown, type Syntax } from './references.js'

/** Linux accepts no more of usual length. */
const MAX_ARGUMENTS = 10_000
const FLAGS = knownNames([...etcdOptions.flatMap((row) => row.flag?.name ?? []), ...KNOWN_FLAGS])

/** @param syntax The program that fills in parts of the arguments. */
export function readFlags(tokens: readonly Token[], place: PlaceOf, syntax: Syntax, into: Reading): void {
  const [first, last] = [tokens[0], tokens[MAX_ARGUMENTS]]
  if (first !== undefined && isOtherProgram(first.text)) {
    readOtherProgram(tokens, place, syntax, into)
    return
  }
  if (last !== undefined) into.addLimit(place(last.offset, 'etcd'), MAX_ARGUMENTS, 'arguments were read')
  new FlagsReader(tokens.slice(0, MAX_ARGUMENTS), place, syntax, into).read()
}

function isOtherProgram(argument: string): boolean {
  return argument === 'gateway' || argument === 'grpc-proxy'
}

/**
 * Reads a subcommand that starts no member, and has flags of its own (server/etcdmain/grpc_proxy.go, gateway.go v3.5.16).
 *
 * @param tokens The first one is the subcommand.
 */
function readOtherProgram(tokens: readonly Token[], place: PlaceOf, syntax: Syntax, into: Reading): void {
  const [{ text: name, offset } = { text: '', offset: 0 }] = tokens
  into.isComplete = false
  const values = new Map<string, { text: string; isKnown: boolean; offset: number }>()
  for (const [i, token] of tokens.entries()) {
    const { text, unknown } = resolveText(token.text, syntax, into.given)
    const [, flag, given] = /^--?([a-z-]+)(?:=([^]*))?$/.exec(text) ?? []
    const next = resolveText(tokens[i + 1]?.text ?? '', syntax, into.given)
    const isKnown = unknown.length === 0 && (given !== undefined || next.unknown.length === 0)
    if (flag !== undefined) values.set(flag, { text: given ?? next.text, isKnown, offset: token.offset })
  }
  const isPresent = (flag: string): boolean => (values.get(flag)?.text ?? '') !== ''
  const address = values.get('listen-addr') ?? { text: '127.0.0.1:23790', isKnown: true, offset }
  const open = tokens.slice(2).find(({ text }) => /^["']?[$`\ue000-\uf8ff]/.test(text))
  if (name === 'gateway' || !address.isKnown || open !== undefined) {
    const message = `etcd's ${name} has its own flags, which were not checked. Check who can reach its address.`
    into.addUnchecked('script', place(offset, name), message)
    return
  }
  if (isPresent('trusted-ca-file') || /^(?:localhost|127\.[\d.]+|\[?::1\]?):\d*$/.test(address.text)) return
  const details = { ...place(address.offset, '--listen-addr'), url: address.text }
  into.report('config/proxy-open', { ...details, kind: isPresent('cert') ? 'lent certificate' : 'no certificate' })
}

/** Distributes over the kinds of the details. */
type Unplaced<D> = D extends ConfigPlace ? Omit<D, keyof ConfigPlace> : never

interface PreviousFlag {
  readonly flag: string
  readonly row: EtcdOptionRow | PassthroughRow | undefined
  /** Whether the next argument is probably meant as its value, although Go does not read it so. */
  readonly expectsValue: boolean
  readonly takesNext: boolean
}

class FlagsReader {
  readonly #tokens: readonly Token[]
  readonly #place: PlaceOf
  readonly #syntax: Syntax
  readonly #into: Reading
  #isReported = false

  constructor(tokens: readonly Token[], place: PlaceOf, syntax: Syntax, into: Reading) {
    this.#place = place
    this.#syntax = syntax
    this.#into = into
    this.#tokens = tokens.flatMap((each) => this.#filled(each)).flatMap((each) => this.#split(each))
  }

  read(): void {
    let before: PreviousFlag | null = null
    for (let i = 0; i < this.#tokens.length; i++) {
      const token = this.#tokens[i]
      if (token === undefined) break
      const text = token.text.replace(/^[\u2013\u2014](?=[a-z])/, '--')
      const [, written, given] = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(text) ?? []
      const resolved = written === undefined ? undefined : this.#resolve(written, token)
      const name = resolved?.text
      const next = this.#tokens[i + 1]
      if (text !== token.text) this.#leftOver(token, null)
      if (name === undefined) this.#other(token, next, before)
      before = resolved === undefined ? null : this.#flag(resolved, given, token, next)
      if (before?.takesNext === true) i++
    }
  }

  /** The arguments that one stands for, such as `$ETCD_OPTS` and `$@`, as far as its value is known. */
  #filled(token: Token): Token[] {
    if (token.text.startsWith('-')) return [token]
    const { text, unknown, assumed } = resolveText(token.text, this.#syntax, this.#into.given)
    const isKnown = unknown.length === 0 && (assumed.length > 0 || text !== shown(token.text))
    if (!isKnown || !/^-| -/.test(text)) return [token]
    if (assumed.length > 0) this.#mayBeFlags(token)
    const split = this.#syntax === 'Kubernetes' ? [{ text }] : splitTokens(text, 'shell')
    return split.map((inner) => ({ ...token, text: inner.text }))
  }

  /** Fills in what is known, and reports the rest: it may be any flag. */
  #resolve(written: string, token: Token): ResolvedText {
    const resolved = resolveText(written, this.#syntax, this.#into.given)
    if (resolved.unknown.length + resolved.assumed.length > 0) this.#mayBeFlags(token)
    return resolved
  }

  #mayBeFlags({ text, offset }: Token): void {
    const message = `"${text}" may hold any flags. Pass its value in the option "variables", or the arguments of the process.`
    this.#into.addUnchecked('flag-list', this.#place(offset, 'etcd'), message)
  }

  /** Reports several flags in one argument, as from an unsplit variable: etcd receives them as one value. */
  #split(token: Token): Token[] {
    const { text } = token
    const argument = flagWithin(text)
    const [, flag] = argument === null ? [] : (/^(--?[a-z][a-z-]*)[= ]/.exec(text) ?? [])
    if (argument === null || flag === undefined) return [token]
    const value = text.slice(text.search(/[= ]/) + 1)
    this.#misplaced(token, flag, { kind: 'flag in value', argument, value })
    return splitTokens(text, 'shell').map((inner) => ({ ...token, text: inner.text }))
  }

  /** Go stops at an argument that is not a flag, and etcd exits. The flags after it are read nevertheless. */
  #other(token: Token, next: Token | undefined, before: PreviousFlag | null): void {
    const { text } = token
    const { unknown, assumed } = this.#resolve(text, token)
    if (unknown.length + assumed.length > 0) return
    if (text === '--') {
      if (next !== undefined) this.#leftOver(next, null)
      this.#isReported = true
    } else if (SHELL_SYNTAX.test(text)) this.#leftOver(token, null)
    else this.#leftOver(token, before)
  }

  #leftOver(token: Token, before: PreviousFlag | null): void {
    if (this.#isReported) return
    this.#isReported = true
    const after = before?.expectsValue === true ? before.flag : null
    this.#misplaced(token, before?.flag ?? 'etcd', { kind: 'left over', argument: token.text, after })
  }

  #flag(
    { text: written, unknown }: ResolvedText,
    given: string | undefined,
    token: Token,
    next: Token | undefined,
  ): PreviousFlag {
    // `--cert-file /x` as one argument.
    const [, first = '', joined] = given === undefined ? (/^(\S+)\s+(\S[\s\S]*)$/.exec(written) ?? []) : []
    const isJoined = joined !== undefined && rowOf(first) !== undefined
    const name = isJoined ? first : written
    const flag = `--${name}`
    const place = this.#place(token.offset, flag)
    const own = rowOf(name)
    // etcd prints its flags, and exits.
    const isHelp = name === 'help' || name === 'h'
    const row = own ?? (unknown.length > 0 || isHelp ? undefined : this.#meant(name, given ?? next?.text ?? '', place))
    if (isJoined) {
      this.#misplaced(token, flag, { kind: 'joined', value: joined })
      return { flag, row, expectsValue: false, takesNext: false }
    }
    // An ignored flag needs no value (pkg/flags/ignored.go).
    const isSwitch =
      row === undefined
        ? next === undefined || next.text.startsWith('-')
        : row.kind === 'boolean' || row.kind === 'nothing'
    const takesNext = given === undefined && !isSwitch && next !== undefined && !isKnownFlag(next.text)
    const value = given ?? (isSwitch ? 'true' : takesNext ? next.text : undefined)
    if (value === undefined) {
      this.#misplaced(token, flag, { kind: 'no value', argument: next?.text ?? '' })
      if (own !== undefined && 'block' in own)
        this.#into.options.push({ ...textOption(own, '', 'flags', place), isUnreadable: true })
    } else if (own !== undefined) this.#into.set(own, value, 'flags', place, this.#syntax)
    return { flag, row, expectsValue: given === undefined ? isSwitch : given === '', takesNext }
  }

  /** Reports an unknown flag, and returns the option that was probably meant. */
  #meant(name: string, value: string, place: ConfigPlace): EtcdOptionRow | undefined {
    // The search for similar names is slow.
    if (this.#into.isFull('config/option-unknown')) return undefined
    const byWords = meantByWords(name)
    if (byWords?.flag === null && byWords.yaml !== null) {
      this.#into.report('config/option-unknown', { ...place, kind: 'only a key', key: byWords.yaml.name.join('.') })
      return undefined
    }
    const near = byWords?.flag?.name ?? nearest(name, FLAGS)
    const row = near === null ? undefined : rowOfFlag(near)
    const meant = row === undefined ? undefined : meantByValue(row, name, value)
    const flag = meant?.flag?.name ?? near
    this.#into.report('config/option-unknown', { ...place, kind: 'flag', nearest: flag === null ? null : `--${flag}` })
    return meant
  }

  #misplaced({ offset }: Token, flag: string, details: Unplaced<FindingDetails['config/argument-misplaced']>): void {
    this.#into.report('config/argument-misplaced', { ...this.#place(offset, flag), ...details })
  }
}

function rowOf(flag: string): EtcdOptionRow | PassthroughRow | undefined {
  return rowOfFlag(flag) ?? passthroughOfFlag(flag)
}

/** Whether flags without a program are those of a member. Other programs, such as TiKV's PD, have some of the others. */
export function areOfMember(tokens: readonly Token[]): boolean {
  return tokens.some(({ text }) => /^--?(?:listen-(?:client|peer)|initial-advertise-peer)-urls(?:=|$)/.test(text))
}

export function isAddress(kind: string | undefined): boolean {
  return kind === 'urls' || kind === 'cluster'
}

/** What starts an etcd with one of its flags, in any language; and options and variables of addresses, which no other program has. */
const START = /(?<![\w.-])etcd(?:-v?\d[\w.-]*)?["',\]\s\\]+(?:--?["',\s]+)?["']?--?([a-z][a-z-]*)/g
const LAUNCHED =
  /\b(?:exec|sudo|gosu|su-exec|tini|su)\s(?:(?!(?:exec|sudo|gosu|tini|su)\s)[^\n;&|]){0,100}?\betcd["']?\s+["']?\$/
const ADDRESSES =
  /(?<![\w-])(?:listen-(?:client|peer|metrics|client-http)-urls|initial-advertise-peer-urls|etcd-arg|ETCD_(?:LISTEN_(?:CLIENT|PEER|METRICS)|INITIAL_ADVERTISE_PEER|ADVERTISE_CLIENT)_\w+)(?![\w-])/

export function startsEtcd(tokens: readonly Token[]): boolean {
  return startOfEtcd(tokens.map(({ text }) => text).join(' '), [LAUNCHED]) !== -1
}

/** The offset at which a text, except for its comments, may start an etcd; -1 if it does not. */
export function startOfEtcd(text: string, others: readonly RegExp[] = [LAUNCHED, ADDRESSES]): number {
  const code = text.replace(/^[ \t]*(?:#|\/\/|;).*/gm, (comment) => ' '.repeat(comment.length))
  const start = Array.from(code.matchAll(START)).find(([, flag = '']) => {
    const row = rowOf(flag)
    return row !== undefined && row.kind !== 'nothing'
  })
  return start?.index ?? others.map((each) => code.search(each)).find((at) => at !== -1) ?? -1
}

/** The first known flag that follows a space in an argument; null without one. */
export function flagWithin(text: string): string | null {
  const flags = Array.from(text.matchAll(/\s(--?)([a-z][a-z0-9-]*)(?=[=\s]|$)/g))
  const [, dashes = '', name = ''] = flags.find(([, , each = '']) => rowOf(each) !== undefined) ?? []
  return name === '' ? null : dashes + name
}

export function isKnownFlag(text: string): boolean {
  return rowOf(/^--([^-=][^=]*)(?:=|$)/.exec(text)?.[1] ?? '') !== undefined
}
