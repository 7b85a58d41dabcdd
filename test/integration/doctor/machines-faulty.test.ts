/** Machines with a fault: an examination finds it in its own cluster, and raises no alarm about another one. */
import { it } from 'vitest'
import { drawn, isLong } from '../../support/long.js'
import { examineSetUp, expectFound } from '../../support/machine-setups.js'
import { faultySetUps } from '../../support/machines-faulty.js'

const SHARE = 16
const chosen = faultySetUps.filter(({ isSlow = false }) => isLong || !isSlow)

it.each(drawn(chosen, Math.ceil(chosen.length / SHARE)).map((each) => [each.name, each] as const))(
  'finds the fault in its own cluster: %s',
  (_, setUp) =>
    examineSetUp(setUp, (result, built) => {
      expectFound(setUp, result, built)
    }),
)
