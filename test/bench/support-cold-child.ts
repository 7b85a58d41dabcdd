/** A fresh process that validates one hostile case of a file, once, and prints the milliseconds of processor time. */
import { readFileSync } from 'node:fs'
import { deserialize } from 'node:v8'
import type * as Validate from '../../src/validate/index.js'
import type { HostileInput } from '../fuzz/hostile-chain.js'
import { shipped } from './harness.js'

const { validateChain } = (await import(shipped('validate'))) as typeof Validate
const { input, options } = deserialize(readFileSync(process.argv[2] ?? '')) as HostileInput
const before = process.cpuUsage()
validateChain(input, { usage: 'server', ...options })
const { user, system } = process.cpuUsage(before)
process.stdout.write(String((user + system) / 1000))
