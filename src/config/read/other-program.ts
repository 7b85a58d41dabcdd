/** Reads the subcommands of etcd that start no member, and have flags of their own (server/etcdmain/grpc_proxy.go, gateway.go). */
import type { Reading } from './read-option.js'
import type { PlaceOf } from './text.js'
import type { Token } from './tokenizer.js'
import { resolveText, type Syntax } from './unknown.js'

export function isOtherProgram(argument: string): boolean {
  return argument === 'gateway' || argument === 'grpc-proxy'
}

/** @param tokens The first one is the subcommand. */
export function readOtherProgram(tokens: readonly Token[], place: PlaceOf, syntax: Syntax, into: Reading): void {
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
