/** Whether a caller has handed over a configuration at all: what is not one is a wrong call. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions, type EtcdOptionRow, type OptionBlock } from '../options.js'
import { checkExtra } from './extra-kinds.js'
import { KINDS, type OptionValue } from './kinds.js'

/** Names of the model that no option of etcd stands for. */
const BESIDE: Readonly<Record<OptionBlock, readonly string[]>> = {
  server: ['client', 'peer', 'version', 'extra'],
  client: ['plaintext'],
  peer: ['plaintext'],
}

/** Without these there is no member. */
const NEEDED: Readonly<Record<OptionBlock, readonly string[]>> = {
  server: ['name', 'initialCluster'],
  client: ['listenUrls', 'advertiseUrls'],
  peer: ['listenUrls', 'advertiseUrls'],
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is no configuration of a member. */
export function checkConfig(config: MemberConfig, option = 'config'): void {
  checkBlock(config, 'server', option)
  checkBlock(config.client, 'client', `${option}.client`)
  checkBlock(config.peer, 'peer', `${option}.peer`)
  checkExtra(config.extra, `${option}.extra`)
}

function checkBlock(given: object, block: OptionBlock, option: string): void {
  const rows = rowsOf(block)
  checkOptions(option, given, [...rows.keys(), ...BESIDE[block]])
  const values = new Map<string, unknown>(Object.entries(given))
  for (const field of NEEDED[block]) {
    if (values.get(field) === undefined) throw optionInvalid(`${option}.${field}`, 'is missing')
  }
  for (const [field, { kind }] of rows) {
    const value = values.get(field)
    const wrong = value === undefined ? null : KINDS[kind].wrong(value)
    if (wrong !== null) throw optionInvalid(`${option}.${field}`, wrong)
  }
  const plaintext = values.get('plaintext')
  if (plaintext !== undefined && typeof plaintext !== 'boolean') {
    throw optionInvalid(`${option}.plaintext`, 'must be a boolean')
  }
}

/** The rows of a block that can be written, by their field; the first of those that share one. */
export function rowsOf(block: OptionBlock): Map<string, EtcdOptionRow> {
  const rows = new Map<string, EtcdOptionRow>()
  for (const row of etcdOptions) {
    if (row.block === block && row.field !== null && !rows.has(row.field)) rows.set(row.field, row)
  }
  return rows
}

/** What a configuration, whose shape was checked, holds for a row. */
export function valueOf(config: MemberConfig, row: EtcdOptionRow): OptionValue | undefined {
  if (row.field === null) return undefined
  const values = row.block === 'server' ? config : config[row.block]
  const value: unknown = new Map<string, unknown>(Object.entries(values)).get(row.field)
  return value === undefined ? undefined : KINDS[row.kind].read(value)
}
