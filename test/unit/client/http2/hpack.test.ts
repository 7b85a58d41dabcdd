import { describe, expect, it } from 'vitest'
import { encodeHeaders, HeaderEncoder, HpackDecoder } from '../../../../src/client/http2/hpack.js'
import { ConnectionError } from '../../../../src/client/http2/protocol.js'

const NO_LIMIT = 1e6

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

/** Decodes blocks with one decoder, as those of a connection. */
function decodeAll(blocks: readonly string[], tableSize?: number): unknown[] {
  const decoder = new HpackDecoder(tableSize)
  return blocks.map((each) => decoder.decode(hex(each), NO_LIMIT))
}

const FIRST = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
]
const REQUESTS = [
  FIRST,
  [...FIRST, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
]
const COMMON = [
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
]
const RESPONSES = [
  [[':status', '302'], ...COMMON],
  [[':status', '307'], ...COMMON],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
]

describe('HpackDecoder', () => {
  it.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header']],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']],
    ['C.2.4', '82', [':method', 'GET']],
  ])('decodes the field of RFC 7541 appendix %s', (_appendix, block, field) => {
    expect(decodeAll([block])).toEqual([[field]])
  })

  it('decodes the requests without Huffman codes of RFC 7541 appendix C.3', () => {
    const blocks = [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ]
    expect(decodeAll(blocks)).toEqual(REQUESTS)
  })

  it('decodes the requests with Huffman codes of RFC 7541 appendix C.4', () => {
    const blocks = [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ]
    expect(decodeAll(blocks)).toEqual(REQUESTS)
  })

  it('evicts the entries of RFC 7541 appendix C.6 from a table of 256 bytes', () => {
    const blocks = [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
       63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
       b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ]
    expect(decodeAll(blocks, 256)).toEqual(RESPONSES)
  })

  it.each([
    ['an index of zero', '80'],
    ['an index beyond both tables', 'be'],
    ['an index that ends in the middle', 'ff'],
    ['an integer of more than four bytes', 'ff 80 80 80 80 80 01'],
    ['a string beyond the end of the block', '00 05 61'],
    ['a literal without a value', '00 01 61'],
    ['a table that is larger than allowed', '3f e2 1f'],
    ['a table size after a field', '82 20'],
    ['a Huffman code with EOS in it', '00 84 ff ff ff ff 00'],
    ['a Huffman padding of eight bits', '00 82 1f ff 00'],
    ['a Huffman padding with zeros', '00 81 18 00'],
  ])('refuses %s', (_what, block) => {
    expect(() => new HpackDecoder().decode(hex(block), NO_LIMIT)).toThrow(ConnectionError)
  })

  it('keeps its table in step with the peer while it drops a list that is too large', () => {
    const decoder = new HpackDecoder()
    const block = encodeIndexed('name', 'x'.repeat(100))
    expect(decoder.decode(block, 50)).toBeNull()
    expect(decoder.decode(Buffer.from([0xbe]), NO_LIMIT)).toEqual([['name', 'x'.repeat(100)]])
  })

  it('evicts by the size that the peer has set, which may be smaller than the allowed one', () => {
    const decoder = new HpackDecoder()
    const [first, second] = ['a', 'b'].map((name) => encodeIndexed(name, 'x'.repeat(40)))
    // The block sets a table of 100 bytes, which has space for one of the entries.
    decoder.decode(Buffer.concat([hex('3f45'), first ?? hex(''), second ?? hex('')]), NO_LIMIT)
    expect(decoder.decode(hex('be'), NO_LIMIT)).toEqual([['b', 'x'.repeat(40)]])
    expect(() => decoder.decode(hex('bf'), NO_LIMIT)).toThrow(ConnectionError)
    decoder.decode(hex('20 3fe11f'), NO_LIMIT)
    expect(() => decoder.decode(hex('be'), NO_LIMIT)).toThrow(ConnectionError)
  })

  it('holds no more than its table while a block fills it again and again', () => {
    const decoder = new HpackDecoder()
    const block = Buffer.concat(Array.from({ length: 500 }, (_, i) => encodeIndexed(`n${String(i)}`, 'v'.repeat(100))))
    decoder.decode(block, 0)
    // 4096 bytes hold 30 such entries: the 31st from the end is gone.
    expect(decoder.decode(Buffer.from([0x80 | (61 + 30)]), NO_LIMIT)).toEqual([['n470', 'v'.repeat(100)]])
    expect(() => decoder.decode(Buffer.from([0x80 | (61 + 31)]), NO_LIMIT)).toThrow(ConnectionError)
  })
})

function encodeIndexed(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x40, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ])
}

describe('HeaderEncoder', () => {
  it('encodes headers that the decoder reads back, pseudo-headers first', () => {
    const headers = {
      'content-type': 'application/grpc',
      ':method': 'POST',
      x: 'y'.repeat(5000),
      token: 'secret',
      many: ['a', 'b'],
      ':path': '/etcdserverpb.KV/Range',
    }
    const encoder = new HeaderEncoder()
    for (let i = 0; i < 2; i += 1) {
      expect(new HpackDecoder().decode(encoder.encode({ common: headers, own: {} }), NO_LIMIT)).toEqual([
        [':method', 'POST'],
        [':path', '/etcdserverpb.KV/Range'],
        ['content-type', 'application/grpc'],
        ['x', 'y'.repeat(5000)],
        ['token', 'secret'],
        ['many', 'a'],
        ['many', 'b'],
      ])
    }
  })

  it('marks a token as never indexed', () => {
    expect(encodeHeaders({ token: 'a' })[0]).toBe(0x10)
  })

  it.each([{ connection: 'close' }, { te: 'gzip' }, { A: 'b' }, { 'a b': 'c' }, { a: 'b\n' }, { a: 'ü\u0100' }])(
    'refuses %j',
    (headers) => {
      expect(() => encodeHeaders(headers)).toThrow(TypeError)
    },
  )
})
