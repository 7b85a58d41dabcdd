/** Reads the public path validation vectors that stand beside the repository, where they do. */
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
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

const FOLDER = process.env['ETCD_MTLS_VECTORS'] ?? new URL('../../../shared/vectors/', import.meta.url).pathname

function read(name: string): string {
  const path = `${FOLDER.replace(/\/?$/, '/')}${name}`
  if (!existsSync(path)) throw new Error(`The vectors are not at ${path}; set ETCD_MTLS_VECTORS to their folder.`)
  return name.endsWith('.gz') ? gunzipSync(readFileSync(path)).toString('utf8') : readFileSync(path, 'utf8')
}

export function readVectors(name: string): VectorCase[] {
  return (JSON.parse(read(name)) as { testcases: VectorCase[] }).testcases
}

/** The cases of limbo that are advice for a private PKI, with the reason each. */
export function readAdvisory(): Record<string, string> {
  return JSON.parse(read('limbo-advisory.json')) as Record<string, string>
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
