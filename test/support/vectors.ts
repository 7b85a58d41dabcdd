/** Reads the public path validation vectors: x509-limbo and bettertls. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { findVectors, howToGetVectors } from '../../scripts/lib/vectors.mjs'
import type { ChainInput, ValidateChainOptions } from '../../src/validate/index.js'

/** One case of x509-limbo or bettertls. */
export interface VectorCase {
  id: string
  validation_kind: 'SERVER' | 'CLIENT'
  peer_certificate: string
  untrusted_intermediates: string[]
  trusted_certs: string[]
  crls?: string[]
  validation_time: string | null
  max_chain_depth: number | null
  expected_peer_name: { kind: 'DNS' | 'IP' | 'RFC822'; value: string } | null
  expected_result: 'SUCCESS' | 'FAILURE'
}

const BETTERTLS = 'bettertls::'

const { folder, limbo, bettertls } = findVectors(fileURLToPath(new URL('../..', import.meta.url)))

/** The cases of x509-limbo without those that it took from bettertls. */
export function readLimbo(): VectorCase[] {
  return read(limbo).filter(({ id }) => !id.startsWith(BETTERTLS))
}

/** The cases of bettertls: a sample in a file of its own, else those in x509-limbo. */
export function readBettertls(): VectorCase[] {
  return read(bettertls ?? limbo).filter(({ id }) => id.startsWith(BETTERTLS))
}

function read(file: string | null): VectorCase[] {
  if (file === null) throw new Error(howToGetVectors(folder))
  const bytes = readFileSync(file)
  const text = file.endsWith('.gz') ? gunzipSync(bytes) : bytes
  return (JSON.parse(text.toString('utf8')) as { testcases: VectorCase[] }).testcases
}

/** A case as a call of ours. */
export function callOf(vector: VectorCase): { input: ChainInput; options: ValidateChainOptions } {
  const name = vector.expected_peer_name
  const hosts = name !== null && vector.validation_kind === 'SERVER' ? [name.value] : []
  return {
    input: {
      leaf: vector.peer_certificate,
      intermediates: vector.untrusted_intermediates,
      trustAnchors: vector.trusted_certs,
      crls: vector.crls ?? [],
    },
    options: {
      usage: vector.validation_kind === 'SERVER' ? 'server' : 'client',
      hosts,
      ...(vector.validation_time === null ? {} : { at: new Date(vector.validation_time) }),
      ...(vector.max_chain_depth === null ? {} : { maxIntermediates: vector.max_chain_depth }),
    },
  }
}
