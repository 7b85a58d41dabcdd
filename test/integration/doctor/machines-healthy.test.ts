/** Machines on which nothing is wrong: an examination reports each cluster, and raises no alarm. */
import { expect, it } from 'vitest'
import { drawn } from '../../support/long.js'
import { examineSetUp, expectHealthy } from '../../support/machine-setups.js'
import { healthySetUps } from '../../support/machines-healthy.js'

const SHARE = 16

it.each(drawn(healthySetUps, Math.ceil(healthySetUps.length / SHARE)).map((each) => [each.name, each] as const))(
  'raises no alarm on a healthy machine: %s',
  (_, setUp) =>
    examineSetUp(setUp, (result, built) => {
      expectHealthy(setUp, result, built)
    }),
)

it('counts at least 30 healthy machines', () => {
  expect(healthySetUps.length).toBeGreaterThanOrEqual(30)
})
