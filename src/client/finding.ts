/** The findings that this room gives. */
import { access } from '../report/catalogue/access.js'
import { discovery } from '../report/catalogue/discovery.js'
import { endpoint } from '../report/catalogue/endpoint.js'
import { environment } from '../report/catalogue/environment.js'
import { handshake } from '../report/catalogue/handshake.js'
import { login } from '../report/catalogue/login.js'
import { rotation } from '../report/catalogue/rotation.js'
import { findingMaker } from '../report/finding.js'

export const finding = findingMaker({
  ...access,
  ...discovery,
  ...endpoint,
  ...environment,
  ...handshake,
  ...login,
  ...rotation,
})
