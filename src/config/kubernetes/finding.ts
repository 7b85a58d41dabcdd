/** The findings that reading Kubernetes' own options gives. */
import { configKubernetes } from '../../report/catalogue/config-kubernetes.js'
import { configReading } from '../../report/catalogue/config-reading.js'
import { file } from '../../report/catalogue/file.js'
import { findingMaker } from '../../report/finding.js'

export const finding = findingMaker({ ...configKubernetes, ...configReading, ...file })
