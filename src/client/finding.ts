/** The findings that this room gives. */
import { endpoint } from '../report/catalogue/endpoint.js'
import { handshake } from '../report/catalogue/handshake.js'
import { login } from '../report/catalogue/login.js'
import { rotation } from '../report/catalogue/rotation.js'
import { findingMaker } from '../report/finding.js'

export const finding = findingMaker({ ...endpoint, ...handshake, ...login, ...rotation })
