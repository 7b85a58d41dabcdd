/** What a configuration takes from elsewhere: it is read where that can be, and told where it cannot. */
import { describe, expect, test } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'

async function told(config: ConfigInput, readFiles = true): Promise<string[]> {
  const { findings } = await lintEtcdConfig(config, { readFiles })
  return findings.map(({ code, message }) => `${code} ${message}`)
}

describe('a configuration file that is not read is told', () => {
  test.each([
    [{ flags: ['--config-file=/no/such.yml'] }, 'readFiles is false'],
    [{ flags: ['--config-file=${CONF}'] }, 'its path is completed elsewhere'],
    [{ env: { ETCD_CONFIG_FILE: '/no/such.yml' } }, 'readFiles is false'],
  ])('%j: %s', async (config, why) => {
    const [first = '', ...others] = await told(config, false)
    expect(first).toMatch(/^config\/file-not-read .*nothing in it was judged/)
    expect(first).toContain(why)
    expect(others).toEqual([])
  })
})
