/** The findings that looking at a folder gives, beside those of the validator. */
import { certificate } from '../../../report/catalogue/certificate.js'
import { directory } from '../../../report/catalogue/directory.js'
import { file } from '../../../report/catalogue/file.js'
import { key } from '../../../report/catalogue/key.js'
import { request } from '../../../report/catalogue/request.js'
import { revocation } from '../../../report/catalogue/revocation.js'
import { validity } from '../../../report/catalogue/validity.js'
import { findingMaker } from '../../../report/finding.js'

export const finding = findingMaker({
  ...directory,
  ...file,
  ...certificate,
  ...key,
  ...request,
  ...revocation,
  ...validity,
})
