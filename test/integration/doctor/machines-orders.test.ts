/** Machines with two to four healthy clusters: the order in which they were started changes nothing. */
import { it } from 'vitest'
import { drawn } from '../../support/long.js'
import { examineSetUp, expectHealthy } from '../../support/machine-setups.js'
import { inOrders } from '../../support/machines-orders.js'

const SHARE = 24

it.each(drawn(inOrders, Math.ceil(inOrders.length / SHARE)).map((each) => [each.name, each] as const))(
  'raises no alarm on a healthy machine: %s',
  (_, setUp) =>
    examineSetUp(setUp, (result, built) => {
      expectHealthy(setUp, result, built)
    }),
)
