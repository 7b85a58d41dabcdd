/** The findings that this room reports. */
import { certificate } from '../report/catalogue/certificate.js'
import { material } from '../report/catalogue/material.js'
import { revocation } from '../report/catalogue/revocation.js'
import { findingMaker } from '../report/finding.js'

export const rows = { ...material, ...certificate, ...revocation }

export const finding = findingMaker(rows)
