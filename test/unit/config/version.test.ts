import { expect, it } from 'vitest'
import {
  availableIn,
  ETCD_LINES,
  formatVersion,
  isNewer,
  NEWEST_RELEASE,
  NEWEST_RELEASES,
  parseVersion,
  readVersion,
  unknownRelease,
} from '../../../src/config/tables/version.js'
import { thrown } from '../../support/refused.js'

const at = (text: string) => readVersion(text, 'version')

it('versions are lines and releases that are known', () => {
  expect(parseVersion('3.5')).toEqual({ minor: 5, patch: null })
  expect(parseVersion('v3.5.16')).toEqual({ minor: 5, patch: 16 })
  for (const text of ['', '3.3', '3.8', '4.5', '3.5.', '3.5.16.1', '3.5.x', ' 3.5', '3.05', '3.5.16-rc.1', '3.50']) {
    expect(parseVersion(text), text).toBeNull()
  }
  expect(['3.4.45', '3.5'].map(at).map(formatVersion)).toEqual(['3.4.45', '3.5'])
})

it('another version is a wrong call', () => {
  for (const version of ['3.8', 3.5, null, {}]) {
    const { details } = thrown(() => readVersion(version, 'version'), 'ERR_OPTION_INVALID')
    expect(details.option).toBe('version')
  }
})

it('a release of a line that is not known is no release that is known, and no wrong call', () => {
  for (const text of ['3.8.0', 'v3.8.0', '3.8', '3.3.27', '4.0.0']) {
    expect(unknownRelease(text), text).toBe(text.replace('v', ''))
    expect(isNewer(text), text).toBe(!text.startsWith('3.3'))
  }
  for (const given of ['3.7', '3.7.1', '3.7.99', '', 'v', '3.8.0-rc.1', '3.8.x', 3.8, null, undefined]) {
    expect(unknownRelease(given), String(given)).toBeNull()
    expect(isNewer(given), String(given)).toBe(false)
  }
})

it('the newest release of each line is known, and that of the last line is the newest of all', () => {
  expect(Object.keys(NEWEST_RELEASES)).toEqual(ETCD_LINES)
  expect(Object.values(NEWEST_RELEASES).filter((each) => parseVersion(each) === null)).toEqual([])
  expect(Object.values(NEWEST_RELEASES).at(-1)).toBe(NEWEST_RELEASE)
})

it('an option that came with 3.4.25, 3.5.8 and 3.6.0 is in these releases, and in later lines', () => {
  const availability = (version: string) => availableIn(at(version), ['3.4.25', '3.5.8', '3.6.0'])
  expect(['3.4', '3.5'].map(availability)).toEqual(['some', 'some'])
  expect(['3.4.24', '3.5.7'].map(availability)).toEqual(['none', 'none'])
  for (const version of ['3.4.25', '3.5.8', '3.6', '3.6.0', '3.7']) expect(availability(version), version).toBe('all')
})

it('an option that came with a line is not in earlier lines, and not in releases after its removal', () => {
  expect(availableIn(at('3.4.45'), ['3.5.0'])).toBe('none')
  expect(availableIn(at('3.6.14'), ['3.5.0'])).toBe('all')
  expect(['3.5', '3.6.14', '3.7', '3.7.0', '3.7.1'].map((each) => availableIn(at(each), ['3.4.0'], '3.7.0'))).toEqual([
    'all',
    'all',
    'none',
    'none',
    'none',
  ])
})
