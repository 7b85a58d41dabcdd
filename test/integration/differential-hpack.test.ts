/** Our HPACK against those of nghttp2 and python3-hpack: what they encode we decode, and the other way round, also when it is broken. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { encodeHeaders, HpackDecoder, type HeaderField } from '../../src/client/http2/hpack.js'
import { ConnectionError } from '../../src/client/http2/protocol.js'
import { Random } from '../fuzz/random.js'
import { scaled, seed } from '../support/long.js'

const LIBRARIES = ['nghttp2', 'python3-hpack'] as const
const CONNECTIONS = scaled({ short: 40, long: 5000 })
const NO_LIMIT = 1e9

/** Changes of the table's size, then fields: name, value, and whether it is never indexed. */
type Block = readonly [sizes: readonly number[], fields: readonly (readonly [string, string, boolean])[]]

/** Asks Debian's Python, which has the module: another one may come first. */
function ask<T>(questions: readonly unknown[]): Record<(typeof LIBRARIES)[number], T>[] {
  const program = fileURLToPath(new URL('../support/python/hpack_oracle.py', import.meta.url))
  const input = questions.map((each) => `${JSON.stringify(each)}\n`).join('')
  const output = execFileSync('/usr/bin/python3', [program], { input, encoding: 'utf8', maxBuffer: 2 ** 30 })
  const lines = output.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<(typeof LIBRARIES)[number], T>)
}

const NAMES = [
  ':status',
  'content-type',
  'grpc-status',
  'grpc-message',
  'date',
  'x',
  'set-cookie',
  'a-long-name-of-a-header',
]
const VALUES = ['200', '404', 'application/grpc', '0', '', 'Mon, 21 Oct 2013 20:13:21 GMT', 'x'.repeat(300)]

function anyText(random: Random, most: number): string {
  const length = random.below(random.once(20) ? most * 20 : most)
  return random.bytes(length).toString('latin1')
}

function anyField(random: Random): readonly [string, string, boolean] {
  const name = random.once(6) ? `n${anyText(random, 40)}` : random.pick(NAMES)
  const value = random.once(3) ? anyText(random, 60) : random.pick(VALUES)
  return [name ?? '', value ?? '', random.once(10)]
}

function anyBlock(random: Random): Block {
  const sizes = random.once(4) ? Array.from({ length: 1 + random.below(2) }, () => random.pick([0, 33, 100, 4096])) : []
  return [sizes, Array.from({ length: 1 + random.below(12) }, () => anyField(random))]
}

function connections<T>(make: (random: Random) => T): T[][] {
  return Array.from({ length: CONNECTIONS }, (_, i) => {
    const random = new Random(seed + i)
    return Array.from({ length: 1 + random.below(8) }, () => make(random))
  })
}

/** What our decoder reads of the blocks of one connection; null: it refuses one of them. */
function decoded(blocks: readonly Buffer[]): (readonly HeaderField[] | null)[] | null {
  const decoder = new HpackDecoder()
  try {
    return blocks.map((each) => decoder.decode(each, NO_LIMIT))
  } catch (error) {
    if (error instanceof ConnectionError) return null
    throw error
  }
}

const bytesOf = (blocks: readonly string[]): Buffer[] => blocks.map((each) => Buffer.from(each, 'hex'))

it('our decoder reads the headers that nghttp2 and python3-hpack encode, with tables that they change', () => {
  const asked = connections(anyBlock)
  const answers = ask<string[] | null>(asked.map((encode) => ({ encode })))
  expect(answers.filter((each) => each.nghttp2 !== null)).toHaveLength(CONNECTIONS)
  expect(answers.filter((each) => each['python3-hpack'] !== null).length).toBeGreaterThan(CONNECTIONS / 2)
  for (const [i, answer] of answers.entries()) {
    const fields = asked[i]?.map(([, list]) => list.map(([name, value]) => [name, value]))
    for (const library of LIBRARIES) {
      const blocks = answer[library]
      if (blocks !== null) expect(decoded(bytesOf(blocks)), library).toEqual(fields)
    }
  }
})

it('nghttp2 and python3-hpack decode the headers that our encoder writes', () => {
  const asked = connections((random) => {
    const text = (most: number): string => anyText(random, most).replaceAll(/[^ -~\x80-\xff]/g, 'x')
    return Object.fromEntries(
      Array.from({ length: 1 + random.below(8) }, () => [
        random.pick([':path', ':method', 'token', 'te', 'user-agent', `x${String(random.below(50))}`, 'content-type']),
        random.once(3) ? 'trailers' : text(80),
      ]).map(([name, value]) => [name, name === 'te' ? 'trailers' : value]),
    ) as Record<string, string>
  })
  const answers = ask<[string, string][][]>(
    asked.map((lists) => ({ decode: lists.map((each) => encodeHeaders(each).toString('hex')) })),
  )
  for (const [i, answer] of answers.entries()) {
    for (const library of LIBRARIES) {
      expect(
        answer[library].map((each) => Object.fromEntries(each)),
        library,
      ).toEqual(asked[i])
    }
  }
})

it('a changed block that both libraries read is read alike, and one that both refuse is refused', () => {
  const encoded = ask<string[] | null>(connections(anyBlock).map((encode) => ({ encode }))).flatMap((each) =>
    LIBRARIES.map((library) => bytesOf(each[library] ?? [])),
  )
  const changed = encoded.map((blocks, i) => {
    const random = new Random(seed ^ i)
    const block = random.pick(blocks)
    if (block !== undefined && block.length > 0) block[random.below(block.length)] = random.below(256)
    return blocks
  })
  const answers = ask<[string, string][][] | null>(
    changed.map((blocks) => ({ decode: blocks.map((each) => each.toString('hex')) })),
  )
  let refused = 0
  for (const [i, answer] of answers.entries()) {
    const { nghttp2 } = answer
    // Where they differ, one of them is more lenient.
    if (JSON.stringify(nghttp2) !== JSON.stringify(answer['python3-hpack'])) continue
    if (nghttp2 === null) refused += 1
    expect(decoded(changed[i] ?? []), changed[i]?.map((each) => each.toString('hex')).join()).toEqual(nghttp2)
  }
  expect(refused).toBeGreaterThan(0)
})
