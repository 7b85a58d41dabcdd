/** DER as a tree that can be changed and written again, right or wrong. */
import { lengthBytes } from '../support/der-writer.js'

/** One element, or bytes that are none. */
export interface DerNode {
  /** The identifier byte; null for bytes that are no element. */
  tag: number | null
  /** What stands before the inner elements: the count of unused bits of a BIT STRING. */
  prefix: Buffer
  /** The inner elements; null if the content is not made of elements. */
  children: DerNode[] | null
  content: Buffer
  /** Length bytes to write instead of the right ones. */
  lie: Buffer | null
}

/** A depth beyond which content is not taken apart. */
const MAX_DEPTH = 40

/** Takes bytes apart. What is written again by {@link writeTree} is the same bytes. */
export function readTree(bytes: Uint8Array): DerNode[] {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return readElements(octets, 0) ?? [raw(octets)]
}

export function writeTree(nodes: readonly DerNode[]): Buffer {
  return Buffer.concat(nodes.map(writeNode))
}

export function element(tag: number, content: Uint8Array): DerNode {
  return { tag, prefix: Buffer.alloc(0), children: null, content: Buffer.from(content), lie: null }
}

export function wrap(tag: number, children: DerNode[]): DerNode {
  return { ...element(tag, Buffer.alloc(0)), children }
}

export function copyNode(node: DerNode): DerNode {
  return { ...node, children: node.children?.map(copyNode) ?? null }
}

/** Every node with the list that it stands in, outer ones first. */
export function placesIn(nodes: DerNode[]): { list: DerNode[]; index: number; node: DerNode }[] {
  return nodes.flatMap((node, index) => [{ list: nodes, index, node }, ...placesIn(node.children ?? [])])
}

function raw(octets: Buffer): DerNode {
  return { ...element(0, octets), tag: null }
}

function writeNode(node: DerNode): Buffer {
  const { tag, prefix, children, content, lie } = node
  if (tag === null) return content
  const body = children === null ? content : Buffer.concat([prefix, ...children.map(writeNode)])
  return Buffer.concat([Buffer.from([tag]), lie ?? lengthBytes(body.length), body])
}

/** All bytes as elements, or null if they are not. */
function readElements(octets: Buffer, depth: number): DerNode[] | null {
  const nodes: DerNode[] = []
  for (let at = 0; at < octets.length;) {
    const header = readHeader(octets, at)
    if (header === null) return null
    nodes.push(readNode(header.tag, octets.subarray(header.start, header.end), depth))
    at = header.end
  }
  return nodes
}

function readHeader(octets: Buffer, at: number): { tag: number; start: number; end: number } | null {
  const tag = octets[at]
  const first = octets[at + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || first === 0x80) return null
  const count = first < 0x80 ? 0 : first & 0x7f
  if (count > 4 || at + 2 + count > octets.length) return null
  const length = count === 0 ? first : octets.readUIntBE(at + 2, count)
  const start = at + 2 + count
  if (start + length > octets.length || lengthBytes(length).length !== 1 + count) return null
  return { tag, start, end: start + length }
}

function readNode(tag: number, content: Buffer, depth: number): DerNode {
  const node = element(tag, content)
  if (depth >= MAX_DEPTH || content.length === 0) return node
  const constructed = (tag & 0x20) !== 0
  // Extensions and keys stand inside strings.
  const prefix = tag === 0x03 ? content.subarray(0, 1) : Buffer.alloc(0)
  const children =
    constructed || tag === 0x03 || tag === 0x04 ? readElements(content.subarray(prefix.length), depth + 1) : null
  return children === null || children.length === 0 ? node : { ...node, prefix, children }
}
