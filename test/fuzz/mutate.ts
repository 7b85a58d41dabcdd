/**
 * Mutators: bytes are broken as bytes, and DER is broken as elements, with the lengths above mended, so that what comes out
 * gets past the outermost check.
 */
import type { Random } from './random.js'

type Mutator = (input: Buffer, random: Random) => Buffer

/** Breaks the input in one to four ways. */
export function mutate(input: Buffer, random: Random): Buffer {
  let output = input
  for (let times = 1 + random.below(4); times > 0; times -= 1) output = random.pick(MUTATORS)(output, random)
  return output
}

const BYTE_MUTATORS: readonly Mutator[] = [
  (input, random) => changeByte(input, random, (octet) => octet ^ (1 << random.below(8))),
  (input, random) => changeByte(input, random, () => random.pick([0, 1, 0x7f, 0x80, 0x84, 0xff])),
  (input, random) => input.subarray(0, random.below(input.length + 1)),
  (input, random) => splice(input, random.below(input.length + 1), 0, random.bytes(1 + random.below(8))),
  (input, random) => {
    const from = random.below(input.length + 1)
    return splice(input, from, random.below(16), Buffer.alloc(0))
  },
  (input, random) => {
    const from = random.below(input.length + 1)
    return splice(input, random.below(input.length + 1), 0, input.subarray(from, from + random.below(64)))
  },
]

const ELEMENT_MUTATORS: readonly Mutator[] = [
  // Drop, double, or swap with another element; retag; empty; nest; lie about the length.
  (input, random) => replaceElement(input, random, () => Buffer.alloc(0)),
  (input, random) => replaceElement(input, random, (element) => Buffer.concat([element, element])),
  (input, random) => replaceElement(input, random, () => anyElement(input, random)),
  (input, random) =>
    replaceElement(input, random, (element) => Buffer.concat([Buffer.from([random.below(256)]), element.subarray(1)])),
  (input, random) => replaceElement(input, random, (element) => Buffer.from([element[0] ?? 0x30, 0])),
  (input, random) => replaceElement(input, random, (element) => nested(element, 1 + random.below(40))),
  (input, random) =>
    replaceElement(input, random, (element) => wrap(element[0] ?? 0x04, random.bytes(random.below(300)))),
  (input, random) =>
    replaceElement(input, random, (element) =>
      Buffer.concat([element.subarray(0, 1), Buffer.from([0x84, 0xff, 0xff, 0xff, 0xff]), element.subarray(2)]),
    ),
]

const MUTATORS: readonly Mutator[] = [...BYTE_MUTATORS, ...ELEMENT_MUTATORS]

function changeByte(input: Buffer, random: Random, change: (octet: number) => number): Buffer {
  if (input.length === 0) return input
  const output = Buffer.from(input)
  const at = random.below(output.length)
  output[at] = change(output[at] ?? 0) & 0xff
  return output
}

function splice(input: Buffer, at: number, remove: number, insert: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), insert, input.subarray(at + remove)])
}

interface Element {
  start: number
  contentStart: number
  end: number
  /** The elements around it, the innermost first. */
  parents: Element[]
}

/** The elements of well-formed DER, also those inside OCTET STRINGs and BIT STRINGs that hold some. */
function elementsOf(der: Buffer): Element[] {
  const all: Element[] = []
  const walk = (from: number, to: number, parents: Element[]): boolean => {
    const mark = all.length
    let at = from
    while (at < to) {
      const element = elementAt(der, at, to, parents)
      if (element === null || all.length > 5000) {
        all.length = mark
        return false
      }
      all.push(element)
      const tag = der[at] ?? 0
      if ((tag & 0x20) !== 0 || tag === 0x04) walk(element.contentStart, element.end, [element, ...parents])
      at = element.end
    }
    return true
  }
  walk(0, der.length, [])
  return all
}

function elementAt(der: Buffer, start: number, limit: number, parents: Element[]): Element | null {
  const first = der[start + 1]
  if (first === undefined) return null
  const octets = first < 0x80 ? 0 : first & 0x7f
  if (octets > 4 || (first >= 0x80 && octets === 0) || start + 2 + octets > limit) return null
  const length = octets === 0 ? first : der.readUIntBE(start + 2, octets)
  const contentStart = start + 2 + octets
  const end = contentStart + length
  return end > limit ? null : { start, contentStart, end, parents }
}

function anyElement(der: Buffer, random: Random): Buffer {
  const all = elementsOf(der)
  if (all.length === 0) return der
  const { start, end } = random.pick(all)
  return der.subarray(start, end)
}

/** Puts something else in the place of one element, and mends the lengths of everything around it. */
function replaceElement(der: Buffer, random: Random, change: (element: Buffer) => Buffer): Buffer {
  const all = elementsOf(der)
  if (all.length === 0) return der
  const target = random.pick(all)
  let inner = change(der.subarray(target.start, target.end))
  let { start, end } = target
  for (const parent of target.parents) {
    const content = Buffer.concat([der.subarray(parent.contentStart, start), inner, der.subarray(end, parent.end)])
    inner = wrap(der[parent.start] ?? 0x30, content)
    start = parent.start
    end = parent.end
  }
  return Buffer.concat([der.subarray(0, start), inner, der.subarray(end)])
}

function nested(element: Buffer, depth: number): Buffer {
  let output = element
  for (let level = 0; level < depth; level += 1) output = wrap(0x30, output)
  return output
}

function wrap(tag: number, content: Uint8Array): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(content.length)
  const from = length.findIndex((octet) => octet !== 0)
  return Buffer.concat([Buffer.from([tag, 0x80 | (4 - from)]), length.subarray(from), content])
}
