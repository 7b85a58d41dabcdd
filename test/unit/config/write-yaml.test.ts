import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { writeYaml } from '../../../src/config/write-yaml.js'
import { anyCharacter } from '../../support/any-character.js'

describe('writeYaml', () => {
  it('writes strings in double quotes, and keys plain where YAML 1.1 reads a string', () => {
    const value = {
      name: 'on',
      'a.b/c-d': ['0x1f', 1e3, true],
      off: {},
      list: [],
      map: { deep: [{ a: 'x', b: [null] }] },
    }
    expect(writeYaml(value)).toBe(
      [
        'name: "on"',
        'a.b/c-d:',
        '  - "0x1f"',
        '  - 1000',
        '  - true',
        '"off": {}',
        'list: []',
        'map:',
        '  deep:',
        '    - a: "x"',
        '      b:',
        '        - null',
        '',
      ].join('\n'),
    )
  })

  it('omits undefined values, and writes bigints and dates', () => {
    expect(writeYaml({ a: undefined, b: 2n ** 60n, c: new Date(0), d: { e: undefined } })).toBe(
      'b: 1152921504606846976\nc: "1970-01-01T00:00:00.000Z"\nd: {}\n',
    )
  })

  it('YAML 1.1 and 1.2 read the text back as it was', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: anyCharacter }), fc.jsonValue({ stringUnit: anyCharacter })),
        (value) => {
          const json = JSON.stringify(value)
          fc.pre(!json.includes('"__proto__"') && !json.includes('"<<"'))
          for (const version of ['1.1', '1.2'] as const) {
            expect(JSON.stringify(parse(writeYaml(value), { version }))).toBe(json)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
