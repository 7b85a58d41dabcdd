import { expect, it } from 'vitest'
import { HeaderBlocks } from '../../../../src/client/http2/header-blocks.js'
import { Flag } from '../../../../src/client/http2/protocol.js'

/** `:status: 200` of the static table, then fields, each of which is added to the table of the connection (RFC 7541 section 6.2.1). */
function answer(...fields: (readonly [name: string, value: string])[]): Buffer {
  return Buffer.from(
    `\x88${fields.map(([name, value]) => `@${lengthOf(name)}${name}${lengthOf(value)}${value}`).join('')}`,
    'latin1',
  )
}

const lengthOf = (text: string): string => String.fromCharCode(text.length)

it('takes the headers of an earlier answer for no other one that has more, fewer or other fields', () => {
  const blocks = new HeaderBlocks()
  const read = (block: Buffer): unknown => blocks.start(Flag.END_HEADERS, 1, block)?.headers
  const one = { ':status': 200, a: '1' }
  expect(read(answer())).toEqual({ ':status': 200 })
  const first = read(answer(['a', '1']))
  expect(first).toEqual(one)
  // The last entry of the table.
  const indexed = Buffer.from([0x88, 0xbe])
  expect(read(indexed)).toBe(first)
  expect(read(answer(['a', '2']))).toEqual({ ':status': 200, a: '2' })
  expect(read(answer(['b', '1']))).toEqual({ ':status': 200, b: '1' })
  expect(read(Buffer.concat([indexed, answer(['c', '1']).subarray(1)]))).toEqual({ ':status': 200, b: '1', c: '1' })
  expect(read(answer())).toEqual({ ':status': 200 })
})
