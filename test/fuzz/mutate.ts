/** Changes input as damage and malice would: DER by its elements, bytes by bytes, PEM by its lines. */
import { copyNode, type DerNode, element, placesIn, readTree, wrap, writeTree } from './der-tree.js'
import { lengthBytes } from '../support/der-writer.js'
import type { Random } from './random.js'

const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1c, 0x1e, 0x24, 0x30, 0x31,
  0x80, 0x81, 0x82, 0x84, 0x86, 0x87, 0x88, 0xa0, 0xa1, 0xa3, 0xa4, 0x1f, 0x3f, 0x00, 0xff,
] as const

const bytesOf = (hex: string): Buffer => Buffer.from(hex, 'hex')

const OIDS = [
  ...'551d0e 551d0f 551d11 551d13 551d1e 551d1f 551d20 551d23 551d24 551d25 551d14 551d1b 551d1c 551d15'.split(' '),
  ...'550403 55040a 2a864886f70d010901 2a864886f70d010101 2a864886f70d01010b 2a864886f70d01010a'.split(' '),
  ...'2a8648ce3d0201 2a8648ce3d030107 2b81040022 2a8648ce3d040302 2b6570 2b6571 80 2b80'.split(' '),
  ...['', 'ff'.repeat(70), '2aff'.repeat(20) + '01'],
].map(bytesOf)

const CONTENTS = [
  ...['', '00', 'ff', '80', '7f', '0080', '00ff', 'ff7f', '01', '02', '7fffffff', '0080000000', 'ffffffffffffffffff'],
  ...'323530313031303030303030 3235303130313030303030305a 32303530313233313233353935395a'.split(' '),
  ...[
    '00'.repeat(300),
    '7f'.repeat(2000),
    'e280ae',
    '1b5b324a',
    '0d0a',
    'efbbbf',
    'd8',
    'c0af',
    'cc95cc80'.repeat(100),
  ],
  ...['2a2e', '2e'.repeat(300), '6578616d706c652e', '0a000001', '7f000001ffffff00'],
].map(bytesOf)

/** Changes DER, mostly element by element. `pool` gives elements to put in. */
export function mutateDer(random: Random, der: Uint8Array, pool: readonly Uint8Array[]): Buffer {
  if (random.once(6)) return mutateBytes(random, der)
  const tree = readTree(der)
  const changes = 1 + random.below(random.once(4) ? 6 : 2)
  for (let i = 0; i < changes; i++) if (!changeElement(random, tree, pool)) break
  const written = writeTree(tree)
  return random.once(12) ? mutateBytes(random, written) : written
}

/** Elements beyond which nothing is added: copies of copies must not fill the memory. */
const MAX_ELEMENTS = 5000

function changeElement(random: Random, tree: DerNode[], pool: readonly Uint8Array[]): boolean {
  const places = placesIn(tree)
  // The outer elements are few, and their faults are those that no signature covers.
  const outer = (list: DerNode[]): typeof places => list.map((node, index) => ({ list, index, node }))
  const place = random.pick(
    random.once(4) ? [...outer(tree), ...tree.flatMap(({ children }) => outer(children ?? []))] : places,
  )
  if (place === undefined || places.length > MAX_ELEMENTS) return false
  const { list, index, node } = place
  random.pick(CHANGES)({ random, list, index, node, pool })
  return true
}

interface Change {
  readonly random: Random
  readonly list: DerNode[]
  readonly index: number
  readonly node: DerNode
  readonly pool: readonly Uint8Array[]
}

const CHANGES: readonly [(change: Change) => void, ...((change: Change) => void)[]] = [
  ({ list, index }) => list.splice(index, 1),
  ({ random, list, index, node }) => {
    const times = random.once(20) ? 200 : 1
    list.splice(index, 0, ...Array.from({ length: times }, () => copyNode(node)))
  },
  ({ random, list, index, node }) => {
    const other = random.below(list.length)
    const moved = list[other]
    if (moved !== undefined) [list[index], list[other]] = [moved, node]
  },
  ({ random, node }) => {
    if (node.tag !== null) node.tag = random.once(3) ? random.below(256) : random.pick(TAGS)
  },
  lie,
  ({ random, list, index, node }) => {
    const depth = random.once(10) ? 200 : 1 + random.below(2)
    let nested = node
    for (let i = 0; i < depth; i++) nested = wrap(random.pick([0x30, 0x31, 0x04, 0xa0, 0xa1, 0xa3]), [nested])
    list[index] = nested
  },
  ({ list, index, node }) => list.splice(index, 1, ...(node.children ?? [])),
  replaceContent,
  replaceContent,
  ({ random, list }) => {
    const chosen = random.pick(placesIn(list).filter(({ node }) => node.tag === 0x06))
    if (chosen !== undefined) chosen.node.content = random.pick(OIDS) ?? Buffer.alloc(0)
  },
  ({ random, list, index, pool }) => {
    const donor = random.pick(pool)
    const chosen = donor === undefined ? undefined : random.pick(placesIn(readTree(donor)))
    if (chosen === undefined) return
    const graft = copyNode(chosen.node)
    list.splice(index, random.once(2) ? 1 : 0, graft)
  },
  damageContent,
  damageContent,
]

function lie({ random, node }: Change): void {
  const { prefix, children, content } = node
  const length = children === null ? content.length : prefix.length + writeTree(children).length
  const right = lengthBytes(length)
  const near = lengthBytes(Math.max(0, length + random.below(5) - 2))
  // The right length, written longer than it needs to be.
  const longer = right.length === 1 ? [0x81, length] : [(right[0] ?? 0) + 1, 0, ...right.subarray(1)]
  const others = ['00', '7f', '80', '84ffffffff', '847fffffff', '880000000000000001', 'ff'].map(bytesOf)
  node.lie = random.pick([near, near, Buffer.from(longer), ...others])
}

function replaceContent({ random, node }: Change): void {
  node.children = null
  node.content = random.once(4) ? random.bytes(random.below(40)) : (random.pick(CONTENTS) ?? Buffer.alloc(0))
}

function damageContent({ random, node }: Change): void {
  const { children } = node
  if (children === null) node.content = mutateBytes(random, node.content)
  else children.splice(random.below(children.length + 1), 0, element(random.pick(TAGS), random.bytes(random.below(6))))
}

/** Changes bytes. */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  const octets = Buffer.from(bytes)
  const at = random.below(octets.length + 1)
  const [before, after] = [octets.subarray(0, at), octets.subarray(at)]
  switch (random.below(6)) {
    case 0: {
      const place = random.below(octets.length)
      if (octets.length > 0) octets[place] = (octets[place] ?? 0) ^ (1 << random.below(8))
      return octets
    }
    case 1:
      return before
    case 2:
      return Buffer.concat([before, random.bytes(1 + random.below(8)), after])
    case 3:
      return Buffer.concat([before, after.subarray(1 + random.below(8))])
    case 4:
      return Buffer.concat([octets, random.once(2) ? octets : random.bytes(random.below(20))])
    default:
      random.bytes(Math.min(after.length, random.below(16))).copy(after)
      return octets
  }
}

const LABELS = ['CERTIFICATE', 'X509 CRL', 'PRIVATE KEY', 'EC PRIVATE KEY', 'CERTIFICATE REQUEST', 'X', 'PGP MESSAGE']
const JUNK = ['', ' ', '\t', '=', '====', '*', 'AAAA', 'A: b', '\u00a0', '\u202e', '\u001b[2J', '\0', '-----', '# text']

/** Changes PEM text. */
export function mutatePem(random: Random, text: string): string {
  const lines = text.split('\n')
  const changes = 1 + random.below(random.once(4) ? 6 : 2)
  for (let i = 0; i < changes; i++) {
    const at = random.below(lines.length)
    random.pick(LINE_CHANGES)({ random, lines, at, line: lines[at] ?? '' })
    // Doubling again and again must not fill the memory.
    if (lines.length > 5000) lines.length = 5000
  }
  let changed = lines.join('\n')
  if (random.once(8)) changed = changed.replaceAll('\n', random.pick(['\r\n', '\r', ' ', '', '\\n', '\n\n']))
  if (random.once(10)) changed = `\ufeff${changed}`
  return random.once(6) ? changed.slice(0, random.below(changed.length)) : changed
}

interface LineChange {
  readonly random: Random
  readonly lines: string[]
  readonly at: number
  readonly line: string
}

const LINE_CHANGES: readonly [(change: LineChange) => void, ...((change: LineChange) => void)[]] = [
  ({ lines, at }) => lines.splice(at, 1),
  ({ random, lines, at, line }) => lines.splice(at, 0, ...Array<string>(random.once(20) ? 500 : 1).fill(line)),
  ({ random, lines, at }) => lines.splice(at, 0, random.pick(JUNK) ?? ''),
  ({ lines, at, line }) => lines.splice(at, 2, line + (lines[at + 1] ?? '')),
  ({ random, lines, at, line }) => (lines[at] = `${random.pick(JUNK) ?? ''}${line}${random.pick(JUNK) ?? ''}`),
  ({ random, lines, at, line }) => {
    lines[at] = line.replace(/(BEGIN|END) [^-]+/, (_, kind: string) => `${kind} ${random.pick(LABELS) ?? ''}`)
  },
  ({ random, lines, at, line }) => {
    const dashes = (): string => random.pick(['----', '------', '\u2014\u2014', ''])
    lines[at] = random.once(2) ? line.toLowerCase() : line.replace('-----', dashes())
  },
  ({ random, lines, at, line }) => (lines[at] = line.slice(0, random.below(line.length))),
  ({ random, lines, at }) => (lines[at] = `-----${random.pick(['BEGIN', 'END'])} ${random.pick(LABELS) ?? ''}-----`),
  ({ random, lines, at }) => lines.splice(at, 0, ...lines.slice(random.below(lines.length))),
]
