/** Whose clock is wrong, by the clocks of the members and of this machine. */
import { expect, it } from 'vitest'
import { compareClocks } from '../../../src/doctor/clock.js'
import type { ExaminedMember } from '../../../src/doctor/evidence.js'
import { nameOf } from '../../support/doctor-cluster.js'

const NOW = new Date('2026-12-01T12:00:00Z')
const DAY = 86_400_000
const MINUTE = 60_000

/** @param difference Its clock minus that of this machine; null if it was not read. */
function member(label: string, difference: number | null): ExaminedMember {
  const own = NOW.getTime()
  const clock = difference === null ? null : { endpoint: 'https://127.0.0.1:2379', peer: own + difference, own }
  const observation = {
    protocol: null,
    keyExchange: null,
    clientCertificate: null,
    acceptedAuthorities: null,
    refusal: null,
  }
  const seen = { ...observation, url: 'https://127.0.0.1:2379', chain: [], sent: [] }
  return {
    ...{
      label,
      peer: null,
      planned: null,
      answersFor: null,
      startedAt: null,
      configChangedAt: null,
      replacedMounts: new Set<string>(),
    },
    listed: { name: label, id: '', clientURLs: [], peerURLs: [], isLearner: false },
    client: { ...seen, pair: null, answers: null, clock, findings: [], problem: null },
  }
}

function compared(differences: readonly (number | null)[], isNow = true) {
  const members = differences.map((each, i) => member(`m${String(i + 1)}`, each))
  const examined = { clusterId: null, planned: [], asked: [], members, others: [], isListed: true, unchecked: [] }
  const { clockFindings, at } = compareClocks(examined, { at: NOW, isNow })
  return {
    found: clockFindings.map(({ severity, message, ...rest }) =>
      [severity, nameOf({ message, severity, ...rest })].join(' '),
    ),
    clockFindings,
    at,
  }
}

const OWN = 'warning cluster/clock-differs this machine'
const MEMBER = 'warning cluster/clock-differs member'
const UNCLEAR = 'warning cluster/clock-differs unclear'

it.each<[string, (number | null)[], string[]]>([
  ['nothing about clocks that agree', [0, 900, -4000], []],
  ['nothing about a difference of minutes on which no date depends', [4 * MINUTE, 4 * MINUTE, 4 * MINUTE], []],
  ['nothing if no member returned its time', [null, null], []],
  ['the clock of this machine if all members have another time', [-400 * DAY, -400 * DAY, -400 * DAY], [OWN]],
  ['the clock of this machine if it is slow', [400 * DAY, 400 * DAY], [OWN]],
  ['the clock of this machine if most members have another time', [400 * DAY, 0, 400 * DAY], [OWN, MEMBER]],
  ['the clock of one member that differs', [0, 400 * DAY, 900], [MEMBER]],
  ['the clock of one member that is slow', [-DAY, 0, 0], [MEMBER]],
  ['both clocks if there is one member', [10 * MINUTE], [UNCLEAR]],
  ['both clocks if one of two members has the time of this machine', [0, DAY], [UNCLEAR]],
  ['two clocks that have as many members each', [DAY, DAY, 0, 0], [UNCLEAR, UNCLEAR]],
  ['each of the clocks if all differ', [DAY, 2 * DAY, 3 * DAY], [UNCLEAR, UNCLEAR, UNCLEAR]],
])('reports %s', (_, differences, expected) => {
  expect(compared(differences).found).toEqual(expected)
})

it('checks dates at the time of the members if the clock of this machine is wrong', () => {
  expect(compared([-400 * DAY, -400 * DAY]).at).toEqual(new Date(NOW.getTime() - 400 * DAY))
  expect(compared([0, 0, DAY]).at).toEqual(NOW)
  // One member may be the one that is wrong.
  expect(compared([-400 * DAY]).at).toEqual(NOW)
})

it('checks dates at a time that the caller chose, also if the clock of this machine is wrong', () => {
  const { at, found } = compared([DAY, DAY], false)
  expect([at, found]).toEqual([NOW, [OWN]])
})

it('reports by how much and in which direction a clock is wrong', () => {
  const [own] = compared([-400 * DAY, -400 * DAY]).clockFindings
  expect(own?.message).toBe(
    'The clock of this machine is 400 days fast: it says 2026-12-01 12:00:00 UTC, and those of m1 and m2 say 2025-10-27 12:00:00 UTC.',
  )
  const [other] = compared([0, -DAY, 0]).clockFindings
  expect(other?.message).toBe(
    'The clock of m2 is 24 hours slow: it says 2026-11-30 12:00:00 UTC, and those of most members 2026-12-01 12:00:00 UTC.',
  )
})
