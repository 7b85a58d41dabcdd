/** The PEM scanner: what it reads, the problem and the line that it reports, and its bounds. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PemDamage } from '../../../src/report/catalogue/pem.js'
import { MAX_PEM_BLOCKS, MAX_PEM_BYTES, scanPem, type PemProblem } from '../../../src/x509/pem/pem.js'
import { sample, scaled } from '../../support/long.js'
import { pem } from '../../support/mint.js'

const der = randomBytes(100)
const block = pem('CERTIFICATE', der)
const lines = block.trimEnd().split('\n')
const [begin = '', first = ''] = lines
const end = lines.at(-1) ?? ''
const label = 'CERTIFICATE'
const OUTSIDE = 'text outside the blocks 1'

function problems(text: string): readonly PemProblem[] {
  const scan = scanPem(text)
  expect(scan.blocks).toEqual([])
  return scan.problems
}

describe('blocks', () => {
  it('blocks are read with their labels and lines, and text around them', () => {
    expect(scanPem(block)).toEqual({ blocks: [{ label, line: 1, headers: [], bytes: der }], problems: [], layout: [] })
    const scan = scanPem(`Certificate:\n  Data:\n${block}\nsubject=CN=x\n${pem('PRIVATE KEY', der)}the end`)
    expect(scan.blocks.map((each) => [each.label, each.line])).toEqual([
      [label, 3],
      ['PRIVATE KEY', 3 + lines.length + 2],
    ])
    expect([scan.problems, scan.layout]).toEqual([[], [{ layout: 'text outside the blocks', line: 1 }]])
    const labels = ['X', 'X509 CRL', 'CERTIFICATE REQUEST', 'EC PRIVATE KEY', 'A-B', 'PKCS #7 SIGNED DATA']
    expect(scanPem(labels.map((each) => pem(each, der)).join('')).blocks.map((each) => each.label)).toEqual(labels)
  })

  it.each<[string, string, unknown[]]>([
    ['CRLF', block.replaceAll('\n', '\r\n'), ['CRLF line ends 1']],
    ['CR alone', block.replaceAll('\n', '\r'), ['CR line ends 1']],
    ['mixed line ends', block.replace('\n', '\r\n').replace(/\n$/, '\r'), ['CR line ends 1']],
    ['a byte order mark', `\ufeff${block}`, ['byte order mark 1']],
    ['a byte order mark before text', `\ufeff\n${block}`, []],
    ['indentation', block.replaceAll(/^/gm, '    '), ['indented 1']],
    ['indentation by tabs', `\n${block.replaceAll(/^/gm, '\t')}`, ['indented 2']],
    ['white space at line ends', block.replaceAll('\n', ' \t\n'), []],
    ['white space inside lines', block.replace('\n', '\n \t').replace(/(?<=\n.{20})/, ' '), []],
    ['a blank line inside', block.replace('\n', '\n\n'), ['blank line inside 2']],
    [
      'a blank line further down',
      `x\n${begin}\n${first}\n \n${lines.slice(2).join('\n')}`,
      [OUTSIDE, 'blank line inside 4'],
    ],
    ['headers of no encryption', `x\n${block.replace('\n', '\nA: 1\n\n')}`, [OUTSIDE, 'header lines 3']],
    ['text after the block', `\n${block}\n \nend`, [`text outside the blocks ${String(lines.length + 4)}`]],
    ['no line break at the end', `\n\n${block.trimEnd()}`, []],
    ['all base64 on one line', `${begin}\n${lines.slice(1, -1).join('')}\n${end}`, []],
    ['text that is not ASCII', `é\n${block}\n${block}`, [OUTSIDE]],
    [
      'dashes and boundaries in prose',
      `-----\n----- BEGIN -----\nIt starts with "-----BEGIN CERTIFICATE-----".\n-- see BEGIN below --\n${block}`,
      [OUTSIDE],
    ],
  ])('blocks are read, and the layout is reported: %s', (_, text, layout) => {
    const scan = scanPem(Buffer.from(text))
    expect(scan.problems).toEqual([])
    expect(scan.blocks[0]?.bytes).toEqual(der)
    expect(scan.layout.map((each) => `${each.layout} ${String(each.line)}`)).toEqual(layout)
    expect(scanPem(text)).toEqual(scan)
  })

  it('continues a header on lines that are indented deeper than the first', () => {
    for (const indent of ['', '    ']) {
      const text = block.replace('\n', '\nA: 1\n  2\nB:\n\n').replaceAll(/^/gm, indent)
      expect(scanPem(text).blocks.map(({ headers, bytes }) => ({ headers, bytes }))).toEqual([
        {
          headers: [
            { name: 'A', value: '12' },
            { name: 'B', value: '' },
          ],
          bytes: der,
        },
      ])
    }
  })

  it('blocks may have headers, up to 32, with or without a blank line after them', () => {
    const body = lines.slice(1).join('\n')
    const text = `${begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\n${body}\n`
    for (const each of [text, text.replaceAll('\n', '\r\n'), text.replace('\n\n', '\n')]) {
      const headers = [
        { name: 'Proc-Type', value: '4,ENCRYPTED' },
        { name: 'DEK-Info', value: 'AES-256-CBC,00FF' },
      ]
      expect(scanPem(each).blocks).toEqual([{ label, line: 1, headers, bytes: der }])
    }
    expect(scanPem(text).layout).toEqual([])
    const many = problems(`${begin}\n${'A: 1\n'.repeat(40)}\n${body}\n`)
    expect(many).toMatchObject([{ damage: 'a character that is not base64', line: 34 }])
  })
})

describe('problems', () => {
  it.each<[PemDamage, string, number, (string | null)?, string?]>([
    ['no END line', `x\n${lines.slice(0, -1).join('\n')}`, 2, label],
    ['no END line', begin, 1, label],
    ['no END line', `\n-----BEGIN CERT`, 2, ''],
    ['no END line', `${begin}\n${first}\n-----END CERTIFICATE-`, 1, label],
    ['another label in END', `${begin}\n${first}\n-----END X-----\n`, 3, label, 'X'],
    ['no BEGIN line', `${first}\n${end}\n`, 2, label],
    ['no data', `${begin}\n\n${end}\n`, 1, label],
    ['no data', `${begin}\nA: 1\n\n${end}\n`, 1, label],
    ['a character that is not base64', `${begin}\nAAAA\nAA*A\n${end}\n`, 3, label],
    ['a character that is not base64', `${begin}\nAAAA\u00a0\n${end}\n`, 2, label],
    ['a character that is not base64', `${begin}\nAA-_\n${end}\n`, 2, label],
    ['a character that is not base64', `${begin}\nAA==\n\nAAAA\n${end}\n`, 2, label],
    ['missing characters', `${begin}\nAAAA\nAAA\n${end}\n`, 4, label],
    ['missing characters', `${begin}\nA===\n${end}\n`, 3, label],
    ['missing characters', `${begin}\n====\n${end}\n`, 3, label],
    ['a boundary that shares its line', `${begin}${first}\n`, 1],
    ['a boundary that shares its line', `${begin}\n${first}${end}\n`, 2],
    ['a malformed boundary', `----BEGIN CERTIFICATE----\n${first}\n`, 1],
    ['a malformed boundary', `------BEGIN CERTIFICATE------\n`, 1],
    ['a malformed boundary', `\n-----BEGIN CERTIFICATE----\n`, 2],
    ['a malformed boundary', `-----BEGIN CERTIFICATE\n${first}\n`, 1],
    ['a malformed boundary', `-----BEGIN ${'A'.repeat(65)}-----\n`, 1],
    ['a malformed boundary', `-----begin certificate-----\n`, 1],
    ['a malformed boundary', `\u2014\u2013BEGIN CERTIFICATE\u2014\u2013\n`, 1],
    ['a malformed boundary', `---- BEGIN SSH2 PUBLIC KEY ----\n`, 1],
    ['a malformed boundary', `-----BEGIN A  B-----\n`, 1],
  ])('problems are reported with their line: %s in %j', (damage, text, line, ofLabel = null, endLabel) => {
    const expected = { kind: 'damaged', damage, label: ofLabel, line, endLabel: endLabel ?? null }
    expect(problems(text)).toEqual([expected])
    expect(problems(text.replaceAll('\n', '\r\n'))).toEqual([expected])
  })

  it('the problems of a text without its line breaks are one', () => {
    const texts = [lines.join(' '), `\n\n${lines.join('')}`, lines.join('\\n'), `'${lines.join('\\n')}'`]
    expect(texts.map(problems)).toEqual([1, 3, 1, 1].map((line) => [{ kind: 'one-line', label, line }]))
  })

  it('problems do not keep other blocks from being read', () => {
    const nested = scanPem(`${begin}\n${first}\n${block}`)
    expect(nested.problems).toMatchObject([{ damage: 'a block inside another', label, line: 3 }])
    expect(nested.blocks.map(({ line }) => line)).toEqual([3])
    const joined = scanPem(`${block}${block.trimEnd()}${block}${block}`)
    expect(joined.problems).toMatchObject([{ damage: 'a boundary that shares its line', line: 2 * lines.length }])
    expect(joined.blocks.map(({ line }) => line)).toEqual([1, 2 * lines.length, 3 * lines.length])
    const many = scanPem(`${end}\n${begin}\n${end}\n${block}----BEGIN A-----\n${begin}\n${first}`)
    const found = many.problems.map((each) => ('damage' in each ? `${each.damage} ${String(each.line)}` : each.kind))
    const next = [`a malformed boundary ${String(4 + lines.length)}`, `no END line ${String(5 + lines.length)}`]
    expect(found).toEqual(['no BEGIN line 1', 'no data 2', ...next])
    expect(many.blocks).toHaveLength(1)
  })

  it('problems include dashes directly after a block, where a copy was cut, and not elsewhere', () => {
    expect(scanPem(`${block}\n---`).problems).toMatchObject([{ damage: 'no END line', line: lines.length + 2 }])
    for (const text of [`${block}---\n`, `${block}end\n---`, '---']) expect(scanPem(text).problems).toEqual([])
  })
})

describe('limits', () => {
  it('the limits of bytes and blocks are kept', () => {
    expect(scanPem(block.padEnd(MAX_PEM_BYTES)).blocks).toHaveLength(1)
    const large = { kind: 'too-large', bytes: MAX_PEM_BYTES + 1, limit: MAX_PEM_BYTES }
    expect(scanPem(block.padEnd(MAX_PEM_BYTES + 1))).toEqual({ blocks: [], problems: [large], layout: [] })
    expect(scanPem(block, { bytes: 10 }).problems).toMatchObject([{ kind: 'too-large', limit: 10 }])
    const small = pem('A', Buffer.from([0]))
    const scan = scanPem(small.repeat(MAX_PEM_BLOCKS + 2))
    expect(scan.blocks).toHaveLength(MAX_PEM_BLOCKS)
    expect(scan.problems).toEqual([{ kind: 'too-many-blocks', limit: MAX_PEM_BLOCKS, line: 3 * MAX_PEM_BLOCKS + 1 }])
    expect(scanPem(small.repeat(MAX_PEM_BLOCKS)).problems).toEqual([])
    expect(scanPem(block + block, { blocks: 1 })).toMatchObject({ blocks: [{}], problems: [{ limit: 1 }] })
  })

  it('the limit of problems is a hundred', () => {
    for (const text of ['-----BEGIN A-----\n', '----BEGIN ABC-----\n', '-----END A-----\n']) {
      expect(problems(text.repeat(5000))).toHaveLength(100)
    }
    expect(problems('x -----BEGIN A-----\n'.repeat(50_000))).toMatchObject([{ kind: 'too-many-blocks' }])
  })
})

describe('hostile input', () => {
  it('input that was cut gives the whole block or a problem, never a shorter block', () => {
    const octets = Buffer.from(`${block}${pem('X509 CRL', randomBytes(40))}`)
    const wholeEnd = block.trimEnd().length
    const start = '-----BEGIN '.length
    const lengths = Array.from({ length: octets.length - 1 - start }, (_, i) => i + start)
    for (const length of new Set([...sample(lengths, 100), wholeEnd - 1, wholeEnd, wholeEnd + 1, wholeEnd + 2])) {
      const scan = scanPem(octets.subarray(0, length))
      expect(scan.blocks.map(({ bytes }) => bytes)).toEqual(length >= wholeEnd ? [der] : [])
      const isWhole = length === wholeEnd || length === wholeEnd + 1
      expect(scan.problems).toMatchObject(isWhole ? [] : [{ damage: 'no END line' }])
    }
  })

  it('input of pieces of PEM gives only blocks that are there', () => {
    const pieces = ['\n-----BEGIN A-----\n', 'AAAA', 'AA==', ' ', '\n', '\r', '-----', 'A: b', '\n-----END A-----\n']
    const piece = fc.constantFrom(...pieces, '\ufeff', '*')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (parts) => {
        const text = parts.join('')
        const scan = scanPem(text)
        const all = text.split(/\r\n|\r|\n/)
        for (const { line, bytes, label: ofBlock } of scan.blocks) {
          expect(all[line - 1]?.replace('\ufeff', '').trim()).toBe('-----BEGIN A-----')
          expect([ofBlock, bytes.length > 0, bytes.every((octet) => octet === 0)]).toEqual(['A', true, true])
        }
        expect(scanPem(Buffer.from(text))).toEqual(scan)
      }),
      { numRuns: scaled({ short: 200, long: 2000 }) },
    )
  })

  it('text around blocks does not change their contents', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '-', ' ', '\n', ':', '=') })
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.uint8Array({ minLength: 1, maxLength: 200 }))), text, (parts, tail) => {
        const whole = `${parts.map(([before, octets]) => `${before}\n${pem('A', octets)}`).join('')}${tail}\n`
        const scan = scanPem(whole)
        expect(scan.problems).toEqual([])
        expect(scan.blocks.map(({ bytes }) => new Uint8Array(bytes))).toEqual(parts.map(([, octets]) => octets))
      }),
    )
  })

  // No clock is read: a scan that is quadratic in any of these would take minutes for two million characters, not milliseconds.
  it.each<[string, (size: number) => string]>([
    ['dashes', (size) => '-'.repeat(size)],
    ['lines of dashes', (size) => '-----\n'.repeat(size / 6)],
    ['carriage returns', (size) => '\r'.repeat(size)],
    ['spaces before a boundary', (size) => `${' '.repeat(size)}-----BEGIN A-----`],
    ['spaces inside a boundary', (size) => `-----BEGIN A-----${' '.repeat(size)}x`],
    ['line breaks before damaged boundaries', (size) => '\n'.repeat(size) + '----BEGIN ABC-----\n'.repeat(90)],
    ['line breaks inside a block', (size) => `-----BEGIN A-----\n${'\n'.repeat(size)}-----END A-----`],
    ['spaces inside a block', (size) => `-----BEGIN A-----\n${'A '.repeat(size / 2)}\n-----END A-----`],
    ['headers', (size) => `-----BEGIN A-----\n${'a:\n'.repeat(size / 3)}-----END A-----`],
    ['continued headers', (size) => `-----BEGIN A-----\na:\n${' b\n'.repeat(size / 3)}-----END A-----`],
    ['padding', (size) => `-----BEGIN A-----\n${'='.repeat(size)}\n-----END A-----`],
    ['boundaries on one line', (size) => '-----BEGIN A'.repeat(size / 12)],
    ['prose about boundaries', (size) => 'x -----BEGIN A\n'.repeat(7000).padEnd(size)],
    ['beginnings of damaged boundaries', (size) => '-BEGIN a\n'.repeat(size / 9)],
  ])('input of two million characters is scanned in one pass: %s', (_, make) => {
    expect(scanPem(Buffer.from(make(2_000_000))).problems.length).toBeLessThanOrEqual(100)
  })
})

it.each([
  ['-----BEGIN CERTIFICATE----', 'four dashes at the end'],
  ['----BEGIN CERTIFICATE-----', 'four dashes at the start'],
  ['-----Begin Certificate-----', 'small letters'],
])('reports a damaged BEGIN line once: %s (%s)', (begin) => {
  const { problems } = scanPem(`${begin}\nAAAA\n-----END CERTIFICATE-----\n`)
  expect(problems).toEqual([expect.objectContaining({ damage: 'a malformed boundary', line: 1 })])
})
