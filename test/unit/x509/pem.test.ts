import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_PEM_BLOCKS, MAX_PEM_OCTETS, scanPem, type PemProblem } from '../../../src/x509/pem/pem.js'
import { decodeBase64 } from '../../../src/x509/pem/pem-text.js'
import { pem } from '../../support/mint.js'

const der = randomBytes(100)
const block = pem('CERTIFICATE', der)
const lines = block.trimEnd().split('\n')

function problems(text: string): readonly PemProblem[] {
  const scan = scanPem(text)
  expect(scan.blocks).toEqual([])
  return scan.problems
}

describe('blocks', () => {
  it('one block', () => {
    expect(scanPem(block)).toEqual({
      blocks: [{ label: 'CERTIFICATE', line: 1, headers: [], bytes: der }],
      problems: [],
      layout: { byteOrderMark: false, lineEnds: 'lf', indentedLine: null, blankLine: null, textLine: null },
    })
  })

  it('several blocks with text around them, each with its line', () => {
    const scan = scanPem(`Certificate:\n  Data:\n${block}\nsubject=CN=x\n${pem('PRIVATE KEY', der)}the end`)
    expect(scan.problems).toEqual([])
    expect(scan.blocks.map(({ label, line }) => [label, line])).toEqual([
      ['CERTIFICATE', 3],
      ['PRIVATE KEY', 3 + lines.length + 2],
    ])
    expect(scan.layout.textLine).toBe(1)
  })

  it('text only behind the last block', () => {
    expect(scanPem(`\n${block}\n \nend`).layout.textLine).toBe(1 + lines.length + 3)
    expect(scanPem(`\n\n${block}\n\n`).layout.textLine).toBeNull()
  })

  it('octets read as text do', () => {
    expect(scanPem(Buffer.from(`é ${block}\n${block}`)).blocks).toEqual(scanPem(`é ${block}\n${block}`).blocks)
    expect(scanPem(new Uint8Array(Buffer.from(block))).blocks[0]?.bytes).toEqual(der)
  })

  it.each([
    ['CRLF', block.replaceAll('\n', '\r\n'), { lineEnds: 'crlf' }],
    ['CR alone', block.replaceAll('\n', '\r'), { lineEnds: 'cr' }],
    ['mixed line ends', block.replace('\n', '\r\n').replace(/\n$/, '\r'), { lineEnds: 'cr' }],
    ['a byte order mark', `\ufeff${block}`, { byteOrderMark: true }],
    ['indentation', block.replaceAll(/^/gm, '    '), { indentedLine: 1 }],
    ['indentation by tabs', `\n${block.replaceAll(/^/gm, '\t')}`, { indentedLine: 2 }],
    ['white space at line ends', block.replaceAll('\n', ' \t\n'), {}],
    ['white space inside lines', block.replace('\n', '\n \t').replace(/(?<=\n.{20})/, ' '), {}],
    ['a blank line inside', block.replace('\n', '\n\n'), { blankLine: 2 }],
    [
      'a blank line further down',
      `x\n${lines[0] ?? ''}\n${lines[1] ?? ''}\n \n${lines.slice(2).join('\n')}`,
      { blankLine: 4 },
    ],
    ['no line break at the end', block.trimEnd(), {}],
    ['all base64 on one line', `${lines[0] ?? ''}\n${lines.slice(1, -1).join('')}\n${lines.at(-1) ?? ''}`, {}],
  ])('layout: %s', (_, text, layout) => {
    const scan = scanPem(Buffer.from(text))
    expect(scan.problems).toEqual([])
    expect(scan.blocks[0]?.bytes).toEqual(der)
    expect(scan.layout).toMatchObject(layout)
  })

  it('every label of RFC 7468 and a few more', () => {
    const labels = ['X', 'X509 CRL', 'CERTIFICATE REQUEST', 'EC PRIVATE KEY', 'A-B', 'PKCS #7 SIGNED DATA']
    expect(scanPem(labels.map((label) => pem(label, der)).join('')).blocks.map(({ label }) => label)).toEqual(labels)
  })

  it('dashes, and boundaries quoted in prose, are text', () => {
    const prose =
      '-----\n----- BEGIN -----\nA block starts with "-----BEGIN CERTIFICATE-----".\n-- see BEGIN below --\n'
    const scan = scanPem(prose + block)
    expect(scan.problems).toEqual([])
    expect(scan.blocks).toHaveLength(1)
  })
})

describe('headers', () => {
  const body = lines.slice(1).join('\n')

  it('of an encrypted key', () => {
    const text = `-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\n${body}\n`
    const [found] = scanPem(text).blocks
    expect(found?.headers).toEqual([
      { name: 'Proc-Type', value: '4,ENCRYPTED' },
      { name: 'DEK-Info', value: 'AES-256-CBC,00FF' },
    ])
    expect(found?.bytes).toEqual(der)
    expect(scanPem(text).layout.blankLine).toBeNull()
    expect(scanPem(text.replaceAll('\n', '\r\n')).blocks[0]?.headers).toEqual(found?.headers)
  })

  it('continued on the next line, and without the blank line', () => {
    const text = `-----BEGIN CERTIFICATE-----\nA: 1\n  2\nB:\n${body}\n`
    expect(scanPem(text).blocks[0]?.headers).toEqual([
      { name: 'A', value: '12' },
      { name: 'B', value: '' },
    ])
  })

  it('too many end in base64 that is none', () => {
    const text = `-----BEGIN CERTIFICATE-----\n${'A: 1\n'.repeat(40)}\n${body}\n`
    expect(problems(text)).toMatchObject([{ kind: 'bad-base64', line: 34 }])
  })
})

describe('problems', () => {
  const label = 'CERTIFICATE'
  const [begin = '', first = ''] = lines
  const end = lines.at(-1) ?? ''

  it.each<[string, string, PemProblem]>([
    ['no END', `x\n${lines.slice(0, -1).join('\n')}`, { kind: 'unterminated', label, line: 2 }],
    ['only BEGIN', begin, { kind: 'unterminated', label, line: 1 }],
    ['another END', `${begin}\n${first}\n-----END X-----\n`, { kind: 'end-mismatch', label, endLabel: 'X', line: 3 }],
    ['no BEGIN', `${first}\n${end}\n`, { kind: 'stray-end', label, line: 2 }],
    ['nothing inside', `${begin}\n\n${end}\n`, { kind: 'empty-block', label, line: 1 }],
    ['nothing but headers inside', `${begin}\nA: 1\n\n${end}\n`, { kind: 'empty-block', label, line: 1 }],
    [
      'a foreign character',
      `${begin}\nAAAA\nAA*A\n${end}\n`,
      { kind: 'bad-base64', label, line: 3, reason: 'character' },
    ],
    ['a no-break space', `${begin}\nAAAA\u00a0\n${end}\n`, { kind: 'bad-base64', label, line: 2, reason: 'character' }],
    ['base64url', `${begin}\nAA-_\n${end}\n`, { kind: 'bad-base64', label, line: 2, reason: 'character' }],
    [
      'data behind padding',
      `${begin}\nAA==\n\nAAAA\n${end}\n`,
      { kind: 'bad-base64', label, line: 2, reason: 'character' },
    ],
    ['a character missing', `${begin}\nAAAA\nAAA\n${end}\n`, { kind: 'bad-base64', label, line: 4, reason: 'length' }],
    ['too much padding', `${begin}\nA===\n${end}\n`, { kind: 'bad-base64', label, line: 3, reason: 'length' }],
    ['padding only', `${begin}\n====\n${end}\n`, { kind: 'bad-base64', label, line: 3, reason: 'length' }],
    ['one line, blanks for line breaks', lines.join(' '), { kind: 'one-line', label, line: 1 }],
    ['one line, nothing for line breaks', `\n\n${lines.join('')}`, { kind: 'one-line', label, line: 3 }],
    ['one line, escaped line breaks', lines.join('\\n'), { kind: 'one-line', label, line: 1 }],
    ['one line, quoted', `'${lines.join('\\n')}'`, { kind: 'one-line', label, line: 1 }],
    ['base64 behind BEGIN', `${begin}${first}\n`, { kind: 'boundary-not-alone', line: 1 }],
    ['base64 before END', `${begin}\n${first}${end}\n`, { kind: 'boundary-not-alone', line: 2 }],
    ['four dashes', `----BEGIN CERTIFICATE----\n${first}\n`, { kind: 'malformed-boundary', line: 1 }],
    ['six dashes', `------BEGIN CERTIFICATE------\n`, { kind: 'malformed-boundary', line: 1 }],
    ['four dashes behind BEGIN', `\n-----BEGIN CERTIFICATE----\n`, { kind: 'malformed-boundary', line: 2 }],
    ['no dashes behind BEGIN', `-----BEGIN CERTIFICATE\n${first}\n`, { kind: 'malformed-boundary', line: 1 }],
    ['a label that is too long', `-----BEGIN ${'A'.repeat(65)}-----\n`, { kind: 'malformed-boundary', line: 1 }],
    ['the end of the text inside BEGIN', `\n-----BEGIN CERT`, { kind: 'unterminated', label: '', line: 2 }],
    [
      'the end of the text inside END',
      `${begin}\n${first}\n-----END CERTIFICATE-`,
      { kind: 'unterminated', label, line: 1 },
    ],
    ['lower case', `-----begin certificate-----\n`, { kind: 'malformed-boundary', line: 1 }],
    ['typographic dashes', `\u2014\u2013BEGIN CERTIFICATE\u2014\u2013\n`, { kind: 'malformed-boundary', line: 1 }],
    ['SSH2 armour', `---- BEGIN SSH2 PUBLIC KEY ----\n`, { kind: 'malformed-boundary', line: 1 }],
    ['two spaces in a label', `-----BEGIN A  B-----\n`, { kind: 'malformed-boundary', line: 1 }],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toEqual([expected])
    expect(problems(Buffer.from(text).toString().replaceAll('\n', '\r\n'))).toEqual([expected])
  })

  it('a BEGIN inside a block is told, and the inner block is read', () => {
    const scan = scanPem(`${begin}\n${first}\n${block}`)
    expect(scan.problems).toEqual([{ kind: 'nested-begin', label, line: 1, innerLine: 3 }])
    expect(scan.blocks.map(({ line }) => line)).toEqual([3])
  })

  it('dashes right behind a block are a block that was cut; elsewhere they are text', () => {
    expect(scanPem(`${block}\n---`).problems).toEqual([{ kind: 'unterminated', label: '', line: lines.length + 2 }])
    for (const text of [`${block}---\n`, `${block}end\n---`, '---']) expect(scanPem(text).problems).toEqual([])
  })

  it('two files joined without a line break: told, and the rest is read', () => {
    const scan = scanPem(`${block}${block.trimEnd()}${block}${block}`)
    expect(scan.problems).toEqual([{ kind: 'boundary-not-alone', line: 2 * lines.length }])
    expect(scan.blocks.map(({ line }) => line)).toEqual([1, 2 * lines.length, 3 * lines.length])
  })

  it('every problem of a text is told, in order', () => {
    const scan = scanPem(`${end}\n${begin}\n${end}\n${block}----BEGIN A-----\n${begin}\n${first}`)
    expect(scan.problems.map((each) => [each.kind, 'line' in each && each.line])).toEqual([
      ['stray-end', 1],
      ['empty-block', 2],
      ['malformed-boundary', 4 + lines.length],
      ['unterminated', 5 + lines.length],
    ])
    expect(scan.blocks).toHaveLength(1)
  })
})

describe('limits', () => {
  it('a larger input is not read', () => {
    const scan = scanPem(block.padEnd(MAX_PEM_OCTETS + 1))
    expect(scan).toMatchObject({
      blocks: [],
      problems: [{ kind: 'too-large', octets: MAX_PEM_OCTETS + 1, limit: MAX_PEM_OCTETS }],
    })
    expect(scanPem(block.padEnd(MAX_PEM_OCTETS)).blocks).toHaveLength(1)
    expect(scanPem(block, { octets: 10 }).problems).toMatchObject([{ kind: 'too-large', limit: 10 }])
  })

  it('blocks beyond the limit are not read', () => {
    const small = pem('A', Buffer.from([0]))
    const scan = scanPem(small.repeat(MAX_PEM_BLOCKS + 2))
    expect(scan.blocks).toHaveLength(MAX_PEM_BLOCKS)
    expect(scan.problems).toEqual([{ kind: 'too-many-blocks', limit: MAX_PEM_BLOCKS, line: 3 * MAX_PEM_BLOCKS + 1 }])
    expect(scanPem(small.repeat(MAX_PEM_BLOCKS)).problems).toEqual([])
    expect(scanPem(block + block, { blocks: 1 })).toMatchObject({ blocks: [{}], problems: [{ limit: 1 }] })
  })

  it('problems are cut at a hundred', () => {
    expect(problems('-----BEGIN A-----\n'.repeat(5000))).toHaveLength(100)
    expect(problems('----BEGIN ABC-----\n'.repeat(5000))).toHaveLength(100)
    expect(problems('-----END A-----\n'.repeat(5000))).toHaveLength(100)
    expect(problems('x -----BEGIN A-----\n'.repeat(50_000))).toMatchObject([{ kind: 'too-many-blocks' }])
  })
})

describe('hostile input', () => {
  it('cut at every octet: the whole block or a problem, never a shorter block', () => {
    const octets = Buffer.from(`${block}${pem('X509 CRL', randomBytes(40))}`)
    const wholeEnd = block.trimEnd().length
    for (let length = '-----BEGIN '.length; length < octets.length - 1; length++) {
      const { blocks, problems: found } = scanPem(octets.subarray(0, length))
      expect(blocks.map(({ bytes }) => bytes)).toEqual(length >= wholeEnd ? [der] : [])
      const isWhole = length === wholeEnd || length === wholeEnd + 1
      expect(found.map(({ kind }) => kind)).toEqual(isWhole ? [] : ['unterminated'])
    }
  })

  it('random octets neither throw nor give blocks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (octets) => {
        expect(scanPem(octets).blocks).toEqual([])
      }),
    )
  })

  it('pieces of PEM in any order: what is read is what stands there', () => {
    const piece = fc.constantFrom(
      begin(),
      'AAAA',
      'AA==',
      ' ',
      '\n',
      '\r',
      '-----',
      'A: b',
      '\n-----END A-----\n',
      '\ufeff',
      '*',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join('')
        const scan = scanPem(text)
        for (const { line, bytes, label } of scan.blocks) {
          expect(
            text
              .split(/\r\n|\r|\n/)
              [line - 1]?.replace('\ufeff', '')
              .trim(),
          ).toBe('-----BEGIN A-----')
          expect([label, Buffer.concat([bytes]).every((octet) => octet === 0)]).toEqual(['A', true])
          expect(bytes.length).toBeGreaterThan(0)
        }
        expect(scanPem(Buffer.from(text))).toEqual(scan)
      }),
      { numRuns: 500 },
    )
    function begin(): string {
      return '\n-----BEGIN A-----\n'
    }
  })

  it('what was encoded is read back, whatever stands around', () => {
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
    ['blanks before a boundary', (size) => `${' '.repeat(size)}-----BEGIN A-----`],
    ['blanks inside a boundary', (size) => `-----BEGIN A-----${' '.repeat(size)}x`],
    ['line breaks before damaged boundaries', (size) => '\n'.repeat(size) + '----BEGIN ABC-----\n'.repeat(90)],
    ['line breaks inside a block', (size) => `-----BEGIN A-----\n${'\n'.repeat(size)}-----END A-----`],
    ['blanks inside a block', (size) => `-----BEGIN A-----\n${'A '.repeat(size / 2)}\n-----END A-----`],
    ['headers', (size) => `-----BEGIN A-----\n${'a:\n'.repeat(size / 3)}-----END A-----`],
    ['continued headers', (size) => `-----BEGIN A-----\na:\n${' b\n'.repeat(size / 3)}-----END A-----`],
    ['padding', (size) => `-----BEGIN A-----\n${'='.repeat(size)}\n-----END A-----`],
    ['boundaries on one line', (size) => '-----BEGIN A'.repeat(size / 12)],
    ['beginnings of damaged boundaries', (size) => '-BEGIN a\n'.repeat(size / 9)],
  ])('a scan of two million characters ends: %s', (_, make) => {
    const scan = scanPem(Buffer.from(make(2_000_000)))
    expect(scan.problems.length).toBeLessThanOrEqual(100)
  })
})

describe('base64 in lines of one length', () => {
  const lines = ['QUJD', 'REVG', 'R0g=']

  it('is read as any other: each character in each place, in lines with and without an end', () => {
    for (const text of [lines.join('\n'), `${lines.join('\n')}\n`]) {
      for (let at = 0; at <= text.length; at++) {
        for (const character of ['A', '=', '-', '_', ' ', '\n', '\t', ':', '\0', '\u00a0', '😀', '']) {
          for (const rest of [at, at + 1]) {
            const changed = text.slice(0, at) + character + text.slice(rest)
            // With a tab, the first line has another length than the rest.
            expect(decodeBase64(changed), JSON.stringify(changed)).toEqual(decodeBase64(`\t${changed}`))
          }
        }
      }
    }
  })
})
