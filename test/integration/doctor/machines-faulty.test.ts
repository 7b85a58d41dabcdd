/** Machines with a fault: an examination finds it in its own cluster, and raises no alarm about another one. */
import { it } from 'vitest'
import { drawn, isLong } from '../../support/long.js'
import { examineSetUp, expectFound } from '../../support/machine-setups.js'
import { faultySetUps } from '../../support/machines-faulty.js'

const SHARE = 8
const chosen = faultySetUps.filter(({ isSlow = false }) => isLong || !isSlow)

it.each(drawn(chosen, Math.ceil(chosen.length / SHARE)))('finds the fault in its own cluster: $name', (setUp) =>
  examineSetUp(setUp, (result, built) => {
    expectFound(setUp, result, built)
  }),
)
