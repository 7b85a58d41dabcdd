import { mkdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { findVectors, howToGetVectors } from '../../../.config/lib/vectors.mjs'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

it('finds the vectors next to the clone, or in the folder that ETCD_MTLS_VECTORS names', () => {
  const root = folder.file('clone')
  const shared = folder.file('shared/vectors')
  const none = { limbo: null, bettertls: null }
  expect(findVectors(root, {})).toEqual({ folder: shared, ...none })
  mkdirSync(shared, { recursive: true })
  const limbo = folder.file('shared/vectors/limbo.json', '{}')
  expect(findVectors(root, {})).toEqual({ folder: shared, limbo, bettertls: null })
  const bettertls = folder.file('shared/vectors/bettertls-sample.json.gz', '')
  expect(findVectors(root, { ETCD_MTLS_VECTORS: '' })).toEqual({ folder: shared, limbo, bettertls })
  const elsewhere = folder.file('elsewhere')
  expect(findVectors(root, { ETCD_MTLS_VECTORS: elsewhere })).toEqual({ folder: elsewhere, ...none })
})

it('reports in one line how to get vectors that are missing', () => {
  const line = howToGetVectors('/a/vectors')
  for (const part of ['/a/vectors', 'limbo.json', 'ETCD_MTLS_VECTORS', 'npm run conformance'])
    expect(line).toContain(part)
  expect(line).not.toContain('\n')
})
